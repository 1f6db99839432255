package gitsandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// A PushPolicy bounds what [Sandbox.Push] publishes. It is checked in this
// process, on the pack itself, before anything reaches the remote: what runs in
// the sandbox cannot get around it. Whatever it says, a push makes or
// fast-forwards one branch; it never deletes, forces, or touches a tag.
type PushPolicy struct {
	// AllowRefs are the branches that may be pushed to beside the agent
	// branch: full names such as "refs/heads/main", or "refs/heads/NAME/*"
	// for all below NAME. Default: none.
	AllowRefs []string

	// ProtectedPaths are files and directories that no pushed commit may
	// change; an agent that could change CI definitions could run code with
	// the secrets of the CI. Paths are compared without regard to case.
	// Default: [DefaultProtectedPaths]. An empty slice that is not nil means
	// none.
	ProtectedPaths []string

	// MaxPackBytes bounds a push, compressed. Default 1 GiB.
	MaxPackBytes int64
}

// DefaultProtectedPaths returns the paths that a push may not change unless
// the policy says otherwise: the CI definitions, code owners and submodules of
// the common forges.
func DefaultProtectedPaths() []string { return smarthttp.DefaultProtectedPaths() }

const defaultMaxPackBytes = 1 << 30

// normalise returns a copy with the defaults filled in.
func (p *PushPolicy) normalise() (PushPolicy, error) {
	var out PushPolicy
	if p != nil {
		out = *p
	}
	out.AllowRefs = slices.Clone(out.AllowRefs)
	for _, ref := range out.AllowRefs {
		name, ok := strings.CutPrefix(ref, "refs/heads/")
		if !ok {
			return out, invalid("Policy.AllowRefs: %q does not begin with refs/heads/", ref)
		}
		if err := checkBranch("Policy.AllowRefs", strings.TrimSuffix(name, "/*")); err != nil {
			return out, err
		}
	}
	if out.ProtectedPaths == nil {
		out.ProtectedPaths = DefaultProtectedPaths()
	}
	out.ProtectedPaths = slices.Clone(out.ProtectedPaths)
	for i, name := range out.ProtectedPaths {
		clean, err := checkPath("Policy.ProtectedPaths", name)
		if err != nil {
			return out, err
		}
		if clean == "." {
			return out, invalid("Policy.ProtectedPaths: %q is the whole repository", name)
		}
		out.ProtectedPaths[i] = clean
	}
	if err := smarthttp.CheckProtectedPaths(out.ProtectedPaths); err != nil {
		return out, invalid("Policy.ProtectedPaths: %v", err)
	}
	if out.MaxPackBytes < 0 {
		return out, invalid("Policy.MaxPackBytes: %d is negative", out.MaxPackBytes)
	}
	if out.MaxPackBytes == 0 {
		out.MaxPackBytes = defaultMaxPackBytes
	}
	return out, nil
}

// key names the protected paths, so that proofs for others are told apart.
func (p *PushPolicy) key() string {
	h := sha256.Sum256([]byte(strings.Join(p.ProtectedPaths, "\x00")))
	return hex.EncodeToString(h[:8])
}

// allows reports whether a sandbox with the given agent branch may push to
// branch. Names are compared with regard to case.
func (p *PushPolicy) allows(branch, agentBranch string) bool {
	if branch == agentBranch {
		return true
	}
	return slices.ContainsFunc(p.AllowRefs, func(allowed string) bool {
		allowed = branchName(allowed)
		if prefix, ok := strings.CutSuffix(allowed, "*"); ok {
			// The slash is part of the prefix: "a/*" is not "ab/c".
			return strings.HasPrefix(branch, prefix) && len(branch) > len(prefix)
		}
		return branch == allowed
	})
}

func defaultIdentity() Signature { return Signature{"gitsandbox", "gitsandbox@localhost"} }

// normalise returns the signature, or def where it is empty.
func (s Signature) normalise(field string, def Signature) (Signature, error) {
	if s == (Signature{}) {
		return def, nil
	}
	for name, v := range map[string]string{".Name": s.Name, ".Email": s.Email} {
		if strings.TrimSpace(v) == "" || len(v) > 256 || strings.ContainsFunc(v, func(r rune) bool {
			return r < ' ' || r == 0x7f || r == '<' || r == '>'
		}) {
			return s, invalid("%s: %q is empty, too long, or has '<', '>' or a control character", field+name, v)
		}
	}
	return s, nil
}

package gitsandbox

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// The alphabets are narrower than git's on purpose: nothing in them means
// anything to a shell, to a refspec or to a URL, or looks like something else.
var (
	branchPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$`)
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	segmentPattern = regexp.MustCompile(`^[A-Za-z0-9._~][A-Za-z0-9._~-]*$`)
	sandboxPattern = regexp.MustCompile(`^[a-z0-9]{1,64}(-[a-z0-9]{1,64})?$`)
	revPattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/^~-]{0,250}$`)
)

// checkURL returns the URL of a repository in one spelling, or an
// ErrInvalidArgument. Only https is taken, and http to a loopback address.
func checkURL(field, raw string) (string, error) {
	if raw == "" {
		return "", invalid("%s: empty", field)
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error quotes the URL, which may hold a credential.
		return "", invalid("%s: not a URL", field)
	}
	switch {
	case u.User != nil:
		return "", invalid("%s: holds a user name; credentials come from a CredentialSource", field)
	case u.Scheme != "https" && u.Scheme != "http":
		return "", invalid("%s: the scheme is not https", field)
	case u.Opaque != "" || u.Host == "" || u.Hostname() == "":
		return "", invalid("%s: no host", field)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", invalid("%s: plain http is for loopback addresses only", field)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return "", invalid("%s: has a query or a fragment", field)
	case u.RawPath != "":
		return "", invalid("%s: the path has escaped characters", field)
	}
	p := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	if p == "" {
		return "", invalid("%s: no repository path", field)
	}
	for s := range strings.SplitSeq(p, "/") {
		if !segmentPattern.MatchString(s) || s == "." || s == ".." {
			return "", invalid("%s: path segment %q", field, s)
		}
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + "/" + p, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// checkBranch takes a short branch name.
func checkBranch(field, name string) error {
	ok := branchPattern.MatchString(name) &&
		!strings.HasPrefix(name, "refs/") &&
		!strings.HasSuffix(name, ".") && !strings.HasSuffix(name, "/")
	for c := range strings.SplitSeq(name, "/") {
		ok = ok && c != "" && c != "HEAD" && c[0] != '.' && c[0] != '-' &&
			!strings.Contains(c, "..") && !strings.HasSuffix(c, ".lock")
	}
	if !ok {
		return invalid("%s: %q is not a branch name", field, name)
	}
	return nil
}

// checkName takes an agent or task ID.
func checkName(field, name string) error {
	if !namePattern.MatchString(name) || strings.Contains(name, "..") ||
		strings.HasSuffix(name, ".") || strings.HasSuffix(name, ".lock") {
		return invalid("%s: %q is not letters, digits, '.', '_' and '-', 64 at most", field, name)
	}
	return nil
}

// checkRevision takes what git rev-parse takes, in a narrow alphabet.
func checkRevision(field, rev string) error {
	if !revPattern.MatchString(rev) || strings.Contains(rev, "..") {
		return invalid("%s: %q is not a revision", field, rev)
	}
	return nil
}

func checkSandboxID(id string) error {
	if !sandboxPattern.MatchString(id) {
		return invalid("sandboxID: %q is not a sandbox ID", id)
	}
	return nil
}

// checkPath returns a path inside the clone in one spelling.
func checkPath(field, name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case name == "" || strings.ContainsRune(name, 0) || len(name) > 4096:
		return "", invalid("%s: empty, too long or with a NUL", field)
	case path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../"):
		return "", invalid("%s: %q leaves the clone", field, name)
	}
	for c := range strings.SplitSeq(clean, "/") {
		if dotGit(c) {
			return "", invalid("%s: %q enters .git", field, name)
		}
	}
	return clean, nil
}

func checkPaths(field string, names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	for _, n := range names {
		p, err := checkPath(field, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// dotGit reports whether a file system could take the path component c for
// ".git": in any case, with what NTFS and HFS+ ignore, or as NTFS's short name.
func dotGit(c string) bool {
	c = strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1 // HFS+ ignores these
		}
		return r
	}, c)
	c, _, _ = strings.Cut(c, ":") // NTFS streams
	c, _, _ = strings.Cut(c, "\\")
	c = strings.ToLower(strings.TrimRight(c, ". "))
	return c == ".git" || c == "git~1"
}

package gitsandbox

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// pushing is what a Push keeps between its attempts.
type pushing struct {
	PushOptions

	s      *Sandbox
	opID   string
	commit *commitPlan // nil: there is no message

	adv       *smarthttp.Advertisement // the last one
	committed bool
	moved     bool // the remote branch has commits that the work is not on top of
	rebased   bool
}

// attempt is one attempt of a push. It commits and packs while it asks the
// remote where the branch is. Where an earlier attempt found that the branch
// has moved, it first puts the work on top of it.
func (p *pushing) attempt(ctx context.Context, o *operation) (*PushResult, error) {
	s := p.s
	rec := s.live.snapshot()
	if rec.Conflict != nil {
		return nil, &cause{kind: ErrUnfinished, err: errKept}
	}
	if key := s.c.policy.key(); rec.Policy != key {
		// A process with another policy has proven other paths.
		s.live.update(func(r *record) { r.Policy, r.Protected = key, map[Hash]*smarthttp.Protected{} })
		rec = s.live.snapshot()
	}
	r, err := s.c.remote(ctx, s.credentials, rec.URL)
	if err != nil {
		return nil, err
	}

	pk := &packed{opts: p.packOptions()}
	defer pk.spool.Close()
	var old Hash
	if p.moved {
		old, err = p.integrate(ctx, r, &rec, pk)
	} else {
		old, err = p.pack(ctx, r, &rec, pk)
	}
	if v, ok := errors.AsType[*PolicyError](err); ok {
		p.refused(ctx, &rec, v)
	}
	if err != nil {
		return nil, err
	}
	return p.publish(ctx, o, r, &rec, old, pk)
}

// refused audits a push that the policy refused before there was a whole pack.
func (p *pushing) refused(ctx context.Context, rec *record, v *PolicyError) {
	p.s.c.audit(ctx, PushAudit{
		SandboxID: p.s.ID(), AgentID: rec.AgentID, TaskID: rec.TaskID, URL: rec.URL, Ref: branchRef(p.Branch),
		Decision: "refused by policy", Rule: v.Rule,
	})
}

// pack commits and packs in the sandbox, and asks the remote for the branch at
// the same time.
func (p *pushing) pack(ctx context.Context, r *remote, rec *record, pk *packed) (Hash, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		old Hash
		err error
	}
	asked := make(chan answer, 1)
	go func() {
		old, err := p.ask(ctx, r)
		asked <- answer{old, err}
	}()
	packErr := p.runPack(ctx, rec, pk)
	if packErr != nil {
		cancel()
	}
	a := <-asked
	if packErr != nil {
		return "", packErr
	}
	return a.old, a.err
}

func (p *pushing) runPack(ctx context.Context, rec *record, pk *packed) error {
	repo, args := rec.repo(p.opID), p.packArgs(rec)
	if p.commit != nil {
		if err := p.commit.send(ctx); err != nil {
			return err
		}
		repo = p.commit.repo()
		args.Commit = &p.commit.args
	}
	pk.asked = args.Proofs
	_, err := p.s.runPacked(ctx, "push", repo.Pack(args), pk, false)
	if err == nil && pk.head.Committed {
		p.committed = true
	}
	return err
}

// ask returns where the branch is on the remote, with the right to push to it.
func (p *pushing) ask(ctx context.Context, r *remote) (Hash, error) {
	ref := branchRef(p.Branch)
	adv, err := r.advertisement(ctx, ref)
	if err != nil {
		return "", err
	}
	if len(adv.Alike) > 0 && adv.Refs[ref] == "" {
		return "", &PolicyError{Rule: "ref", Detail: fmt.Sprintf("%q differs in case only from %q, which exists", ref, adv.Alike[0])}
	}
	p.adv = adv
	return Hash(adv.ID(ref)), nil
}

// integrate puts the work on top of where the branch is now, and packs.
func (p *pushing) integrate(ctx context.Context, r *remote, rec *record, pk *packed) (Hash, error) {
	old, err := p.ask(ctx, r)
	if err != nil {
		return "", err
	}
	if old == zeroHash {
		// The branch is gone: there is nothing to put the work on.
		p.moved = false
		p.s.live.update(func(r *record) { delete(r.Remote, p.Branch) })
		*rec = p.s.live.snapshot()
		return p.pack(ctx, r, rec, pk)
	}
	p.s.live.update(func(r *record) { r.Remote[p.Branch] = old })
	*rec = p.s.live.snapshot()
	then := p.packArgs(rec)
	then.Known = append(then.Known, string(old))
	then.Since = string(old)
	pk.asked = then.Proofs
	done, err := p.s.integrate(ctx, r, rec, integration{
		opID: randomID(), onto: old, branch: p.Branch, mode: gitcmd.Auto, keep: p.KeepConflicts,
		then: then, packed: pk,
	})
	if err != nil {
		return "", err
	}
	p.rebased = p.rebased || done.How == gitcmd.Rebased || done.How == gitcmd.Merged
	return old, nil
}

// packArgs says what the remote has already, and whose protected paths are not
// proven yet.
func (p *pushing) packArgs(rec *record) *gitcmd.PackArgs {
	args := &gitcmd.PackArgs{Known: hashStrings(rec.Known), Protected: p.s.c.policy.ProtectedPaths}
	if len(args.Protected) == 0 {
		return args
	}
	tips := []Hash{rec.Integrated, rec.Remote[rec.Base], rec.Remote[rec.Branch], rec.Remote[p.Branch]}
	for _, tip := range tips {
		if tip != "" && rec.Protected[tip] == nil && !slices.Contains(args.Proofs, string(tip)) &&
			(rec.knows(tip) || p.moved && tip == rec.Remote[p.Branch]) {
			args.Proofs = append(args.Proofs, string(tip))
		}
	}
	return args
}

func (p *pushing) packOptions() *smarthttp.PackOptions {
	policy := &p.s.c.policy
	return &smarthttp.PackOptions{
		Protected: policy.ProtectedPaths,
		Limits:    smarthttp.PackLimits{MaxBytes: policy.MaxPackBytes},
	}
}

// packed is what a step printed: the commit to publish, proofs, and a pack,
// which was checked on its way into the spool.
type packed struct {
	opts  *smarthttp.PackOptions
	asked []string // the tips to prove
	head  *gitcmd.Packed
	pack  *smarthttp.Pack // nil where there is nothing to send
	spool spool
}

// runPacked runs a step that prints a pack, and, where it integrates, what it
// did before.
func (s *Sandbox) runPacked(ctx context.Context, name string, args []string, p *packed, integrates bool) (*gitcmd.Integrated, error) {
	st := s.stream(ctx, args)
	defer st.close()
	done, err := p.read(st, integrates)
	// Why the step failed says more than where its output ended.
	if _, violated := errors.AsType[*smarthttp.Violation](err); violated {
		s.c.meter.packChecked(checkRefused)
	} else if stepErr := st.wait(name); stepErr != nil {
		return nil, stepErr
	}
	return parsedPack(name, done, err)
}

func (p *packed) read(r io.Reader, integrates bool) (done *gitcmd.Integrated, err error) {
	buf := bufio.NewReaderSize(r, 64<<10)
	if integrates {
		if done, err = gitcmd.ReadIntegrated(buf); err != nil {
			return nil, err
		}
	}
	if p.head, err = gitcmd.ReadPack(buf); err != nil || !p.head.HasPack {
		return done, err
	}
	p.pack, err = smarthttp.ReadPack(io.TeeReader(buf, &p.spool), p.opts)
	return done, err
}

func parsedPack[T any](name string, v T, err error) (T, error) {
	if _, violated := errors.AsType[*smarthttp.Violation](err); violated {
		var zero T
		return zero, policyError(err)
	}
	return parsed(name, v, err)
}

// policyError says in this package's terms which rule a pack breaks.
func policyError(err error) error {
	v, ok := errors.AsType[*smarthttp.Violation](err)
	if !ok {
		return err
	}
	rules := map[smarthttp.Rule]string{
		smarthttp.RuleLimit:       "size",
		smarthttp.RuleForeign:     "foreign_object",
		smarthttp.RuleFastForward: "fast_forward",
		smarthttp.RuleProtected:   "protected_path",
	}
	rule := rules[v.Rule]
	if rule == "" {
		rule = "malformed"
	}
	return &PolicyError{Rule: rule, Path: v.Path, Commit: Hash(v.Commit), Detail: v.Detail}
}

// publish checks what the sandbox made and sets the remote branch.
func (p *pushing) publish(ctx context.Context, o *operation, r *remote, rec *record, old Hash, pk *packed) (*PushResult, error) {
	s, head := p.s, Hash(pk.head.Head)
	if head == "" {
		return nil, &cause{kind: ErrNothingToCommit, err: errors.New("the branch has no commits")}
	}
	if !head.valid() {
		return nil, &cause{kind: ErrProtocol, err: errors.New("the step named no commit")}
	}
	result := &PushResult{
		Branch: p.Branch, Commit: head, Outcome: PushPublished, Committed: p.committed, Attempts: o.attempts,
	}
	if old != zeroHash {
		result.Previous = old
	}
	if p.rebased {
		result.Outcome = PushRebased
	}
	if p.commit != nil && !p.committed && rec.knows(head) {
		// A message, and neither a change nor a commit to push.
		return nil, &cause{kind: ErrNothingToCommit}
	}
	if head == old {
		s.note(p.Branch, head, nil)
		result.Outcome = PushUpToDate
		return result, nil
	}
	if old != zeroHash && !rec.knows(old) {
		return nil, p.rejected(fmt.Errorf("%s is at %s", p.Branch, old.Short()))
	}

	audit := PushAudit{
		SandboxID: s.ID(), AgentID: rec.AgentID, TaskID: rec.TaskID, URL: rec.URL, Ref: branchRef(p.Branch),
		Old: old, New: head, PackBytes: pk.spool.size,
	}
	protected, err := p.verify(rec, old, head, pk)
	if err != nil {
		if v, ok := errors.AsType[*PolicyError](err); ok {
			s.c.meter.packChecked(checkRefused)
			if v.Rule == "fast_forward" {
				s.c.meter.refused(v.Rule)
				return nil, p.rejected(err)
			}
			audit.Decision, audit.Rule = "refused by policy", v.Rule
			s.c.audit(ctx, audit)
		}
		return nil, err
	}
	s.c.meter.packChecked(checkPassed)
	report, err := p.send(ctx, r, old, head, pk)
	switch {
	case errors.Is(err, ErrPushRejected):
		return nil, p.rejected(err)
	case errors.Is(err, ErrRemoteRejected):
		audit.Decision = "refused by the remote"
		s.c.audit(ctx, audit)
		return nil, err
	case err != nil:
		return nil, err
	}
	audit.Decision = "published"
	s.c.meter.relayed(relayPush, pk.spool.size)
	s.c.audit(ctx, audit)
	s.note(p.Branch, head, protected)
	result.PackBytes, result.Messages = pk.spool.size, s.c.printable([]byte(report.Messages))
	return result, nil
}

// rejected is the error of a push that is not a fast-forward. The next
// attempt, if there may be one, puts the work on top first.
func (p *pushing) rejected(err error) error {
	p.moved = true
	return &cause{kind: ErrPushRejected, err: err, retryable: !p.NoRebase}
}

// verify checks the pack against what the remote said and the policy wants. It
// returns the protected paths of the new commit.
func (p *pushing) verify(rec *record, old, head Hash, pk *packed) (*smarthttp.Protected, error) {
	policy := &p.s.c.policy
	opts := &smarthttp.VerifyOptions{New: string(head), Old: string(old), Known: hashStrings(rec.Known)}
	if len(policy.ProtectedPaths) > 0 {
		proven, err := p.proofs(rec, pk)
		if err != nil {
			return nil, err
		}
		opts.Bases = proven
	}
	pack := pk.pack
	if pack == nil {
		var err error
		if pack, err = smarthttp.ReadPack(strings.NewReader(emptyPack), pk.opts); err != nil {
			return nil, err
		}
	}
	protected, err := pack.Verify(opts)
	if err == nil && rec.knows(head) {
		// The remote has the commit, and only the branch is set: what the pack
		// showed of the history is not sent.
		err = pk.spool.replace(emptyPack)
	}
	return protected, policyError(err)
}

// proofs checks the proofs that came with the pack and returns all states of
// the protected paths that a commit may have.
func (p *pushing) proofs(rec *record, pk *packed) ([]*smarthttp.Protected, error) {
	policy := &p.s.c.policy
	var objects []smarthttp.Object
	for _, o := range pk.head.Proofs {
		objects = append(objects, smarthttp.Object{Type: o.Type, Data: o.Data})
	}
	bases := []*smarthttp.Protected{}
	fresh := map[Hash]*smarthttp.Protected{}
	for _, tip := range pk.asked {
		proven, err := smarthttp.CheckProof(tip, objects, policy.ProtectedPaths)
		if err != nil {
			return nil, policyError(err)
		}
		fresh[Hash(tip)] = proven
		bases = append(bases, proven)
	}
	for _, proven := range rec.Protected {
		bases = append(bases, proven)
	}
	p.s.live.update(func(r *record) {
		maps.Copy(r.Protected, fresh)
	})
	return bases, nil
}

// send publishes, and looks again where the reply was lost.
func (p *pushing) send(ctx context.Context, r *remote, old, head Hash, pk *packed) (*smarthttp.PushReport, error) {
	body, err := pk.spool.rewind()
	if err != nil {
		return nil, err
	}
	report, err := r.push(ctx, &smarthttp.PushOptions{
		Ref: branchRef(p.Branch), Old: string(old), New: string(head), Pack: body, PackSize: pk.spool.size,
		Capabilities: p.adv.Capabilities,
	})
	if !ambiguous(err) {
		return report, err
	}
	now, lookErr := p.ask(ctx, r)
	switch {
	case lookErr != nil:
		// The next attempt finds out: it sees the branch at the new commit.
		return nil, again(err)
	case now == head:
		return &smarthttp.PushReport{}, nil
	case now == old:
		return nil, again(err)
	default:
		return nil, &cause{kind: ErrPushRejected, err: err}
	}
}

// note records that the remote branch is at a commit of the clone.
func (s *Sandbox) note(branch string, head Hash, protected *smarthttp.Protected) {
	s.live.update(func(r *record) {
		if branch == r.Branch || branch == r.Base {
			r.Remote[branch] = head
		}
		r.know(head)
		if protected != nil {
			r.Protected[head] = protected
		}
	})
}

// audit tells of a decision about a push.
func (c *Client) audit(ctx context.Context, a PushAudit) {
	if a.Rule != "" {
		c.meter.refused(a.Rule)
	}
	c.traces.pushDecided(ctx, a)
	c.log.LogAttrs(ctx, slog.LevelInfo, "push",
		slog.String("decision", a.Decision), slog.String("rule", a.Rule),
		slog.String("sandbox_id", a.SandboxID), slog.String("agent_id", a.AgentID), slog.String("task_id", a.TaskID),
		slog.String("url", a.URL), slog.String("ref", a.Ref),
		slog.String("old", string(a.Old)), slog.String("new", string(a.New)), slog.Int64("pack_bytes", a.PackBytes))
}

// emptyPack is a pack without objects, for a branch that is set to a commit
// that the remote has: its signature, version 2, the count 0, and the SHA-1 of
// these twelve bytes.
var emptyPack = func() string { //nolint:gochecknoglobals // a constant that Go cannot write as one
	trailer, _ := hex.DecodeString("029d08823bd8a8eab510ad6ac75c823cfd3ed31e")
	return "PACK\x00\x00\x00\x02\x00\x00\x00\x00" + string(trailer)
}()

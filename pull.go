package gitsandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// PullMode is how Pull puts the base branch and the agent's work together.
type PullMode string

// The modes of a pull.
const (
	// PullAuto rebases the agent's commits onto the base branch, or, where the
	// remote has some of them already, merges: a commit that was published is
	// not rewritten, so that the next push is a fast-forward.
	PullAuto PullMode = ""

	// PullRebase rebases in any case.
	PullRebase PullMode = "rebase"

	// PullMerge makes a merge commit where both sides have commits.
	PullMerge PullMode = "merge"

	// PullFastForward returns [ErrNotFastForward] where both sides have
	// commits.
	PullFastForward PullMode = "ff-only"
)

// PullOptions are the options of [Sandbox.Pull].
type PullOptions struct {
	// Mode is how to put the two sides together. Default [PullAuto].
	Mode PullMode

	// KeepConflicts leaves a conflict in the working tree, as that of a merge,
	// for [Sandbox.Continue] or [Sandbox.Abort]. Where a rebase conflicts and a
	// merge does not, it merges. Default: the conflict is reported and nothing
	// has changed.
	KeepConflicts bool
}

// PullOutcome is what a pull did.
type PullOutcome string

// The outcomes of a pull.
const (
	PullUpToDate      PullOutcome = "up to date"
	PullFastForwarded PullOutcome = "fast-forwarded"
	PullRebased       PullOutcome = "rebased"
	PullMerged        PullOutcome = "merged"
)

// A PullResult is a pull that succeeded.
type PullResult struct {
	Outcome PullOutcome

	// Base is the commit of the base branch that the clone now has.
	Base Hash

	// Before and After are the current commits before and after. Both are ""
	// where the remote had nothing new and the sandbox was not asked.
	Before, After Hash

	// Replayed is how many commits a rebase made anew.
	Replayed int
}

// Pull brings what is new on the base branch into the clone. Uncommitted
// changes stay where they do not overlap with it. A pull that fails changes
// nothing. Errors: [ErrConflict] and [ErrUncommittedChanges] with a
// [*ConflictError], [ErrNotFastForward], [ErrUnfinished], [ErrRefNotFound]
// where the base branch is gone, [ErrAuth], [ErrForbidden], and those of every
// operation.
func (s *Sandbox) Pull(ctx context.Context, opts *PullOptions) (*PullResult, error) {
	var o PullOptions
	if opts != nil {
		o = *opts
	}
	switch o.Mode {
	case PullAuto, PullRebase, PullMerge, PullFastForward:
	default:
		return nil, s.refuse("pull", invalid("Mode: %q", o.Mode))
	}
	opID := randomID()
	return use(ctx, s, "pull", true, func(ctx context.Context, op *operation) (*PullResult, error) {
		return s.pull(ctx, op, &o, opID)
	})
}

func (s *Sandbox) pull(ctx context.Context, _ *operation, o *PullOptions, opID string) (*PullResult, error) {
	rec := s.live.snapshot()
	if rec.Conflict != nil {
		return nil, &cause{kind: ErrUnfinished, err: errKept}
	}
	r, err := s.c.remote(ctx, s.credentials, rec.URL)
	if err != nil {
		return nil, err
	}
	if err := s.see(ctx, r, &rec); err != nil {
		return nil, err
	}
	tip := rec.Remote[rec.Base]
	if tip == rec.Integrated {
		return &PullResult{Outcome: PullUpToDate, Base: tip}, nil
	}
	done, err := s.integrate(ctx, r, &rec, integration{
		opID: opID, onto: tip, branch: rec.Base, mode: rec.mode(o.Mode), keep: o.KeepConflicts,
	})
	if err != nil {
		return nil, err
	}
	s.live.update(func(r *record) { r.Integrated = tip })
	return &PullResult{
		Outcome: pullOutcome(done.How), Base: tip,
		Before: Hash(done.Before), After: Hash(done.After), Replayed: done.Replayed,
	}, nil
}

var errKept = errors.New("a kept conflict waits for Continue or Abort")

// see asks the remote for the branches of the sandbox and notes them in the
// record.
func (s *Sandbox) see(ctx context.Context, r *remote, rec *record) error {
	refs, err := r.refs(ctx, rec.Base, rec.Branch)
	if err != nil {
		return err
	}
	if _, ok := refs.ID(branchRef(rec.Base)); !ok {
		return &cause{kind: ErrRefNotFound, err: fmt.Errorf("base branch %q", rec.Base)}
	}
	s.live.update(func(r *record) {
		for _, b := range []string{r.Base, r.Branch} {
			if id, ok := refs.ID(branchRef(b)); ok {
				r.Remote[b] = Hash(id)
			} else {
				delete(r.Remote, b)
			}
		}
	})
	*rec = s.live.snapshot()
	return nil
}

// mode decides between a rebase and a merge where the caller leaves it open.
func (r *record) mode(m PullMode) gitcmd.Mode {
	if m == PullAuto {
		m = PullRebase
		// The agent branch on the remote is work of its own unless it is
		// still where it started.
		if tip := r.Remote[r.Branch]; r.Branch != r.Base && tip != "" && tip != r.Integrated && tip != r.Remote[r.Base] {
			m = PullMerge
		}
	}
	return gitcmd.Mode(m)
}

func pullOutcome(h gitcmd.How) PullOutcome {
	switch h {
	case gitcmd.FastForward:
		return PullFastForwarded
	case gitcmd.Rebased:
		return PullRebased
	case gitcmd.Merged:
		return PullMerged
	default:
		return PullUpToDate
	}
}

// integration is what integrate does.
type integration struct {
	opID   string
	onto   Hash   // the commit to integrate, a tip of the remote
	branch string // the remote branch it is the tip of
	mode   gitcmd.Mode
	keep   bool
	then   *gitcmd.PackArgs // a pack of the result, for a push
	packed *packed          // where the pack goes
}

// integrate gets a commit of the remote into the clone and puts the work on
// top of it, or merges the two.
func (s *Sandbox) integrate(ctx context.Context, r *remote, rec *record, in integration) (*gitcmd.Integrated, error) {
	args := &gitcmd.IntegrateArgs{
		Mode: in.mode, Onto: string(in.onto), Label: "origin/" + in.branch, KeepConflicts: in.keep,
		Message: fmt.Sprintf("Merge branch '%s'", in.branch), Then: in.then,
	}
	got, err := s.get(ctx, r, rec, in.onto)
	if err != nil {
		return nil, err
	}
	args.Fetch = got.fetch
	repo := rec.repo(in.opID)
	now := time.Now().Truncate(time.Second)
	repo.Author.Time, repo.Committer.Time = now, now
	done, err := s.runIntegrate(ctx, repo.Integrate(args), in.packed)

	// The objects are in the clone also where they could not be integrated.
	conflict, conflicted := errors.AsType[*ConflictError](err)
	if conflicted && !in.keep {
		conflict.Kept = false // whatever the sandbox says
	}
	if err == nil || conflicted || errors.Is(err, ErrNotFastForward) {
		s.live.update(func(r *record) {
			r.know(in.onto)
			r.Shallow = got.shallow(r.Shallow)
			if conflicted && conflict.Kept {
				r.Conflict = &keptConflict{Ours: conflict.ours, Theirs: in.onto, Branch: in.branch}
			}
		})
		*rec = s.live.snapshot()
	}
	return done, err
}

// runIntegrate runs the step, with the pack that it may print going to p.
func (s *Sandbox) runIntegrate(ctx context.Context, args []string, p *packed) (*gitcmd.Integrated, error) {
	if p != nil {
		return s.runPacked(ctx, "integrate", args, p, true)
	}
	out, err := s.step(ctx, "integrate", args)
	if err != nil {
		return nil, err
	}
	done, err := parseIntegrated(out)
	return parsed("integrate", done, err)
}

func parseIntegrated(out []byte) (*gitcmd.Integrated, error) {
	return gitcmd.ReadIntegrated(bufio.NewReader(bytes.NewReader(out)))
}

package gitsandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/avast/retry-go/v4"
)

// A RetryPolicy decides whether and when an operation is tried again. It never
// waits itself. Any number of goroutines may use it at once.
type RetryPolicy interface {
	// NextRetry is asked after each attempt that failed, counted from 1, and
	// returns how long to wait for the next one, and false for no more. An
	// error that is not [Retryable] is not worth another attempt: it would
	// fail again, or could take effect twice.
	NextRetry(attempt int, err error) (time.Duration, bool)
}

// RetryFunc is a function that is a [RetryPolicy].
type RetryFunc func(attempt int, err error) (time.Duration, bool)

// NextRetry calls f.
func (f RetryFunc) NextRetry(attempt int, err error) (time.Duration, bool) { return f(attempt, err) }

// Backoff is a [RetryPolicy] that doubles the wait each time: 1 s, 2 s, 4 s
// and so on, each shortened by a random part. It tries again after [Retryable]
// errors only, and waits at least as long as the server asked. The zero
// Backoff is ready to use.
type Backoff struct {
	// MaxAttempts is the number of attempts in all. Default 3; 1 means no
	// retry.
	MaxAttempts int

	// Base is the first wait. Default 1 s.
	Base time.Duration

	// Max bounds each wait. Default 30 s. A server that asks for more ends
	// the operation.
	Max time.Duration

	// Jitter is the part of a wait that is random, 0 to 1. Default 0.25; a
	// negative one means none.
	Jitter float64
}

// NextRetry implements [RetryPolicy].
func (b Backoff) NextRetry(attempt int, err error) (time.Duration, bool) {
	attempts, base, most, jitter := b.MaxAttempts, b.Base, b.Max, b.Jitter
	if attempts <= 0 {
		attempts = 3
	}
	if base <= 0 {
		base = time.Second
	}
	if most <= 0 {
		most = 30 * time.Second
	}
	if jitter == 0 {
		jitter = 0.25
	}
	asked := retryAfter(err)
	if attempt >= attempts || !Retryable(err) || asked > most {
		return 0, false
	}
	wait := most
	if shift := attempt - 1; shift < 32 && base<<shift>>shift == base {
		wait = min(base<<shift, most)
	}
	if jitter = min(jitter, 1); jitter > 0 {
		wait -= time.Duration(float64(wait) * jitter * rand.Float64()) //nolint:gosec // spreading load needs no secrecy
	}
	return max(wait, asked), true
}

// doRetry calls fn until it succeeds or policy says no. It tells after each
// failed attempt what comes next: the wait, or a negative one for the end.
// When ctx ends during a wait, the error is that of ctx and of the last
// attempt.
func doRetry(ctx context.Context, policy RetryPolicy, fn func(attempt int) error, failed func(attempt int, wait time.Duration, err error)) error {
	var (
		attempt int
		wait    time.Duration
		last    error
	)
	err := retry.Do(
		func() error {
			attempt++
			last = fn(attempt)
			return last
		},
		retry.Context(ctx),
		retry.Attempts(0), // the policy counts
		retry.RetryIf(func(err error) bool {
			next, again := time.Duration(0), false
			if ctx.Err() == nil {
				next, again = policy.NextRetry(attempt, err)
			}
			if !again {
				failed(attempt, -1, err)
				return false
			}
			wait = max(next, 0)
			failed(attempt, wait, err)
			return true
		}),
		retry.DelayType(func(uint, error, *retry.Config) time.Duration { return wait }),
		retry.MaxDelay(0),
	)
	if err != nil && last != nil && !errors.Is(err, last) {
		return errors.Join(err, last)
	}
	return err
}

// PushOptions are the options of [Sandbox.Push]. The zero value of each field
// is its default.
type PushOptions struct {
	// Message, where there is one, commits first: what Paths name, or
	// everything.
	Message string

	// Paths are the files and directories to commit with Message. Default:
	// everything.
	Paths []string

	// Branch is the remote branch to push to, where the policy allows it.
	// Default: the agent branch.
	Branch string

	// NoRebase refuses a push that is not a fast-forward with
	// [ErrPushRejected], instead of putting the work on top of what the
	// remote branch has and trying again.
	NoRebase bool

	// KeepConflicts leaves a conflict in the working tree, as that of a merge,
	// for [Sandbox.Continue] or [Sandbox.Abort]. Where a rebase conflicts and a
	// merge does not, it merges. Default: the conflict is reported and nothing
	// has changed.
	KeepConflicts bool
}

// PushOutcome is how a push succeeded.
type PushOutcome string

// The ways in which a push succeeds.
const (
	// PushPublished: the remote branch was made or fast-forwarded.
	PushPublished PushOutcome = "pushed"

	// PushRebased: the remote branch had moved; the work was put on top of it
	// and published.
	PushRebased PushOutcome = "rebased and pushed"

	// PushUpToDate: the remote branch has everything already.
	PushUpToDate PushOutcome = "up to date"
)

// A PushResult is a push that succeeded.
type PushResult struct {
	Branch    string // of the remote
	Commit    Hash   // that the remote branch is at
	Previous  Hash   // where it was, or "" for a new branch
	Outcome   PushOutcome
	Committed bool   // a commit was made first
	Attempts  int    // 1 where nothing had moved
	PackBytes int64  // sent to the remote
	Messages  string // what the remote said, printable
}

// Push publishes the current commit of the clone on the agent branch of the
// remote. With a Message it commits first. The host checks the policy and the
// pack, and sets the branch only if it is still where it was seen. Where it has
// moved, the work is put on top of it and published again, as often as the
// [RetryPolicy] allows.
//
// A push that fails leaves the commit in the clone. Errors:
// [ErrNothingToCommit] with a Message where there is nothing to commit and
// nothing to push, [ErrConflict] with an [*ConflictError], [ErrPushRejected]
// where the attempts were used up, [ErrRemoteRejected] with a
// [*RejectedError] that has what the remote said, [ErrPolicy] with a
// [*PolicyError], [ErrAuth], [ErrForbidden], [ErrUnfinished], and those of
// every operation.
func (s *Sandbox) Push(ctx context.Context, opts *PushOptions) (*PushResult, error) {
	p, err := s.planPush(opts)
	if err != nil {
		if v, ok := errors.AsType[*PolicyError](err); ok {
			rec := s.live.snapshot()
			p.refused(ctx, &rec, v)
		}
		return nil, s.refuse("push", err)
	}
	return use(ctx, s, "push", true, p.attempt)
}

func (s *Sandbox) planPush(opts *PushOptions) (*pushing, error) {
	p := &pushing{s: s, opID: randomID()}
	if opts != nil {
		p.PushOptions = *opts
	}
	if p.Branch == "" {
		p.Branch = s.Branch()
	}
	if err := checkBranch("Branch", p.Branch); err != nil {
		return nil, err
	}
	if !s.c.policy.allows(p.Branch, s.Branch()) {
		return p, &PolicyError{Rule: "ref", Detail: fmt.Sprintf("%q is not among the branches that may be pushed to", branchRef(p.Branch))}
	}
	if p.Message == "" {
		if len(p.Paths) > 0 {
			return nil, invalid("Paths: need a Message")
		}
		return p, nil
	}
	commit, err := s.planCommit(p.Message, &CommitOptions{Paths: p.Paths})
	p.commit = commit
	return p, err
}

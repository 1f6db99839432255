package gitsandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
	"github.com/gitsandbox/gitsandbox/internal/redact"
)

const (
	// maxStepOutput bounds what a step may print, but for the content that
	// the caller asks for, and for packs and logs, which are streamed.
	maxStepOutput = 32 << 20

	// maxStepHeader is what a step prints beside content of a known bound.
	maxStepHeader = 4 << 10

	// maxStderr bounds what an error quotes of git's own words.
	maxStderr = 4 << 10
)

// trackingRef is the remote-tracking ref of a branch in the clone.
func trackingRef(branch string) string { return "refs/remotes/origin/" + branch }

// upstream is the branch that the agent's work is compared with: the agent
// branch where the remote has it, else the base branch.
func (r *record) upstream() string {
	if r.Remote[r.Branch] != "" {
		return r.Branch
	}
	return r.Base
}

// repo describes the clone to a step. A step with an effect has an operation
// ID, so that sending it again has no second effect.
func (r *record) repo(opID string) *gitcmd.Repo {
	repo := &gitcmd.Repo{
		OpID:     opID,
		Upstream: trackingRef(r.upstream()),
		Author:   gitcmd.Signature{Name: r.Identity.Name, Email: r.Identity.Email},
		Sparse:   r.Sparse,
	}
	repo.Committer = repo.Author
	for _, b := range []string{r.Base, r.Branch} {
		if tip := r.Remote[b]; tip != "" {
			repo.Tracking = append(repo.Tracking, gitcmd.Ref{Name: trackingRef(b), OID: string(tip)})
		}
		if r.Base == r.Branch {
			break
		}
	}
	if r.Filter != "" {
		repo.Promisor = r.URL
	}
	return repo
}

// step runs one step in the sandbox and returns what it printed. Every step
// can be sent again: it has no effect, or an operation ID.
func (s *Sandbox) step(ctx context.Context, name string, args []string) ([]byte, error) {
	return s.stepUpTo(ctx, name, args, maxStepOutput)
}

// stepUpTo is step with another bound.
func (s *Sandbox) stepUpTo(ctx context.Context, name string, args []string, most int) ([]byte, error) {
	res, err := s.exec(ctx, &e2b.Command{Args: args, MaxOutput: int64(most), Timeout: within(ctx, 0)})
	if err != nil {
		return nil, again(err)
	}
	if err := s.stepError(name, res, res.Stdout); err != nil {
		return nil, err
	}
	if res.Truncated {
		return nil, &cause{kind: ErrTooLarge, err: fmt.Errorf("%s printed more than %d bytes", name, most)}
	}
	return res.Stdout, nil
}

// read runs a step that only reads: first without the lock of the clone, where that
// can be, and with it where that failed for whatever reason.
func (s *Sandbox) read(ctx context.Context, name string, can bool, most int, step func(unlocked bool) []string) ([]byte, error) {
	if can {
		out := &boundedBuffer{left: most}
		res, err := s.exec(ctx, &e2b.Command{Args: step(true), Stdout: out, Timeout: within(ctx, 0)})
		if err != nil && !errors.Is(err, errBound) {
			return nil, again(err)
		}
		if err == nil && res.Ended == e2b.EndedByItself && res.ExitCode == 0 && !res.Incomplete {
			return out.Bytes(), nil
		}
	}
	return s.stepUpTo(ctx, name, step(false), most)
}

// boundedBuffer refuses what is beyond its bound, which ends the command.
type boundedBuffer struct {
	bytes.Buffer

	left int
}

var errBound = errors.New("more output than asked for")

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBound
	}
	return b.Buffer.Write(p)
}

// stepError returns why a step failed, or nil. Stdout is the beginning of what
// it printed.
func (s *Sandbox) stepError(name string, res *e2b.ExecResult, stdout []byte) error {
	switch {
	case res.Ended == e2b.EndedByTimeout:
		return &cause{kind: ErrTimeout, err: fmt.Errorf("%s was ended", name)}
	case res.Ended == e2b.EndedBySignal:
		return &CommandError{Args: []string{name}, ExitCode: -1, Stderr: s.c.printable(res.Stderr)}
	case res.ExitCode != 0:
		return s.failure(name, res, gitcmd.ParseFailure(res.ExitCode, stdout, res.Stderr))
	case res.Incomplete:
		return &cause{kind: ErrNetwork, err: errors.New("output was lost"), retryable: true}
	}
	return nil
}

// failure says in this package's terms why a step failed.
func (s *Sandbox) failure(name string, res *e2b.ExecResult, f *gitcmd.Failure) error {
	detail := errors.New(s.c.printable([]byte(f.Detail)))
	of := func(kind error) error {
		if f.Detail == "" {
			return &cause{kind: kind}
		}
		return &cause{kind: kind, err: detail}
	}
	switch f.Kind {
	case gitcmd.NoClone, gitcmd.Hostile:
		return of(ErrBrokenClone)
	case gitcmd.Busy:
		return &cause{kind: ErrBusy, err: detail, retryable: true}
	case gitcmd.Exists:
		return of(ErrExists)
	case gitcmd.Conflict:
		e := &ConflictError{Files: sortedStrings(f.Files), kind: ErrConflict}
		if ours, kept := strings.CutPrefix(f.Detail, "kept "); kept && Hash(ours).valid() {
			e.Kept, e.ours = true, Hash(ours)
		}
		return e
	case gitcmd.Dirty:
		return &ConflictError{Files: sortedStrings(f.Files), kind: ErrUncommittedChanges}
	case gitcmd.Unmerged:
		markers := name == "continue"
		return &ConflictError{Files: sortedStrings(f.Files), kind: ErrConflict, Kept: markers, markers: markers, Unmerged: !markers}
	case gitcmd.Nothing:
		return of(ErrNothingToCommit)
	case gitcmd.UnknownRevision:
		return of(ErrRefNotFound)
	case gitcmd.PathNotFound:
		return &cause{kind: ErrFileNotFound, err: errors.New(someFiles(sortedStrings(f.Files)))}
	case gitcmd.NotFastForward, gitcmd.Unrelated:
		return of(ErrNotFastForward)
	case gitcmd.Unfinished:
		return of(ErrUnfinished)
	case gitcmd.Moved:
		return &cause{kind: ErrUnfinished, err: errMergeGone}
	case gitcmd.CurrentBranch:
		return invalid("name: the branch is checked out")
	case gitcmd.Upload:
		return &cause{kind: ErrProtocol, err: detail}
	case gitcmd.Auth:
		// Only the direct route fetches in the sandbox, where no credential is.
		return &cause{kind: ErrAuth, err: errors.New("the remote wants a credential, which RouteDirect does not give to the sandbox; RouteRelay works")}
	case gitcmd.Forbidden:
		return of(ErrForbidden)
	case gitcmd.NotFound:
		return of(ErrRepoNotFound)
	case gitcmd.RefNotFound:
		return of(ErrRefNotFound)
	case gitcmd.Network:
		return &cause{kind: ErrNetwork, err: detail, retryable: true}
	case gitcmd.DiskFull:
		return &cause{kind: ErrTooLarge, err: errors.New("the disk of the sandbox is full")}
	default:
		return &CommandError{Args: []string{name}, ExitCode: res.ExitCode, Stderr: s.c.printable(res.Stderr)}
	}
}

// printable returns the end of what a sandbox or a remote said, fit for an
// error: without credentials, control characters and length.
func (c *Client) printable(text []byte) string {
	// Redact before cutting: half a credential is not recognised.
	clean := strings.TrimSpace(c.redact.String(string(text)))
	if len(clean) > maxStderr {
		clean = clean[len(clean)-maxStderr:]
	}
	return redact.PrintableLines(clean, 2*maxStderr)
}

// parsed turns the error of a parser into one of this package: what the
// sandbox printed was not what a step prints.
func parsed[T any](name string, v T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, &cause{kind: ErrProtocol, err: fmt.Errorf("%s: %w", name, err)}
	}
	return v, nil
}

// commandError returns the error of a plain command that failed, or nil.
func (s *Sandbox) commandError(name string, res *e2b.ExecResult) error {
	if res.Ended == e2b.EndedByItself && res.ExitCode == 0 {
		return nil
	}
	return &CommandError{Args: []string{name}, ExitCode: res.ExitCode, Stderr: s.c.printable(res.Stderr)}
}

// sortedStrings returns a sorted copy.
func sortedStrings(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return out
}

package gitsandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// The errors that operations return, wrapped in an [*Error]. Compare with
// errors.Is.
var (
	// ErrInvalidArgument means that an argument cannot be right. Nothing was
	// sent anywhere. The message names the field.
	ErrInvalidArgument = errors.New("invalid argument")

	// ErrAuth means that a credential is missing, wrong or expired: the git
	// remote's, or E2B's API key.
	ErrAuth = errors.New("authentication failed")

	// ErrForbidden means that the credential is valid and lacks the right.
	ErrForbidden = errors.New("forbidden")

	// ErrRepoNotFound means that the remote has no such repository, or does
	// not show it to this credential.
	ErrRepoNotFound = errors.New("repository not found")

	// ErrRefNotFound means that there is no such branch, tag or revision.
	ErrRefNotFound = errors.New("ref not found")

	// ErrPushRejected means that the remote branch has moved and that the
	// push would not have been a fast-forward.
	ErrPushRejected = errors.New("push rejected: not a fast-forward")

	// ErrRemoteRejected means that the remote refused the push: a hook, a
	// protected branch, a size limit. A [*RejectedError] in the chain has what
	// it said.
	ErrRemoteRejected = errors.New("refused by the remote")

	// ErrPolicy means that the [PushPolicy] refused the push. An
	// [*PolicyError] in the chain names the rule.
	ErrPolicy = errors.New("refused by the push policy")

	// ErrConflict means that two lines of work changed the same place. A
	// [*ConflictError] in the chain lists the files.
	ErrConflict = errors.New("conflict")

	// ErrUncommittedChanges means that the operation would have overwritten
	// changes that are not committed. A [*ConflictError] in the chain lists
	// the files. Nothing has changed.
	ErrUncommittedChanges = errors.New("uncommitted changes would be overwritten")

	// ErrNotFastForward means that a pull with [PullFastForward] found that
	// both sides have commits of their own.
	ErrNotFastForward = errors.New("not a fast-forward")

	// ErrNothingToCommit means that the working tree has nothing to commit.
	ErrNothingToCommit = errors.New("nothing to commit")

	// ErrUnfinished means that a kept conflict waits for [Sandbox.Continue] or
	// [Sandbox.Abort], or that there is none to continue or abort.
	ErrUnfinished = errors.New("unfinished operation")

	// ErrExists means that what was to be made exists already.
	ErrExists = errors.New("already exists")

	// ErrFileNotFound means that the clone has no such file.
	ErrFileNotFound = errors.New("file not found")

	// ErrTooLarge means that something exceeds a limit: a file to read, a
	// pack to push.
	ErrTooLarge = errors.New("too large")

	// ErrSandboxNotFound means that the sandbox has ended, never was, or holds
	// no clone.
	ErrSandboxNotFound = errors.New("sandbox not found")

	// ErrBrokenClone means that the sandbox lives, and that the clone in it is
	// gone or is not a git repository any more.
	ErrBrokenClone = errors.New("the clone is broken")

	// ErrBusy means that a git process of the agent holds the lock of the
	// clone's index.
	ErrBusy = errors.New("the clone is busy")

	// ErrTimeout means that the operation took longer than its deadline.
	ErrTimeout = errors.New("timeout")

	// ErrNetwork means that a connection failed, to E2B or to the remote.
	ErrNetwork = errors.New("network error")

	// ErrRateLimited means that E2B or the remote asks to slow down.
	ErrRateLimited = errors.New("rate limited")

	// ErrProtocol means that E2B, the remote or the sandbox sent what the
	// protocol does not allow.
	ErrProtocol = errors.New("protocol error")

	// ErrBudgetExceeded means that a limit of [Options] on sandboxes or cost
	// was reached.
	ErrBudgetExceeded = errors.New("budget exceeded")

	// ErrUnsupported means that the transport or the remote cannot do this.
	ErrUnsupported = errors.New("not supported")

	// ErrCacheMiss means that a [Cache] holds nothing under the key.
	ErrCacheMiss = errors.New("cache miss")

	// ErrClosed means that the Client was closed.
	ErrClosed = errors.New("closed")
)

// An Error is an operation that failed. Every error of a [Client] and of a
// [Sandbox] is one; the cause is in its chain. Those of [New] and [NewFromEnv]
// are none, since there is no operation yet.
type Error struct {
	Op        string // the operation, such as "push"
	SandboxID string // empty before there is a sandbox
	URL       string // of the repository, without credentials
	Err       error
}

// Error returns one line that names the operation, its target and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.URL != "" {
		b.WriteString(" " + e.URL)
	}
	if e.SandboxID != "" {
		b.WriteString(" in sandbox " + e.SandboxID)
	}
	b.WriteString(": " + e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A CommandError is a git command in the sandbox that failed in a way that no
// other error describes.
type CommandError struct {
	// Args name the step, never its input.
	Args []string

	// ExitCode is the exit code, or -1 where a signal ended the command.
	ExitCode int

	// Stderr is the end of what it wrote, at most 4 KiB, with credentials
	// redacted and control characters escaped.
	Stderr string
}

// Error returns one line.
func (e *CommandError) Error() string {
	s := fmt.Sprintf("%s: exit code %d", strings.Join(e.Args, " "), e.ExitCode)
	if line := lastLine(e.Stderr); line != "" {
		s += ": " + line
	}
	return s
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// A ConflictError lists the files that kept an integration from being made.
type ConflictError struct {
	// Files are the paths, sorted, as bytes in the repository.
	Files []string

	// Kept says that the conflict markers are in the working tree and wait for
	// [Sandbox.Continue] or [Sandbox.Abort]. Otherwise nothing has changed.
	Kept bool

	// Unmerged says that the conflict is that of a merge which was begun in the
	// sandbox, by its own git: it is over when the files are staged there.
	Unmerged bool

	kind    error
	ours    Hash // our side of a kept conflict
	markers bool // Continue has found conflict markers
}

// Error returns one line with the first files.
func (e *ConflictError) Error() string {
	text := e.sentinel().Error() + " in " + someFiles(e.Files)
	switch {
	case e.markers:
		text += ": conflict markers are still there"
	case e.Unmerged:
		text += ": unmerged in the index until the file is staged"
	case e.Kept:
		text += "; Continue or Abort ends it"
	}
	return text
}

// someFiles names the first of files.
func someFiles(files []string) string {
	const most = 5
	rest := ""
	if len(files) > most {
		rest = fmt.Sprintf(" and %d more", len(files)-most)
		files = files[:most]
	}
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = fmt.Sprintf("%.200q", f)
	}
	return strings.Join(quoted, ", ") + rest
}

// sentinel is what the error is. One that a test makes, say, is a conflict.
func (e *ConflictError) sentinel() error {
	if e.kind == nil {
		return ErrConflict
	}
	return e.kind
}

// Is reports whether target is [ErrConflict] or [ErrUncommittedChanges],
// whichever the error is.
func (e *ConflictError) Is(target error) bool { return target == e.sentinel() }

// A PolicyError is a push that the [PushPolicy] refused.
type PolicyError struct {
	// Rule is the rule that was broken: "ref", "protected_path",
	// "fast_forward", "foreign_object", "size" or "malformed".
	Rule string

	// Path is the protected path, Commit the commit that changed it. Either
	// may be empty.
	Path   string
	Commit Hash

	// Detail says in a few words what was found.
	Detail string
}

// Error returns one line.
func (e *PolicyError) Error() string {
	s := ErrPolicy.Error() + ": " + e.Rule
	if e.Path != "" {
		s += fmt.Sprintf(": %q", e.Path)
	}
	if e.Commit != "" {
		s += " in " + e.Commit.Short()
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Is reports whether target is [ErrPolicy].
func (e *PolicyError) Is(target error) bool { return target == ErrPolicy }

// A RejectedError is a push that the remote refused.
type RejectedError struct {
	// Reason is the reason that the remote gave, one line, such as "protected
	// branch hook declined".
	Reason string

	// Messages is what the remote said beside it, such as the output of a
	// hook: lines of bounded length, printable, with credentials redacted.
	Messages string
}

// Error returns one line.
func (e *RejectedError) Error() string {
	s := ErrRemoteRejected.Error() + ": " + e.Reason
	if e.Messages != "" {
		s += ": " + strings.Join(strings.Fields(e.Messages), " ")
	}
	return s
}

// Is reports whether target is [ErrRemoteRejected].
func (e *RejectedError) Is(target error) bool { return target == ErrRemoteRejected }

// cause is an error whose kind and retry safety are known, because it was made
// where the cause is known. It is what the files of this package return to the
// operation, which wraps it once in an *Error.
type cause struct {
	kind      error // one of the sentinels
	err       error // more about it, or nil
	retryable bool  // a repeat is safe and may help
	after     time.Duration
}

func (c *cause) Error() string {
	if c.err == nil {
		return c.kind.Error()
	}
	// What a lower layer reports often names the kind itself.
	text := c.err.Error()
	if strings.Contains(text, c.kind.Error()) {
		return text
	}
	return c.kind.Error() + ": " + text
}

func (c *cause) Unwrap() []error {
	if c.err == nil {
		return []error{c.kind}
	}
	return []error{c.kind, c.err}
}

// Retryable reports whether err was transient and a repeat of the operation is
// safe: it has had no effect, or will not have it twice. A context that ended
// is not retryable.
func Retryable(err error) bool {
	if c, ok := errors.AsType[*cause](err); ok {
		return c.retryable
	}
	return false
}

// retryAfter is how long the server asked to wait, or 0.
func retryAfter(err error) time.Duration {
	if c, ok := errors.AsType[*cause](err); ok {
		return c.after
	}
	return 0
}

// ErrorType returns what the label error_type of the metric git_errors_total
// says of err: "timeout", "auth", "network", "conflict", "sandbox_not_found"
// or "other"; and "" for nil.
func ErrorType(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, ErrAuth), errors.Is(err, ErrForbidden):
		return "auth"
	case errors.Is(err, ErrConflict), errors.Is(err, ErrPushRejected):
		return "conflict"
	case errors.Is(err, ErrSandboxNotFound):
		return "sandbox_not_found"
	case errors.Is(err, ErrNetwork), errors.Is(err, ErrRateLimited):
		return "network"
	default:
		return "other"
	}
}

// invalid makes the error of an argument. What it quotes of it may be long.
func invalid(format string, args ...any) error {
	const most = 512
	text := fmt.Sprintf(format, args...)
	if len(text) > most {
		text = text[:most] + "..."
	}
	return &cause{kind: ErrInvalidArgument, err: errors.New(text)}
}

// fromE2B says in this package's terms what the transport reported.
func fromE2B(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*e2b.Error](err)
	if !ok {
		return err
	}
	kinds := []struct{ from, to error }{
		{e2b.ErrInvalidArgument, ErrInvalidArgument},
		{e2b.ErrAuth, ErrAuth},
		{e2b.ErrForbidden, ErrForbidden},
		{e2b.ErrSandboxNotFound, ErrSandboxNotFound},
		{e2b.ErrFileNotFound, ErrFileNotFound},
		{e2b.ErrRateLimited, ErrRateLimited},
		{e2b.ErrNetwork, ErrNetwork},
		{e2b.ErrUnavailable, ErrNetwork},
		{e2b.ErrTemplateNotFound, ErrInvalidArgument},
		{e2b.ErrConflict, ErrBusy},
		{e2b.ErrNoSpace, ErrTooLarge},
		{e2b.ErrProtocol, ErrProtocol},
	}
	for _, k := range kinds {
		if errors.Is(e.Kind, k.from) {
			return &cause{kind: k.to, err: err, retryable: e.Retryable, after: e.RetryAfter}
		}
	}
	return err
}

package e2b

import (
	"errors"
	"fmt"
	"time"
)

// The kinds of errors. Every [*Error] is one of them, or of no kind.
var (
	// ErrInvalidArgument means that an argument cannot be right, or that the
	// server refused it.
	ErrInvalidArgument = errors.New("invalid argument")

	// ErrAuth means that the API key or the access token was refused.
	ErrAuth = errors.New("authentication failed")

	// ErrForbidden means that the key is valid and does not allow this.
	ErrForbidden = errors.New("forbidden")

	// ErrSandboxNotFound means that the sandbox does not exist, has ended, or
	// belongs to someone else.
	ErrSandboxNotFound = errors.New("sandbox not found")

	// ErrTemplateNotFound means that there is no such template or tag.
	ErrTemplateNotFound = errors.New("template not found")

	// ErrFileNotFound means that there is no such file in the sandbox.
	ErrFileNotFound = errors.New("file not found")

	// ErrProcessNotFound means that there is no such process in the sandbox,
	// or that it ended too long ago to tell how.
	ErrProcessNotFound = errors.New("process not found")

	// ErrConflict means that the state of the sandbox forbids this now: it is
	// paused, being paused, or being killed.
	ErrConflict = errors.New("conflicting state")

	// ErrRateLimited means that too many requests were sent, or that the plan
	// allows no more sandboxes at once.
	ErrRateLimited = errors.New("rate limited")

	// ErrUnavailable means that the service had no capacity or was not ready,
	// and that nothing has changed.
	ErrUnavailable = errors.New("unavailable")

	// ErrNoSpace means that the disk of the sandbox is full.
	ErrNoSpace = errors.New("no space left in the sandbox")

	// ErrNetwork means that the connection failed, and that it is not known
	// whether the request had an effect.
	ErrNetwork = errors.New("network error")

	// ErrProtocol means that the reply was not what the protocol allows.
	ErrProtocol = errors.New("protocol error")

	// ErrClosed means that the handle was closed.
	ErrClosed = errors.New("closed")
)

// An Error is an operation that failed.
type Error struct {
	// Op is the operation, such as "create" or "exec".
	Op string

	// SandboxID is the sandbox it was for, or empty.
	SandboxID string

	// Kind is one of the Err variables of this package, or nil.
	Kind error

	// Status is the HTTP status of the reply, or 0.
	Status int

	// Code is E2B's error slug or the Connect code, or empty.
	Code string

	// Message is what the server said, cut to a bounded length and with
	// control characters escaped.
	Message string

	// RetryAfter is how long the server asked to wait, or 0.
	RetryAfter time.Duration

	// Retryable says that the operation can be repeated without harm: it had
	// no effect, or the effect is the same the second time.
	Retryable bool

	// Err is the cause on this side, or nil.
	Err error
}

// Error returns one line that names the operation, the sandbox and the cause.
func (e *Error) Error() string {
	s := "e2b: " + e.Op
	if e.SandboxID != "" {
		s += " " + e.SandboxID
	}
	if e.Kind != nil {
		s += ": " + e.Kind.Error()
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// Retryable reports whether err says that the operation can be repeated
// without harm.
func Retryable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Retryable
}

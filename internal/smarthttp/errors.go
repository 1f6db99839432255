package smarthttp

import (
	"errors"
	"strconv"
	"time"
)

// The kinds of errors. Every [*Error] is one of them, or of no kind where the
// caller's context ended.
var (
	// ErrInvalid means that an argument cannot be right. There was no I/O.
	ErrInvalid = errors.New("invalid argument")

	// ErrAuth means that the server refused the credential, or wants one:
	// HTTP 401.
	ErrAuth = errors.New("authentication failed")

	// ErrForbidden means that the credential is valid and does not allow
	// this: HTTP 403.
	ErrForbidden = errors.New("forbidden")

	// ErrNotFound means that there is no such repository, or that the
	// credential may not see it: HTTP 404.
	ErrNotFound = errors.New("repository not found")

	// ErrRateLimited means that there were too many requests: HTTP 429.
	ErrRateLimited = errors.New("rate limited")

	// ErrUnavailable means that the server failed or is busy: HTTP 5xx, or a
	// ref that another push holds locked.
	ErrUnavailable = errors.New("server unavailable")

	// ErrStale means that the ref does not have the old value of the push: it
	// has moved, is gone, or exists already.
	ErrStale = errors.New("ref has moved")

	// ErrRejected means that the server understood the request and refused
	// it: by a hook, by branch protection, or because it does not have or
	// does not show an object that was asked for.
	ErrRejected = errors.New("rejected by the remote")

	// ErrNetwork means that the connection failed or fell silent.
	ErrNetwork = errors.New("network error")

	// ErrProtocol means that the reply is not the protocol: a server that
	// does not speak it, a repository of SHA-256 objects, a reply that is
	// malformed or above a limit, a redirect.
	ErrProtocol = errors.New("protocol error")
)

// An Error is a request that failed. It holds no credential and no URL.
type Error struct {
	// Op is "ls-refs", "fetch", "advertisement" or "push".
	Op string

	// Kind is one of the Err variables of this package, or nil.
	Kind error

	// Status is the HTTP status of the reply, or 0.
	Status int

	// Message is what is wrong, or what the server said: one line, of
	// bounded length, printable.
	Message string

	// Detail is what the server said beside the reason of a refusal, such as
	// the output of a hook: bounded, printable but for newlines.
	Detail string

	// RetryAfter is how long the server asked to wait, or 0.
	RetryAfter time.Duration

	// Ambiguous says that a push was sent whole and that its outcome is not
	// known. [Client.Advertisement] tells it.
	Ambiguous bool

	// Err is the cause on this side, or nil. Where the caller's context
	// ended, it is the error of the context.
	Err error

	// reported says that the server itself said that nothing changed.
	reported bool
}

// Error returns one line that names the operation and the cause.
func (e *Error) Error() string {
	s := e.Op
	if e.Kind != nil {
		s += ": " + e.Kind.Error()
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Status != 0 {
		s += " (HTTP " + strconv.Itoa(e.Status) + ")"
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

// invalid is an argument that cannot be right.
func invalid(message string) *Error { return &Error{Kind: ErrInvalid, Message: message} }

// violates is a reply that is not the protocol.
func violates(message string) *Error { return &Error{Kind: ErrProtocol, Message: message} }

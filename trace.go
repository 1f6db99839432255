package gitsandbox

import (
	"context"
	"time"
)

// A Trace is a set of functions that are called as operations go on, such as
// to make spans. Each may be nil. They are called in the goroutine of the
// operation, and several operations may call them at once. No argument holds a
// credential or content of the repository.
type Trace struct {
	// OperationStart is called before the first attempt. The context that it
	// returns is used for the operation.
	OperationStart func(ctx context.Context, info OperationInfo) context.Context

	// OperationDone is called after the last attempt.
	OperationDone func(ctx context.Context, info OperationInfo, result OperationResult)

	// AttemptStart is called before each attempt, counted from 1. The context
	// that it returns is used for the attempt.
	AttemptStart func(ctx context.Context, info OperationInfo, attempt int) context.Context

	// AttemptDone is called after each attempt. Retry is how long it waits
	// for the next one, or negative where there is none.
	AttemptDone func(ctx context.Context, info OperationInfo, attempt int, retry time.Duration, err error)

	// RequestStart is called before each request to the sandbox, to E2B's
	// control plane and to the git remote. The context that it returns is used
	// for the request.
	RequestStart func(ctx context.Context, info RequestInfo) context.Context

	// RequestDone is called after the request. Err is in the terms of this
	// package, so that [ErrorType] tells its type.
	RequestDone func(ctx context.Context, info RequestInfo, d time.Duration, err error)

	// PushDecided is called for each push that reached a decision: it was
	// published, or refused by the policy or by the remote.
	PushDecided func(ctx context.Context, push PushAudit)
}

// OperationInfo says what an operation is.
type OperationInfo struct {
	Operation string // such as "push"
	SandboxID string // empty before there is a sandbox
	URL       string // of the repository, without credentials
}

// OperationResult says how an operation went.
type OperationResult struct {
	Duration time.Duration
	Attempts int
	Err      error
}

// RequestInfo says what a request is.
type RequestInfo struct {
	// Target is "sandbox", "control" for E2B's control plane, or "remote" for
	// the git remote.
	Target string

	// Kind is the request: "exec", "upload", "download", "create", "connect",
	// "list", "kill", "set_timeout", "ls-refs", "fetch",
	// "advertisement" or "receive-pack".
	Kind string

	SandboxID string
}

// A PushAudit is the record of a decision about a push.
type PushAudit struct {
	SandboxID string
	AgentID   string
	TaskID    string
	URL       string // of the repository, without credentials
	Ref       string // full name
	Old, New  Hash   // Old is all zeros where the push makes the branch; both are "" where it was refused before there was a pack
	PackBytes int64
	Decision  string // "published", "refused by policy" or "refused by the remote"
	Rule      string // of the policy, where it refused
}

type traces []*Trace

func (ts traces) operationStart(ctx context.Context, info OperationInfo) context.Context {
	for _, t := range ts {
		if t.OperationStart != nil {
			ctx = t.OperationStart(ctx, info) //nolint:fatcontext // one for each Trace
		}
	}
	return ctx
}

func (ts traces) operationDone(ctx context.Context, info OperationInfo, r OperationResult) {
	for _, t := range ts {
		if t.OperationDone != nil {
			t.OperationDone(ctx, info, r)
		}
	}
}

func (ts traces) attemptStart(ctx context.Context, info OperationInfo, attempt int) context.Context {
	for _, t := range ts {
		if t.AttemptStart != nil {
			ctx = t.AttemptStart(ctx, info, attempt) //nolint:fatcontext // one for each Trace
		}
	}
	return ctx
}

func (ts traces) attemptDone(ctx context.Context, info OperationInfo, attempt int, retry time.Duration, err error) {
	for _, t := range ts {
		if t.AttemptDone != nil {
			t.AttemptDone(ctx, info, attempt, retry, err)
		}
	}
}

func (ts traces) requestStart(ctx context.Context, info RequestInfo) context.Context {
	for _, t := range ts {
		if t.RequestStart != nil {
			ctx = t.RequestStart(ctx, info) //nolint:fatcontext // one for each Trace
		}
	}
	return ctx
}

func (ts traces) requestDone(ctx context.Context, info RequestInfo, d time.Duration, err error) {
	for _, t := range ts {
		if t.RequestDone != nil {
			t.RequestDone(ctx, info, d, err)
		}
	}
}

func (ts traces) pushDecided(ctx context.Context, push PushAudit) {
	for _, t := range ts {
		if t.PushDecided != nil {
			t.PushDecided(ctx, push)
		}
	}
}

package tools

import "context"

type contextKey int

const (
	callerKey contextKey = iota
	progressKey
	confirmKey
)

// WithCaller names who calls: the user of a token, say. Sandboxes belong to the
// caller that made them. It is any text of at most 128 bytes; without it the caller
// is "", which is right where there is only one.
func WithCaller(ctx context.Context, caller string) context.Context {
	return context.WithValue(ctx, callerKey, caller)
}

func callerOf(ctx context.Context) string {
	caller, _ := ctx.Value(callerKey).(string)
	return caller
}

// WithProgress has report called as a call goes on, with a count that grows by one
// each time and a few words about what comes next. It needs [ProgressTrace] in the
// Options of the Client. Report is called in the goroutine of the call.
func WithProgress(ctx context.Context, report func(step int, message string)) context.Context {
	return context.WithValue(ctx, progressKey, &progress{report: report})
}

// A Confirm asks a person whether something dangerous is to be done, such as
// "close the sandbox and lose 2 uncommitted files?". An error ends the call, and
// is found in the chain of [Result].Err.
type Confirm func(ctx context.Context, question string) (bool, error)

// WithConfirm lets dangerous calls ask. Without it they are refused.
func WithConfirm(ctx context.Context, confirm Confirm) context.Context {
	return context.WithValue(ctx, confirmKey, confirm)
}

// confirm asks, or refuses where nobody can be asked.
func confirm(ctx context.Context, question, instead string) error {
	ask, ok := ctx.Value(confirmKey).(Confirm)
	if !ok || ask == nil {
		return &failure{code: codeConfirm, cause: "this needs a person's consent, and nobody can be asked here: " + question, next: instead}
	}
	yes, err := ask(ctx, question)
	if err != nil {
		return &failure{code: codeConfirm, cause: "a person could not be asked: " + question, next: instead, err: err}
	}
	if !yes {
		return &failure{code: codeDeclined, cause: "a person declined: " + question, next: instead}
	}
	return nil
}

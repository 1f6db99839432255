package gitsandbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// operation is one run of an exported method: what bounds, counts, traces,
// logs and wraps it.
type operation struct {
	c        *Client
	info     OperationInfo
	meter    *operationMeter // nil where the operation is not git's
	start    time.Time
	attempts int
	cancel   context.CancelFunc
	release  func() // once: the Client no longer waits for the operation
}

// begin starts an operation. The returned context has its deadline, and ends
// too when the Client is closed. Every begin is followed by an end.
func (c *Client) begin(ctx context.Context, info OperationInfo) (context.Context, *operation, error) {
	if !c.enter() {
		return ctx, nil, &Error{Op: info.Operation, SandboxID: info.SandboxID, URL: info.URL, Err: ErrClosed}
	}
	o := &operation{c: c, info: info, meter: c.meter.operation(info.Operation), start: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	stop := context.AfterFunc(c.closing, cancel)
	o.cancel = func() { stop(); cancel() }
	o.release = sync.OnceFunc(func() { o.cancel(); o.meter.leave(); c.leave() })
	ctx = c.traces.operationStart(ctx, info)
	o.meter.start(ctx)
	return ctx, o, nil
}

// end finishes an operation and returns its error as the caller gets it.
func (o *operation) end(ctx context.Context, err error) error {
	defer o.release()
	if err != nil {
		err = o.wrap(ctx, err)
	}
	d := time.Since(o.start)
	o.meter.finish(ctx, d, o.attempts, err)
	o.c.traces.operationDone(ctx, o.info, OperationResult{Duration: d, Attempts: o.attempts, Err: err})

	attrs := []slog.Attr{
		slog.String("operation", o.info.Operation),
		slog.String("sandbox_id", o.info.SandboxID),
		slog.String("url", o.info.URL),
		slog.Duration("duration", d),
		slog.Int("attempts", o.attempts),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error_type", ErrorType(err)), slog.String("error", err.Error()))
		o.c.log.LogAttrs(ctx, slog.LevelWarn, "operation failed", attrs...)
		return err
	}
	o.c.log.LogAttrs(ctx, slog.LevelDebug, "operation done", attrs...)
	return nil
}

// wrap makes the *Error of an operation. It is the one place through which
// errors leave, so what looks like a credential is taken out here, whatever
// printed it.
func (o *operation) wrap(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		switch {
		case o.c.closing.Err() != nil:
			err = &cause{kind: ErrClosed, err: err}
		case errors.Is(ended, context.DeadlineExceeded):
			err = &cause{kind: ErrTimeout, err: err}
		}
		if !errors.Is(err, ended) {
			err = errors.Join(ended, err)
		}
	}
	return &Error{Op: o.info.Operation, SandboxID: o.info.SandboxID, URL: o.info.URL, Err: o.c.redact.Error(err)}
}

// operate runs fn as an operation, again where the policy says so. What fn
// keeps between attempts it keeps in its closure.
func operate[T any](ctx context.Context, c *Client, info OperationInfo, fn func(ctx context.Context, o *operation) (T, error)) (T, error) {
	var result T
	ctx, o, err := c.begin(ctx, info)
	if err != nil {
		return result, err
	}
	defer o.release() // also where fn panics
	err = o.retry(ctx, func(ctx context.Context) error {
		var err error
		result, err = fn(ctx, o)
		return err
	})
	if err = o.end(ctx, err); err != nil {
		var zero T
		return zero, err
	}
	return result, nil
}

// retry runs fn until it succeeds or the policy says no.
func (o *operation) retry(ctx context.Context, fn func(ctx context.Context) error) error {
	attemptCtx := ctx
	return doRetry(ctx, o.c.retry,
		func(attempt int) error {
			o.attempts = attempt
			attemptCtx = o.c.traces.attemptStart(ctx, o.info, attempt) //nolint:fatcontext // each begins with ctx
			err := fn(attemptCtx)
			if err == nil {
				o.c.traces.attemptDone(attemptCtx, o.info, attempt, -1, nil)
			}
			return err
		},
		func(attempt int, wait time.Duration, err error) {
			o.c.traces.attemptDone(attemptCtx, o.info, attempt, wait, o.c.redact.Error(err))
			if errors.Is(err, ErrConflict) {
				o.meter.conflict(attemptCtx)
			}
			if wait < 0 {
				return
			}
			o.meter.again(attemptCtx, attempt)
			o.c.log.LogAttrs(attemptCtx, slog.LevelInfo, "attempt failed",
				slog.String("operation", o.info.Operation), slog.String("sandbox_id", o.info.SandboxID),
				slog.String("url", o.info.URL), slog.Int("attempt", attempt), slog.Duration("wait", wait),
				slog.String("error_type", ErrorType(err)), slog.String("error", o.c.redact.String(err.Error())))
		})
}

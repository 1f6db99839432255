package gitsandbox

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// request runs fn as one request, counted and traced.
func request[T any](ctx context.Context, c *Client, info RequestInfo, fn func(context.Context) (T, error)) (T, error) {
	start := time.Now()
	ctx = c.traces.requestStart(ctx, info)
	v, err := fn(ctx)
	d, told := time.Since(start), fromRemote(fromE2B(err))
	c.meter.requested(info.Target, info.Kind, ErrorType(told))
	if len(c.traces) > 0 {
		c.traces.requestDone(ctx, info, d, c.redact.Error(told))
	}
	return v, err
}

// control makes one request about a sandbox to E2B's control plane.
func (c *Client) control(ctx context.Context, kind, id string, fn func(context.Context) error) error {
	_, err := request(ctx, c, RequestInfo{Target: "control", Kind: kind, SandboxID: id},
		func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return fromE2B(err)
}

// request makes one request to the sandbox.
func (s *Sandbox) request(ctx context.Context, kind string, fn func(context.Context) ([]byte, error)) ([]byte, error) {
	data, err := request(ctx, s.c, RequestInfo{Target: "sandbox", Kind: kind, SandboxID: s.ID()}, fn)
	return data, fromE2B(err)
}

// upload writes a file of the sandbox. It can be repeated if data can.
func (s *Sandbox) upload(ctx context.Context, name string, data io.Reader) error {
	_, err := s.request(ctx, "upload", func(ctx context.Context) ([]byte, error) {
		return nil, s.live.sandbox.WriteFile(ctx, name, data)
	})
	return again(err)
}

// exec runs one command in the sandbox.
func (s *Sandbox) exec(ctx context.Context, cmd *e2b.Command) (*e2b.ExecResult, error) {
	res, err := request(ctx, s.c, RequestInfo{Target: "sandbox", Kind: "exec", SandboxID: s.ID()},
		func(ctx context.Context) (*e2b.ExecResult, error) { return s.live.sandbox.Exec(ctx, cmd) })
	return res, fromE2B(err)
}

// within returns the shorter of d, if there is one, and what is left of ctx
// with a little more: the caller gives up first, and the command ends also
// where the caller has died.
func within(ctx context.Context, d time.Duration) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return d
	}
	left := max(time.Until(end), 0) + 2*time.Second
	if d <= 0 || left < d {
		return left
	}
	return d
}

// again marks a network error as safe to repeat, for requests that have the
// same effect the second time.
func again(err error) error {
	if c, ok := errors.AsType[*cause](err); ok && errors.Is(c.kind, ErrNetwork) && !c.retryable {
		r := *c
		r.retryable = true
		return &r
	}
	return err
}

// once marks an error as not to be retried, whatever it is.
func once(err error) error {
	if c, ok := errors.AsType[*cause](err); ok && c.retryable {
		r := *c
		r.retryable = false
		return &r
	}
	return err
}

package gitsandbox

import (
	"context"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// Open returns a handle of a sandbox that Clone made, in this or in another
// process. The ID may come from anywhere, a model included. A sandbox that the
// cache knows takes no request; any other is looked for at E2B, and resumed
// where it is paused. The handle uses Options.Credentials, also where the Clone
// had others. Errors: [ErrInvalidArgument] for what cannot be an ID,
// [ErrSandboxNotFound] for a sandbox that has ended or holds no clone.
func (c *Client) Open(ctx context.Context, sandboxID string) (*Sandbox, error) {
	if err := checkSandboxID(sandboxID); err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	return operate(ctx, c, OperationInfo{Operation: "open", SandboxID: sandboxID},
		func(ctx context.Context, _ *operation) (*Sandbox, error) { return c.attach(ctx, sandboxID) })
}

// attach makes a handle from what this process keeps, from the cache, or from
// what E2B says.
func (c *Client) attach(ctx context.Context, id string) (*Sandbox, error) {
	rec := c.load(ctx, id)
	if l := c.fleet.get(id); l != nil {
		l.adopt(rec)
		c.store(ctx, l)
		return &Sandbox{c: c, live: l, credentials: c.credentials}, nil
	}
	if rec != nil {
		if a, ok := c.transport.(e2b.Attacher); ok {
			sb, err := a.Attach(rec.Sandbox.info())
			if err == nil {
				return c.keep(ctx, sb, rec, startCache, false), nil
			}
			c.cacheFailed(ctx, id, err)
		}
	}
	sb, err := request(ctx, c, RequestInfo{Target: "control", Kind: "connect", SandboxID: id},
		func(ctx context.Context) (e2b.Sandbox, error) {
			return c.transport.Connect(ctx, id, &e2b.ConnectOptions{Timeout: c.fleet.lifetime()})
		})
	if err != nil {
		return nil, again(fromE2B(err))
	}
	counted := rec == nil
	if rec == nil {
		if rec, err = recordFromMetadata(sb.Info()); err != nil {
			return nil, &cause{kind: ErrSandboxNotFound, err: err}
		}
	}
	rec.Sandbox = newAttachment(sb.Info())
	return c.keep(ctx, sb, rec, startE2B, counted), nil
}

// keep adds a sandbox to those that this process keeps. It is counted here
// where no cache record shows that another process counts it.
func (c *Client) keep(ctx context.Context, sb e2b.Sandbox, rec *record, source string, counted bool) *Sandbox {
	found := newLive(sb, rec)
	l := c.fleet.add(found, counted, 0) //nolint:contextcheck // the upkeep lives as long as the Client
	if l == found {
		c.meter.started(source)
	}
	c.store(ctx, l)
	return &Sandbox{c: c, live: l, credentials: c.credentials}
}

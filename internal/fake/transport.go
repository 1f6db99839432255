package fake

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// A Transport is the in-process door of an [Engine]. It implements
// [e2b.Transport], [e2b.Getter] and [e2b.Attacher], and its sandboxes have all
// abilities that package e2b names. It behaves as e2b.Client in front of E2B
// does: the same errors, the same clamping of lifetimes, the same outcome of
// faults.
type Transport struct {
	engine *Engine
}

// NewTransport returns a door to an engine.
func NewTransport(e *Engine) *Transport { return &Transport{engine: e} }

// call is one call at the in-process door.
type call struct {
	*Plan

	// idempotent says that the call can be repeated when its reply was lost.
	idempotent bool
}

// begin records the call and lets the faults that come before it strike.
func (t *Transport) begin(ctx context.Context, idempotent bool, op, id string, args ...string) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, &e2b.Error{Op: op, SandboxID: id, Err: err}
	}
	p, err := t.engine.Begin(ctx, Call{Op: op, SandboxID: id, Args: args})
	if err != nil {
		return nil, opError(op, id, err)
	}
	return &call{Plan: p, idempotent: idempotent}, nil
}

// end is what the caller gets to see of err.
func (c *call) end(err error) error {
	if err == nil && c.LoseReply {
		return c.lost()
	}
	return opError(c.about.Op, c.about.SandboxID, err)
}

// lost is the error of a connection that broke before the reply.
func (c *call) lost() error {
	return &e2b.Error{
		Op: c.about.Op, SandboxID: c.about.SandboxID, Kind: e2b.ErrNetwork, Retryable: c.idempotent,
		Err: errors.New("connection lost before the reply"),
	}
}

// opError adds the operation to an error of the engine.
func opError(op, id string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*e2b.Error](err)
	if !ok {
		return &e2b.Error{Op: op, SandboxID: id, Err: err}
	}
	c := *e // the engine's may be shared by several readers
	c.Op, c.SandboxID = cmp.Or(c.Op, op), cmp.Or(c.SandboxID, id)
	return &c
}

// checkID refuses what cannot be the ID of a sandbox.
func checkID(op, id string) error {
	if !validID(id) {
		return &e2b.Error{Op: op, Kind: e2b.ErrInvalidArgument, Message: "sandbox ID is malformed"}
	}
	return nil
}

// validID accepts [a-z0-9]+ with an optional client ID after a dash.
func validID(id string) bool {
	name, client, dashed := strings.Cut(id, "-")
	plain := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	return name != "" && len(id) <= 128 && !strings.ContainsFunc(name+client, plain) && dashed == (client != "")
}

// Create starts a sandbox, as [e2b.Transport] says.
func (t *Transport) Create(ctx context.Context, opts *e2b.CreateOptions) (e2b.Sandbox, error) {
	var o e2b.CreateOptions
	if opts != nil {
		o = *opts
	}
	template := cmp.Or(o.Template, "base")
	timeout, err := t.lifetime(OpCreate, "", o.Timeout)
	if err != nil {
		return nil, err
	}
	c, err := t.begin(ctx, false, OpCreate, "", template)
	if err != nil {
		return nil, err
	}
	spec := &CreateSpec{
		Template: template, Timeout: timeout, Metadata: o.Metadata, Env: o.Env,
		AutoPause: o.AutoPause, AutoResume: o.AutoResume, Network: network(o.Network),
	}
	if o.DenyInternetAccess {
		allow := false
		if spec.Network == nil {
			spec.Network = &Network{}
		}
		spec.Network.AllowInternetAccess = &allow
	}
	s, err := t.engine.Create(ctx, spec)
	if err := c.end(err); err != nil {
		return nil, err
	}
	return t.handle(s), nil
}

// lifetime is what a client asks for: whole seconds, the default for 0, and
// what the plan allows for more.
func (t *Transport) lifetime(op, id string, d time.Duration) (time.Duration, error) {
	if d < 0 {
		return 0, &e2b.Error{Op: op, SandboxID: id, Kind: e2b.ErrInvalidArgument, Message: "negative timeout"}
	}
	return min(wholeSeconds(cmp.Or(d, DefaultTimeout)), t.engine.opts.MaxLifetime), nil
}

func network(n *e2b.Network) *Network {
	if n == nil {
		return nil
	}
	return (&Network{Network: *n}).clone()
}

// Connect returns a sandbox, as [e2b.Transport] says.
func (t *Transport) Connect(ctx context.Context, sandboxID string, opts *e2b.ConnectOptions) (e2b.Sandbox, error) {
	var o e2b.ConnectOptions
	if opts != nil {
		o = *opts
	}
	if err := checkID(OpConnect, sandboxID); err != nil {
		return nil, err
	}
	timeout, err := t.lifetime(OpConnect, sandboxID, o.Timeout)
	if err != nil {
		return nil, err
	}
	c, err := t.begin(ctx, true, OpConnect, sandboxID)
	if err != nil {
		return nil, err
	}
	s, _, err := t.engine.Connect(ctx, sandboxID, timeout)
	if err := c.end(err); err != nil {
		return nil, err
	}
	return t.handle(s), nil
}

// List yields the sandboxes, as [e2b.Transport] says. Each page is one call.
func (t *Transport) List(ctx context.Context, opts *e2b.ListOptions) iter.Seq2[*e2b.SandboxInfo, error] {
	var o e2b.ListOptions
	if opts != nil {
		o = *opts
	}
	return func(yield func(*e2b.SandboxInfo, error) bool) {
		size := cmp.Or(o.PageSize, 100)
		if size < 1 || size > 100 {
			yield(nil, &e2b.Error{Op: OpList, Kind: e2b.ErrInvalidArgument, Message: "page size must be 1 to 100"})
			return
		}
		for last := (*Info)(nil); ; {
			page, more, err := t.page(ctx, &o, last, size)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, i := range page {
				info := i.SandboxInfo
				info.AccessToken, info.TrafficAccessToken = "", ""
				if !yield(&info, nil) {
					return
				}
				last = i
			}
			if !more {
				return
			}
		}
	}
}

// page returns up to size matching sandboxes that are older than last.
func (t *Transport) page(ctx context.Context, o *e2b.ListOptions, last *Info, size int) (page []*Info, more bool, err error) {
	c, err := t.begin(ctx, true, OpList, "")
	if err != nil {
		return nil, false, err
	}
	for _, i := range t.engine.List() {
		if last != nil && i.Seq >= last.Seq || !matches(i, o) {
			continue
		}
		if len(page) == size {
			more = true
			break
		}
		page = append(page, i)
	}
	return page, more, c.end(nil)
}

func matches(i *Info, o *e2b.ListOptions) bool {
	for k, v := range o.Metadata {
		if got, ok := i.Metadata[k]; !ok || got != v {
			return false
		}
	}
	return len(o.States) == 0 || slices.Contains(o.States, i.State)
}

// Get describes a sandbox, as [e2b.Getter] says.
func (t *Transport) Get(ctx context.Context, sandboxID string) (*e2b.SandboxInfo, error) {
	if err := checkID(OpGet, sandboxID); err != nil {
		return nil, err
	}
	c, err := t.begin(ctx, true, OpGet, sandboxID)
	if err != nil {
		return nil, err
	}
	info, err := t.engine.Get(sandboxID)
	if err := c.end(err); err != nil {
		return nil, err
	}
	return &info.SandboxInfo, nil
}

// Kill ends a sandbox, as [e2b.Transport] says.
func (t *Transport) Kill(ctx context.Context, sandboxID string) error {
	if err := checkID(OpKill, sandboxID); err != nil {
		return err
	}
	c, err := t.begin(ctx, true, OpKill, sandboxID)
	if err != nil {
		return err
	}
	return c.end(t.engine.Kill(ctx, sandboxID))
}

// Attach makes a handle, as [e2b.Attacher] says. The info must have the access
// token.
func (t *Transport) Attach(info *e2b.SandboxInfo) (e2b.Sandbox, error) {
	if info == nil {
		return nil, &e2b.Error{Op: "attach", Kind: e2b.ErrInvalidArgument, Message: "no sandbox info"}
	}
	if err := checkID("attach", info.SandboxID); err != nil {
		return nil, err
	}
	if info.AccessToken == "" {
		return nil, &e2b.Error{Op: "attach", SandboxID: info.SandboxID, Kind: e2b.ErrInvalidArgument, Message: "sandbox info has no access token"}
	}
	return &handle{t: t, id: info.SandboxID, token: string(info.AccessToken), info: *copyInfo(info)}, nil
}

// handle returns the handle of a sandbox.
func (t *Transport) handle(s *Sandbox) *handle {
	info := s.Info().SandboxInfo
	return &handle{t: t, id: info.SandboxID, token: string(info.AccessToken), info: info}
}

package fake

import (
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// A handle is an [e2b.Sandbox]. It knows only what a client would: the ID and
// the token.
type handle struct {
	t         *Transport
	id, token string

	mu   sync.Mutex
	info e2b.SandboxInfo
}

func copyInfo(info *e2b.SandboxInfo) *e2b.SandboxInfo {
	c := *info
	c.Metadata = maps.Clone(info.Metadata)
	return &c
}

// Info returns what is known of the sandbox.
func (h *handle) Info() *e2b.SandboxInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return copyInfo(&h.info)
}

// reach begins a call of envd and returns the sandbox.
func (h *handle) reach(ctx context.Context, idempotent bool, op string, args ...string) (*call, *Sandbox, error) {
	c, err := h.t.begin(ctx, idempotent, op, h.id, args...)
	if err != nil {
		return nil, nil, err
	}
	s, err := h.t.engine.Reach(ctx, h.id)
	if err == nil {
		err = s.CheckToken(h.token)
	}
	if err != nil {
		return nil, nil, opError(op, h.id, err)
	}
	return c, s, nil
}

// control carries out a call of the control plane.
func (h *handle) control(ctx context.Context, idempotent bool, op string, do func(e *Engine) error) error {
	c, err := h.t.begin(ctx, idempotent, op, h.id)
	if err != nil {
		return err
	}
	return c.end(do(h.t.engine))
}

// SetTimeout sets the end of the lifetime to d from now.
func (h *handle) SetTimeout(ctx context.Context, d time.Duration) error {
	d = wholeSeconds(max(d, 0))
	return h.control(ctx, true, OpSetTimeout, func(e *Engine) error {
		err := e.SetTimeout(h.id, d)
		if err == nil {
			h.refresh(e)
		}
		return err
	})
}

// refresh takes over what has changed, as the replies of E2B tell it.
func (h *handle) refresh(e *Engine) {
	info, err := e.Get(h.id)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.info.EndAt, h.info.State = info.EndAt, info.State
}

// Kill ends the sandbox.
func (h *handle) Kill(ctx context.Context) error { return h.t.Kill(ctx, h.id) }

// Pause stops the sandbox.
func (h *handle) Pause(ctx context.Context) error {
	return h.control(ctx, false, OpPause, func(e *Engine) error {
		err := e.Pause(ctx, h.id)
		if err == nil {
			h.refresh(e)
		}
		return err
	})
}

// Fork makes copies.
func (h *handle) Fork(ctx context.Context, count int, opts *e2b.ForkOptions) ([]e2b.Sandbox, error) {
	var o e2b.ForkOptions
	if opts != nil {
		o = *opts
	}
	var copies []e2b.Sandbox
	timeout, err := h.t.lifetime(OpFork, h.id, o.Timeout)
	if err != nil {
		return nil, err
	}
	var failed []error
	err = h.control(ctx, false, OpFork, func(e *Engine) error {
		forks, err := e.Fork(ctx, h.id, count, timeout)
		for _, f := range forks {
			if f.Err != nil {
				failed = append(failed, opError(OpFork, h.id, f.Err))
				continue
			}
			copies = append(copies, h.t.handle(f.Sandbox))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return copies, errors.Join(failed...)
}

// Snapshot keeps the sandbox as a template.
func (h *handle) Snapshot(ctx context.Context, name string) (string, error) {
	var id string
	err := h.control(ctx, false, OpSnapshot, func(e *Engine) error {
		info, err := e.Snapshot(ctx, h.id, name)
		if err == nil {
			id = info.ID
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// UpdateNetwork replaces the stored rules.
func (h *handle) UpdateNetwork(ctx context.Context, n *e2b.Network) error {
	return h.control(ctx, true, OpNetwork, func(e *Engine) error {
		return e.UpdateNetwork(h.id, network(n))
	})
}

// ReadFile opens a file.
func (h *handle) ReadFile(ctx context.Context, name string) (io.ReadCloser, error) {
	c, s, err := h.reach(ctx, true, OpReadFile, name)
	if err != nil {
		return nil, err
	}
	f, _, err := s.Open(name, "")
	if err != nil {
		return nil, opError(OpReadFile, h.id, err)
	}
	if c.LoseReply {
		_ = f.Close()
		return nil, c.lost()
	}
	return &download{f: f, c: c, ctx: ctx}, nil
}

// A download is the reader that ReadFile returns.
type download struct {
	f   *File
	c   *call
	ctx context.Context //nolint:containedctx // it bounds reading, as e2b.Sandbox says
	err error
}

// Read reads from the file until ctx ends, the sandbox does, or a fault
// strikes.
func (d *download) Read(b []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if err := d.ctx.Err(); err != nil {
		return 0, opError(OpReadFile, d.c.about.SandboxID, err)
	}
	n, err := d.f.Read(b)
	keep, cut := d.c.Pass(n)
	if cut {
		d.err = &e2b.Error{
			Op: OpReadFile, SandboxID: d.c.about.SandboxID, Kind: e2b.ErrNetwork, Retryable: true,
			Err: io.ErrUnexpectedEOF,
		}
		if d.c.kill {
			d.err = opError(OpReadFile, d.c.about.SandboxID, errEdge(d.c.about.SandboxID))
		}
		return keep, d.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = opError(OpReadFile, d.c.about.SandboxID, err)
	}
	return n, err
}

// Close closes the file.
func (d *download) Close() error { return d.f.Close() }

// WriteFile writes a file.
func (h *handle) WriteFile(ctx context.Context, name string, data io.Reader) error {
	c, s, err := h.reach(ctx, false, OpWriteFile, name)
	if err != nil {
		return err
	}
	_, err = s.WriteFile(name, "", &upload{r: c.Body(data), ctx: ctx})
	return c.end(err)
}

// An upload is a reader that ends with its context.
type upload struct {
	r   io.Reader
	ctx context.Context //nolint:containedctx // it bounds reading, as that of a request does
}

// Read reads until ctx ends.
func (u *upload) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}

// spec translates a command.
func spec(cmd *e2b.Command) (*ProcessSpec, error) {
	if cmd == nil || len(cmd.Args) == 0 || cmd.Args[0] == "" {
		return nil, errInvalid("command has no arguments")
	}
	if cmd.MaxOutput < 0 || cmd.Timeout < 0 {
		return nil, errInvalid("negative MaxOutput or Timeout")
	}
	return &ProcessSpec{
		Cmd: cmd.Args[0], Args: cmd.Args[1:], Env: cmd.Env,
		Dir: cmd.Dir, User: cmd.User, Stdin: cmd.Stdin != nil,
	}, nil
}

package gitsandboxtest

import (
	"context"
	"iter"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// A Transport is an [e2b.Transport], [e2b.Getter] and [e2b.Attacher] in front
// of temporary directories. Its sandboxes have all abilities that package e2b
// names. Any number of goroutines may use it.
type Transport struct {
	engine *fake.Engine
	door   *fake.Transport
}

var (
	_ e2b.Transport = (*Transport)(nil)
	_ e2b.Getter    = (*Transport)(nil)
	_ e2b.Attacher  = (*Transport)(nil)
)

// NewTransport returns a Transport without sandboxes. Nil opts mean the
// defaults. The caller closes it.
func NewTransport(opts *Options) (*Transport, error) {
	engine, err := fake.New(opts.internal())
	if err != nil {
		return nil, err
	}
	return &Transport{engine: engine, door: fake.NewTransport(engine)}, nil
}

// Create starts a sandbox, as [e2b.Transport] says.
func (t *Transport) Create(ctx context.Context, opts *e2b.CreateOptions) (e2b.Sandbox, error) {
	return t.door.Create(ctx, opts)
}

// Connect returns a sandbox, as [e2b.Transport] says.
func (t *Transport) Connect(ctx context.Context, sandboxID string, opts *e2b.ConnectOptions) (e2b.Sandbox, error) {
	return t.door.Connect(ctx, sandboxID, opts)
}

// List yields the sandboxes, as [e2b.Transport] says. Each page is one call.
func (t *Transport) List(ctx context.Context, opts *e2b.ListOptions) iter.Seq2[*e2b.SandboxInfo, error] {
	return t.door.List(ctx, opts)
}

// Kill ends a sandbox, as [e2b.Transport] says.
func (t *Transport) Kill(ctx context.Context, sandboxID string) error {
	return t.door.Kill(ctx, sandboxID)
}

// Get describes a sandbox, as [e2b.Getter] says.
func (t *Transport) Get(ctx context.Context, sandboxID string) (*e2b.SandboxInfo, error) {
	return t.door.Get(ctx, sandboxID)
}

// Attach makes a handle from what Info returned, as [e2b.Attacher] says. The
// info must hold the access token.
func (t *Transport) Attach(info *e2b.SandboxInfo) (e2b.Sandbox, error) { return t.door.Attach(info) }

// Close kills all sandboxes and their processes, and removes all that the
// Transport has made, snapshots included. A second call does nothing.
func (t *Transport) Close() error { return t.engine.Close() }

// Inject adds a fault. Remove takes it away again.
func (t *Transport) Inject(f Fault) (remove func()) { return t.engine.Inject(f.internal()) }

// Calls returns the calls since the start or the last ResetCalls, oldest
// first, as many requests as a client would have sent. Only the last 10,000
// are kept.
func (t *Transport) Calls() []Call {
	got := t.engine.Calls()
	calls := make([]Call, len(got))
	for i, c := range got {
		calls[i] = Call(c)
	}
	return calls
}

// ResetCalls forgets the calls.
func (t *Transport) ResetCalls() { t.engine.ResetCalls() }

// Dir returns the directory on this machine that is "/" of a sandbox, or an
// e2b.ErrSandboxNotFound. A test may read and change what is in it.
func (t *Transport) Dir(sandboxID string) (string, error) {
	s, err := t.engine.Find(sandboxID)
	if err != nil {
		return "", err
	}
	return s.Dir(), nil
}

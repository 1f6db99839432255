package gitsandboxtest

import (
	"context"
	"iter"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// Options are the options of [NewTransport] and [NewServer]. The zero value is
// ready to use. Its fields:
//
//   - Dir: where to make the directory that holds everything; default the
//     system's directory for temporary files.
//   - Clock: the time by which sandboxes expire; default [RealClock].
//   - Templates: the templates beside "base", by name.
//   - MaxLifetime: the longest lifetime of a sandbox; default 24 hours.
//   - MaxSandboxes: how many can run at once; default 100.
//   - Path: the PATH of the processes; default E2B's, and where git is.
//   - Namespace: whether processes see their home directory at /home/user;
//     default [NamespaceAuto].
//   - KillGrace: the time between SIGTERM and SIGKILL; default 5 seconds.
type Options = fake.Options

// Template is what a sandbox starts from: a Setup func that fills its
// directory, and environment variables.
type Template = fake.Template

// Namespace says how processes see the directories of their sandbox.
type Namespace = fake.Namespace

// The values of [Namespace].
const (
	// NamespaceAuto uses mount namespaces where that is possible and costs
	// nothing.
	NamespaceAuto = fake.NamespaceAuto

	// NamespaceOff never uses them.
	NamespaceOff = fake.NamespaceOff

	// NamespaceOn makes the constructor return an error where they do not
	// work.
	NamespaceOn = fake.NamespaceOn
)

// Clock is the time by which sandboxes expire.
type Clock = fake.Clock

// RealClock is the [Clock] of package time.
type RealClock = fake.RealClock

// ManualClock is a [Clock] that stands still until its method Advance moves
// it. Advance returns when the sandboxes that expire by it are gone or paused.
type ManualClock = fake.ManualClock

// NewManualClock returns a clock that shows start. The zero time means the
// first second of 2026.
func NewManualClock(start time.Time) *ManualClock { return fake.NewManualClock(start) }

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
	engine, err := fake.New(opts)
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
func (t *Transport) Inject(f Fault) (remove func()) { return t.engine.Inject(f) }

// Calls returns the calls since the start or the last ResetCalls, oldest
// first, as many requests as a client would have sent. Only the last 10,000
// are kept.
func (t *Transport) Calls() []Call { return t.engine.Calls() }

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

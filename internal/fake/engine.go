package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// Options are the options of [New].
type Options struct {
	// Dir is the directory in which the engine makes a directory of its own,
	// which Close removes. Default: the system's directory for temporary
	// files.
	Dir string

	// Clock is the time by which sandboxes expire. Default [RealClock].
	Clock Clock

	// Templates are the templates beside "base", by name. A sandbox of a
	// template that is not here, not "base" and not a snapshot cannot be
	// created.
	Templates map[string]Template

	// MaxLifetime is the longest lifetime that the plan of the account
	// allows. Default 24 hours, as on E2B's Pro plan.
	MaxLifetime time.Duration

	// MaxSandboxes is how many sandboxes can run at once. Default 100.
	MaxSandboxes int

	// Path is the PATH of the processes. Default: the directories that E2B
	// has, and where this machine has git if that is elsewhere.
	Path string

	// Namespace says whether processes see the home directory of the sandbox
	// at /home/user and its tmp at /tmp.
	Namespace Namespace

	// KillGrace is the time between SIGTERM and SIGKILL when a command is
	// ended. Default 5 seconds.
	KillGrace time.Duration
}

// Namespace says how processes see the directories of their sandbox.
type Namespace int

// The values of [Namespace].
const (
	// NamespaceAuto uses mount namespaces where they cost nothing per
	// process: on Linux, for a program with the capability CAP_SYS_ADMIN.
	NamespaceAuto Namespace = iota

	// NamespaceOff never uses them.
	NamespaceOff

	// NamespaceOn uses them, and makes New return an error where they do not
	// work.
	NamespaceOn
)

// A Template is what a sandbox starts from.
type Template struct {
	// Setup fills the directory of a new sandbox, which holds home/user, tmp,
	// root and code. Nil leaves it as it is. It must not use the Engine.
	Setup func(dir string) error

	// Env are environment variables of every command. Those of Create win.
	Env map[string]string
}

// An Engine holds sandboxes.
type Engine struct {
	opts  Options
	clock Clock
	dir   string // real path, without symbolic links
	ns    bool

	faults faults

	mu        sync.Mutex
	closed    bool
	sandboxes map[string]*Sandbox
	snapshots map[string]*snapshot
	seq       int        // of the newest sandbox
	pending   int        // sandboxes that are being made
	busy      int        // calls that work on directories outside mu
	idle      *sync.Cond // on mu: busy is 0

	closing  sync.Once
	closeErr error
}

// New returns an engine without sandboxes. Nil opts mean the defaults.
// The caller closes it.
func New(opts *Options) (*Engine, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Clock = cmp.Or[Clock](o.Clock, RealClock{})
	o.MaxLifetime = cmp.Or(o.MaxLifetime, 24*time.Hour)
	o.MaxSandboxes = cmp.Or(o.MaxSandboxes, 100)
	o.KillGrace = cmp.Or(o.KillGrace, 5*time.Second)
	if o.Path == "" {
		o.Path = defaultPath()
	}
	if o.MaxLifetime < 0 || o.MaxSandboxes < 0 || o.KillGrace < 0 {
		return nil, fmt.Errorf("fake: negative option: %w", e2b.ErrInvalidArgument)
	}
	ns, err := probeNamespace(o.Namespace, o.Path)
	if err != nil {
		return nil, fmt.Errorf("fake: mount namespaces: %w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "gitsandbox-")
	if err != nil {
		return nil, fmt.Errorf("fake: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("fake: %w", err)
	}
	e := &Engine{
		opts:      o,
		clock:     o.Clock,
		dir:       resolved,
		ns:        ns,
		sandboxes: make(map[string]*Sandbox),
		snapshots: make(map[string]*snapshot),
	}
	e.idle = sync.NewCond(&e.mu)
	return e, nil
}

// Clock returns the clock of the engine.
func (e *Engine) Clock() Clock { return e.clock }

// Dir returns the directory that holds the directories of the sandboxes.
func (e *Engine) Dir() string { return e.dir }

// Namespaced reports whether processes see the home directory of their
// sandbox at /home/user.
func (e *Engine) Namespaced() bool { return e.ns }

// Close kills all sandboxes and removes everything that the engine has made.
// A second call waits for the first and returns the same.
func (e *Engine) Close() error {
	e.closing.Do(func() { e.closeErr = e.close() })
	return e.closeErr
}

func (e *Engine) close() error {
	// Whoever makes a sandbox now sees closed when it is done, and takes it
	// back; so once nobody is busy, the maps do not grow.
	e.mu.Lock()
	e.closed = true
	for e.busy > 0 {
		e.idle.Wait()
	}
	all := slices.Collect(maps.Values(e.sandboxes))
	clear(e.sandboxes)
	clear(e.snapshots)
	e.mu.Unlock()

	var errs []error
	for _, s := range all {
		errs = append(errs, s.end())
	}
	if err := removeAll(e.dir); err != nil {
		errs = append(errs, fmt.Errorf("fake: %w", err))
	}
	return errors.Join(errs...)
}

// work counts a call that works on directories, so that Close waits for it.
// The caller holds mu and calls done later.
func (e *Engine) work() { e.busy++ }

func (e *Engine) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy--; e.busy == 0 {
		e.idle.Broadcast()
	}
}

// A CreateSpec describes a sandbox to make.
type CreateSpec struct {
	// Template is the ID or name of a template or snapshot, with an optional
	// ":tag". Default "base".
	Template string

	// Timeout is the lifetime. It must be above 0 and at most MaxLifetime.
	Timeout time.Duration

	// Metadata, Env and the two flags are as in [e2b.CreateOptions].
	Metadata              map[string]string
	Env                   map[string]string
	AutoPause, AutoResume bool

	// Network is stored and can be read back; it has no effect.
	Network *Network
}

// Create makes a sandbox and returns when it accepts commands. It returns an
// [e2b.ErrTemplateNotFound], an [e2b.ErrInvalidArgument] for a lifetime that
// the plan does not allow and for network rules that E2B refuses, and an [e2b.ErrRateLimited] where MaxSandboxes run
// already.
func (e *Engine) Create(ctx context.Context, spec *CreateSpec) (*Sandbox, error) {
	if err := e.checkTimeout(spec.Timeout); err != nil {
		return nil, err
	}
	if err := spec.Network.check(); err != nil {
		return nil, err
	}
	t, err := e.template(cmp.Or(spec.Template, "base"))
	if err != nil {
		return nil, err
	}
	from := &origin{template: t}
	if snap := t.snapshot; snap != nil {
		snap.use.RLock()
		defer snap.use.RUnlock()
		from.dir, from.meta = snap.dir, snap.meta
	}
	return e.launch(ctx, from, spec)
}

// checkTimeout refuses what E2B refuses at create.
func (e *Engine) checkTimeout(d time.Duration) error {
	if d <= 0 {
		return errRefused("Timeout must be greater than 0")
	}
	if d > e.opts.MaxLifetime {
		return errRefused("Timeout cannot be greater than %g hours", e.opts.MaxLifetime.Hours())
	}
	return nil
}

// reserve makes room for a sandbox that is about to be made. The caller calls
// release.
func (e *Engine) reserve() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed()
	}
	running := e.pending
	for _, s := range e.sandboxes {
		if s.running() {
			running++
		}
	}
	if running >= e.opts.MaxSandboxes {
		return &e2b.Error{
			Kind: e2b.ErrRateLimited, Status: 429, Retryable: true,
			Message: fmt.Sprintf("you have reached the maximum number of concurrent E2B sandboxes (%d)", e.opts.MaxSandboxes),
		}
	}
	e.pending++
	e.work()
	return nil
}

func (e *Engine) release() {
	e.mu.Lock()
	e.pending--
	e.mu.Unlock()
	e.done()
}

// Find returns a sandbox in any state. The ID may have the old form with a
// client ID after a dash.
func (e *Engine) Find(id string) (*Sandbox, error) {
	short, _, _ := strings.Cut(id, "-")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed()
	}
	s, ok := e.sandboxes[short]
	if !ok {
		return nil, errNoSandbox(id)
	}
	return s, nil
}

// Get returns what is known of a sandbox, running or paused, without resuming
// it.
func (e *Engine) Get(id string) (*Info, error) {
	s, err := e.Find(id)
	if err != nil {
		return nil, err
	}
	return s.Info(), nil
}

// List returns the sandboxes, newest first, each with its tokens. It filters
// nothing.
func (e *Engine) List() []*Info {
	e.mu.Lock()
	all := slices.Collect(maps.Values(e.sandboxes))
	e.mu.Unlock()
	infos := make([]*Info, len(all))
	for i, s := range all {
		infos[i] = s.Info()
	}
	slices.SortFunc(infos, func(a, b *Info) int { return cmp.Compare(b.Seq, a.Seq) })
	return infos
}

// Connect returns a sandbox and resumes it when it is paused. It extends the
// lifetime to at least timeout from now, and never shortens it. Resumed tells
// which it was.
func (e *Engine) Connect(ctx context.Context, id string, timeout time.Duration) (s *Sandbox, resumed bool, err error) {
	if err := e.checkTimeout(timeout); err != nil {
		return nil, false, err
	}
	if s, err = e.Find(id); err != nil {
		return nil, false, err
	}
	resumed, err = s.resume(ctx, timeout, true)
	return s, resumed, err
}

// Resume resumes a paused sandbox with the given lifetime. It returns an
// [e2b.ErrConflict] where it runs. AutoPause, where not nil, replaces that
// setting.
func (e *Engine) Resume(ctx context.Context, id string, timeout time.Duration, autoPause *bool) (*Sandbox, error) {
	if err := e.checkTimeout(timeout); err != nil {
		return nil, err
	}
	s, err := e.Find(id)
	if err != nil {
		return nil, err
	}
	if _, err := s.resume(ctx, timeout, false); err != nil {
		return nil, err
	}
	if autoPause != nil {
		s.setAutoPause(*autoPause)
	}
	return s, nil
}

// Reach is what E2B's edge does before a request gets to a sandbox: it returns
// the sandbox when it runs, resumes it when it is paused and AutoResume is
// set, and otherwise returns an [e2b.ErrSandboxNotFound] with status 502.
func (e *Engine) Reach(ctx context.Context, id string) (*Sandbox, error) {
	s, err := e.Find(id)
	if err != nil {
		return nil, errEdge(id)
	}
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Pause stops the processes of a sandbox. It returns an [e2b.ErrConflict]
// where it is paused.
func (e *Engine) Pause(ctx context.Context, id string) error {
	s, err := e.Find(id)
	if err != nil {
		return err
	}
	return s.pause(ctx)
}

// Kill ends a sandbox, running or paused, with all its processes, and removes
// its directory.
func (e *Engine) Kill(_ context.Context, id string) error {
	s, err := e.Find(id)
	if err != nil {
		return err
	}
	return e.kill(s)
}

// kill ends s unless someone else is doing so already.
func (e *Engine) kill(s *Sandbox) error {
	e.mu.Lock()
	if e.sandboxes[s.id] != s {
		e.mu.Unlock()
		return errNoSandbox(s.id)
	}
	delete(e.sandboxes, s.id)
	e.work() // so that Close returns when the directory is gone
	e.mu.Unlock()
	defer e.done()
	return s.end()
}

// SetTimeout sets the end of the lifetime to d from now. A negative d counts
// as 0, and one above what the plan allows is cut. It returns an
// [e2b.ErrConflict] where the sandbox is paused.
func (e *Engine) SetTimeout(id string, d time.Duration) error {
	s, err := e.Find(id)
	if err != nil {
		return err
	}
	return s.setTimeout(min(max(d, 0), e.opts.MaxLifetime), false)
}

// Refresh extends the lifetime to at least d from now, and at least 15
// seconds.
func (e *Engine) Refresh(id string, d time.Duration) error {
	s, err := e.Find(id)
	if err != nil {
		return err
	}
	return s.setTimeout(min(max(d, 15*time.Second), e.opts.MaxLifetime), true)
}

// UpdateNetwork replaces the stored network rules. Nil clears them. It returns
// an [e2b.ErrInvalidArgument] for rules that E2B refuses.
func (e *Engine) UpdateNetwork(id string, n *Network) error {
	s, err := e.Find(id)
	if err != nil {
		return err
	}
	if err := n.check(); err != nil {
		return err
	}
	return s.setNetwork(n)
}

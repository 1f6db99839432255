package fake

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// maxFork is the most copies that E2B makes at once.
const maxFork = 100

// A snapshot is a copy of the directory of a sandbox.
type snapshot struct {
	id, name, sandboxID string
	seq                 int
	dir                 string
	meta                map[string]fields
	env                 map[string]string

	// use is held for reading while a sandbox is made from the copy, and for
	// writing while it is removed.
	use sync.RWMutex
}

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	ID        string
	Name      string // or empty
	SandboxID string // of which it was made
}

// Snapshot keeps a copy of the files of a sandbox, which runs or is paused, and
// returns what can be given to Create as a template.
func (e *Engine) Snapshot(ctx context.Context, id, name string) (*SnapshotInfo, error) {
	s, err := e.Find(id)
	if err != nil {
		return nil, err
	}
	snap := &snapshot{id: randomText(20), name: name, sandboxID: s.id, env: ownEnv(s.env)}
	snap.dir = filepath.Join(e.dir, "snapshot-"+snap.id)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errClosed()
	}
	e.work()
	e.mu.Unlock()
	defer e.done()
	if snap.meta, err = s.copyTo(ctx, snap.dir); err != nil {
		_ = removeAll(snap.dir)
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seq++
	snap.seq = e.seq
	for _, old := range e.snapshots {
		if name != "" && old.name == name {
			old.name = "" // the name moves on to the newest
		}
	}
	e.snapshots[snap.id] = snap
	return &SnapshotInfo{ID: snap.id, Name: snap.name, SandboxID: snap.sandboxID}, nil
}

// Snapshots returns the snapshots, newest first.
func (e *Engine) Snapshots() []SnapshotInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.SortedFunc(maps.Values(e.snapshots), func(a, b *snapshot) int { return cmp.Compare(b.seq, a.seq) })
	infos := make([]SnapshotInfo, len(all))
	for i, s := range all {
		infos[i] = SnapshotInfo{ID: s.id, Name: s.name, SandboxID: s.sandboxID}
	}
	return infos
}

// DeleteSnapshot removes a snapshot. Sandboxes that were made from it go on.
// It returns an [e2b.ErrTemplateNotFound] where there is none.
func (e *Engine) DeleteSnapshot(id string) error {
	e.mu.Lock()
	s, ok := e.snapshots[id]
	if !ok || e.closed {
		e.mu.Unlock()
		return &e2b.Error{
			Kind: e2b.ErrTemplateNotFound, Status: http.StatusNotFound,
			Message: fmt.Sprintf("template '%s' not found", id),
		}
	}
	delete(e.snapshots, id)
	e.work()
	e.mu.Unlock()
	defer e.done()
	s.use.Lock()
	defer s.use.Unlock()
	return removeAll(s.dir)
}

// A Forked is one copy that Fork has made, or why it could not.
type Forked struct {
	Sandbox *Sandbox
	Err     error
}

// Fork makes count copies, 1 to 100, of a running sandbox, without its
// processes.
func (e *Engine) Fork(ctx context.Context, id string, count int, timeout time.Duration) ([]Forked, error) {
	if count < 1 || count > maxFork {
		return nil, errRefused("count must be between 1 and %d", maxFork)
	}
	if err := e.checkTimeout(timeout); err != nil {
		return nil, err
	}
	s, err := e.Find(id)
	if err != nil {
		return nil, err
	}
	info := s.Info()
	from := &origin{template: &resolved{id: s.templateID, alias: s.alias}, dir: s.dir, meta: s.meta.all()}
	spec := &CreateSpec{
		Timeout: timeout, Metadata: info.Metadata, Env: ownEnv(info.Env),
		AutoPause: info.AutoPause, AutoResume: info.AutoResume, Network: info.Network,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return nil, s.conflict("is not running")
	}
	// Stopped, so that all copies are of one moment.
	if err := s.freeze(); err != nil {
		return nil, errInternal(err)
	}
	defer s.thaw()
	forks := make([]Forked, count)
	for i := range forks {
		forks[i].Sandbox, forks[i].Err = e.launch(ctx, from, spec)
	}
	return forks, nil
}

// ownEnv is an environment without what every sandbox gets for itself.
func ownEnv(env map[string]string) map[string]string {
	own := maps.Clone(env)
	maps.DeleteFunc(own, func(k, _ string) bool {
		return k == "E2B_SANDBOX" || k == "E2B_SANDBOX_ID" || k == "E2B_TEMPLATE_ID"
	})
	return own
}

// copyTo copies the files of the sandbox. Its processes are stopped meanwhile,
// so that the copy is of one moment.
func (s *Sandbox) copyTo(ctx context.Context, dir string) (map[string]fields, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() == ended {
		return nil, errNoSandbox(s.id)
	}
	if s.running() {
		if err := s.freeze(); err != nil {
			return nil, errInternal(err)
		}
		defer s.thaw()
	}
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // as "/" of a sandbox is
		return nil, errInternal(err)
	}
	if err := copyTree(ctx, s.dir, dir); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errInternal(err)
	}
	return s.meta.all(), nil
}

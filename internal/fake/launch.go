package fake

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// layout are the directories of a sandbox.
func layout() []string { return []string{"home/user", "root", "tmp", "code", "usr/local/bin"} }

// sudo runs its arguments: whoever calls it in a sandbox of E2B becomes root,
// and here stays who he is.
const sudo = `#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	-[ughpCrtTDRU]) [ $# -gt 1 ] || exit 1; shift 2 ;;
	--) shift; break ;;
	-*) shift ;;
	[A-Za-z_]*=*) export "$1"; shift ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || exit 0
exec "$@"
`

// An origin is what a sandbox starts from: a template, or a copy of a
// directory.
type origin struct {
	template *resolved

	dir  string            // to copy, or empty
	meta map[string]fields // metadata of its files
}

// launch makes a sandbox.
func (e *Engine) launch(ctx context.Context, from *origin, spec *CreateSpec) (*Sandbox, error) {
	if err := e.reserve(); err != nil {
		return nil, err
	}
	defer e.release()
	s := &Sandbox{
		engine: e, id: newID(), gone: make(chan struct{}),
		templateID: from.template.id, alias: from.template.alias,
		metadata: maps.Clone(spec.Metadata),
		access:   newToken(), autoPause: spec.AutoPause, autoResume: spec.AutoResume,
		network: spec.Network.clone(), timeout: spec.Timeout,
	}
	s.procs.byPID, s.procs.sessions = make(map[int]*Process), make(map[int]struct{})
	s.meta.set(from.meta)
	if spec.Network.private() {
		s.traffic = newToken()
	}
	s.env = map[string]string{
		"E2B_SANDBOX": "true", "E2B_SANDBOX_ID": s.id, "E2B_TEMPLATE_ID": s.templateID,
	}
	maps.Copy(s.env, from.template.Env)
	maps.Copy(s.env, spec.Env)
	s.dir = filepath.Join(e.dir, s.id)
	if err := s.prepare(ctx, from); err != nil {
		s.ns.close()
		if s.root != nil {
			_ = s.root.Close()
		}
		_ = removeAll(s.dir)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errInternal(err)
	}
	e.admit(s)
	return s, nil
}

// admit adds a finished sandbox to the list and starts its lifetime. Close
// waits for this call, so it also ends what is admitted after it was called.
func (e *Engine) admit(s *Sandbox) {
	e.mu.Lock()
	e.seq++
	s.seq = e.seq
	s.created = e.clock.Now()
	s.started = s.created
	e.sandboxes[s.id] = s
	e.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running() {
		s.setEnd(s.started.Add(s.timeout))
	}
}

// prepare fills the directory of a sandbox.
func (s *Sandbox) prepare(ctx context.Context, from *origin) error {
	if err := os.Mkdir(s.dir, 0o755); err != nil { //nolint:gosec // as "/" of a sandbox is
		return err
	}
	if from.dir != "" {
		if err := copyTree(ctx, from.dir, s.dir); err != nil {
			return err
		}
	}
	for _, d := range layout() {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o755); err != nil { //nolint:gosec // as in a sandbox
			return err
		}
	}
	if from.dir == "" {
		name := filepath.Join(s.dir, "usr/local/bin/sudo")
		if err := os.WriteFile(name, []byte(sudo), 0o755); err != nil { //nolint:gosec // a program
			return err
		}
		if from.template.Setup != nil {
			if err := from.template.Setup(s.dir); err != nil {
				return err
			}
		}
	}
	var err error
	if s.root, err = os.OpenRoot(s.dir); err != nil {
		return err
	}
	if s.engine.ns {
		s.ns, err = newNamespace(s.dir)
	}
	return err
}

// wholeSeconds rounds up, as E2B's protocol carries whole seconds.
func wholeSeconds(d time.Duration) time.Duration {
	if r := d.Truncate(time.Second); r != d && d > 0 {
		return r + time.Second
	}
	return d.Truncate(time.Second)
}

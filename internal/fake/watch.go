package fake

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// maxWatched bounds the directories of one recursive watch.
const maxWatched = 10_000

// ChangeType is what happened to a file. The numbers are those of E2B's
// protocol.
type ChangeType int

// The types of changes.
const (
	Created ChangeType = iota + 1
	Written
	Removed
	Renamed
	ModeChanged
)

// A Change is something that happened to a file in a watched directory.
type Change struct {
	Name  string // relative to the watched directory
	Type  ChangeType
	Entry *Entry // the file after it, or nil where there is none
}

// A Watcher reports the changes in a directory. One goroutine at a time calls
// Next; any may call Close.
type Watcher struct {
	sandbox   *Sandbox
	at        place
	real      string // path on this machine, without links
	recursive bool
	fs        *fsnotify.Watcher
	watched   int
	pending   []Change

	closing sync.Once
	closed  chan struct{}
}

// Watch watches a directory, and those below it where recursive is set. The
// caller closes the Watcher.
func (s *Sandbox) Watch(name, user string, recursive bool) (*Watcher, error) {
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	at, file, err := s.follow(name, user, true)
	if err != nil {
		return nil, err
	}
	fi, err := s.root.Stat(file)
	if err != nil {
		return nil, fileError(err, s.name(at))
	}
	if !fi.IsDir() {
		return nil, errInvalid("path is not a directory: %s", s.name(at))
	}
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, errInternal(err)
	}
	w := &Watcher{
		sandbox: s, at: at, real: filepath.Join(s.dir, file), recursive: recursive,
		fs: fw, closed: make(chan struct{}),
	}
	if err := w.add(w.real, false); err != nil {
		w.Close()
		return nil, fileError(err, s.name(at))
	}
	return w, nil
}

// Close ends the watch. A second call does nothing.
func (w *Watcher) Close() {
	w.closing.Do(func() {
		close(w.closed)
		_ = w.fs.Close()
	})
}

// Next waits for the next change. It returns an [e2b.ErrSandboxNotFound] when
// the sandbox is killed, an [e2b.ErrClosed] after Close, and the error of ctx
// when that ends.
func (w *Watcher) Next(ctx context.Context) (Change, error) {
	for {
		if len(w.pending) > 0 {
			c := w.pending[0]
			w.pending = w.pending[1:]
			return c, nil
		}
		select {
		case <-w.sandbox.gone:
			return Change{}, errEdge(w.sandbox.id)
		case <-w.closed:
			return Change{}, &e2b.Error{Kind: e2b.ErrClosed}
		case <-ctx.Done():
			return Change{}, ctx.Err()
		case ev, ok := <-w.fs.Events:
			if !ok {
				return Change{}, &e2b.Error{Kind: e2b.ErrClosed}
			}
			w.see(ev)
		case err, ok := <-w.fs.Errors:
			if ok && err != nil {
				return Change{}, errInternal(err)
			}
		}
	}
}

// see turns an event into changes.
func (w *Watcher) see(ev fsnotify.Event) {
	for _, t := range []struct {
		op fsnotify.Op
		t  ChangeType
	}{
		{fsnotify.Create, Created},
		{fsnotify.Write, Written},
		{fsnotify.Remove, Removed},
		{fsnotify.Rename, Renamed},
		{fsnotify.Chmod, ModeChanged},
	} {
		if ev.Has(t.op) {
			w.report(ev.Name, t.t)
		}
	}
	if w.recursive && ev.Has(fsnotify.Create) {
		// What was made in a new directory before it is watched would be
		// missed.
		_ = w.add(ev.Name, true)
	}
}

func (w *Watcher) report(file string, t ChangeType) {
	rel, ok := cutDir(file, w.real)
	if !ok || rel == "." {
		return
	}
	c := Change{Name: rel, Type: t}
	if t == Created || t == Written || t == ModeChanged {
		if e, err := w.sandbox.entry(w.at.join(rel)); err == nil {
			c.Entry = e
		}
	}
	w.pending = append(w.pending, c)
}

// add watches dir and, where the watch is recursive, what is below it, and
// reports the files in it where report is set. What is no directory is passed
// over.
func (w *Watcher) add(dir string, report bool) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != w.real:
			return nil
		case err != nil:
			return err
		}
		if report && name != dir {
			w.report(name, Created)
		}
		if !d.IsDir() {
			return nil
		}
		if name != dir && !w.recursive {
			return filepath.SkipDir
		}
		if w.watched++; w.watched > maxWatched {
			return errInvalid("more than %d directories to watch below %s", maxWatched, path.Base(w.real))
		}
		if err := w.fs.Add(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

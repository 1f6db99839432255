package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/filesystempb"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

const (
	// maxPolled is how many events are kept for one watcher that nobody asks
	// for them.
	maxPolled = 10_000

	// maxWatchers is how many polled watchers there can be at once.
	maxWatchers = 1000
)

// change returns an event for a reply.
func change(c *fake.Change, withEntry bool) *filesystempb.FilesystemEvent {
	ev := &filesystempb.FilesystemEvent{
		Name: c.Name,
		Type: filesystempb.EventType(c.Type), //nolint:gosec // the numbers are the same, 1 to 5
	}
	if withEntry && c.Entry != nil {
		ev.Entry = entryInfo(c.Entry)
	}
	return ev
}

// WatchDir streams the changes in a directory until the client has enough.
func (f *filesystem) WatchDir(ctx context.Context, req *connect.Request[filesystempb.WatchDirRequest], stream *connect.ServerStream[filesystempb.WatchDirResponse]) error {
	x, name := exchangeOf(ctx), req.Msg.GetPath()
	plan, err := f.server.begin(ctx, fake.Call{Op: fake.OpWatch, Args: []string{name}})
	if err != nil {
		return x.failRPC(err)
	}
	pulse, err := f.server.keepAlive(ctx, req.Header())
	if err != nil {
		return err
	}
	w, err := x.sandbox.Watch(name, userOf(req.Header()), req.Msg.GetRecursive())
	if err != nil {
		return x.failFile(err, name)
	}
	defer w.Close()
	start := &filesystempb.WatchDirResponse_Start{Start: &filesystempb.WatchDirResponse_StartEvent{}}
	if err := stream.Send(&filesystempb.WatchDirResponse{Event: start}); err != nil {
		return err
	}
	for {
		c, err := within(ctx, pulse, w.Next)
		if errors.Is(err, errSilence) {
			alive := &filesystempb.WatchDirResponse_Keepalive{Keepalive: &filesystempb.WatchDirResponse_KeepAlive{}}
			if err := stream.Send(&filesystempb.WatchDirResponse{Event: alive}); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return x.failRPC(err)
		}
		if _, cut := plan.Pass(len(c.Name)); cut {
			x.cut()
			return nil
		}
		ev := &filesystempb.WatchDirResponse_Filesystem{Filesystem: change(&c, req.Msg.GetIncludeEntry())}
		if err := stream.Send(&filesystempb.WatchDirResponse{Event: ev}); err != nil {
			return err
		}
	}
}

// watchers are the watches that clients poll, by their ID.
type watchers struct {
	mu   sync.Mutex
	byID map[string]*polled
	wait sync.WaitGroup
}

// polled is a watch whose events are kept until they are asked for.
type polled struct {
	sandboxID string
	entries   bool
	watcher   *fake.Watcher

	mu     sync.Mutex
	events []*filesystempb.FilesystemEvent
}

func (p *polled) add(c *fake.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) < maxPolled {
		p.events = append(p.events, change(c, p.entries))
	}
}

func (p *polled) take() []*filesystempb.FilesystemEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.events
	p.events = nil
	return events
}

// start keeps the events of p until its watcher is closed or its sandbox is
// gone.
func (s *watchers) start(id string, p *polled) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= maxWatchers {
		return false
	}
	if s.byID == nil {
		s.byID = make(map[string]*polled)
	}
	s.byID[id] = p
	s.wait.Go(func() {
		defer s.remove(id, p.sandboxID)
		for {
			c, err := p.watcher.Next(context.Background()) // ends with Close, and with the sandbox
			if err != nil {
				return
			}
			p.add(&c)
		}
	})
	return true
}

// find returns a watch of a sandbox, or nil.
func (s *watchers) find(id, sandboxID string) *polled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.byID[id]; p != nil && p.sandboxID == sandboxID {
		return p
	}
	return nil
}

// remove ends a watch of a sandbox and reports whether there was one.
func (s *watchers) remove(id, sandboxID string) bool {
	p := s.find(id, sandboxID)
	if p == nil {
		return false
	}
	p.watcher.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
	return true
}

// closeAll ends all watches and waits for their ends.
func (s *watchers) closeAll() {
	s.mu.Lock()
	for _, p := range s.byID {
		p.watcher.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

func noWatcher(id string) error {
	return connect.NewError(connect.CodeNotFound, fmt.Errorf("watcher with id %s not found", id)) //nolint:err113 // the text is envd's
}

// CreateWatcher starts a watch whose events are polled.
func (f *filesystem) CreateWatcher(ctx context.Context, req *connect.Request[filesystempb.CreateWatcherRequest]) (*connect.Response[filesystempb.CreateWatcherResponse], error) {
	x, name := exchangeOf(ctx), req.Msg.GetPath()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpWatch, Args: []string{name}}); err != nil {
		return nil, x.failRPC(err)
	}
	w, err := x.sandbox.Watch(name, userOf(req.Header()), req.Msg.GetRecursive())
	if err != nil {
		return nil, x.failFile(err, name)
	}
	id := rand.Text()
	p := &polled{sandboxID: x.sandbox.ID(), entries: req.Msg.GetIncludeEntry(), watcher: w}
	if !f.server.watches.start(id, p) { //nolint:contextcheck // the watch outlives the request
		w.Close()
		return nil, connect.NewError(connect.CodeResourceExhausted, errors.New("too many watchers"))
	}
	return connect.NewResponse(&filesystempb.CreateWatcherResponse{WatcherId: id}), nil
}

// GetWatcherEvents returns the events since the last call.
func (f *filesystem) GetWatcherEvents(ctx context.Context, req *connect.Request[filesystempb.GetWatcherEventsRequest]) (*connect.Response[filesystempb.GetWatcherEventsResponse], error) {
	x, id := exchangeOf(ctx), req.Msg.GetWatcherId()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpWatch}); err != nil {
		return nil, x.failRPC(err)
	}
	p := f.server.watches.find(id, x.sandbox.ID())
	if p == nil {
		return nil, noWatcher(id)
	}
	return connect.NewResponse(&filesystempb.GetWatcherEventsResponse{Events: p.take()}), nil
}

// RemoveWatcher ends a watch.
func (f *filesystem) RemoveWatcher(ctx context.Context, req *connect.Request[filesystempb.RemoveWatcherRequest]) (*connect.Response[filesystempb.RemoveWatcherResponse], error) {
	x, id := exchangeOf(ctx), req.Msg.GetWatcherId()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpWatch}); err != nil {
		return nil, x.failRPC(err)
	}
	if !f.server.watches.remove(id, x.sandbox.ID()) {
		return nil, noWatcher(id)
	}
	return connect.NewResponse(new(filesystempb.RemoveWatcherResponse)), nil
}

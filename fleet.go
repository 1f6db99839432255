package gitsandbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// live is a sandbox that this process keeps: what all of its handles share.
type live struct {
	id      string
	sandbox e2b.Sandbox
	turn    chan struct{} // held by the one operation that writes

	mu       sync.Mutex
	rec      record
	uses     int       // operations that are running
	expiry   time.Time // of the cache's record
	endAt    time.Time // of the lifetime at E2B
	capped   bool      // the plan lets the lifetime grow no further
	nextTry  time.Time // for what failed at E2B
	ended    bool
	endCount func()
}

func newLive(sb e2b.Sandbox, rec *record) *live {
	return &live{
		id: rec.Sandbox.SandboxID, sandbox: sb, rec: *rec, turn: make(chan struct{}, 1),
		endAt: rec.Sandbox.EndAt, endCount: func() {},
	}
}

// snapshot returns a copy of the record.
func (l *live) snapshot() record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rec.clone()
}

// adopt takes over a record of the cache, where it is newer.
func (l *live) adopt(rec *record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec != nil && rec.Seq > l.rec.Seq {
		l.rec = *rec
	}
}

// update changes the record.
func (l *live) update(fn func(r *record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(&l.rec)
	l.rec.Seq++
}

// fleet keeps the sandboxes of a Client: it ends those that nobody has used
// for the cache's TTL, and keeps the lifetime of the others ahead of it, so
// that no operation has to.
type fleet struct {
	c   *Client
	max int

	mu       sync.Mutex
	lives    map[string]*live
	reserved int // being created
	clones   map[string]*cloneTurn
	running  bool
	stopped  bool
	wake     chan struct{}
	done     chan struct{}
}

// cloneTurn lets one Clone of a key run at a time.
type cloneTurn struct {
	turn    chan struct{}
	waiting int
}

const (
	// lifetimeSlack is how far the lifetime at E2B is kept ahead of the
	// cache's record, at the least.
	lifetimeSlack = time.Minute

	// expirySlack is how long after its time the record of a sandbox is
	// looked for: the cache has dropped it then.
	expirySlack = time.Second

	// upkeepTimeout bounds one request of the upkeep.
	upkeepTimeout = 30 * time.Second

	// upkeepParallel bounds how many sandboxes are seen to at once.
	upkeepParallel = 8
)

func newFleet(c *Client, most int) *fleet {
	return &fleet{
		c: c, max: most, lives: map[string]*live{}, clones: map[string]*cloneTurn{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// lifetime is what a sandbox asks of E2B, so that a renewal is due only after
// a quarter of the TTL.
func (f *fleet) lifetime() time.Duration { return f.c.ttl + max(f.c.ttl/4, 2*lifetimeSlack) }

// reserve takes a place for a sandbox that is about to be created.
func (f *fleet) reserve() (release func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.max > 0 && len(f.lives)+f.reserved >= f.max {
		return nil, &cause{kind: ErrBudgetExceeded, err: errMaxSandboxes}
	}
	f.reserved++
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reserved--
	}), nil
}

var errMaxSandboxes = errors.New("Options.MaxSandboxes are in use")

// add keeps l, or returns the one that is kept already under its ID. Counted
// says that this process accounts for its running time from now or, with an
// age, from then on.
func (f *fleet) add(l *live, counted bool, age time.Duration) *live {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.lives[l.id]; old != nil {
		return old
	}
	l.expiry = time.Now().Add(f.c.ttl + expirySlack)
	if counted {
		l.endCount = f.c.meter.begin(age, l.sandbox.Info())
	}
	f.lives[l.id] = l
	if !f.running && !f.stopped {
		f.running = true
		go f.run()
	}
	f.poke()
	return l
}

func (f *fleet) get(id string) *live {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lives[id]
}

// remove forgets a sandbox that has ended and closes its account.
func (f *fleet) remove(l *live) {
	f.mu.Lock()
	delete(f.lives, l.id)
	f.mu.Unlock()
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.endCount()
}

// poke makes the upkeep look again.
func (f *fleet) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// stop ends the upkeep. The sandboxes live on, out of this process's account.
func (f *fleet) stop() {
	f.mu.Lock()
	running, first := f.running, !f.stopped
	f.stopped = true
	lives := f.lives
	f.lives = map[string]*live{}
	f.mu.Unlock()
	if running {
		if first {
			f.poke()
		}
		<-f.done
	}
	for _, l := range lives {
		l.endCount()
	}
}

// run sees to the sandboxes until the fleet is stopped.
func (f *fleet) run() {
	defer close(f.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-f.c.closing.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
		due, next := f.due(time.Now())
		f.tend(due)
		if len(due) > 0 {
			next = 0 // look again: times have changed
		}
		timer.Reset(next)
	}
}

// due returns what needs care now, and how long until something else does.
func (f *fleet) due(now time.Time) (due []*live, next time.Duration) {
	next = time.Hour
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lives {
		at := l.dueAt()
		if !at.After(now) {
			due = append(due, l)
			continue
		}
		next = min(next, at.Sub(now))
	}
	return due, next
}

// dueAt is when l must be looked at: at its expiry, or at once where its
// lifetime at E2B would end before that.
func (l *live) dueAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.expiry
	if l.uses > 0 {
		at = time.Now().Add(lifetimeSlack)
	}
	if l.renewable() {
		at = time.Time{}
	}
	if at.Before(l.nextTry) {
		at = l.nextTry
	}
	return at
}

func (l *live) renewable() bool {
	return !l.capped && !l.endAt.IsZero() && l.endAt.Before(l.expiry.Add(lifetimeSlack))
}

// tend ends and renews, a few at a time.
func (f *fleet) tend(due []*live) {
	places := make(chan struct{}, upkeepParallel)
	var wg sync.WaitGroup
	for _, l := range due {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(f.c.closing, upkeepTimeout)
			defer cancel()
			if err := f.tendOne(ctx, l); err != nil && f.c.closing.Err() == nil {
				l.mu.Lock()
				l.nextTry = time.Now().Add(lifetimeSlack / 2)
				l.mu.Unlock()
				f.c.log.LogAttrs(ctx, slog.LevelWarn, "upkeep of sandbox failed",
					slog.String("sandbox_id", l.id),
					slog.String("error", f.c.redact.String(err.Error())))
			}
		})
	}
	wg.Wait()
}

func (f *fleet) tendOne(ctx context.Context, l *live) error {
	l.mu.Lock()
	now := time.Now()
	expired := l.uses == 0 && !l.expiry.After(now)
	renew := !expired && l.renewable()
	if expired {
		l.ended = true // no operation begins from here on
	}
	l.mu.Unlock()
	switch {
	case expired:
		return f.expire(ctx, l)
	case renew:
		return f.renew(ctx, l)
	}
	return nil
}

// expire ends a sandbox whose record has left the cache. A record that is
// still there means that another process has used the sandbox.
func (f *fleet) expire(ctx context.Context, l *live) error {
	_, err := f.c.cache.Get(ctx, sandboxKey(l.id))
	if err == nil || !errors.Is(err, ErrCacheMiss) {
		l.mu.Lock()
		l.ended = false
		l.expiry = time.Now().Add(f.c.ttl / 4)
		l.mu.Unlock()
		return err
	}
	err = f.c.control(ctx, "kill", l.id, func(ctx context.Context) error { return l.sandbox.Kill(ctx) })
	if err != nil && !errors.Is(err, ErrSandboxNotFound) {
		return err
	}
	f.remove(l)
	return nil
}

// renew moves the end of the lifetime at E2B ahead.
func (f *fleet) renew(ctx context.Context, l *live) error {
	d := f.lifetime()
	err := f.c.control(ctx, "set_timeout", l.id, func(ctx context.Context) error { return l.sandbox.SetTimeout(ctx, d) })
	if errors.Is(err, ErrSandboxNotFound) {
		f.c.forget(ctx, l)
		return nil
	}
	if err != nil {
		return err
	}
	end := time.Now().Add(d)
	l.mu.Lock()
	l.endAt = end
	l.rec.Sandbox.EndAt = end
	l.mu.Unlock()
	return nil
}

// cloneTurn waits until no other Clone of key runs in this process.
func (f *fleet) cloneTurn(ctx context.Context, key string) (release func(), err error) {
	f.mu.Lock()
	t := f.clones[key]
	if t == nil {
		t = &cloneTurn{turn: make(chan struct{}, 1)}
		f.clones[key] = t
	}
	t.waiting++
	f.mu.Unlock()
	leave := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(f.clones, key)
		}
	}
	select {
	case t.turn <- struct{}{}:
		return func() { <-t.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

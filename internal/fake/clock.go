package fake

import (
	"slices"
	"sync"
	"time"
)

// A Clock tells the time by which sandboxes expire.
type Clock interface {
	// Now returns the time.
	Now() time.Time

	// AfterFunc calls f in its own time once d has passed, unless stop is
	// called before. Stop does not wait for a call of f that has begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// RealClock is the [Clock] of package time.
type RealClock struct{}

// Now returns time.Now().
func (RealClock) Now() time.Time { return time.Now() }

// AfterFunc calls time.AfterFunc.
func (RealClock) AfterFunc(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// A ManualClock is a [Clock] that stands still until it is told to move.
// Any number of goroutines may use it.
type ManualClock struct {
	advance sync.Mutex // held by the one Advance that runs

	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer
}

type manualTimer struct {
	at time.Time
	f  func()
}

// NewManualClock returns a clock that shows start. The zero time means the
// first second of the year 2026, in UTC.
func NewManualClock(start time.Time) *ManualClock {
	if start.IsZero() {
		start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return &ManualClock{now: start}
}

// Now returns the time that the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc arranges for f to be called by the [ManualClock.Advance] that
// moves the clock by d or more from now. Where d is not above 0, that is the
// next one, even by 0.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &manualTimer{at: c.now.Add(d), f: f}
	c.timers = append(c.timers, t)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timers = slices.DeleteFunc(c.timers, func(o *manualTimer) bool { return o == t })
	}
}

// Advance moves the clock by d and calls, in the order of their times, the
// functions that are due, with the clock at their time. It returns when they
// have returned: the sandboxes that expire by it are then gone or paused. A
// function must not call Advance.
func (c *ManualClock) Advance(d time.Duration) {
	c.advance.Lock()
	defer c.advance.Unlock()
	c.mu.Lock()
	end := c.now.Add(d)
	c.mu.Unlock()
	for {
		f := c.next(end)
		if f == nil {
			return
		}
		f()
	}
}

// next moves the clock to the first timer that is due by end and takes it, or
// to end where there is none.
func (c *ManualClock) next(end time.Time) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first *manualTimer
	for _, t := range c.timers {
		if !t.at.After(end) && (first == nil || t.at.Before(first.at)) {
			first = t
		}
	}
	if first == nil {
		c.now = end
		return nil
	}
	c.timers = slices.DeleteFunc(c.timers, func(o *manualTimer) bool { return o == first })
	if first.at.After(c.now) {
		c.now = first.at
	}
	return first.f
}

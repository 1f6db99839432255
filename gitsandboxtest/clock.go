package gitsandboxtest

import (
	"time"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// A Clock tells the time by which sandboxes expire. Any number of goroutines
// use it.
type Clock interface {
	// Now returns the time.
	Now() time.Time

	// AfterFunc calls f on a goroutine of its own choice once d has passed,
	// unless stop is called before. Stop does not wait for a call of f that
	// has begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// RealClock is the [Clock] of package time.
type RealClock struct{}

// Now returns [time.Now].
func (RealClock) Now() time.Time { return time.Now() }

// AfterFunc calls [time.AfterFunc].
func (RealClock) AfterFunc(d time.Duration, f func()) (stop func()) {
	return fake.RealClock{}.AfterFunc(d, f)
}

// A ManualClock is a [Clock] that stands still until [ManualClock.Advance]
// moves it. [NewManualClock] makes one; the zero value is not usable. Any
// number of goroutines may use it.
type ManualClock struct{ clock *fake.ManualClock }

var (
	_ Clock = RealClock{}
	_ Clock = (*ManualClock)(nil)
)

// NewManualClock returns a clock that shows start. The zero time means the
// first second of 2026, in UTC.
func NewManualClock(start time.Time) *ManualClock {
	return &ManualClock{fake.NewManualClock(start)}
}

// Now returns the time that the clock shows.
func (c *ManualClock) Now() time.Time { return c.clock.Now() }

// AfterFunc arranges for f to be called by the Advance that moves the clock by
// d or more from now. Where d is not above 0, that is the next one, even by 0.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) (stop func()) {
	return c.clock.AfterFunc(d, f)
}

// Advance moves the clock by d and calls, in the order of their times, the
// functions that are due, with the clock at their time. It returns when they
// have returned: the sandboxes that expire by it are then gone or paused. A
// function that the clock calls must not call Advance.
func (c *ManualClock) Advance(d time.Duration) { c.clock.Advance(d) }

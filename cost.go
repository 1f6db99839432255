package gitsandbox

import (
	"sync"
	"time"
)

// accounts adds up the running time of sandboxes, so that a scrape costs the
// same however many there are. Times are hours on the monotonic clock, as
// offsets from epoch: a jump of the wall clock does not show.
type accounts struct {
	epoch time.Time

	mu       sync.Mutex
	active   int
	starts   float64 // sum of the starts of the active ones
	finished float64 // sum of the running times of the others
	reported float64 // the highest sum read: rounding must not lower a counter
}

// begin counts a sandbox that has run for age already, and returns what ends
// the count. Calling that twice is harmless.
func (m *Metrics) begin(age time.Duration) (end func()) {
	if m == nil {
		return func() {}
	}
	a := &m.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	start := (time.Since(a.epoch) - max(age, 0)).Hours()
	a.active++
	a.starts += start
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.active--
		a.starts -= start
		a.finished += time.Since(a.epoch).Hours() - start
	})
}

func (a *accounts) read() (active int, hours float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	running := float64(a.active)*time.Since(a.epoch).Hours() - a.starts
	a.reported = max(a.reported, a.finished+running)
	return a.active, a.reported
}

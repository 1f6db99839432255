package gitsandbox

import (
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// DefaultCostPerSandboxHour is the flat rate of a sandbox of any size, in US
// dollars per hour.
const DefaultCostPerSandboxHour = 0.015

// The size of a sandbox where E2B has told none: that of E2B's template "base".
const (
	defaultCPUCount = 2
	defaultMemoryMB = 512
)

// The periods of the projections, in hours. A month is a twelfth of 8,760 hours.
const (
	hoursPerDay   = 24
	hoursPerMonth = 730
)

// prices say what a running sandbox costs, in US dollars.
type prices struct {
	perHour                     float64 // whatever its size
	perVCPUSecond, perGiBSecond float64 // instead of perHour, where one is above 0
	assumed                     size
}

// size is what E2B bills of a sandbox.
type size struct{ vcpus, memoryMB int }

func newPrices(o *MetricsOptions) prices {
	p := prices{
		perHour: o.CostPerSandboxHour, perVCPUSecond: max(o.CostPerVCPUSecond, 0), perGiBSecond: max(o.CostPerGiBSecond, 0),
		assumed: size{o.AssumedCPUCount, o.AssumedMemoryMB},
	}
	if p.perHour == 0 {
		p.perHour = DefaultCostPerSandboxHour
	}
	p.perHour = max(p.perHour, 0)
	if p.assumed.vcpus <= 0 {
		p.assumed.vcpus = defaultCPUCount
	}
	if p.assumed.memoryMB <= 0 {
		p.assumed.memoryMB = defaultMemoryMB
	}
	return p
}

// ofSize reports whether the size of a sandbox decides about its cost.
func (p *prices) ofSize() bool { return p.perVCPUSecond > 0 || p.perGiBSecond > 0 }

// hourly is what sandboxes cost in an hour, whose sizes add up to total.
func (p *prices) hourly(active int, total size) float64 {
	if !p.ofSize() {
		return float64(active) * p.perHour
	}
	return (float64(total.vcpus)*p.perVCPUSecond + float64(total.memoryMB)/1024*p.perGiBSecond) * time.Hour.Seconds()
}

// accounts adds up the running time of sandboxes, so that a scrape costs the
// same however many there are. Times are hours on the monotonic clock, as
// offsets from epoch: a jump of the wall clock does not show.
type accounts struct {
	epoch  time.Time
	prices prices

	mu       sync.Mutex
	active   int
	assumed  int     // of the active ones, those whose size is not known
	total    size    // of the active ones
	starts   float64 // sum of the starts of the active ones
	finished float64 // sum of the running times of the others
	reported float64 // the highest sum read: rounding must not lower a counter
}

func (a *accounts) open(p prices) { a.epoch, a.prices = time.Now(), p }

// begin counts a sandbox that has run for age already, and returns what ends
// the count. Calling that twice is harmless.
func (a *accounts) begin(age time.Duration, info *e2b.SandboxInfo) (end func()) {
	s, assumed := a.size(info)
	a.mu.Lock()
	defer a.mu.Unlock()
	start := (time.Since(a.epoch) - max(age, 0)).Hours()
	a.add(1, s, assumed, start)
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.add(-1, s, assumed, start)
		a.finished += time.Since(a.epoch).Hours() - start
	})
}

// size returns the size of a sandbox, and 1 where a part of it is assumed. What
// E2B did not tell is 0 in info.
func (a *accounts) size(info *e2b.SandboxInfo) (s size, assumed int) {
	s = size{info.CPUCount, info.MemoryMB}
	if s.vcpus <= 0 {
		s.vcpus, assumed = a.prices.assumed.vcpus, 1
	}
	if s.memoryMB <= 0 {
		s.memoryMB, assumed = a.prices.assumed.memoryMB, 1
	}
	return s, assumed
}

func (a *accounts) add(n int, s size, assumed int, start float64) {
	a.active += n
	a.assumed += n * assumed
	a.total.vcpus += n * s.vcpus
	a.total.memoryMB += n * s.memoryMB
	a.starts += float64(n) * start
	if a.active == 0 {
		a.starts = 0 // without what rounding has left
	}
}

func (a *accounts) read() (active int, hours float64) {
	b := a.balance()
	return b.active, b.hours
}

// balance is what accounts say at one moment.
type balance struct {
	active, assumed int
	hours           float64
	hourly          float64 // dollars per hour
}

func (a *accounts) balance() balance {
	a.mu.Lock()
	defer a.mu.Unlock()
	running := float64(a.active)*time.Since(a.epoch).Hours() - a.starts
	a.reported = max(a.reported, a.finished+running)
	b := balance{active: a.active, hours: a.reported, hourly: a.prices.hourly(a.active, a.total)}
	if a.prices.ofSize() {
		b.assumed = a.assumed
	}
	return b
}

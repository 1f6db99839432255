package gitsandbox

import (
	"slices"
	"sync/atomic"
	"time"
)

// windowSize is how many of the last outcomes a window keeps. The 95th
// percentile of so many is the 26th from the top: one slow operation does not make it.
const windowSize = 512

// window keeps the last outcomes of something: how long each took, and whether it
// was bad. It is of constant size, and recording takes two atomic operations.
type window struct {
	next atomic.Uint64
	// An outcome is twice its duration, and one more where it was bad. 0 is
	// none yet.
	slots [windowSize]atomic.Int64
}

func (w *window) record(d time.Duration, bad bool) {
	v := int64(max(d, 1)) << 1
	if bad {
		v |= 1
	}
	w.slots[(w.next.Add(1)-1)%windowSize].Store(v)
}

// recent is what a window holds.
type recent struct {
	n, bad int
	p95    time.Duration // 0 where n is
}

// badRatio is the part that was bad, 0 where there is none.
func (r recent) badRatio() float64 {
	if r.n == 0 {
		return 0
	}
	return float64(r.bad) / float64(r.n)
}

func (w *window) read() recent {
	var r recent
	durations := make([]int64, 0, windowSize)
	for i := range w.slots {
		v := w.slots[i].Load()
		if v == 0 {
			continue
		}
		durations = append(durations, v>>1)
		r.bad += int(v & 1)
	}
	r.n = len(durations)
	if r.n == 0 {
		return r
	}
	slices.Sort(durations)
	r.p95 = time.Duration(durations[(r.n*95+99)/100-1]) // the smallest that 95 % do not exceed
	return r
}

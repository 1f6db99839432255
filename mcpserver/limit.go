package mcpserver

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter bounds the requests of each caller. Callers are the names of tokens, so
// there are few.
type limiter struct {
	rate  rate.Limit
	burst int

	mu       sync.Mutex
	byCaller map[string]*rate.Limiter
}

func newLimiter(perSecond float64, burst int) *limiter {
	l := &limiter{rate: rate.Limit(perSecond), burst: burst, byCaller: map[string]*rate.Limiter{}}
	if perSecond == 0 {
		l.rate = DefaultRate
	}
	if perSecond < 0 {
		l.rate = rate.Inf
	}
	if burst == 0 {
		l.burst = DefaultBurst
	}
	return l
}

// wait takes one request of a caller at a time. It returns how long the caller has
// to wait before another try, or 0 where there is no need to.
func (l *limiter) wait(caller string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.byCaller[caller]
	if lim == nil {
		lim = rate.NewLimiter(l.rate, l.burst)
		l.byCaller[caller] = lim
	}
	r := lim.ReserveN(now, 1)
	if !r.OK() {
		return time.Second
	}
	delay := r.DelayFrom(now)
	if delay > 0 {
		r.CancelAt(now) // a refused request does not count
	}
	return delay
}

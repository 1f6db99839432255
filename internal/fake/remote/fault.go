package remote

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A Fault makes something go wrong with requests that match. What it says is
// done in the order of its fields.
type Fault struct {
	// Operation and Repo must be those of the [Request]. Empty ones match
	// all.
	Operation, Repo string

	// Nth is the first matching request to fail, counted from 1. 0 means all.
	Nth int

	// Times is how many fail. 0 means one where Nth is given, else all.
	Times int

	// Before is called first, on the goroutine of the request: it can move a
	// branch between two requests of a client.
	Before func(Request)

	// Delay holds the request back.
	Delay time.Duration

	// Status answers with this status and no effect, RetryAfter with 429 and
	// the header of that name, unless there is a Status.
	Status     int
	RetryAfter time.Duration

	// Redirect answers with a redirect to this URL.
	Redirect string

	// Body answers 200 with this body of type ContentType. Default type
	// "text/html".
	Body, ContentType string

	// LoseReply does what is asked and closes the connection in place of a
	// reply. DropAfter does so after that many bytes of the body, where it is
	// not 0.
	LoseReply bool
	DropAfter int64
}

// armed is a fault and how often it matched.
type armed struct {
	Fault
	matched int
}

// strikes reports whether the match that was counted last fails.
func (f *armed) strikes() bool {
	switch {
	case f.Nth == 0:
		return f.Times == 0 || f.matched <= f.Times
	case f.Times == 0:
		return f.matched == f.Nth
	}
	return f.matched >= f.Nth && f.matched < f.Nth+f.Times
}

// Inject adds a fault. Remove takes it away again. Of several that match a
// request the first one counts.
func (r *Remote) Inject(f Fault) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	added := &armed{Fault: f}
	r.faults = append(r.faults, added)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.faults = slices.DeleteFunc(r.faults, func(f *armed) bool { return f == added })
	}
}

// record logs a request and returns the fault that it meets.
func (r *Remote) record(req Request) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) < maxRequests {
		r.requests = append(r.requests, req)
	}
	var met *armed
	for _, f := range r.faults {
		if f.Operation != "" && f.Operation != req.Operation || f.Repo != "" && f.Repo != req.Repo {
			continue
		}
		f.matched++
		if met == nil && f.strikes() {
			met = f
		}
	}
	if met == nil {
		return Fault{}
	}
	return met.Fault
}

// act does what the fault says before the request is served, and reports
// whether that was the reply.
func (f Fault) act(ctx context.Context, w *replyWriter, req Request) bool {
	if f.Before != nil {
		f.Before(req)
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
	w.drop, w.left = f.LoseReply || f.DropAfter > 0, f.DropAfter
	h := w.w.Header()
	switch {
	case f.Status != 0 || f.RetryAfter > 0:
		status := f.Status
		if status == 0 {
			status = http.StatusTooManyRequests
		}
		if f.RetryAfter > 0 {
			h.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
		}
		refuse(w.w, status, http.StatusText(status)+".")
	case f.Redirect != "":
		h.Set("Location", f.Redirect)
		w.w.WriteHeader(http.StatusFound)
	case f.Body != "":
		h.Set("Content-Type", "text/html")
		if f.ContentType != "" {
			h.Set("Content-Type", f.ContentType)
		}
		_, _ = io.WriteString(w.w, f.Body)
	default:
		return false
	}
	return true
}

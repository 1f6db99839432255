package wire

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// An exchange is one request and its reply, as the ResponseWriter of its
// handler. It is where faults are enacted: whatever protocol the handler
// speaks, its reply can be replaced by one of the edge, swallowed, or cut.
type exchange struct {
	http.ResponseWriter

	sandbox   *fake.Sandbox // what an envd request is for
	authorize func() error  // whether it may be, or nil where all may
	limit     time.Duration // of the process that it starts, or 0

	mu      sync.Mutex
	started bool // the status is written
	mute    bool // what the handler writes goes nowhere
	broken  bool // the connection ends without the rest of the reply
}

type exchangeKey struct{}

func newExchange(w http.ResponseWriter) *exchange {
	return &exchange{ResponseWriter: w}
}

// exchangeOf returns the exchange of a request's context.
func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("wire: a handler was called without an exchange")
	}
	return x
}

// Unwrap is for http.ResponseController. What it offers beyond Flush does not
// write.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Header returns the header of the reply, or one that leads nowhere when the
// reply is not the handler's any more.
func (x *exchange) Header() http.Header {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mute {
		return make(http.Header)
	}
	return x.ResponseWriter.Header()
}

// WriteHeader writes the status.
func (x *exchange) WriteHeader(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mute {
		return
	}
	x.started = true
	x.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mute {
		return len(p), nil
	}
	x.started = true
	return x.ResponseWriter.Write(p)
}

// Flush sends what was written.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError sends what was written.
func (x *exchange) FlushError() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mute {
		return nil
	}
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// lose makes the client see a connection that breaks off before the reply.
// The handler goes on.
func (x *exchange) lose() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mute, x.broken = true, true
}

// cut ends the connection after what was written up to now.
func (x *exchange) cut() { x.lose() }

// abort is cut for another goroutine than the handler's, which may be writing
// to a client that does not read.
func (x *exchange) abort() {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
	x.cut()
}

// lastWrite is how long a client may take to read what was written before its
// sandbox was gone.
const lastWrite = time.Second

// watch bounds the writes of the handler once the sandbox is gone, so that a
// client that does not read cannot hold it. The caller calls stop before it
// returns.
func (x *exchange) watch() (stop func()) {
	control := http.NewResponseController(x.ResponseWriter)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-x.sandbox.Gone():
			_ = control.SetWriteDeadline(time.Now().Add(lastWrite))
			<-quit
			// The connection may serve further requests.
			_ = control.SetWriteDeadline(time.Time{})
		case <-quit:
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// replace answers with what write writes instead of what the handler is about
// to write. When the reply has begun it is cut.
func (x *exchange) replace(write func(http.ResponseWriter)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mute {
		return
	}
	x.mute = true
	if x.started {
		x.broken = true
		return
	}
	write(x.ResponseWriter)
}

// finish ends the request. What was written is flushed first, so that a cut
// stream has all of its bytes up to the cut.
func (x *exchange) finish() {
	x.mu.Lock()
	broken, started := x.broken, x.started
	x.mu.Unlock()
	if !broken {
		return
	}
	if started {
		_ = http.NewResponseController(x.ResponseWriter).Flush()
	}
	panic(http.ErrAbortHandler) // net/http closes the connection without a word
}

// begin asks the engine for the faults of a call and enacts those that come
// before it. An error is one to answer with, or the context's.
func (s *Server) begin(ctx context.Context, c fake.Call) (*fake.Plan, error) {
	x := exchangeOf(ctx)
	if x.sandbox != nil {
		c.SandboxID = x.sandbox.ID()
	}
	plan, err := s.engine.Begin(ctx, c)
	if err != nil {
		return nil, err
	}
	if x.sandbox != nil {
		// A fault may have killed the sandbox or expired its token.
		if _, err := s.engine.Reach(ctx, c.SandboxID); err != nil {
			return nil, err
		}
		if x.authorize != nil {
			if err := x.authorize(); err != nil {
				return nil, err
			}
		}
	}
	if plan.LoseReply {
		x.lose()
	}
	return plan, nil
}

// asError returns err as an e2b.Error; one of another kind is an internal one.
func asError(err error) *e2b.Error {
	if e, ok := errors.AsType[*e2b.Error](err); ok {
		return e
	}
	return &e2b.Error{Status: http.StatusInternalServerError, Code: "internal", Message: err.Error(), Err: err}
}

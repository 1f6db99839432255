package e2b

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

// startGrace is how long a start is waited for when its context has ended, so
// that a command that is about to run can be ended and not lost.
const startGrace = 2 * time.Second

var (
	errSilent  = errors.New("no keep-alive came")
	errNoStart = errors.New("the stream does not begin with a start event")
)

// events is one stream of the events of a process.
type events struct {
	recv   func() (*processpb.ProcessEvent, error) // io.EOF where the stream ends in order
	close  func() error
	cancel context.CancelCauseFunc
	watch  *time.Timer // cancels the stream
}

// newEvents returns the stream that an RPC opened.
func newEvents[T any, P interface {
	*T
	GetEvent() *processpb.ProcessEvent
}](stream *connect.ServerStreamForClient[T], err error,
) (*events, error) {
	if err != nil {
		return nil, err
	}
	recv := func() (*processpb.ProcessEvent, error) {
		if stream.Receive() {
			return P(stream.Msg()).GetEvent(), nil
		}
		if err := stream.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	return &events{recv: recv, close: stream.Close}, nil
}

// open opens a stream that lives as long as life, and waits for its start
// event within the request timeout, and not much longer than caller.
func (p *process) open(life, caller context.Context, dial func(context.Context) (*events, error)) (*events, error) {
	ctx, cancel := context.WithCancelCause(life)
	watch := time.AfterFunc(p.box.client.requestTimeout, func() { cancel(errNoReply) })
	stop := context.AfterFunc(caller, func() { watch.Reset(startGrace) })
	defer stop()
	e, err := dial(ctx)
	if err == nil {
		e.cancel, e.watch = cancel, watch
		if err = p.awaitStart(e); err == nil {
			watch.Stop()
			return e, nil
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	watch.Stop()
	cancel(nil)
	if e != nil {
		_ = e.close()
	}
	return nil, err
}

// awaitStart reads the start event and takes the process ID from it.
func (p *process) awaitStart(e *events) error {
	for {
		event, err := e.recv()
		switch {
		case err != nil:
			return err
		case event.GetKeepalive() != nil:
			continue
		case event.GetStart().GetPid() == 0:
			return errNoStart
		case p.pid != 0 && p.pid != event.GetStart().GetPid():
			return errNoStart
		}
		if p.pid == 0 {
			p.pid = event.GetStart().GetPid()
		}
		return nil
	}
}

// next returns the next event, or an error when none came for too long.
func (e *events) next(silence time.Duration) (*processpb.ProcessEvent, error) {
	e.watch.Reset(silence)
	event, err := e.recv()
	if !e.watch.Stop() && err != nil {
		return nil, errSilent
	}
	return event, err
}

// end closes the stream. One that ended in order is read to its end before, so
// that its connection can be used again.
func (e *events) end(inOrder bool) {
	if inOrder {
		_, _ = e.next(time.Second)
	}
	e.watch.Stop()
	e.cancel(nil)
	_ = e.close()
}

package e2b

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

const stdinChunk = 32 << 10

// feed copies in to the standard input of the process and closes it. It goes
// by StreamInput, whose contents are not logged in the sandbox. What the
// process does not read is no error. It returns when all is read, when ctx
// ends, or at the next Read after that.
func (p *process) feed(ctx context.Context, in io.Reader) {
	op := p.box.op(p.op.name, false)
	op.notFound = ErrProcessNotFound
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := &inputStream{stream: p.box.procs.StreamInput(ctx), pid: p.pid}
	p.box.setUser(stream.stream.RequestHeader(), "")
	go func() { p.fed(ctx, &op, stream.keepAlive(ctx, p.box.client.keepalive)) }()

	readErr, err := stream.copy(in)
	if readErr != nil {
		cancel()
		_ = stream.finish()
		p.fail(ctx, p.broken(fmt.Errorf("standard input: %w", readErr)))
		return
	}
	if err == nil {
		err = p.closeStdin(ctx)
	}
	p.fed(ctx, &op, err)
}

// fed ends a command whose input cannot be delivered. Half of an input must not
// pass for the whole.
func (p *process) fed(ctx context.Context, op *operation, err error) {
	if err == nil || ctx.Err() != nil || isInputRefused(err) {
		return
	}
	p.fail(ctx, p.box.failed(ctx, op, err))
}

// isInputRefused reports whether err says that the process takes no more
// input: it has ended, or it has closed its end.
func isInputRefused(err error) bool {
	if !connect.IsWireError(err) {
		return false
	}
	code := connect.CodeOf(err)
	return code == connect.CodeNotFound || code == connect.CodeInternal || code == connect.CodeFailedPrecondition
}

// closeStdin ends the input, for which a repeat is as good as the first.
func (p *process) closeStdin(ctx context.Context) error {
	for try := 1; ; try++ {
		_, err := unary(ctx, p.box, &processpb.CloseStdinRequest{Process: selectPID(p.pid)}, p.box.procs.CloseStdin)
		if err == nil || try == 3 || !isLostReply(err) || ctx.Err() != nil {
			return err
		}
	}
}

func selectPID(pid uint32) *processpb.ProcessSelector {
	return &processpb.ProcessSelector{Selector: &processpb.ProcessSelector_Pid{Pid: pid}}
}

// An inputStream is one call of StreamInput, which the copy and the keep-alive
// share.
type inputStream struct {
	mu     sync.Mutex
	stream *connect.ClientStreamForClient[processpb.StreamInputRequest, processpb.StreamInputResponse]
	pid    uint32
	closed bool
	err    error // the answer
}

// copy sends all of in and waits until it has been delivered. It tells an error
// of in from one of the stream.
func (s *inputStream) copy(in io.Reader) (readErr, sendErr error) {
	err := s.send(&processpb.StreamInputRequest{Event: &processpb.StreamInputRequest_Start{
		Start: &processpb.StreamInputRequest_StartEvent{Process: selectPID(s.pid)},
	}})
	buf := make([]byte, stdinChunk)
	for err == nil {
		var n int
		n, readErr = in.Read(buf)
		if n > 0 {
			err = s.send(&processpb.StreamInputRequest{Event: &processpb.StreamInputRequest_Data{
				Data: &processpb.StreamInputRequest_DataEvent{
					Input: &processpb.ProcessInput{Input: &processpb.ProcessInput_Stdin{Stdin: buf[:n]}},
				},
			}})
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil && err == nil {
			return readErr, nil
		}
	}
	return nil, s.finish()
}

func (s *inputStream) send(m *processpb.StreamInputRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return io.EOF
	}
	return s.stream.Send(m)
}

// finish ends the stream and returns the answer. An error of Send is only the
// news that there is one.
func (s *inputStream) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_, s.err = s.stream.CloseAndReceive()
	}
	return s.err
}

// keepAlive keeps the request from being idle while the reader has nothing. It
// returns when the stream or ctx ends, with an error if the stream broke.
func (s *inputStream) keepAlive(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.send(&processpb.StreamInputRequest{Event: &processpb.StreamInputRequest_Keepalive{
			Keepalive: &processpb.StreamInputRequest_KeepAlive{},
		}}); err != nil {
			return s.finish()
		}
	}
}

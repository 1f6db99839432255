package gitsandbox

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// stream is a step whose output is read as it comes.
type stream struct {
	*io.PipeReader
	s      *Sandbox
	cancel context.CancelFunc
	head   *headWriter
	done   chan struct{}
	res    *e2b.ExecResult
	err    error
}

// stream starts a step. The caller reads it, and closes it.
func (s *Sandbox) stream(ctx context.Context, args []string) *stream {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	st := &stream{PipeReader: r, s: s, cancel: cancel, head: &headWriter{w: w}, done: make(chan struct{})}
	go func() {
		defer close(st.done)
		st.res, st.err = s.exec(ctx, &e2b.Command{Args: args, Stdout: st.head, MaxOutput: maxHead, Timeout: within(ctx, 0)})
		if st.err != nil {
			w.CloseWithError(st.err)
			return
		}
		w.Close()
	}()
	return st
}

// wait drains the rest of the output and returns why the step failed, or nil.
func (st *stream) wait(name string) error {
	_, _ = io.Copy(io.Discard, st.PipeReader)
	<-st.done
	if st.err != nil {
		return again(st.err)
	}
	return st.s.stepError(name, st.res, st.head.head.Bytes())
}

// close ends the step, if it still runs, and waits for its end.
func (st *stream) close() {
	st.cancel()
	_ = st.CloseWithError(errStreamClosed)
	<-st.done
}

var errStreamClosed = errors.New("not read to the end")

// headWriter passes output on and keeps the beginning of it, which is where a
// step that fails says why.
type headWriter struct {
	w    io.Writer
	head bytes.Buffer
}

const maxHead = 1 << 20

func (h *headWriter) Write(p []byte) (int, error) {
	if room := maxHead - h.head.Len(); room > 0 {
		h.head.Write(p[:min(room, len(p))])
	}
	return h.w.Write(p)
}

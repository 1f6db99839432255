package e2b

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

// withStdin returns a command that gets the input.
func withStdin(in io.Reader) *Command { return &Command{Args: []string{"cat"}, Stdin: in} }

// untilClosed makes the started process one that ends when its input is closed.
func untilClosed(s *script) {
	closed := make(chan struct{})
	s.start = func(ctx context.Context, r *startReq, w *startRes) error {
		assert.True(s.t, r.Msg.GetStdin())
		started(w, startEvent(7))
		select {
		case <-closed:
			started(w, exitEvent(0))
		case <-ctx.Done():
		}
		return nil
	}
	s.closed = func() error { close(closed); return nil }
}

func TestStdin(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	untilClosed(s)
	var got bytes.Buffer
	s.input = func(_ context.Context, in *inputReqs) error {
		assert.True(t, in.Receive())
		assert.Equal(t, uint32(7), in.Msg().GetStart().GetProcess().GetPid())
		for in.Receive() {
			assert.LessOrEqual(t, len(in.Msg().GetData().GetInput().GetStdin()), stdinChunk)
			got.Write(in.Msg().GetData().GetInput().GetStdin())
		}
		return in.Err()
	}
	want := bytes.Repeat([]byte("\x00\xff0123456789"), 100_000)
	result, err := s.box().Exec(t.Context(), withStdin(struct{ io.Reader }{bytes.NewReader(want)}))
	require.NoError(t, err)
	assert.Zero(t, result.ExitCode)
	assert.True(t, bytes.Equal(want, got.Bytes()), "the input differs")
	assert.Zero(t, s.count("POST /process.Process/SendInput"), "which is logged")
}

func TestStdinRefused(t *testing.T) {
	t.Parallel()
	for _, code := range []connect.Code{connect.CodeNotFound, connect.CodeInternal} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			refused := make(chan struct{})
			s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
				started(w, startEvent(7))
				select {
				case <-refused:
				case <-ctx.Done():
				}
				started(w, exitEvent(3))
				return nil
			}
			s.input = func(context.Context, *inputReqs) error {
				defer close(refused)
				return connect.NewError(code, textError("write: broken pipe"))
			}
			result, err := s.box().Exec(t.Context(), withStdin(strings.NewReader("x")))
			require.NoError(t, err, "a process need not read its input")
			assert.Equal(t, 3, result.ExitCode)
		})
	}
}

func TestStdinCutEndsCommand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		health int
		want   error
	}{
		"alive": {http.StatusNoContent, ErrNetwork},
		"gone":  {http.StatusBadGateway, ErrSandboxNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.health = test.health
			ended := make(chan struct{})
			s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
				started(w, startEvent(7))
				select {
				case <-ended:
				case <-ctx.Done():
				}
				// What it did with half of its input is not an outcome.
				started(w, exitEvent(0))
				return nil
			}
			s.input = func(ctx context.Context, in *inputReqs) error {
				in.Receive()
				in.Receive()
				hangUp(ctx)
				return nil
			}
			s.signal = func(uint32, processpb.Signal) error { close(ended); return nil }
			in, feed := io.Pipe()
			defer feed.Close()
			go func() { _, _ = feed.Write([]byte("half")); _, _ = feed.Write([]byte("more")) }()
			box := s.box()
			box.client.keepalive = 20 * time.Millisecond
			_, err := box.Exec(t.Context(), withStdin(in))
			require.ErrorIs(t, err, test.want)
			assert.False(t, Retryable(err))
			assert.Equal(t, 1, s.count("POST /process.Process/SendSignal"))
			assert.Zero(t, s.count("POST /process.Process/CloseStdin"), "the input was not whole")
		})
	}
}

func TestStdinReaderFails(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ended := make(chan struct{})
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		select {
		case <-ended:
		case <-ctx.Done():
		}
		started(w, killedEvent("signal: terminated"))
		return nil
	}
	s.input = func(_ context.Context, in *inputReqs) error {
		for in.Receive() {
		}
		return in.Err()
	}
	s.signal = func(uint32, processpb.Signal) error { close(ended); return nil }
	failure := errors.New("disk on fire")
	in := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) { return 0, failure }))
	_, err := s.box().Exec(t.Context(), withStdin(in))
	require.ErrorIs(t, err, failure)
	assert.EqualError(t, err, "e2b: exec "+testID+": standard input: disk on fire")
	assert.Zero(t, s.count("POST /process.Process/CloseStdin"), "the input was not whole")
}

func TestStdinCloseIsRepeated(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	untilClosed(s)
	closeOnce := s.closed
	var calls atomic.Int32
	s.closed = func() error {
		if calls.Add(1) == 1 {
			cut()
		}
		return closeOnce()
	}
	s.input = func(_ context.Context, in *inputReqs) error {
		for in.Receive() {
		}
		return in.Err()
	}
	_, err := s.box().Exec(t.Context(), withStdin(strings.NewReader("x")))
	require.NoError(t, err)
	assert.Equal(t, int32(2), calls.Load())
}

func TestStdinNeedsNewEnvd(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	_, err := attach(t, s.client(nil), "0.5.1").Exec(t.Context(), withStdin(strings.NewReader("x")))
	require.ErrorIs(t, err, ErrInvalidArgument)
	assert.Empty(t, s.paths())
}

func TestStdinKeepsConnectionAlive(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	untilClosed(s)
	in, feed := io.Pipe()
	s.input = func(_ context.Context, r *inputReqs) error {
		for r.Receive() {
			if r.Msg().GetKeepalive() != nil {
				_ = feed.Close()
			}
		}
		return r.Err()
	}
	c := s.client(nil)
	c.keepalive = 20 * time.Millisecond
	_, err := attach(t, c, "0.6.13").Exec(t.Context(), withStdin(in))
	require.NoError(t, err)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

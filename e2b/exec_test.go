package e2b

import (
	"context"
	"encoding/base64"
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

var trueCommand = &Command{Args: []string{"true"}}

type (
	startReq  = connect.Request[processpb.StartRequest]
	startRes  = connect.ServerStream[processpb.StartResponse]
	joinReq   = connect.Request[processpb.ConnectRequest]
	joinRes   = connect.ServerStream[processpb.ConnectResponse]
	inputReqs = connect.ClientStream[processpb.StreamInputRequest]
)

func TestExecRequest(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var got *startReq
	s.start = func(_ context.Context, r *startReq, w *startRes) error {
		got = r
		started(w, startEvent(7), stdoutEvent("out"), keepaliveEvent(), exitEvent(0))
		return nil
	}
	result, err := s.box().Exec(t.Context(), &Command{
		Args: []string{"git", "-h"}, Env: map[string]string{"A": "b"}, Dir: "sub", User: "root", Timeout: 1500 * time.Millisecond,
	})
	require.NoError(t, err)
	assert.Equal(t, &ExecResult{
		Ended: EndedByItself, Stdout: []byte("out"), Stderr: []byte{}, Duration: result.Duration,
	}, result)
	assert.Equal(t, "/usr/bin/timeout", got.Msg.GetProcess().GetCmd())
	assert.Equal(t, []string{"-k", "5", "2", "git", "-h"}, got.Msg.GetProcess().GetArgs())
	assert.Equal(t, map[string]string{"A": "b"}, got.Msg.GetProcess().GetEnvs())
	assert.Equal(t, "sub", got.Msg.GetProcess().GetCwd())
	require.NotNil(t, got.Msg.Stdin, "absent means true")
	assert.False(t, got.Msg.GetStdin())
	assert.Len(t, got.Msg.GetTag(), 26)
	assert.Equal(t, "20", got.Header().Get("Keepalive-Ping-Interval"))
	assert.Empty(t, got.Header().Get("Connect-Timeout-Ms"))
	assert.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("root:")), got.Header().Get("Authorization"))
	assert.Equal(t, testToken, got.Header().Get("X-Access-Token"))
	assert.Equal(t, testID, got.Header().Get("E2b-Sandbox-Id"))
	assert.Equal(t, "49983", got.Header().Get("E2b-Sandbox-Port"))
	assert.Empty(t, got.Header().Get("X-Api-Key"))
}

func TestExecSendsNoDeadline(t *testing.T) {
	t.Parallel()
	// envd would make a SIGKILL of it, for the top process alone.
	s := newScript(t)
	s.start = func(_ context.Context, r *startReq, w *startRes) error {
		assert.Empty(t, r.Header().Get("Connect-Timeout-Ms"))
		started(w, startEvent(7), exitEvent(3))
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := s.box().Exec(ctx, trueCommand)
	require.NoError(t, err)
	assert.Equal(t, 3, result.ExitCode)
}

func TestExecOldEnvdGetsUser(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(_ context.Context, r *startReq, w *startRes) error {
		assert.Equal(t, "Basic dXNlcjo=", r.Header().Get("Authorization"))
		started(w, startEvent(7), exitEvent(0))
		return nil
	}
	_, err := attach(t, s.client(nil), "0.3.9").Exec(t.Context(), trueCommand)
	require.NoError(t, err)
}

func TestExecUsesOneConnection(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(_ context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7), exitEvent(0))
		return nil
	}
	box := s.box()
	for range 5 {
		_, err := box.Exec(t.Context(), trueCommand)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, s.connections())
}

func TestExecEnds(t *testing.T) {
	t.Parallel()
	second := &Command{Args: []string{"true"}, Timeout: time.Second}
	for name, test := range map[string]struct {
		cmd  *Command
		end  *processpb.ProcessEvent
		want ExecResult
	}{
		"own 124":             {trueCommand, exitEvent(124), ExecResult{ExitCode: 124, Ended: EndedByItself}},
		"124 before the time": {&Command{Args: []string{"true"}, Timeout: time.Hour}, exitEvent(124), ExecResult{ExitCode: 124, Ended: EndedByItself}},
		"124 in time":         {second, exitEvent(124), ExecResult{ExitCode: -1, Ended: EndedByTimeout}},
		"killed in time":      {second, killedEvent("signal: killed"), ExecResult{ExitCode: -1, Ended: EndedByTimeout}},
		"killed":              {trueCommand, killedEvent("signal: killed"), ExecResult{ExitCode: -1, Ended: EndedBySignal, Signal: "killed"}},
		"core dumped": {
			trueCommand, killedEvent("signal: aborted (core dumped)"),
			ExecResult{ExitCode: -1, Ended: EndedBySignal, Signal: "aborted"},
		},
		"neither": {trueCommand, killedEvent(""), ExecResult{ExitCode: -1, Ended: EndedBySignal, Signal: "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
				started(w, startEvent(7))
				if test.cmd == second {
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
				}
				started(w, test.end)
				return nil
			}
			c := s.client(nil)
			result, err := attach(t, c, "0.6.13").Exec(t.Context(), test.cmd)
			require.NoError(t, err)
			assert.Equal(t, test.want.ExitCode, result.ExitCode)
			assert.Equal(t, test.want.Ended, result.Ended)
			assert.Equal(t, test.want.Signal, result.Signal)
		})
	}
}

func TestExecRefusedByEnvd(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(context.Context, *startReq, *startRes) error {
		return connect.NewError(connect.CodeInvalidArgument, textError("cwd '/x' does not exist"))
	}
	_, err := s.box().Exec(t.Context(), trueCommand)
	require.ErrorIs(t, err, ErrInvalidArgument)
	assert.EqualError(t, err, "e2b: exec "+testID+": invalid argument: cwd '/x' does not exist")
	assert.Zero(t, s.count("GET /health"))
}

func TestExecUnavailableIsLookedInto(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		health    int
		want      error
		retryable bool
	}{
		"alive": {http.StatusNoContent, ErrUnavailable, true},
		"gone":  {http.StatusBadGateway, ErrSandboxNotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.health = test.health
			s.start = func(context.Context, *startReq, *startRes) error {
				return connect.NewError(connect.CodeUnavailable, textError("nothing here"))
			}
			_, err := s.box().Exec(t.Context(), trueCommand)
			require.ErrorIs(t, err, test.want)
			assert.Equal(t, test.retryable, Retryable(err))
		})
	}
}

// TestExecCutStream tests what becomes of a command whose stream breaks after
// some output.
func TestExecCutStream(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		health  int
		running func(tag string) []*processpb.ProcessInfo
		join    func(w *joinRes) error
		want    error
		code    int
	}{
		"the sandbox is gone": {health: http.StatusBadGateway, want: ErrSandboxNotFound},
		"it still runs": {
			running: func(tag string) []*processpb.ProcessInfo { return running(7, tag) },
			join: func(w *joinRes) error {
				joined(w, startEvent(7), stdoutEvent("!"), exitEvent(5))
				return nil
			},
			code: 5,
		},
		"it has ended": {
			join: func(w *joinRes) error {
				joined(w, startEvent(7), exitEvent(0))
				return nil
			},
		},
		"it ended too long ago": {
			join: func(*joinRes) error {
				return connect.NewError(connect.CodeNotFound, textError("process with pid 7 not found"))
			},
			want: ErrNetwork,
		},
		"the ID was given to another": {
			running: func(string) []*processpb.ProcessInfo { return running(7, "another") },
			want:    ErrNetwork,
		},
		"a foreign process has the ID": {
			running: func(string) []*processpb.ProcessInfo { return running(7, "") },
			want:    ErrNetwork,
		},
		"the stream is of another process": {
			join: func(w *joinRes) error { joined(w, startEvent(8), exitEvent(0)); return nil },
			want: ErrNetwork,
		},
		"it breaks again and again": {
			join: func(w *joinRes) error { joined(w, startEvent(7), stdoutEvent(".")); cut(); return nil },
			want: ErrNetwork,
		},
		"it ends without an end": {
			join: func(w *joinRes) error { joined(w, startEvent(7)); return nil },
			want: ErrNetwork,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			if test.health != 0 {
				s.health = test.health
			}
			var tag atomic.Value
			s.start = func(_ context.Context, r *startReq, w *startRes) error {
				tag.Store(r.Msg.GetTag())
				started(w, startEvent(7), stdoutEvent("some"))
				cut()
				return nil
			}
			s.running = func() []*processpb.ProcessInfo {
				if test.running == nil {
					return nil
				}
				return test.running(tag.Load().(string))
			}
			s.join = func(_ context.Context, r *joinReq, w *joinRes) error {
				assert.Equal(t, uint32(7), r.Msg.GetProcess().GetPid())
				assert.Equal(t, "20", r.Header().Get("Keepalive-Ping-Interval"))
				return test.join(w)
			}
			result, err := s.box().Exec(t.Context(), trueCommand)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
				assert.Nil(t, result)
				assert.False(t, Retryable(err))
				assert.LessOrEqual(t, s.count("POST /process.Process/Connect"), maxRejoins)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.code, result.ExitCode)
			assert.Equal(t, EndedByItself, result.Ended)
			assert.True(t, result.Incomplete)
			assert.True(t, strings.HasPrefix(string(result.Stdout), "some"))
		})
	}
}

func TestExecNoticesSilence(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		<-ctx.Done() // a connection that is dead
		return nil
	}
	s.running = func() []*processpb.ProcessInfo { return nil }
	s.join = func(_ context.Context, _ *joinReq, w *joinRes) error {
		joined(w, startEvent(7), exitEvent(6))
		return nil
	}
	result, err := s.impatientBox().Exec(t.Context(), trueCommand)
	require.NoError(t, err)
	assert.Equal(t, 6, result.ExitCode)
	assert.True(t, result.Incomplete)
}

func TestExecKeepalivesKeepAlive(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for range 8 { // longer than the silence of 300 ms
			<-ticker.C
			started(w, keepaliveEvent())
		}
		started(w, exitEvent(0))
		return nil
	}
	result, err := s.impatientBox().Exec(t.Context(), trueCommand)
	require.NoError(t, err)
	assert.False(t, result.Incomplete)
}

func TestExecWithoutStartEvent(t *testing.T) {
	t.Parallel()
	t.Run("found again", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		var tag atomic.Value
		s.start = func(_ context.Context, r *startReq, _ *startRes) error {
			tag.Store(r.Msg.GetTag())
			cut()
			return nil
		}
		s.running = func() []*processpb.ProcessInfo { return running(9, tag.Load().(string)) }
		s.join = func(_ context.Context, r *joinReq, w *joinRes) error {
			assert.Equal(t, uint32(9), r.Msg.GetProcess().GetPid())
			joined(w, startEvent(9), exitEvent(4))
			return nil
		}
		result, err := s.box().Exec(t.Context(), trueCommand)
		require.NoError(t, err)
		assert.Equal(t, 4, result.ExitCode)
		assert.True(t, result.Incomplete)
	})
	t.Run("not found", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		s.start = func(context.Context, *startReq, *startRes) error { cut(); return nil }
		s.running = func() []*processpb.ProcessInfo { return running(9, "another") }
		_, err := s.box().Exec(t.Context(), trueCommand)
		require.ErrorIs(t, err, ErrNetwork)
		assert.False(t, Retryable(err))
		assert.Equal(t, 1, s.count("POST /process.Process/Start"))
	})
	t.Run("never answered", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		s.start = func(ctx context.Context, _ *startReq, _ *startRes) error { <-ctx.Done(); return nil }
		s.running = func() []*processpb.ProcessInfo { return nil }
		c := s.client(&ClientOptions{RequestTimeout: 200 * time.Millisecond})
		_, err := attach(t, c, "0.6.13").Exec(t.Context(), trueCommand)
		require.ErrorIs(t, err, ErrNetwork)
		assert.False(t, Retryable(err))
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		c, err := NewClient(testKey, &ClientOptions{SandboxURL: "http://127.0.0.1:1"})
		require.NoError(t, err)
		_, err = attach(t, c, "0.6.13").Exec(t.Context(), trueCommand)
		require.ErrorIs(t, err, ErrNetwork)
		assert.True(t, Retryable(err), "it was never sent")
	})
}

func TestExecCancel(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		cancel()
		<-ended
		started(w, killedEvent("signal: terminated"))
		return nil
	}
	s.signal = func(pid uint32, sig processpb.Signal) error {
		assert.Equal(t, uint32(7), pid)
		assert.Equal(t, processpb.Signal_SIGNAL_SIGTERM, sig)
		close(ended)
		return nil
	}
	_, err := s.box().Exec(ctx, trueCommand)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, Retryable(err))
	assert.Equal(t, 1, s.count("POST /process.Process/SendSignal"))
}

func TestExecCancelBeforeStartEvent(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ctx, cancel := context.WithCancel(t.Context())
	var tag atomic.Value
	s.start = func(ctx context.Context, r *startReq, _ *startRes) error {
		tag.Store(r.Msg.GetTag())
		cancel()
		<-ctx.Done()
		return nil
	}
	s.running = func() []*processpb.ProcessInfo { return running(9, tag.Load().(string)) }
	var signaled atomic.Uint32
	s.signal = func(pid uint32, _ processpb.Signal) error { signaled.Store(pid); return nil }
	_, err := s.box().Exec(ctx, trueCommand)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, uint32(9), signaled.Load(), "a command that was started has to be ended")
}

func TestExecCancelLeavesReaper(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ctx, cancel := context.WithCancel(t.Context())
	var reaper atomic.Value
	s.start = func(ctx context.Context, r *startReq, w *startRes) error {
		if r.Msg.GetProcess().GetCmd() == "/bin/sh" {
			reaper.Store(r.Msg.GetProcess().GetArgs())
			assert.Empty(t, r.Header().Get("Connect-Timeout-Ms"))
			started(w, startEvent(8))
			<-ctx.Done()
			return nil
		}
		started(w, startEvent(7))
		cancel()
		for ctx.Err() == nil {
			started(w, keepaliveEvent())
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return nil
	}
	s.signal = func(uint32, processpb.Signal) error { return nil }
	begin := time.Now()
	_, err := s.box().Exec(ctx, trueCommand)
	require.ErrorIs(t, err, context.Canceled)
	assert.Less(t, time.Since(begin), 10*time.Second)
	assert.Equal(t, []string{"-c", reapScript, "sh", "7"}, reaper.Load())
}

func TestExecCancelWithDeadNetwork(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		cancel()
		<-ctx.Done()
		return nil
	}
	s.running = func() []*processpb.ProcessInfo { return running(7, "") }
	s.signal = func(uint32, processpb.Signal) error { cut(); return nil }
	_, err := s.box().Exec(ctx, trueCommand)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "the command may still run")
	assert.Equal(t, 2, s.count("POST /process.Process/SendSignal"))
}

func TestExecWriterFails(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ended := make(chan struct{})
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7), stdoutEvent("one"), stdoutEvent("two"))
		select {
		case <-ended:
		case <-ctx.Done():
		}
		started(w, killedEvent("signal: terminated"))
		return nil
	}
	s.signal = func(uint32, processpb.Signal) error { close(ended); return nil }
	var written []string
	cmd := &Command{Args: []string{"yes"}, Stdout: writerFunc(func(b []byte) (int, error) {
		written = append(written, string(b))
		return 0, &Error{Op: "other", Kind: ErrUnavailable, Retryable: true}
	})}
	_, err := s.box().Exec(t.Context(), cmd)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.EqualError(t, err, "e2b: exec "+testID+": standard output: e2b: other: unavailable")
	assert.False(t, Retryable(err), "what the writer's error says is not about this command")
	assert.Equal(t, []string{"one"}, written)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestExecEndlessStream(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		chunk := stdoutEvent(strings.Repeat("x", 32<<10))
		for ctx.Err() == nil {
			started(w, chunk)
		}
		return nil
	}
	s.signal = func(uint32, processpb.Signal) error {
		return connect.NewError(connect.CodeNotFound, textError("no such process"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.box().Exec(ctx, &Command{Args: []string{"yes"}, MaxOutput: 1000})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestExecMessageTooLarge(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(_ context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7), stdoutEvent(strings.Repeat("x", maxMessageBytes+1)))
		return nil
	}
	var signals atomic.Int32
	s.signal = func(uint32, processpb.Signal) error { signals.Add(1); return nil }
	_, err := s.box().Exec(t.Context(), trueCommand)
	require.ErrorIs(t, err, ErrProtocol)
	assert.Equal(t, int32(1), signals.Load())
}

// textError is an error that is only text.
type textError string

func (e textError) Error() string { return string(e) }

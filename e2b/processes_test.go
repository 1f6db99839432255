package e2b

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

func TestListProcesses(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	cwd := "/home/user"
	s.running = func() []*processpb.ProcessInfo {
		return []*processpb.ProcessInfo{
			{Pid: 1, Config: &processpb.ProcessConfig{
				Cmd: "/usr/bin/timeout", Args: []string{"-k", "5", "60", "git", "status"},
				Envs: map[string]string{"A": "b"}, Cwd: &cwd,
			}},
			{Pid: 2, Config: &processpb.ProcessConfig{Cmd: "/bin/bash", Args: []string{"-l", "-c", "true"}}},
			{Pid: 3},
		}
	}
	infos, err := s.box().ListProcesses(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []*ProcessInfo{
		{PID: 1, Args: []string{"git", "status"}, Env: map[string]string{"A": "b"}, Dir: "/home/user"},
		{PID: 2, Args: []string{"/bin/bash", "-l", "-c", "true"}},
		{PID: 3, Args: []string{""}},
	}, infos)
}

func TestConnectProcess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  *processpb.ProcessEvent
		want Ended
	}{
		"124 with a limit": {exitEvent(124), EndedByTimeout},
		"another exit":     {exitEvent(1), EndedByItself},
		"killed":           {killedEvent("signal: killed"), EndedBySignal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.running = func() []*processpb.ProcessInfo {
				return []*processpb.ProcessInfo{{Pid: 7, Config: &processpb.ProcessConfig{
					Cmd: "/usr/bin/timeout", Args: []string{"-k", "5", "60", "sleep", "99"},
				}}}
			}
			s.join = func(_ context.Context, _ *joinReq, w *joinRes) error {
				joined(w, startEvent(7), stdoutEvent("out"), test.end)
				return nil
			}
			var out bytes.Buffer
			p, err := s.box().ConnectProcess(t.Context(), 7, &out, nil)
			require.NoError(t, err)
			result, err := p.Wait(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.want, result.Ended)
			assert.Equal(t, "out", out.String())
			assert.Nil(t, result.Stdout)
		})
	}
}

func TestConnectProcessThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.running = func() []*processpb.ProcessInfo { return nil }
	s.join = func(context.Context, *joinReq, *joinRes) error {
		return connect.NewError(connect.CodeNotFound, textError("process with pid 7 not found"))
	}
	_, err := s.box().ConnectProcess(t.Context(), 7, nil, nil)
	require.ErrorIs(t, err, ErrProcessNotFound)
	assert.False(t, Retryable(err))
}

func TestProcessClose(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		<-ctx.Done()
		return nil
	}
	p, err := s.box().Start(t.Context(), trueCommand)
	require.NoError(t, err)
	assert.Equal(t, 7, p.PID())
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	_, err = p.Wait(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	assert.EqualError(t, err, "e2b: start "+testID+": closed")
	assert.Zero(t, s.count("POST /process.Process/SendSignal"))
}

func TestProcessStopWhenGone(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		<-ctx.Done()
		return nil
	}
	s.signal = func(uint32, processpb.Signal) error {
		return connect.NewError(connect.CodeNotFound, textError("process with pid 7 not found"))
	}
	box := s.box()
	p, err := box.Start(t.Context(), trueCommand)
	require.NoError(t, err)
	require.NoError(t, p.Stop(t.Context()), "it has ended")
	require.ErrorIs(t, box.Signal(t.Context(), 7, SIGKILL), ErrProcessNotFound)
	require.NoError(t, p.Close())
	_, err = p.Wait(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

// TestYoungCommandIsNotSignalled ends commands as soon as they run. timeout(1) is then
// about to start them.
func TestYoungCommandIsNotSignalled(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var began time.Time
	signalled := make(chan time.Duration, 1)
	s.start = func(_ context.Context, _ *startReq, w *startRes) error {
		began = time.Now()
		started(w, startEvent(7))
		signalled <- <-signalled
		started(w, killedEvent("signal: terminated"))
		return nil
	}
	s.signal = func(uint32, processpb.Signal) error {
		signalled <- time.Since(began)
		return nil
	}
	p, err := s.box().Start(t.Context(), trueCommand)
	require.NoError(t, err)
	require.NoError(t, p.Stop(t.Context()))
	r, err := p.Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, EndedBySignal, r.Ended)
	assert.GreaterOrEqual(t, <-signalled, settleTime)

	ctx, cancel := context.WithTimeout(t.Context(), settleTime/4)
	defer cancel()
	_, err = s.box().Exec(ctx, trueCommand)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.GreaterOrEqual(t, <-signalled, settleTime)
}

func TestStopOfAYoungCommandEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(ctx context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7))
		<-ctx.Done()
		return nil
	}
	p, err := s.box().Start(t.Context(), trueCommand)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Stop(ctx), context.Canceled)
	require.NoError(t, p.Close())
	_, err = p.Wait(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

func TestEdgeAnswersOfRPCs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status    int
		body      map[string]any
		want      error
		retryable bool
	}{
		{502, map[string]any{"sandboxId": testID, "message": "The sandbox was not found", "code": 502}, ErrSandboxNotFound, false},
		{401, map[string]any{"code": 401, "message": "unauthorized access, please provide a valid access token"}, ErrAuth, false},
		{401, map[string]any{"code": "unauthenticated", "message": "invalid username: 'x'"}, ErrInvalidArgument, false},
		{403, map[string]any{"code": 403, "message": "traffic access token"}, ErrForbidden, false},
		{409, map[string]any{"code": 409, "message": "still transitioning"}, ErrConflict, true},
		{429, map[string]any{"code": 429, "message": "too many concurrent connections"}, ErrRateLimited, true},
		{308, map[string]any{}, ErrProtocol, false},
	} {
		t.Run(test.want.Error(), func(t *testing.T) {
			t.Parallel()
			server := newScript(t)
			c := server.client(nil)
			c.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				reply(w, test.status, test.body)
				res := w.Result()
				res.Request = r
				return res, nil
			})
			box := attach(t, c, "0.6.13")
			_, execErr := box.Exec(t.Context(), trueCommand)
			_, listErr := box.ListProcesses(t.Context())
			for _, err := range []error{execErr, listErr} {
				require.ErrorIs(t, err, test.want)
				assert.Equal(t, test.retryable, Retryable(err))
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWaitMoreThanOnce(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start = func(_ context.Context, _ *startReq, w *startRes) error {
		started(w, startEvent(7), exitEvent(2))
		return nil
	}
	p, err := s.box().Start(t.Context(), &Command{Args: []string{"true"}, Timeout: time.Minute})
	require.NoError(t, err)
	first, err := p.Wait(t.Context())
	require.NoError(t, err)
	first.ExitCode = 99
	second, err := p.Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, second.ExitCode)
}

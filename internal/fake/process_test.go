package fake

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func TestProcesses(t *testing.T) {
	t.Parallel()
	clock := NewManualClock(time.Time{})
	tr := newTransport(t, &Options{Clock: clock})
	sb := create(t, tr, nil)
	p, err := sb.Start(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "read x; echo got $x"}, Env: map[string]string{"K": "v"}})
	require.NoError(t, err)
	r, err := p.Wait(t.Context())
	require.NoError(t, err, "stdin is /dev/null")
	assert.Equal(t, "got\n", string(r.Stdout))

	gate := make(chan struct{})
	p, err = sb.Start(t.Context(), &e2b.Command{
		Args: []string{"sh", "-c", "read x; echo got $x"}, Env: map[string]string{"K": "v"}, Stdin: &gated{gate, strings.NewReader("it\n")},
	})
	require.NoError(t, err)
	list, err := sb.ListProcesses(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []*e2b.ProcessInfo{{PID: p.PID(), Args: []string{"sh", "-c", "read x; echo got $x"}, Env: map[string]string{"K": "v"}}}, list)
	var out strings.Builder
	joined, err := sb.ConnectProcess(t.Context(), p.PID(), &out, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = joined.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	close(gate)
	r, err = joined.Wait(t.Context())
	require.NoError(t, err)
	assert.Zero(t, r.ExitCode)
	assert.Equal(t, "got it\n", out.String())

	clock.Advance(30*time.Second - 1)
	joined, err = sb.ConnectProcess(t.Context(), p.PID(), nil, nil)
	require.NoError(t, err, "the end can be had for 30 seconds")
	r, err = joined.Wait(t.Context())
	require.NoError(t, err)
	assert.Zero(t, r.ExitCode)
	clock.Advance(1)
	_, err = sb.ConnectProcess(t.Context(), p.PID(), nil, nil)
	require.ErrorIs(t, err, e2b.ErrProcessNotFound)
	require.ErrorIs(t, sb.Signal(t.Context(), p.PID(), e2b.SIGKILL), e2b.ErrProcessNotFound)
}

type gated struct {
	gate chan struct{}
	r    *strings.Reader
}

func (g *gated) Read(b []byte) (int, error) {
	<-g.gate
	return g.r.Read(b)
}

func TestSignalCloseStop(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	p, err := sb.Start(t.Context(), &e2b.Command{Args: []string{"sleep", "1000"}})
	require.NoError(t, err)
	require.ErrorIs(t, sb.Signal(t.Context(), p.PID(), 2), e2b.ErrInvalidArgument)
	require.NoError(t, sb.Signal(t.Context(), p.PID(), e2b.SIGTERM))
	r, err := p.Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "terminated", r.Signal)
	require.NoError(t, p.Stop(t.Context()), "it has ended")

	p, err = sb.Start(t.Context(), &e2b.Command{Args: []string{"sleep", "1000"}})
	require.NoError(t, err)
	require.NoError(t, p.Close())
	_, err = p.Wait(t.Context())
	require.ErrorIs(t, err, e2b.ErrClosed)
	assert.True(t, alive(p.PID()))
	require.NoError(t, p.Stop(t.Context()))
	require.Eventually(t, func() bool { return !alive(p.PID()) }, 10*time.Second, time.Millisecond)
}

func TestASlowReaderBlocksTheProcess(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	p, sub, err := s.Start(&ProcessSpec{Cmd: "sh", Args: []string{"-c", "head -c 1000000 /dev/zero; touch done"}})
	require.NoError(t, err)
	ev, err := sub.Next(t.Context())
	require.NoError(t, err)
	n := len(ev.Data)
	assert.LessOrEqual(t, n, 32<<10)
	_, err = s.Stat("done", "")
	require.ErrorIs(t, err, e2b.ErrFileNotFound, "a pipe holds less than a megabyte")
	for {
		ev, err := sub.Next(t.Context())
		require.NoError(t, err)
		if ev.Kind == End {
			break
		}
		n += len(ev.Data)
	}
	assert.Equal(t, 1000000, n)
	<-p.Done()
	_, err = s.Stat("done", "")
	require.NoError(t, err)
}

func TestProcessTimeoutKillsTheTopProcessAlone(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	p, sub, err := s.Start(&ProcessSpec{Cmd: "sh", Args: []string{"-c", "sleep 1000 & echo $! >pid; wait"}, Timeout: 200 * time.Millisecond})
	require.NoError(t, err)
	_, err = sub.Next(t.Context())
	e, ok := errors.AsType[*e2b.Error](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "deadline_exceeded", e.Code)
	child := readPID(t, s.Dir()+"/home/user/pid")
	require.Eventually(t, func() bool { return !alive(p.PID()) }, 10*time.Second, time.Millisecond)
	assert.True(t, alive(child))
	require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
	<-p.Done()
}

func TestPTY(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	p, sub, err := s.Start(&ProcessSpec{Cmd: "sh", Args: []string{"-c", "stty size; read x; stty size; echo got $x; exit 5"}, PTY: &PTYSize{Cols: 100, Rows: 40}})
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	var out strings.Builder
	typed := false
	for {
		ev, err := sub.Next(t.Context())
		require.NoError(t, err)
		if ev.Kind == End {
			assert.Equal(t, 5, ev.Exit.Code)
			break
		}
		assert.Equal(t, PTYOutput, ev.Kind)
		out.Write(ev.Data)
		if !typed && strings.Contains(out.String(), "40 100") {
			typed = true
			require.NoError(t, p.Resize(PTYSize{Cols: 90, Rows: 30}))
			require.NoError(t, p.WriteStdin(t.Context(), []byte("hey\n")))
		}
	}
	assert.Contains(t, out.String(), "30 90")
	assert.Contains(t, out.String(), "got hey")
}

func BenchmarkExec(b *testing.B) {
	for name, mode := range map[string]Namespace{"off": NamespaceOff, "on": NamespaceOn} {
		b.Run("namespace "+name, func(b *testing.B) {
			e, err := New(&Options{Namespace: mode})
			if err != nil {
				b.Skip(err)
			}
			b.Cleanup(func() { _ = e.Close() })
			sb, err := NewTransport(e).Create(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := sb.Exec(b.Context(), &e2b.Command{Args: []string{"true"}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

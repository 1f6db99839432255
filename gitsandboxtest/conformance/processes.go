package conformance

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// unknownPID is one that no kernel gives out.
const unknownPID = 1 << 30

func (s *suite) testProcesses(t *testing.T) {
	t.Helper()
	box := s.create(t, nil)
	starter := ability[e2b.Starter](t, box)

	start := func(t *testing.T, cmd *e2b.Command) e2b.Process {
		t.Helper()
		p, err := starter.Start(t.Context(), cmd)
		require.NoError(t, err)
		require.Positive(t, p.PID())
		ctx := context.WithoutCancel(t.Context())
		t.Cleanup(func() {
			_ = p.Stop(ctx)
			_ = p.Close()
			_, _ = p.Wait(ctx)
		})
		return p
	}
	wait := func(t *testing.T, p e2b.Process) *e2b.ExecResult {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		result, err := p.Wait(ctx)
		require.NoError(t, err)
		return result
	}
	// gate is a script that runs on when the file $1 is there.
	const gate = `while [ ! -e "$1" ]; do sleep 0.1; done; `

	t.Run("start and wait", func(t *testing.T) {
		t.Parallel()
		p := start(t, shell("echo out; echo err >&2; exit 5"))
		for range 2 {
			result := wait(t, p)
			assert.Equal(t, 5, result.ExitCode)
			assert.Equal(t, e2b.EndedByItself, result.Ended)
			assert.Equal(t, "out\n", string(result.Stdout))
			assert.Equal(t, "err\n", string(result.Stderr))
		}
		require.NoError(t, p.Stop(t.Context()), "it has ended already")
	})
	t.Run("start with input", func(t *testing.T) {
		t.Parallel()
		cmd := shell("cat; exit 6")
		cmd.Stdin = strings.NewReader("input")
		result := wait(t, start(t, cmd))
		assert.Equal(t, 6, result.ExitCode)
		assert.Equal(t, "input", string(result.Stdout))
	})
	t.Run("the context of start bounds the start alone", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		p, err := starter.Start(ctx, shell(gate+"exit 3", "gate-start"))
		require.NoError(t, err)
		cancel()
		write(t, box, "gate-start", "")
		assert.Equal(t, 3, wait(t, p).ExitCode)
	})
	t.Run("the context of wait ends the waiting alone", func(t *testing.T) {
		t.Parallel()
		p := start(t, shell(gate+"exit 3", "gate-wait"))
		ctx := ended(t)
		_, err := p.Wait(ctx)
		require.ErrorIs(t, err, ctx.Err())
		write(t, box, "gate-wait", "")
		assert.Equal(t, 3, wait(t, p).ExitCode)
	})
	t.Run("stop ends the process group", func(t *testing.T) {
		t.Parallel()
		lines := newLineWriter()
		cmd := shell("sleep 1000 & echo $!; wait")
		cmd.Stdout = lines
		p := start(t, cmd)
		child := lines.next(t)
		require.NoError(t, p.Stop(t.Context()))
		result := wait(t, p)
		assert.Equal(t, e2b.EndedBySignal, result.Ended)
		assert.Equal(t, "terminated", result.Signal)
		assert.Equal(t, -1, result.ExitCode)
		requireDead(t, box, child)
	})
	t.Run("close leaves the command alone", func(t *testing.T) {
		t.Parallel()
		lines := newLineWriter()
		cmd := shell("echo $$; exec sleep 1000")
		cmd.Stdout = lines
		p := start(t, cmd)
		pid := lines.next(t)
		require.NoError(t, p.Close())
		_, err := p.Wait(t.Context())
		require.ErrorIs(t, err, e2b.ErrClosed)
		assert.True(t, alive(t, box, pid))
		run(t, box, shell(`kill "$1"`, pid))
	})
	t.Run("list", func(t *testing.T) {
		t.Parallel()
		lister := ability[e2b.ProcessLister](t, box)
		cmd := &e2b.Command{Args: []string{"sleep", "1234"}, Env: map[string]string{"SUITE": "x"}, Timeout: time.Hour}
		p := start(t, cmd)
		find := func() *e2b.ProcessInfo {
			infos, err := lister.ListProcesses(t.Context())
			require.NoError(t, err)
			i := slices.IndexFunc(infos, func(i *e2b.ProcessInfo) bool { return i.PID == p.PID() })
			if i < 0 {
				return nil
			}
			return infos[i]
		}
		info := find()
		require.NotNil(t, info)
		assert.Equal(t, []string{"sleep", "1234"}, info.Args)
		assert.Equal(t, map[string]string{"SUITE": "x"}, info.Env)
		require.NoError(t, p.Stop(t.Context()))
		wait(t, p)
		require.Eventually(t, func() bool { return find() == nil }, patience, 100*time.Millisecond)
	})
	t.Run("join a command that runs", func(t *testing.T) {
		t.Parallel()
		connector := ability[e2b.ProcessConnector](t, box)
		p := start(t, shell(gate+"echo joined; echo err >&2; exit 7", "gate-join"))
		out, err := newLineWriter(), newLineWriter()
		joined, joinErr := connector.ConnectProcess(t.Context(), p.PID(), out, err)
		require.NoError(t, joinErr)
		assert.Equal(t, p.PID(), joined.PID())
		write(t, box, "gate-join", "")
		assert.Equal(t, 7, wait(t, joined).ExitCode)
		assert.Equal(t, "joined", out.next(t))
		assert.Equal(t, "err", err.next(t))
		assert.Equal(t, 7, wait(t, p).ExitCode, "the first connection goes on")
	})
	t.Run("stop a joined command", func(t *testing.T) {
		t.Parallel()
		connector := ability[e2b.ProcessConnector](t, box)
		p := start(t, shell("sleep 1000"))
		joined, err := connector.ConnectProcess(t.Context(), p.PID(), nil, nil)
		require.NoError(t, err)
		require.NoError(t, joined.Stop(t.Context()))
		assert.Equal(t, e2b.EndedBySignal, wait(t, joined).Ended)
		assert.Equal(t, "terminated", wait(t, p).Signal)
	})
	t.Run("the end can be had after it", func(t *testing.T) {
		t.Parallel()
		connector := ability[e2b.ProcessConnector](t, box)
		p := start(t, shell("exit 9"))
		assert.Equal(t, 9, wait(t, p).ExitCode)
		joined, err := connector.ConnectProcess(t.Context(), p.PID(), nil, nil)
		require.NoError(t, err)
		assert.Equal(t, 9, wait(t, joined).ExitCode)
	})
	t.Run("join an unknown command", func(t *testing.T) {
		t.Parallel()
		connector := ability[e2b.ProcessConnector](t, box)
		_, err := connector.ConnectProcess(t.Context(), unknownPID, nil, nil)
		require.ErrorIs(t, err, e2b.ErrProcessNotFound)
		for _, pid := range []int{0, -1} {
			_, err = connector.ConnectProcess(t.Context(), pid, nil, nil)
			require.Error(t, err)
		}
	})
	t.Run("signal", func(t *testing.T) {
		t.Parallel()
		signaler := ability[e2b.Signaler](t, box)
		lines := newLineWriter()
		cmd := shell("trap 'echo got it; exit 8' TERM; echo ready; while :; do sleep 0.1; done")
		cmd.Stdout = lines
		p := start(t, cmd)
		assert.Equal(t, "ready", lines.next(t))
		require.NoError(t, signaler.Signal(t.Context(), p.PID(), e2b.SIGTERM))
		assert.Equal(t, "got it", lines.next(t))
		assert.Equal(t, 8, wait(t, p).ExitCode)
		require.ErrorIs(t, signaler.Signal(t.Context(), unknownPID, e2b.SIGTERM), e2b.ErrProcessNotFound)
		require.ErrorIs(t, signaler.Signal(t.Context(), p.PID(), 1), e2b.ErrInvalidArgument)
		require.Error(t, signaler.Signal(t.Context(), -1, e2b.SIGTERM))
	})
	t.Run("a start that fails", func(t *testing.T) {
		t.Parallel()
		_, err := starter.Start(t.Context(), &e2b.Command{})
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
		_, err = starter.Start(t.Context(), &e2b.Command{Args: []string{"true"}, Dir: "no/such/dir"})
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
		_, err = starter.Start(ended(t), shell("true"))
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("a sandbox that is gone", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		require.NoError(t, box.Kill(t.Context()))
		_, err := ability[e2b.Starter](t, box).Start(t.Context(), shell("true"))
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
		_, err = ability[e2b.ProcessConnector](t, box).ConnectProcess(t.Context(), p1, nil, nil)
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
		_, err = ability[e2b.ProcessLister](t, box).ListProcesses(t.Context())
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
		require.ErrorIs(t, ability[e2b.Signaler](t, box).Signal(t.Context(), p1, e2b.SIGTERM), e2b.ErrSandboxNotFound)
	})
	t.Run("many lines", func(t *testing.T) {
		t.Parallel()
		out := wait(t, start(t, &e2b.Command{Args: []string{"seq", "100000"}})).Stdout
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		require.Len(t, lines, 100_000)
		assert.Equal(t, strconv.Itoa(100_000), lines[99_999])
	})
}

// p1 is a process ID that every machine has.
const p1 = 1

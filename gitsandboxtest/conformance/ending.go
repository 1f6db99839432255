package conformance

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// testEnding tests the ways in which a command ends other than by itself.
func (s *suite) testEnding(t *testing.T) {
	t.Helper()
	box := s.create(t, nil)

	t.Run("cancel ends the process group", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lines := newLineWriter()
		cmd := shell("sleep 1000 & echo $!; wait")
		cmd.Stdout = lines
		done := make(chan error, 1)
		go func() { _, err := box.Exec(ctx, cmd); done <- err }()
		child := lines.next(t)
		require.True(t, alive(t, box, child))
		cancel()
		requireSoon(t, done, context.Canceled)
		requireDead(t, box, child)
	})
	t.Run("cancel ends a group that ignores SIGTERM", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lines := newLineWriter()
		cmd := shell("trap '' TERM; sleep 1000 & echo $!; wait")
		cmd.Stdout = lines
		done := make(chan error, 1)
		go func() { _, err := box.Exec(ctx, cmd); done <- err }()
		child := lines.next(t)
		cancel()
		requireSoon(t, done, context.Canceled)
		requireDead(t, box, child)
	})
	t.Run("cancel ends a child that ignores SIGTERM and outlives its parent", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lines := newLineWriter()
		cmd := shell("(trap '' TERM; exec sleep 1000) & echo $!; wait")
		cmd.Stdout = lines
		done := make(chan error, 1)
		go func() { _, err := box.Exec(ctx, cmd); done <- err }()
		child := lines.next(t)
		cancel()
		requireSoon(t, done, context.Canceled)
		requireDead(t, box, child)
	})
	t.Run("the deadline of the context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { _, err := box.Exec(ctx, shell("echo $$ >pid-of-deadline; exec sleep 1000")); done <- err }()
		requireSoon(t, done, context.DeadlineExceeded)
		requireDead(t, box, strings.TrimSpace(run(t, box, shell("cat pid-of-deadline"))))
	})
	t.Run("a context that has ended", func(t *testing.T) {
		t.Parallel()
		_, err := box.Exec(ended(t), shell("touch must-not-be"))
		require.ErrorIs(t, err, context.Canceled)
		_, err = box.ReadFile(t.Context(), "must-not-be")
		assert.ErrorIs(t, err, e2b.ErrFileNotFound)
	})
	t.Run("the timeout of the command", func(t *testing.T) {
		t.Parallel()
		cmd := shell("echo before; sleep 1000 & echo $! >pid-of-timeout; wait")
		cmd.Timeout = time.Second
		result, err := box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Equal(t, e2b.EndedByTimeout, result.Ended)
		assert.Equal(t, -1, result.ExitCode)
		assert.Equal(t, "before\n", string(result.Stdout))
		assert.GreaterOrEqual(t, result.Duration, 500*time.Millisecond)
		assert.Less(t, result.Duration, patience)
		requireDead(t, box, strings.TrimSpace(run(t, box, shell("cat pid-of-timeout"))))
	})
	t.Run("the timeout of a command that ignores SIGTERM", func(t *testing.T) {
		t.Parallel()
		cmd := shell("trap '' TERM; while :; do sleep 1; done")
		cmd.Timeout = time.Second
		result, err := box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Equal(t, e2b.EndedByTimeout, result.Ended)
		assert.Equal(t, -1, result.ExitCode)
	})
	t.Run("a timeout that is not reached", func(t *testing.T) {
		t.Parallel()
		cmd := shell("exit 124")
		cmd.Timeout = time.Minute
		result, err := box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Equal(t, e2b.EndedByItself, result.Ended)
		assert.Equal(t, 124, result.ExitCode)
	})
	t.Run("signals", func(t *testing.T) {
		t.Parallel()
		for signal, name := range map[string]string{"KILL": "killed", "TERM": "terminated"} {
			result, err := box.Exec(t.Context(), shell(`kill -"$1" $$; sleep 1000`, signal))
			require.NoError(t, err)
			assert.Equal(t, e2b.EndedBySignal, result.Ended)
			assert.Equal(t, name, result.Signal)
			assert.Equal(t, -1, result.ExitCode)
		}
	})
	t.Run("a child in the background does not hold up the end", func(t *testing.T) {
		t.Parallel()
		out := run(t, box, shell("sleep 1000 >/dev/null 2>&1 & echo $!"))
		child := strings.TrimSpace(out)
		assert.True(t, alive(t, box, child))
		run(t, box, shell(`kill "$1"`, child))
	})
	t.Run("the sandbox is killed under a command", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		lines := newLineWriter()
		cmd := shell("echo runs; sleep 1000")
		cmd.Stdout = lines
		type outcome struct {
			result *e2b.ExecResult
			err    error
		}
		done := make(chan outcome, 1)
		go func() { result, err := box.Exec(t.Context(), cmd); done <- outcome{result, err} }()
		lines.next(t)
		require.NoError(t, s.transport.Kill(t.Context(), box.Info().SandboxID))
		select {
		case o := <-done:
			// The end of the process can come before that of the sandbox.
			if o.err == nil {
				assert.Equal(t, e2b.EndedBySignal, o.result.Ended)
			} else {
				assert.ErrorIs(t, o.err, e2b.ErrSandboxNotFound)
			}
		case <-time.After(patience):
			require.FailNow(t, "Exec hangs")
		}
	})
}

// requireSoon requires an Exec to return the error, within the time that its
// caller can be expected to wait.
func requireSoon(t *testing.T, done <-chan error, target error) {
	t.Helper()
	select {
	case err := <-done:
		require.ErrorIs(t, err, target)
		assert.False(t, e2b.Retryable(err))
	case <-time.After(patience):
		require.FailNow(t, "Exec does not return")
	}
}

package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// ability returns x as the interface T, and skips the test where x does not
// have it.
func ability[T any](t *testing.T, x any) T {
	t.Helper()
	a, ok := x.(T)
	if !ok {
		t.Skipf("%T is no %T", x, (*T)(nil))
	}
	return a
}

func (s *suite) testAbilities(t *testing.T) {
	t.Helper()
	t.Run("get", func(t *testing.T) {
		t.Parallel()
		getter := ability[e2b.Getter](t, s.transport)
		metadata := map[string]string{"suite": unique()}
		box := s.create(t, &e2b.CreateOptions{Metadata: metadata})
		info, err := getter.Get(t.Context(), box.Info().SandboxID)
		require.NoError(t, err)
		assert.Equal(t, box.Info().SandboxID, info.SandboxID)
		assert.Equal(t, metadata, info.Metadata)
		assert.Equal(t, e2b.StateRunning, info.State)
		assert.False(t, info.StartedAt.IsZero())
		assert.True(t, info.EndAt.After(info.StartedAt))
		_, err = getter.Get(t.Context(), unknownID)
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
		_, err = getter.Get(t.Context(), "../x")
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	})
	t.Run("attach", func(t *testing.T) {
		t.Parallel()
		attacher := ability[e2b.Attacher](t, s.transport)
		box := s.create(t, nil)
		write(t, box, "file", "x")
		other, err := attacher.Attach(box.Info())
		require.NoError(t, err)
		assert.Equal(t, box.Info().SandboxID, other.Info().SandboxID)
		assert.Equal(t, "x", run(t, other, shell("cat file")))
		assert.Equal(t, "x", string(read(t, other, "file")))

		require.NoError(t, box.Kill(t.Context()))
		other, err = attacher.Attach(box.Info())
		require.NoError(t, err, "whether it lives shows later")
		s.requireGone(t, other)

		_, err = attacher.Attach(nil)
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
		_, err = attacher.Attach(&e2b.SandboxInfo{SandboxID: "../x"})
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	})
	t.Run("pause and resume", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		pauser := ability[e2b.Pauser](t, box)
		write(t, box, "file", "kept")
		process := strings.TrimSpace(run(t, box, shell("sleep 1000 >/dev/null 2>&1 & echo $!")))
		require.NoError(t, pauser.Pause(t.Context()))
		if getter, ok := s.transport.(e2b.Getter); ok {
			info, err := getter.Get(t.Context(), box.Info().SandboxID)
			require.NoError(t, err)
			assert.Equal(t, e2b.StatePaused, info.State)
		}
		require.ErrorIs(t, pauser.Pause(t.Context()), e2b.ErrConflict)
		s.requireGone(t, box) // for those who do not resume it

		resumed, err := s.transport.Connect(t.Context(), box.Info().SandboxID, nil)
		require.NoError(t, err)
		assert.Equal(t, box.Info().SandboxID, resumed.Info().SandboxID)
		assert.Equal(t, e2b.StateRunning, resumed.Info().State)
		assert.Equal(t, "kept", run(t, resumed, shell("cat file")))
		assert.True(t, alive(t, resumed, process), "the memory was not kept")
	})
	t.Run("kill a paused sandbox", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		require.NoError(t, ability[e2b.Pauser](t, box).Pause(t.Context()))
		require.NoError(t, s.transport.Kill(t.Context(), box.Info().SandboxID))
		_, err := s.transport.Connect(t.Context(), box.Info().SandboxID, nil)
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	})
	t.Run("fork", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		forker := ability[e2b.Forker](t, box)
		write(t, box, "file", "before")
		forks, err := forker.Fork(t.Context(), 2, &e2b.ForkOptions{Timeout: lifetime})
		for _, f := range forks {
			s.killLater(t, f.Info().SandboxID)
		}
		require.NoError(t, err)
		require.Len(t, forks, 2)
		ids := map[string]bool{box.Info().SandboxID: true}
		for _, f := range forks {
			ids[f.Info().SandboxID] = true
			assert.Equal(t, "before", run(t, f, shell("cat file")))
		}
		assert.Len(t, ids, 3)
		write(t, forks[0], "file", "after")
		assert.Equal(t, "before", run(t, forks[1], shell("cat file")))
		assert.Equal(t, "before", run(t, box, shell("cat file")))
		require.NoError(t, box.Kill(t.Context()))
		assert.Equal(t, "after", run(t, forks[0], shell("cat file")))

		_, err = ability[e2b.Forker](t, forks[0]).Fork(t.Context(), 0, nil)
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	})
	t.Run("snapshot", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		snapshotter := ability[e2b.Snapshotter](t, box)
		write(t, box, "file", "before")
		id, err := snapshotter.Snapshot(t.Context(), "")
		require.NoError(t, err)
		require.NotEmpty(t, id)
		write(t, box, "file", "after")
		for range 2 {
			other := s.create(t, &e2b.CreateOptions{Template: id})
			assert.NotEqual(t, box.Info().SandboxID, other.Info().SandboxID)
			assert.Equal(t, "before", run(t, other, shell("cat file")))
		}
	})
	t.Run("network rules", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, &e2b.CreateOptions{Network: &e2b.Network{DenyOut: []string{"10.0.0.0/8"}}})
		updater := ability[e2b.NetworkUpdater](t, box)
		require.NoError(t, updater.UpdateNetwork(t.Context(), &e2b.Network{
			AllowOut: []string{"example.com", "*.example.org", "192.0.2.1"},
			DenyOut:  []string{"0.0.0.0/0"},
		}))
		require.NoError(t, updater.UpdateNetwork(t.Context(), nil))
		// Host names need everything else to be denied.
		err := updater.UpdateNetwork(t.Context(), &e2b.Network{AllowOut: []string{"example.com"}})
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	})
}

package conformance

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// unknownID has the shape of an ID and is none.
const unknownID = "i00000000000000000000"

func (s *suite) testLifecycle(t *testing.T) {
	t.Helper()
	t.Run("info of a new sandbox", func(t *testing.T) {
		t.Parallel()
		metadata := map[string]string{"suite": unique(), "a key": "ü & = %41"}
		before := time.Now()
		box := s.create(t, &e2b.CreateOptions{Metadata: metadata})
		info := box.Info()
		assert.NotEmpty(t, info.SandboxID)
		assert.Equal(t, e2b.StateRunning, info.State)
		assert.Equal(t, metadata, info.Metadata)
		assert.WithinRange(t, info.EndAt, before.Add(lifetime-time.Minute), before.Add(lifetime+time.Minute))
	})
	t.Run("info is a copy", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, &e2b.CreateOptions{Metadata: map[string]string{"k": "v"}})
		info := box.Info()
		info.Metadata["k"], info.SandboxID = "changed", "changed"
		assert.Equal(t, "v", box.Info().Metadata["k"])
		assert.NotEqual(t, "changed", box.Info().SandboxID)
	})
	t.Run("environment of all commands", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, &e2b.CreateOptions{Env: map[string]string{"SUITE": "from create", "OTHER": "kept"}})
		out := run(t, box, &e2b.Command{
			Args: []string{"/bin/sh", "-c", `echo "$SUITE, $OTHER"`},
			Env:  map[string]string{"SUITE": "from command"},
		})
		assert.Equal(t, "from command, kept\n", out)
	})
	t.Run("unknown template", func(t *testing.T) {
		t.Parallel()
		_, err := s.transport.Create(t.Context(), &e2b.CreateOptions{Template: "no-such-template-" + "x7q"})
		require.ErrorIs(t, err, e2b.ErrTemplateNotFound)
		assert.False(t, e2b.Retryable(err))
	})
	t.Run("two sandboxes share nothing", func(t *testing.T) {
		t.Parallel()
		a, b := s.create(t, nil), s.create(t, nil)
		require.NotEqual(t, a.Info().SandboxID, b.Info().SandboxID)
		write(t, a, "only-in-a", "x")
		_, err := b.ReadFile(t.Context(), "only-in-a")
		assert.ErrorIs(t, err, e2b.ErrFileNotFound)
	})
	t.Run("connect", func(t *testing.T) {
		t.Parallel()
		metadata := map[string]string{"suite": unique()}
		box := s.create(t, &e2b.CreateOptions{Metadata: metadata})
		write(t, box, "file", "from the first handle")
		other, err := s.transport.Connect(t.Context(), box.Info().SandboxID, nil)
		require.NoError(t, err)
		assert.Equal(t, box.Info().SandboxID, other.Info().SandboxID)
		assert.Equal(t, metadata, other.Info().Metadata)
		assert.Equal(t, "from the first handle", run(t, other, shell("cat file")))
	})
	t.Run("connect extends and never shortens", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, &e2b.CreateOptions{Timeout: 10 * time.Minute})
		now := time.Now()
		other, err := s.transport.Connect(t.Context(), box.Info().SandboxID, &e2b.ConnectOptions{Timeout: time.Minute})
		require.NoError(t, err)
		assert.WithinRange(t, other.Info().EndAt, now.Add(9*time.Minute), now.Add(11*time.Minute))
		other, err = s.transport.Connect(t.Context(), box.Info().SandboxID, &e2b.ConnectOptions{Timeout: 20 * time.Minute})
		require.NoError(t, err)
		assert.WithinRange(t, other.Info().EndAt, now.Add(19*time.Minute), now.Add(21*time.Minute))
	})
	t.Run("what cannot be an ID", func(t *testing.T) {
		t.Parallel()
		for _, id := range []string{"", "..", "../secrets", "ABC", "a b", "a/b", "a-b-c", "a?b", "é"} {
			_, err := s.transport.Connect(t.Context(), id, nil)
			require.ErrorIs(t, err, e2b.ErrInvalidArgument, "%q", id)
			require.ErrorIs(t, s.transport.Kill(t.Context(), id), e2b.ErrInvalidArgument, "%q", id)
		}
	})
	t.Run("an unknown sandbox", func(t *testing.T) {
		t.Parallel()
		_, err := s.transport.Connect(t.Context(), unknownID, nil)
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
		require.ErrorIs(t, s.transport.Kill(t.Context(), unknownID), e2b.ErrSandboxNotFound)
	})
	t.Run("a killed sandbox", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		write(t, box, "file", "x")
		require.NoError(t, box.Kill(t.Context()))
		s.requireGone(t, box)
		require.ErrorIs(t, box.Kill(t.Context()), e2b.ErrSandboxNotFound)
		_, err := s.transport.Connect(t.Context(), box.Info().SandboxID, nil)
		require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
		require.ErrorIs(t, box.SetTimeout(t.Context(), time.Minute), e2b.ErrSandboxNotFound)
	})
	t.Run("set timeout", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		now := time.Now()
		require.NoError(t, box.SetTimeout(t.Context(), 15*time.Minute))
		assert.WithinRange(t, box.Info().EndAt, now.Add(14*time.Minute), now.Add(16*time.Minute))
		require.NoError(t, box.SetTimeout(t.Context(), 2*time.Minute))
		assert.WithinRange(t, box.Info().EndAt, now.Add(time.Minute), now.Add(3*time.Minute))
		if g, ok := s.transport.(e2b.Getter); ok {
			info, err := g.Get(t.Context(), box.Info().SandboxID)
			require.NoError(t, err)
			assert.WithinRange(t, info.EndAt, now.Add(time.Minute), now.Add(3*time.Minute))
		}
	})
	t.Run("the end of the lifetime", func(t *testing.T) {
		t.Parallel()
		box := s.create(t, nil)
		require.NoError(t, box.SetTimeout(t.Context(), time.Second))
		require.Eventually(t, func() bool {
			_, err := box.Exec(t.Context(), shell("true"))
			return err != nil
		}, patience, 200*time.Millisecond)
		s.requireGone(t, box)
	})
}

// requireGone requires every operation in the sandbox to say that it is gone.
func (s *suite) requireGone(t *testing.T, box e2b.Sandbox) {
	t.Helper()
	_, err := box.Exec(t.Context(), shell("true"))
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	assert.False(t, e2b.Retryable(err))
	_, err = box.ReadFile(t.Context(), "file")
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	require.ErrorIs(t, box.WriteFile(t.Context(), "file", bytes.NewReader([]byte("x"))), e2b.ErrSandboxNotFound)
}

func (s *suite) testList(t *testing.T) {
	t.Helper()
	t.Run("by metadata, newest first, page by page", func(t *testing.T) {
		t.Parallel()
		mark := map[string]string{"suite run": unique() + " a&b=c%20d/é+"}
		var want []string
		for range 3 {
			box := s.create(t, &e2b.CreateOptions{Metadata: mark})
			want = append([]string{box.Info().SandboxID}, want...)
		}
		s.create(t, &e2b.CreateOptions{Metadata: map[string]string{"suite run": unique()}})
		for _, pageSize := range []int{0, 1, 2, 3} {
			var got []string
			for info, err := range s.transport.List(t.Context(), &e2b.ListOptions{Metadata: mark, PageSize: pageSize}) {
				require.NoError(t, err)
				assert.Equal(t, mark, info.Metadata)
				assert.Equal(t, e2b.StateRunning, info.State)
				assert.Empty(t, string(info.AccessToken))
				got = append(got, info.SandboxID)
			}
			assert.Equal(t, want, got, "page size %d", pageSize)
		}
	})
	t.Run("conditions are combined with and", func(t *testing.T) {
		t.Parallel()
		mark := unique()
		box := s.create(t, &e2b.CreateOptions{Metadata: map[string]string{"suite": mark, "n": "1"}})
		s.create(t, &e2b.CreateOptions{Metadata: map[string]string{"suite": mark, "n": "2"}})
		got := s.list(t, &e2b.ListOptions{Metadata: map[string]string{"suite": mark, "n": "1"}})
		assert.Equal(t, []string{box.Info().SandboxID}, got)
	})
	t.Run("the loop can end early, and run twice", func(t *testing.T) {
		t.Parallel()
		mark := map[string]string{"suite": unique()}
		s.create(t, &e2b.CreateOptions{Metadata: mark})
		s.create(t, &e2b.CreateOptions{Metadata: mark})
		seq := s.transport.List(t.Context(), &e2b.ListOptions{Metadata: mark, PageSize: 1})
		for range 2 {
			n := 0
			for _, err := range seq {
				require.NoError(t, err)
				n++
				break
			}
			assert.Equal(t, 1, n)
		}
	})
	t.Run("a killed sandbox is not listed", func(t *testing.T) {
		t.Parallel()
		mark := map[string]string{"suite": unique()}
		box := s.create(t, &e2b.CreateOptions{Metadata: mark})
		require.NoError(t, box.Kill(t.Context()))
		assert.Empty(t, s.list(t, &e2b.ListOptions{Metadata: mark}))
	})
	t.Run("by state", func(t *testing.T) {
		t.Parallel()
		mark := map[string]string{"suite": unique()}
		running := s.create(t, &e2b.CreateOptions{Metadata: mark})
		paused := s.create(t, &e2b.CreateOptions{Metadata: mark})
		p, ok := paused.(e2b.Pauser)
		if !ok {
			t.Skip("no Pauser")
		}
		require.NoError(t, p.Pause(t.Context()))
		assert.Equal(t, []string{running.Info().SandboxID},
			s.list(t, &e2b.ListOptions{Metadata: mark, States: []e2b.State{e2b.StateRunning}}))
		assert.Equal(t, []string{paused.Info().SandboxID},
			s.list(t, &e2b.ListOptions{Metadata: mark, States: []e2b.State{e2b.StatePaused}}))
		assert.Len(t, s.list(t, &e2b.ListOptions{Metadata: mark}), 2)
	})
	t.Run("a page size that cannot be", func(t *testing.T) {
		t.Parallel()
		for _, pageSize := range []int{-1, 101} {
			n := 0
			for info, err := range s.transport.List(t.Context(), &e2b.ListOptions{PageSize: pageSize}) {
				assert.Nil(t, info)
				require.ErrorIs(t, err, e2b.ErrInvalidArgument)
				n++
			}
			assert.Equal(t, 1, n)
		}
	})
}

func (s *suite) list(t *testing.T, opts *e2b.ListOptions) []string {
	t.Helper()
	var ids []string
	for info, err := range s.transport.List(t.Context(), opts) {
		require.NoError(t, err)
		ids = append(ids, info.SandboxID)
	}
	return ids
}

package conformance

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func (s *suite) testFiles(t *testing.T) {
	t.Helper()
	box := s.create(t, nil)

	t.Run("a round trip of all bytes", func(t *testing.T) {
		t.Parallel()
		data := allBytes(100_000)
		require.NoError(t, box.WriteFile(t.Context(), "bytes", bytes.NewReader(data)))
		assert.True(t, bytes.Equal(data, read(t, box, "bytes")), "the file differs")
	})
	t.Run("8 MB of a reader of unknown length", func(t *testing.T) {
		t.Parallel()
		data := allBytes(8 << 20)
		require.NoError(t, box.WriteFile(t.Context(), "large", struct{ io.Reader }{bytes.NewReader(data)}))
		assert.True(t, bytes.Equal(data, read(t, box, "large")), "the file differs")
	})
	t.Run("an empty file", func(t *testing.T) {
		t.Parallel()
		write(t, box, "empty", "")
		assert.Empty(t, read(t, box, "empty"))
		require.NoError(t, box.WriteFile(t.Context(), "empty-unknown", struct{ io.Reader }{strings.NewReader("")}))
		assert.Empty(t, read(t, box, "empty-unknown"))
	})
	t.Run("relative names start where commands do", func(t *testing.T) {
		t.Parallel()
		write(t, box, "home-file", "written")
		assert.Equal(t, "written", run(t, box, shell("cat home-file")))
		run(t, box, shell("echo printed >exec-file"))
		assert.Equal(t, "printed\n", string(read(t, box, "exec-file")))
	})
	t.Run("absolute names", func(t *testing.T) {
		t.Parallel()
		home := strings.TrimSpace(run(t, box, shell("pwd")))
		write(t, box, home+"/absolute", "x")
		assert.Equal(t, "x", string(read(t, box, "absolute")))
	})
	t.Run("missing directories are made", func(t *testing.T) {
		t.Parallel()
		write(t, box, "made/for/this/file", "x")
		assert.Equal(t, "x", string(read(t, box, "made/for/this/file")))
		run(t, box, shell("touch made/for/another")) // they belong to the user
	})
	t.Run("overwriting leaves nothing of the old", func(t *testing.T) {
		t.Parallel()
		write(t, box, "twice", strings.Repeat("long", 1000))
		write(t, box, "twice", "short")
		assert.Equal(t, "short", string(read(t, box, "twice")))
	})
	t.Run("modes", func(t *testing.T) {
		t.Parallel()
		write(t, box, "mode", "#!/bin/sh\n")
		assert.Equal(t, "644\n", run(t, box, shell("stat -c %a mode")))
		run(t, box, shell("chmod 755 mode"))
		write(t, box, "mode", "#!/bin/sh\necho new\n")
		assert.Equal(t, "755\n", run(t, box, shell("stat -c %a mode")))
		assert.Equal(t, "new\n", run(t, box, shell("./mode")))
	})
	t.Run("odd names", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"a b", "a%20b", "a?b=c&d#e", "é☃", "-n", "'\"$HOME`", "a+b", "a:b;c", "x\ny"} {
			write(t, box, "odd/"+name, name)
			assert.Equal(t, name, run(t, box, &e2b.Command{Args: []string{"cat", "odd/" + name}}))
			assert.Equal(t, name, string(read(t, box, "odd/"+name)))
		}
	})
	t.Run("a missing file", func(t *testing.T) {
		t.Parallel()
		_, err := box.ReadFile(t.Context(), "no-such-file")
		require.ErrorIs(t, err, e2b.ErrFileNotFound)
		assert.False(t, e2b.Retryable(err))
		_, err = box.ReadFile(t.Context(), "no/such/directory/file")
		require.ErrorIs(t, err, e2b.ErrFileNotFound)
	})
	t.Run("directories are refused", func(t *testing.T) {
		t.Parallel()
		run(t, box, shell("mkdir directory"))
		_, err := box.ReadFile(t.Context(), "directory")
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
		require.ErrorIs(t, box.WriteFile(t.Context(), "directory", strings.NewReader("x")), e2b.ErrInvalidArgument)
	})
	t.Run("names that cannot be", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"", "a\x00b"} {
			_, err := box.ReadFile(t.Context(), name)
			require.ErrorIs(t, err, e2b.ErrInvalidArgument, "%q", name)
			require.ErrorIs(t, box.WriteFile(t.Context(), name, strings.NewReader("x")), e2b.ErrInvalidArgument, "%q", name)
		}
	})
	t.Run("a reader that fails", func(t *testing.T) {
		t.Parallel()
		data := io.MultiReader(strings.NewReader("some"), failingReader{})
		require.ErrorIs(t, box.WriteFile(t.Context(), "failed", data), errReader)
	})
	t.Run("a context that has ended", func(t *testing.T) {
		t.Parallel()
		ctx := ended(t)
		_, err := box.ReadFile(ctx, "file")
		require.ErrorIs(t, err, ctx.Err())
		require.ErrorIs(t, box.WriteFile(ctx, "file", strings.NewReader("x")), ctx.Err())
	})
	t.Run("a reader can be closed early", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, box.WriteFile(t.Context(), "half", bytes.NewReader(allBytes(4<<20))))
		r, err := box.ReadFile(t.Context(), "half")
		require.NoError(t, err)
		buf := make([]byte, 1000)
		_, err = io.ReadFull(r, buf)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(allBytes(1000), buf), "the beginning differs")
		require.NoError(t, r.Close())
	})
}

// read reads a file that has to be readable.
func read(t *testing.T, box e2b.Sandbox, name string) []byte {
	t.Helper()
	r, err := box.ReadFile(t.Context(), name)
	require.NoError(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return data
}

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func (s *suite) testExec(t *testing.T) {
	t.Helper()
	box := s.create(t, nil)

	t.Run("exit codes", func(t *testing.T) {
		t.Parallel()
		for _, code := range []int{0, 1, 42, 124, 125, 137, 255} {
			result, err := box.Exec(t.Context(), shell(fmt.Sprintf("exit %d", code)))
			require.NoError(t, err)
			assert.Equal(t, code, result.ExitCode)
			assert.Equal(t, e2b.EndedByItself, result.Ended)
			assert.Empty(t, result.Signal)
			assert.False(t, result.Truncated)
			assert.False(t, result.Incomplete)
		}
	})
	t.Run("stdout and stderr are apart", func(t *testing.T) {
		t.Parallel()
		result, err := box.Exec(t.Context(), shell("echo out; echo err >&2; echo out2"))
		require.NoError(t, err)
		assert.Equal(t, "out\nout2\n", string(result.Stdout))
		assert.Equal(t, "err\n", string(result.Stderr))
	})
	t.Run("arguments are not read by a shell", func(t *testing.T) {
		t.Parallel()
		args := []string{"", " a  b ", "'\"`$HOME`", "-n", "--", "x\ny", "é☃", "\\0", "*", strings.Repeat("long", 25_000)}
		out := run(t, box, &e2b.Command{Args: append([]string{"printf", `%s\0`}, args...)})
		assert.Equal(t, strings.Join(args, "\x00")+"\x00", out)
	})
	t.Run("commands that cannot be", func(t *testing.T) {
		t.Parallel()
		for name, cmd := range map[string]*e2b.Command{
			"nil":               nil,
			"no arguments":      {},
			"empty program":     {Args: []string{""}},
			"NUL in argument":   {Args: []string{"echo", "a\x00b"}},
			"argument too long": {Args: []string{"echo", strings.Repeat("x", 128<<10)}},
			"empty variable":    {Args: []string{"env"}, Env: map[string]string{"": "x"}},
			"= in variable":     {Args: []string{"env"}, Env: map[string]string{"A=B": "x"}},
			"NUL in variable":   {Args: []string{"env"}, Env: map[string]string{"A": "\x00"}},
			"negative timeout":  {Args: []string{"true"}, Timeout: -1},
			"negative maximum":  {Args: []string{"true"}, MaxOutput: -1},
		} {
			_, err := box.Exec(t.Context(), cmd)
			require.ErrorIs(t, err, e2b.ErrInvalidArgument, name)
		}
	})
	t.Run("a missing program", func(t *testing.T) {
		t.Parallel()
		result, err := box.Exec(t.Context(), &e2b.Command{Args: []string{"no-such-program-x7q"}})
		require.NoError(t, err)
		assert.Equal(t, 127, result.ExitCode)
		assert.NotEmpty(t, result.Stderr)
	})
	t.Run("a program that is not executable", func(t *testing.T) {
		t.Parallel()
		result, err := box.Exec(t.Context(), &e2b.Command{Args: []string{"/etc/passwd"}})
		require.NoError(t, err)
		assert.Equal(t, 126, result.ExitCode)
	})
	t.Run("5 MB of output are exact", func(t *testing.T) {
		t.Parallel()
		var want bytes.Buffer
		for i := 1; want.Len() < 5_000_000; i++ {
			fmt.Fprintf(&want, "%d\n", i)
		}
		last := strings.Fields(want.String()[want.Len()-10:])
		out := run(t, box, &e2b.Command{Args: []string{"seq", last[len(last)-1]}})
		assert.Len(t, out, want.Len())
		assert.True(t, out == want.String(), "the output differs")
	})
	t.Run("output beyond the maximum is dropped", func(t *testing.T) {
		t.Parallel()
		cmd := shell("head -c 100000 /dev/zero | tr '\\0' a; echo err >&2")
		cmd.MaxOutput = 1000
		result, err := box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Equal(t, strings.Repeat("a", 1000), string(result.Stdout))
		assert.Equal(t, "err\n", string(result.Stderr))
		assert.True(t, result.Truncated)
		assert.Zero(t, result.ExitCode)

		cmd = shell("head -c 1000 /dev/zero")
		cmd.MaxOutput = 1000
		result, err = box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Len(t, result.Stdout, 1000)
		assert.False(t, result.Truncated)
	})
	t.Run("writers get the output as it comes", func(t *testing.T) {
		t.Parallel()
		lines := newLineWriter()
		in, feed := io.Pipe()
		cmd := shell(`echo one; read x; echo "two $x" >&2`)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, lines, lines
		done := make(chan error, 1)
		go func() {
			result, err := box.Exec(t.Context(), cmd)
			if err == nil && (result.Stdout != nil || result.Stderr != nil) {
				err = errors.New("the output was collected too")
			}
			done <- err
		}()
		assert.Equal(t, "one", lines.next(t)) // while the command waits for us
		_, err := io.WriteString(feed, "answer\n")
		require.NoError(t, err)
		assert.Equal(t, "two answer", lines.next(t))
		require.NoError(t, feed.Close())
		require.NoError(t, <-done)
	})
	t.Run("a writer that fails ends the command", func(t *testing.T) {
		t.Parallel()
		cmd := shell("echo $$ >pid-of-writer; exec yes")
		cmd.Stdout = failingWriter{}
		_, err := box.Exec(t.Context(), cmd)
		require.ErrorIs(t, err, errWriter)
		requireDead(t, box, strings.TrimSpace(run(t, box, shell("cat pid-of-writer"))))
	})
	t.Run("the home directory is the default", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, "same\n", run(t, box, shell(`[ "$(pwd -P)" = "$(cd && pwd -P)" ] && echo same`)))
	})
	t.Run("other directories", func(t *testing.T) {
		t.Parallel()
		run(t, box, shell("mkdir -p sub/dir"))
		in := func(dir string) *e2b.Command {
			cmd := shell(`basename "$(pwd -P)"`)
			cmd.Dir = dir
			return cmd
		}
		assert.Equal(t, "dir\n", run(t, box, in("sub/dir")))
		home := strings.TrimSpace(run(t, box, shell("pwd")))
		assert.Equal(t, "sub\n", run(t, box, in(home+"/sub")))
		_, err := box.Exec(t.Context(), in("no/such/dir"))
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	})
	t.Run("many at once", func(t *testing.T) {
		t.Parallel()
		var wg sync.WaitGroup
		outs := make([]string, 10)
		errs := make([]error, len(outs))
		for i := range outs {
			wg.Go(func() {
				result, err := box.Exec(t.Context(), shell(`seq "$1" $(($1+999))`, strconv.Itoa(i*1000)))
				if errs[i] = err; err == nil {
					outs[i] = string(result.Stdout)
				}
			})
		}
		wg.Wait()
		for i, out := range outs {
			require.NoError(t, errs[i])
			assert.True(t, strings.HasPrefix(out, fmt.Sprintf("%d\n", i*1000)), "run %d", i)
			assert.True(t, strings.HasSuffix(out, fmt.Sprintf("\n%d\n", i*1000+999)), "run %d", i)
			assert.Equal(t, 1000, strings.Count(out, "\n"))
		}
	})
}

var errWriter = errors.New("writer failed")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errWriter }

func (s *suite) testStdin(t *testing.T) {
	t.Helper()
	box := s.create(t, nil)

	t.Run("none is empty", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, "end\n", run(t, box, shell("cat; echo end")))
	})
	t.Run("1 MB of all bytes is exact", func(t *testing.T) {
		t.Parallel()
		data := allBytes(1 << 20)
		cmd := &e2b.Command{Args: []string{"cat"}, Stdin: bytes.NewReader(data)}
		out := run(t, box, cmd)
		assert.True(t, out == string(data), "the output differs")
	})
	t.Run("an empty reader", func(t *testing.T) {
		t.Parallel()
		cmd := shell("cat; echo end")
		cmd.Stdin = strings.NewReader("")
		assert.Equal(t, "end\n", run(t, box, cmd))
	})
	t.Run("a command that does not read", func(t *testing.T) {
		t.Parallel()
		cmd := shell("exit 3")
		cmd.Stdin = bytes.NewReader(allBytes(1 << 20))
		result, err := box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Equal(t, 3, result.ExitCode)
	})
	t.Run("a command that reads a part of an endless reader", func(t *testing.T) {
		t.Parallel()
		cmd := &e2b.Command{Args: []string{"head", "-c", "100000"}, Stdin: endless{}}
		assert.Equal(t, strings.Repeat("x", 100_000), run(t, box, cmd))
	})
	t.Run("a command that closes its input and goes on", func(t *testing.T) {
		t.Parallel()
		cmd := shell("exec <&-; echo closed; sleep 1; echo end")
		cmd.Stdin = bytes.NewReader(allBytes(1 << 20))
		assert.Equal(t, "closed\nend\n", run(t, box, cmd))
	})
	t.Run("a reader that fails ends the command", func(t *testing.T) {
		t.Parallel()
		cmd := shell("cat >/dev/null")
		cmd.Stdin = io.MultiReader(strings.NewReader("some"), failingReader{})
		_, err := box.Exec(t.Context(), cmd)
		require.ErrorIs(t, err, errReader)
	})
	t.Run("a reader that blocks does not hold up the end", func(t *testing.T) {
		t.Parallel()
		in, feed := io.Pipe()
		defer feed.Close() // ends the goroutine that reads
		cmd := shell("exit 4")
		cmd.Stdin = in
		result, err := box.Exec(t.Context(), cmd)
		require.NoError(t, err)
		assert.Equal(t, 4, result.ExitCode)
	})
}

var errReader = errors.New("reader failed")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errReader }

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// allBytes returns n bytes that hold every value, in an order without a period
// that a chunk could have.
func allBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((i ^ i>>8 ^ i>>16) & 0xff)
	}
	return b
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

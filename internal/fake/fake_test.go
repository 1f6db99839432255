package fake

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTransport returns a door to an engine that ends with the test.
func newTransport(t *testing.T, opts *Options) *Transport {
	t.Helper()
	e, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, e.Close())
		assert.NoDirExists(t, e.Dir())
	})
	return NewTransport(e)
}

func create(t *testing.T, tr *Transport, opts *e2b.CreateOptions) *handle {
	t.Helper()
	sb, err := tr.Create(t.Context(), opts)
	require.NoError(t, err)
	return sb.(*handle)
}

// sh runs a script and returns its outcome.
func sh(t *testing.T, sb e2b.Sandbox, script string) *e2b.ExecResult {
	t.Helper()
	r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"/bin/sh", "-c", script}})
	require.NoError(t, err)
	return r
}

func output(t *testing.T, sb e2b.Sandbox, script string) string {
	t.Helper()
	r := sh(t, sb, script)
	require.Zero(t, r.ExitCode, "%s", r.Stderr)
	return string(r.Stdout)
}

func dirOf(t *testing.T, sb *handle) string {
	t.Helper()
	s, err := sb.t.engine.Find(sb.id)
	require.NoError(t, err)
	return s.Dir()
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(b), ") Z ")
}

// readPID waits for a process to write its ID into a file.
func readPID(t *testing.T, name string) int {
	t.Helper()
	var pid int
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(name)
		if err != nil || !strings.HasSuffix(string(b), "\n") {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	}, 10*time.Second, 2*time.Millisecond)
	return pid
}

// modes are the options with mount namespaces, where they work here, and
// without.
func modes() map[string]Options {
	m := map[string]Options{"namespace off": {Namespace: NamespaceOff}}
	if ok, _ := probeNamespace(NamespaceOn, defaultPath()); ok {
		m["namespace on"] = Options{Namespace: NamespaceOn}
	}
	return m
}

func TestExec(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := create(t, newTransport(t, &opts), &e2b.CreateOptions{Env: map[string]string{"A": "1", "B": "2"}})
			r, err := sb.Exec(t.Context(), &e2b.Command{
				Args:  []string{"sh", "-c", `cat; echo "$A $B $1"; echo oops >&2; exit 3`, "sh", "a b"},
				Env:   map[string]string{"B": "3"},
				Stdin: strings.NewReader("in\n"),
			})
			require.NoError(t, err)
			assert.Equal(t, 3, r.ExitCode)
			assert.Equal(t, e2b.EndedByItself, r.Ended)
			assert.Equal(t, "in\n1 3 a b\n", string(r.Stdout))
			assert.Equal(t, "oops\n", string(r.Stderr))
		})
	}
}

func TestEnvironmentHasNothingOfTheHost(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/secret")
	t.Setenv("GIT_DIR", "/secret")
	// Not parallel: it changes the environment of this process.
	for _, mode := range []Namespace{NamespaceOff, NamespaceAuto} {
		tr := newTransport(t, &Options{Namespace: mode})
		sb := create(t, tr, nil)
		got := map[string]string{}
		for line := range strings.Lines(output(t, sb, "env")) {
			k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			got[k] = v
		}
		root := dirOf(t, sb)
		want := map[string]string{
			"HOME": root + "/home/user", "USER": "user", "LOGNAME": "user", "PWD": root + "/home/user",
			"TMPDIR": root + "/tmp", "PATH": root + "/usr/local/bin:" + defaultPath(),
			"E2B_SANDBOX": "true", "E2B_SANDBOX_ID": sb.id, "E2B_TEMPLATE_ID": templateID("base"),
		}
		if tr.engine.Namespaced() {
			want["HOME"], want["PWD"] = "/home/user", "/home/user"
			want["PATH"] = "/home/.sandbox/usr/local/bin:" + defaultPath()
			delete(want, "TMPDIR")
		}
		delete(got, "_")     // bash as sh sets these
		delete(got, "SHLVL") //
		delete(got, "OLDPWD")
		assert.Equal(t, want, got)
	}
}

func TestPathsOfProcessesInANamespace(t *testing.T) {
	t.Parallel()
	if ok, err := probeNamespace(NamespaceOn, defaultPath()); !ok {
		t.Skip("no mount namespaces here:", err)
	}
	sb := create(t, newTransport(t, &Options{Namespace: NamespaceOn}), nil)
	require.NoError(t, sb.WriteFile(t.Context(), "/home/user/a/x", strings.NewReader("hello")))
	assert.Equal(t, "hello", output(t, sb, "cat /home/user/a/x"))
	assert.Equal(t, "user\n", output(t, sb, "ls /home"))
	assert.Empty(t, output(t, sb, "ls -A /tmp"))
	output(t, sb, "cd a && git init -q /home/user/repo && git -C /home/user/repo status >/tmp/out && cat /proc/self/stat")
	dir := dirOf(t, sb)
	assert.DirExists(t, dir+"/home/user/repo/.git")
	assert.FileExists(t, dir+"/tmp/out")
	assert.NoDirExists(t, "/home/user/repo", "nothing shows outside")
	r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"pwd"}, Dir: "/home/user/a"})
	require.NoError(t, err)
	assert.Equal(t, "/home/user/a\n", string(r.Stdout))
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := create(t, newTransport(t, &opts), nil)
			for _, name := range []string{"no-such-program", "./no-such-program", "/no/such/program"} {
				r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{name}})
				require.NoError(t, err)
				assert.Equal(t, 127, r.ExitCode)
				assert.Contains(t, string(r.Stderr), "not found")
			}
		})
	}
}

func TestExecRefusesBadCommands(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	for name, tc := range map[string]struct {
		cmd  *e2b.Command
		want string
	}{
		"nil":      {nil, "no arguments"},
		"none":     {&e2b.Command{}, "no arguments"},
		"too long": {&e2b.Command{Args: []string{"true", strings.Repeat("x", 128<<10)}}, "argument list too long"},
		"NUL":      {&e2b.Command{Args: []string{"true", "a\x00b"}}, "invalid argument"},
		"env":      {&e2b.Command{Args: []string{"true"}, Env: map[string]string{"A=B": "x"}}, "environment variable"},
		"dir":      {&e2b.Command{Args: []string{"true"}, Dir: "nowhere"}, "cwd 'nowhere' does not exist"},
		"negative": {&e2b.Command{Args: []string{"true"}, Timeout: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sb.Exec(t.Context(), tc.cmd)
			require.ErrorIs(t, err, e2b.ErrInvalidArgument)
			assert.ErrorContains(t, err, tc.want)
		})
	}
	r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"true", strings.Repeat("x", 128<<10-1)}})
	require.NoError(t, err, "the longest that fits")
	assert.Zero(t, r.ExitCode)
	_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}, User: "nobody"})
	assert.ErrorIs(t, err, e2b.ErrAuth)
}

func TestOutputIsStreamedAndLimited(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	r, err := sb.Exec(t.Context(), &e2b.Command{
		Args: []string{"sh", "-c", "head -c 100000 /dev/zero; echo done >&2"}, MaxOutput: 1000,
	})
	require.NoError(t, err)
	assert.Len(t, r.Stdout, 1000)
	assert.Equal(t, "done\n", string(r.Stderr))
	assert.True(t, r.Truncated)

	// The command waits for the file, which is made once its first line came.
	first := make(chan struct{})
	w := writerFunc(func(b []byte) (int, error) {
		if strings.HasPrefix(string(b), "first") {
			close(first)
		}
		return len(b), nil
	})
	done := make(chan *e2b.ExecResult)
	go func() {
		r, err := sb.Exec(t.Context(), &e2b.Command{
			Args: []string{"sh", "-c", "echo first; while ! [ -e go ]; do sleep 0.01; done; echo second"}, Stdout: w,
		})
		assert.NoError(t, err)
		done <- r
	}()
	<-first
	require.NoError(t, sb.WriteFile(t.Context(), "go", strings.NewReader("")))
	assert.Nil(t, (<-done).Stdout)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestWriterThatFailsEndsTheCommand(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	full := errors.New("full")
	_, err := sb.Exec(t.Context(), &e2b.Command{
		Args:   []string{"sh", "-c", "echo $$ >pid; yes"},
		Stdout: writerFunc(func([]byte) (int, error) { return 0, full }),
	})
	require.ErrorIs(t, err, full)
	pid := readPID(t, dirOf(t, sb)+"/home/user/pid")
	require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, time.Millisecond)
}

func TestReaderThatFailsEndsTheCommand(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	broken := errors.New("broken")
	_, err := sb.Exec(t.Context(), &e2b.Command{
		Args: []string{"cat"}, Stdin: &errReader{strings.NewReader("half"), broken},
	})
	require.ErrorIs(t, err, broken)
}

type errReader struct {
	r   *strings.Reader
	err error
}

func (r *errReader) Read(b []byte) (int, error) {
	if r.r.Len() == 0 {
		return 0, r.err
	}
	return r.r.Read(b)
}

func TestCommandThatDoesNotReadItsStdin(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	r, err := sb.Exec(t.Context(), &e2b.Command{
		Args: []string{"true"}, Stdin: strings.NewReader(strings.Repeat("x", 1<<20)),
	})
	require.NoError(t, err)
	assert.Zero(t, r.ExitCode)
}

func TestCancelEndsTheProcessGroup(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := create(t, newTransport(t, &opts), nil)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := sb.Exec(ctx, &e2b.Command{Args: []string{"sh", "-c", "sleep 1000 & echo $! >pid; wait"}})
				done <- err
			}()
			pid := readPID(t, filepath.Join(dirOf(t, sb), "home/user/pid"))
			cancel()
			err := <-done
			require.ErrorIs(t, err, context.Canceled)
			require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, time.Millisecond)
		})
	}
}

func TestCancelKillsWhatIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, &Options{KillGrace: 50 * time.Millisecond}), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := sb.Exec(ctx, &e2b.Command{Args: []string{"sh", "-c", "trap '' TERM; echo $$ >pid; while :; do sleep 1000; done"}})
		done <- err
	}()
	pid := readPID(t, filepath.Join(dirOf(t, sb), "home/user/pid"))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, time.Millisecond)
}

func TestCancelDoesNotWaitForAWriterThatBlocks(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer r.Close()
	cmd := &e2b.Command{Args: []string{"sh", "-c", "echo $$ >pid; yes"}, Stdout: w}
	done := make(chan error)
	go func() {
		_, err := sb.Exec(ctx, cmd)
		done <- err
	}()
	pid := readPID(t, filepath.Join(dirOf(t, sb), "home/user/pid"))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, time.Millisecond)
}

func TestTimeoutAndSignals(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "echo a; sleep 1000"}, Timeout: time.Millisecond})
	require.NoError(t, err)
	assert.Equal(t, e2b.EndedByTimeout, r.Ended)
	assert.Equal(t, -1, r.ExitCode)
	assert.Equal(t, "a\n", string(r.Stdout))
	assert.GreaterOrEqual(t, r.Duration, time.Second, "whole seconds, rounded up")

	r = sh(t, sb, "kill -9 $$")
	assert.Equal(t, e2b.EndedBySignal, r.Ended)
	assert.Equal(t, "killed", r.Signal)
	assert.Equal(t, -1, r.ExitCode)
	assert.Equal(t, 124, sh(t, sb, "exit 124").ExitCode)
}

func TestBackgroundChildKeepsTheExecOpen(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	assert.Equal(t, "late\n", output(t, sb, "(sleep 0.3; echo late) &"))
	r := sh(t, sb, "sleep 1000 >/dev/null 2>&1 & exit 4")
	assert.Equal(t, 4, r.ExitCode)
}

func TestUsersHaveTheirOwnHomes(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := create(t, newTransport(t, &opts), nil)
			r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", `echo "$USER" >~/who`}, User: "root"})
			require.NoError(t, err)
			require.Zero(t, r.ExitCode, "%s", r.Stderr)
			rc, err := sb.ReadFile(t.Context(), "/root/who")
			require.NoError(t, err)
			assert.Equal(t, "root\n", readAll(t, rc))
		})
	}
}

func TestSudoRunsItsArguments(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := create(t, newTransport(t, &opts), nil)
			assert.Equal(t, "x y\n", output(t, sb, `sudo -n -u root -- sh -c 'echo "$@"' sh x y`))
			assert.Equal(t, "1\n", output(t, sb, `sudo -E A=1 sh -c 'echo $A'`))
			assert.Equal(t, "-n\n", output(t, sb, `sudo printf '%s\n' -n`))
		})
	}
}

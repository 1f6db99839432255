// Package conformance holds the tests that every implementation of an
// interface of gitsandbox has to pass. An implementer calls them from a test
// of its own:
//
//	func TestTransport(t *testing.T) {
//		conformance.TestTransport(t, func(t *testing.T) e2b.Transport {
//			return mytransport.New(t)
//		})
//	}
//
// It is the one package of the module outside of test files that imports
// testing.
package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

const (
	// lifetime is that of a sandbox of the suite, which outlives its test by
	// no more than this when the test process is killed.
	lifetime = 5 * time.Minute

	// patience is how long something is waited for that has to happen.
	patience = 30 * time.Second
)

// TestTransport tests that what newTransport returns does what
// [e2b.Transport], [e2b.Sandbox] and those of their ability interfaces
// promise that it has. It calls newTransport once, and uses the Transport from
// many goroutines; newTransport cleans up with t.Cleanup.
//
// The sandboxes are those of the default template, or what the Transport
// makes of it. They need sh, GNU coreutils and a real clock. The suite ends
// each of them, and lists and touches no others, so that it can run on an
// account that is in use. It takes about 15 seconds where a sandbox costs
// nothing.
func TestTransport(t *testing.T, newTransport func(t *testing.T) e2b.Transport) {
	t.Helper()
	transport := newTransport(t)
	s := &suite{transport: transport}
	for _, group := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"Lifecycle", s.testLifecycle},
		{"List", s.testList},
		{"Exec", s.testExec},
		{"Stdin", s.testStdin},
		{"Ending", s.testEnding},
		{"Files", s.testFiles},
		{"Abilities", s.testAbilities},
		{"Processes", s.testProcesses},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.test(t)
		})
	}
}

type suite struct {
	transport e2b.Transport
}

// create returns a sandbox that ends with the test.
func (s *suite) create(t *testing.T, opts *e2b.CreateOptions) e2b.Sandbox {
	t.Helper()
	if opts == nil {
		opts = &e2b.CreateOptions{}
	}
	if opts.Timeout == 0 {
		opts.Timeout = lifetime
	}
	box, err := s.transport.Create(t.Context(), opts)
	require.NoError(t, err)
	s.killLater(t, box.Info().SandboxID)
	return box
}

func (s *suite) killLater(t *testing.T, id string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_ = s.transport.Kill(ctx, id) // a test can have killed it already
	})
}

// shell returns the command that runs a script with arguments.
func shell(script string, args ...string) *e2b.Command {
	return &e2b.Command{Args: append([]string{"/bin/sh", "-c", script, "sh"}, args...)}
}

// run runs a command that has to succeed, and returns what it printed.
func run(t *testing.T, box e2b.Sandbox, cmd *e2b.Command) string {
	t.Helper()
	result, err := box.Exec(t.Context(), cmd)
	require.NoError(t, err)
	require.Equal(t, e2b.EndedByItself, result.Ended)
	require.Zero(t, result.ExitCode, "stderr: %s", result.Stderr)
	return string(result.Stdout)
}

// write writes a file that has to be writable.
func write(t *testing.T, box e2b.Sandbox, name, data string) {
	t.Helper()
	require.NoError(t, box.WriteFile(t.Context(), name, bytes.NewReader([]byte(data))))
}

// alive reports whether a process lives in the sandbox. A zombie does not.
func alive(t *testing.T, box e2b.Sandbox, pid string) bool {
	t.Helper()
	result, err := box.Exec(t.Context(), shell(`read -r stat </proc/"$1"/stat && case ${stat##*") "} in [ZX]*) exit 1 ;; esac`, pid))
	require.NoError(t, err)
	return result.ExitCode == 0
}

// requireDead waits until a process is gone.
func requireDead(t *testing.T, box e2b.Sandbox, pid string) {
	t.Helper()
	require.NotEmpty(t, pid)
	require.Eventually(t, func() bool { return !alive(t, box, pid) }, patience, 100*time.Millisecond, "process %s lives on", pid)
}

// unique returns a word that no other run of the suite uses.
func unique() string { return rand.Text() }

// A lineWriter passes on the output of a command line by line.
type lineWriter struct {
	mu    sync.Mutex
	rest  []byte
	lines chan string
}

func newLineWriter() *lineWriter { return &lineWriter{lines: make(chan string, 100)} }

// Write never blocks on a test that reads no more.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		select {
		case w.lines <- string(line):
		default:
		}
		w.rest = bytes.Clone(rest)
	}
}

// next returns the next line, for which it waits.
func (w *lineWriter) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-w.lines:
		return line
	case <-time.After(patience):
		require.FailNow(t, "no output came")
		return ""
	}
}

package smarthttp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	password = "correct-horse-battery"
	readOnly = "read-only-battery"
)

// newServer starts a real git server with a repository "app".
func newServer(t *testing.T, files map[string]string) (*remote.Remote, *Remote) {
	t.Helper()
	server, err := remote.New(&remote.Options{Password: password, ReadOnlyPassword: readOnly})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	require.NoError(t, server.CreateRepo("app", files))
	return server, &Remote{URL: server.URL("app"), Password: password}
}

func newClient(t *testing.T) *Client {
	t.Helper()
	c := &Client{Limits: Limits{Idle: 30 * time.Second}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// newFakeServer starts a server that answers each request with handler.
func newFakeServer(t *testing.T, handler http.HandlerFunc) *Remote {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &Remote{URL: server.URL + "/app.git", Password: password}
}

// answer answers each POST and GET with a body of the right type.
func answer(t *testing.T, service string, body []byte) *Remote {
	t.Helper()
	return newFakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-git-"+service)
		_, _ = w.Write(body)
	})
}

// pkts writes pkt-lines; "0000" and the like are as they are.
func pkts(lines ...string) []byte {
	var b []byte
	for _, line := range lines {
		switch line {
		case "0000", "0001", "0002":
			b = append(b, line...)
		default:
			b = appendPkt(b, line)
		}
	}
	return b
}

// A repo is a scratch repository of the real git.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	r := &repo{t, t.TempDir()}
	r.git("init", "--quiet", "-b", "main")
	return r
}

func (r *repo) try(stdin io.Reader, args ...string) ([]byte, error) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		r.t.Logf("git %v: %v: %s", args, err, stderr.Bytes())
	}
	return stdout.Bytes(), err
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.input("", args...)
}

func (r *repo) input(stdin string, args ...string) string {
	r.t.Helper()
	out, err := r.try(strings.NewReader(stdin), args...)
	require.NoError(r.t, err, "git %v", args)
	return strings.TrimSpace(string(out))
}

// write changes files; an empty content removes one.
func (r *repo) write(files map[string]string) {
	r.t.Helper()
	for name, content := range files {
		name = filepath.Join(r.dir, name)
		if content == "" {
			require.NoError(r.t, os.RemoveAll(name))
			continue
		}
		require.NoError(r.t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(r.t, os.WriteFile(name, []byte(content), 0o644))
	}
}

// commit commits files and returns the ID.
func (r *repo) commit(message string, files map[string]string) string {
	r.t.Helper()
	r.write(files)
	r.git("add", "-A")
	r.git("commit", "--quiet", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// pack makes a pack as the sandbox does: without deltas.
func (r *repo) pack(head string, not ...string) []byte {
	r.t.Helper()
	revs := []string{head}
	for _, id := range not {
		revs = append(revs, "^"+id)
	}
	out, err := r.try(strings.NewReader(strings.Join(revs, "\n")+"\n"), "pack-objects", "--quiet", "--revs", "--stdout", "--window=0", "--no-reuse-delta")
	require.NoError(r.t, err)
	return out
}

// index stores a pack and checks every object.
func (r *repo) index(pack io.Reader, args ...string) {
	r.t.Helper()
	_, err := r.try(pack, append([]string{"index-pack", "--stdin", "--strict"}, args...)...)
	require.NoError(r.t, err)
}

// push makes the options of a push.
func push(ref, before, after string, pack []byte) *PushOptions {
	return &PushOptions{
		Ref: ref, Old: before, New: after, Pack: bytes.NewReader(pack),
		Capabilities: []string{"report-status", "side-band-64k", "atomic", "agent=git/2"},
	}
}

// asError checks the kind of an error and returns it.
func asError(t *testing.T, err error, op string, kind error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, op, e.Op)
	require.ErrorIs(t, err, kind)
	assert.NotContains(t, err.Error(), password)
	assert.NotContains(t, err.Error(), "\n")
	assert.LessOrEqual(t, len(err.Error()), 2000)
	return e
}

// writeNoise writes a file that does not compress.
func writeNoise(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.NewChaCha8([32]byte{1})
	_, err = io.CopyN(f, random, size)
	return err
}

package remote

import (
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRemote(t *testing.T, opts *Options) *Remote {
	t.Helper()
	r, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return r
}

// git runs the real client, with credentials in the URL as only a test may.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "LC_ALL=C",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t, dir, args...)
	require.NoError(t, err, "git %v: %s", args, out)
	return out
}

// withPassword puts credentials into a URL.
func withPassword(r *Remote, repo, password string) string {
	return "http://x-access-token:" + password + "@" + r.addr + "/" + repo + ".git"
}

func TestGitClonesAndPushes(t *testing.T) {
	t.Parallel()
	r := newRemote(t, &Options{Password: "secret-token-1", ReadOnlyPassword: "secret-token-2"})
	require.NoError(t, r.CreateRepo("owner/app", map[string]string{"README.md": "hello\n", "a dir/\"q\".txt": "q"}))
	dir := filepath.Join(t.TempDir(), "clone")

	out, err := git(t, "", "clone", r.URL("owner/app"), dir)
	require.Error(t, err)
	assert.Contains(t, out, "could not read Username")

	mustGit(t, "", "clone", withPassword(r, "owner/app", "secret-token-1"), dir)
	assert.Equal(t, "* main\n", mustGit(t, dir, "branch"))
	mustGit(t, dir, "switch", "-c", "topic")
	mustGit(t, dir, "commit", "--allow-empty", "-m", "second")
	mustGit(t, dir, "push", "origin", "topic")

	log, err := r.Log("owner/app", "topic")
	require.NoError(t, err)
	require.Len(t, log, 2)
	assert.Equal(t, "second", log[0].Message)
	assert.Equal(t, []string{log[1].ID}, log[0].Parents)
	assert.Equal(t, Commit{ID: log[1].ID, Author: "Dev Eloper", AuthorEmail: "dev@example.com", Message: "Initial commit"},
		Commit{ID: log[1].ID, Author: log[1].Author, AuthorEmail: log[1].AuthorEmail, Message: log[1].Message})
	branches, err := r.Branches("owner/app")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"main": log[1].ID, "topic": log[0].ID}, branches)
	text, err := r.ReadFile("owner/app", "topic", "a dir/\"q\".txt")
	require.NoError(t, err)
	assert.Equal(t, "q", text)

	mustGit(t, "", "ls-remote", withPassword(r, "owner/app", "secret-token-2"))
	out, err = git(t, dir, "push", withPassword(r, "owner/app", "secret-token-2"), "topic:other")
	require.Error(t, err)
	assert.Contains(t, out, "403")
	out, err = git(t, dir, "ls-remote", withPassword(r, "owner/none", "secret-token-1"))
	require.Error(t, err)
	assert.Contains(t, out, "not found")

	r.ExpirePassword()
	_, err = git(t, "", "ls-remote", withPassword(r, "owner/app", "secret-token-1"))
	require.Error(t, err)
	r.SetPassword("secret-token-3")
	_, err = git(t, "", "ls-remote", withPassword(r, "owner/app", "secret-token-1"))
	require.Error(t, err)
	mustGit(t, "", "ls-remote", withPassword(r, "owner/app", "secret-token-3"))
}

func TestCommitsOfOthers(t *testing.T) {
	t.Parallel()
	r := newRemote(t, nil)
	require.NoError(t, r.CreateRepo("app", map[string]string{"a": "1", "b": "1", "docs/x": "1"}))
	first, err := r.Ref("app", "HEAD")
	require.NoError(t, err)
	second, err := r.Commit("app", "main", "change a", map[string]string{"a": "2"})
	require.NoError(t, err)
	side, err := r.Commit("app", "side", "begin side", map[string]string{"c": "1"})
	require.NoError(t, err)
	third, err := r.Remove("app", "main", "remove b and docs", "b", "docs")
	require.NoError(t, err)

	log, err := r.Log("app", "main")
	require.NoError(t, err)
	require.Len(t, log, 3)
	assert.Equal(t, []string{third, second, first}, []string{log[0].ID, log[1].ID, log[2].ID})
	log, err = r.Log("app", "side")
	require.NoError(t, err)
	assert.Equal(t, []string{second}, log[0].Parents)
	_, err = r.ReadFile("app", "main", "b")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = r.ReadFile("app", "main", "docs/x")
	require.ErrorIs(t, err, fs.ErrNotExist)
	text, err := r.ReadFile("app", "side", "a")
	require.NoError(t, err)
	assert.Equal(t, "2", text)

	require.NoError(t, r.DeleteBranch("app", "side"))
	_, err = r.Ref("app", "side")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = r.Ref("none", "side")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, r.CreateRepo("app", nil), fs.ErrExist)
	for _, name := range []string{"", "../x", "a/../b", "-x", "a.git", "a//b", "/a"} {
		require.Error(t, r.CreateRepo(name, nil), name)
	}
	assert.NotEmpty(t, side)
}

func TestCommitIDsAreTheSameInEachRun(t *testing.T) {
	t.Parallel()
	var ids [2]string
	for i := range ids {
		r := newRemote(t, nil)
		require.NoError(t, r.CreateRepo("app", map[string]string{"a": "1"}))
		id, err := r.Ref("app", "main")
		require.NoError(t, err)
		ids[i] = id
	}
	assert.Equal(t, ids[0], ids[1])
}

func TestHooksRefuse(t *testing.T) {
	t.Parallel()
	r := newRemote(t, nil)
	require.NoError(t, r.CreateRepo("app", map[string]string{"a": "1"}))
	dir := filepath.Join(t.TempDir(), "clone")
	mustGit(t, "", "clone", r.URL("app"), dir)
	mustGit(t, dir, "commit", "--allow-empty", "-m", "second")

	require.NoError(t, r.ProtectBranch("app", "main"))
	require.NoError(t, r.ProtectBranch("app", "release/*"))
	out, err := git(t, dir, "push", "origin", "HEAD:main")
	require.Error(t, err)
	assert.Contains(t, out, "GH006: Protected branch update failed for refs/heads/main.")
	_, err = git(t, dir, "push", "origin", "HEAD:refs/heads/release/1")
	require.Error(t, err)
	mustGit(t, dir, "push", "origin", "HEAD:topic")

	require.NoError(t, r.RefusePushes("app", "not today"))
	out, err = git(t, dir, "push", "origin", "HEAD:topic2")
	require.Error(t, err)
	assert.Contains(t, out, "remote: not today")
	require.NoError(t, r.RefusePushes("app", ""))
	require.NoError(t, r.RefusePushes("app", ""))
	mustGit(t, dir, "push", "origin", "HEAD:topic2")
}

func TestFaultsMeetTheRequestsTheyMatch(t *testing.T) {
	t.Parallel()
	r := newRemote(t, nil)
	require.NoError(t, r.CreateRepo("app", map[string]string{"a": "1"}))
	get := func(repo string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			r.URL(repo)+"/info/refs?service=git-receive-pack", nil)
		require.NoError(t, err)
		client := &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	r.Inject(Fault{Operation: "push", Status: 500})
	r.Inject(Fault{Operation: "advertisement", Repo: "app", Nth: 2, Times: 2, RetryAfter: 1500 * time.Millisecond})
	assert.Equal(t, 200, get("app").StatusCode)
	assert.Equal(t, 404, get("none").StatusCode)
	resp := get("app")
	assert.Equal(t, 429, resp.StatusCode)
	assert.Equal(t, "2", resp.Header.Get("Retry-After"))
	assert.Equal(t, 429, get("app").StatusCode)
	assert.Equal(t, 200, get("app").StatusCode)
	remove := r.Inject(Fault{Status: 503})
	assert.Equal(t, 503, get("none").StatusCode)
	assert.Equal(t, 503, get("app").StatusCode)
	remove()
	r.Inject(Fault{Redirect: "http://example.com/x"})
	resp = get("app")
	assert.Equal(t, 302, resp.StatusCode)
	assert.Equal(t, "http://example.com/x", resp.Header.Get("Location"))

	assert.Len(t, r.Requests(), 8)
	assert.Equal(t, Request{
		Operation: "advertisement", Method: "GET", Path: "/app.git/info/refs", Query: "service=git-receive-pack", Repo: "app",
	}, r.Requests()[0])
	r.ResetRequests()
	assert.Empty(t, r.Requests())
}

func TestCloseEndsRunningRequests(t *testing.T) {
	t.Parallel()
	r, err := New(nil)
	require.NoError(t, err)
	require.NoError(t, r.CreateRepo("app", map[string]string{"a": "1"}))
	entered := make(chan struct{})
	r.Inject(Fault{Before: func(Request) { close(entered) }, Delay: time.Hour})
	failed := make(chan error, 1)
	go func() {
		_, err := git(t, "", "ls-remote", r.URL("app"))
		failed <- err
	}()
	<-entered
	require.NoError(t, r.Close())
	require.Error(t, <-failed)
	assert.NoDirExists(t, r.dir)
	require.NoError(t, r.Close())
	_, err = r.Ref("app", "main")
	require.Error(t, err)
}

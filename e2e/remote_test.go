package e2e

import (
	"crypto/subtle"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

type remote struct{ url, username, password string }

// newRemote serves a repository with one commit on "main" behind basic auth.
func newRemote(t *testing.T) *remote {
	t.Helper()
	git, err := exec.LookPath("git")
	require.NoError(t, err)
	dir := t.TempDir()
	run := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), git, args...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + filepath.Dir(git) + ":/usr/bin:/bin", "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %v: %s", args, out)
	}
	run("init", "-q", "-b", "main", "work")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "work", "README.md"), []byte("hello\n"), 0o644))
	run("-C", "work", "add", ".")
	run("-C", "work", "commit", "-q", "-m", "first")
	run("-C", "work", "commit", "-q", "--allow-empty", "-m", "second")
	run("clone", "-q", "--bare", "work", "repo.git")
	run("-C", "repo.git", "config", "http.receivepack", "true")

	const username, password = "agent", "p@ss word/é"
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + dir},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if u != username || subtle.ConstantTimeCompare([]byte(p), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return &remote{url: server.URL + "/repo.git", username: username, password: password}
}

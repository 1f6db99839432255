// Package e2e checks the fakes against programs that know nothing of them.
package e2e

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// TestJavaScriptSDK drives the fake server with E2B's own JavaScript SDK. It
// needs Node.js and js/node_modules; without them it is skipped, unless
// GITSANDBOX_REQUIRE_JS is 1.
func TestJavaScriptSDK(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not in PATH")
	}
	if _, err := os.Stat(filepath.Join("js", "node_modules", "e2b")); errors.Is(err, fs.ErrNotExist) {
		missing(t, "js/node_modules is not there: run npm ci in e2e/js")
	}

	for name, namespace := range map[string]gitsandboxtest.Namespace{
		"with mount namespaces where they work": gitsandboxtest.NamespaceAuto,
		"without mount namespaces":              gitsandboxtest.NamespaceOff,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, node, &gitsandboxtest.Options{Namespace: namespace})
		})
	}
}

// check runs js/check.mjs against a server of its own.
func check(t *testing.T, node string, opts *gitsandboxtest.Options) {
	t.Helper()
	server, err := gitsandboxtest.NewServer(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	remote := newRemote(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "check.mjs")
	cmd.Dir = "js"
	cmd.Env = []string{
		"E2B_API_KEY=" + server.APIKey(),
		"E2B_API_URL=" + server.URL(),
		"E2B_SANDBOX_URL=" + server.URL(),
		"GIT_REMOTE_URL=" + remote.url,
		"GIT_REMOTE_USERNAME=" + remote.username,
		"GIT_REMOTE_PASSWORD=" + remote.password,
	}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("check.mjs:\n%s", out)
	require.NoError(t, err, "check.mjs failed")
	require.Regexp(t, regexp.MustCompile(`(?m)^[1-9][0-9]* passed, 0 failed\n\z`), string(out))
}

// missing skips the test, or fails it where it is required.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GITSANDBOX_REQUIRE_JS") == "1" { //nolint:forbidigo // a switch of this test
		t.Fatal(what)
	}
	t.Skip(what)
}

package gitsandbox_test

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// token is the password of the remote. Its shape is that of nothing, so that
// only its value can redact it.
const token = "s3cr3t-Zq8vYw1kPx-token"

// world is a fake E2B, a git server and a Client.
type world struct {
	t         testing.TB
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	url       string
}

type worldOptions struct {
	open      bool // the remote asks for no password
	client    gitsandbox.Options
	sandboxes gitsandboxtest.Options
}

func newWorld(tb testing.TB, o *worldOptions) *world {
	tb.Helper()
	if o == nil {
		o = &worldOptions{}
	}
	sandboxes, err := gitsandboxtest.NewTransport(&o.sandboxes)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, sandboxes.Close()) })
	password := token
	if o.open {
		password = ""
	}
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: password})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, remote.Close()) })
	require.NoError(tb, remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}))
	w := &world{t: tb, sandboxes: sandboxes, remote: remote, url: remote.URL("shop")}
	w.client = w.newClient(&o.client)
	return w
}

// newClient returns a further Client of the same E2B and remote, as another
// process would have it.
func (w *world) newClient(opts *gitsandbox.Options) *gitsandbox.Client {
	w.t.Helper()
	o := *opts
	if o.Credentials == nil && w.remote.Password() != "" {
		o.Credentials = gitsandbox.StaticToken(w.remote.Host(), token)
	}
	if o.Retry == nil {
		o.Retry = gitsandbox.Backoff{Base: 1, Max: 1}
	}
	c, err := gitsandbox.New(w.sandboxes, &o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, c.Close()) })
	return c
}

func (w *world) clone(agent, task string) *gitsandbox.Sandbox {
	w.t.Helper()
	s, err := w.client.Clone(w.t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: agent, TaskID: task})
	require.NoError(w.t, err)
	return s
}

func (w *world) write(s *gitsandbox.Sandbox, name, content string) {
	w.t.Helper()
	require.NoError(w.t, s.WriteFile(w.t.Context(), name, []byte(content), 0))
}

// commit commits on a branch of the remote, as somebody else.
func (w *world) commit(branch, message string, files map[string]string) gitsandbox.Hash {
	w.t.Helper()
	id, err := w.remote.Commit("shop", branch, message, files)
	require.NoError(w.t, err)
	return gitsandbox.Hash(id)
}

// commitRandom commits n files that cannot be compressed.
func (w *world) commitRandom(branch string, n, size int) {
	w.t.Helper()
	data := make([]byte, size)
	for i := range n {
		_, _ = rand.Read(data)
		w.commit(branch, "Random", map[string]string{fmt.Sprintf("random/%d.bin", i): string(data)})
	}
}

// git runs git in the repository of the remote.
func (w *world) git(args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.remote.Dir("shop")}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "%s", out)
}

func (w *world) tip(branch string) gitsandbox.Hash {
	w.t.Helper()
	id, err := w.remote.Ref("shop", "refs/heads/"+branch)
	require.NoError(w.t, err)
	return gitsandbox.Hash(id)
}

func (w *world) file(branch, name string) string {
	w.t.Helper()
	data, err := w.remote.ReadFile("shop", "refs/heads/"+branch, name)
	require.NoError(w.t, err)
	return data
}

// urlWithToken is how everybody else clones.
func (w *world) urlWithToken() string {
	w.t.Helper()
	u, err := url.Parse(w.url)
	require.NoError(w.t, err)
	u.User = url.UserPassword("x-access-token", token)
	return u.String()
}

// noToken fails where text holds the token.
func (w *world) noToken(text string) {
	w.t.Helper()
	if i := strings.Index(text, token); i >= 0 {
		w.t.Fatalf("the token is in %q", text[max(0, i-40):min(len(text), i+len(token)+40)])
	}
}

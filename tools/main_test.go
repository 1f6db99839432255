package tools_test

import (
	"context"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/tools"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "s3cr3t-Zq8vYw1kPx-token"

// world is a fake E2B, a git server, a Client and its tools.
type world struct {
	t         testing.TB
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	set       *tools.Set
	url       string
	ctx       context.Context //nolint:containedctx // who calls, in a test
}

func newWorld(tb testing.TB, opts *tools.Options) *world {
	tb.Helper()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, sandboxes.Close()) })
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: token})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, remote.Close()) })
	require.NoError(tb, remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n", "main.go": "package main\n\nfunc main() {}\n"}))
	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), token),
		Retry:       gitsandbox.Backoff{Base: 1, Max: 1},
		Trace:       []*gitsandbox.Trace{tools.ProgressTrace()},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, client.Close()) })
	set, err := tools.New(client, opts)
	require.NoError(tb, err)
	return &world{t: tb, sandboxes: sandboxes, remote: remote, client: client, set: set, url: remote.URL("shop"), ctx: tb.Context()}
}

// args are the arguments of a call.
type args map[string]any

// call calls a tool as it is called by a host.
func (w *world) call(name string, a args) *tools.Result {
	w.t.Helper()
	raw, err := json.Marshal(a)
	require.NoError(w.t, err)
	res := w.set.Call(w.ctx, name, raw)
	require.NotNil(w.t, res)
	require.NotContains(w.t, res.Text, token)
	return res
}

// ok calls a tool that must succeed, and returns its text.
func (w *world) ok(name string, a args) string {
	w.t.Helper()
	res := w.call(name, a)
	require.False(w.t, res.IsError, "%s: %s", name, res.Text)
	return res.Text
}

// state calls a tool that returns a structure, and returns it decoded.
func (w *world) state(name string, a args) map[string]any {
	w.t.Helper()
	res := w.call(name, a)
	require.False(w.t, res.IsError, "%s: %s", name, res.Text)
	require.NotNil(w.t, res.Data)
	var m map[string]any
	require.NoError(w.t, json.Unmarshal([]byte(res.Text), &m))
	return m
}

// fails calls a tool that must fail, and returns the code and the text.
func (w *world) fails(name string, a args) (code, text string) {
	w.t.Helper()
	res := w.call(name, a)
	require.True(w.t, res.IsError, "%s: %s", name, res.Text)
	require.Nil(w.t, res.Data)
	require.Regexp(w.t, `^\[[A-Z_]+\] .`, res.Text)
	return res.Code, res.Text
}

// clone makes a sandbox and returns its ID.
func (w *world) clone(agent, task string) string {
	w.t.Helper()
	id, _ := w.state("git_clone", args{"repo_url": w.url, "agent_id": agent, "task_id": task})["sandbox_id"].(string)
	require.NotEmpty(w.t, id)
	return id
}

var hash = regexp.MustCompile(`\b[0-9a-f]{12,40}\b`)

// masked replaces what differs from run to run.
func masked(s string) string { return hash.ReplaceAllString(s, "HASH") }

package mcpserver_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The revisions that clients in the field speak: the newest, and one with sessions.
const (
	modern = "2026-07-28"
	legacy = "2025-11-25"
)

var revisions = []string{modern, legacy}

// secret is the password of the git server. Nothing that a client sees has it.
const secret = "s3cr3t-Zq8vYw1kPx-token"

// world is a fake E2B, a git server and a Client.
type world struct {
	t         testing.TB
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	url       string
	log       *logBuffer
}

func newWorld(tb testing.TB, traces ...*gitsandbox.Trace) *world {
	tb.Helper()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, sandboxes.Close()) })
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: secret})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, remote.Close()) })
	require.NoError(tb, remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n", "a.txt": "one\n"}))
	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), secret),
		Retry:       gitsandbox.Backoff{Base: 1, Max: 1},
		Trace:       append(traces, tools.ProgressTrace()),
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, client.Close()) })
	log := &logBuffer{}
	tb.Cleanup(func() { assert.NotContains(tb, log.String(), secret) })
	return &world{t: tb, sandboxes: sandboxes, remote: remote, client: client, url: remote.URL("shop"), log: log}
}

// serve makes a server that logs to w.log.
func (w *world) serve(o *mcpserver.Options) *mcpserver.Server {
	w.t.Helper()
	if o == nil {
		o = &mcpserver.Options{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	server, err := mcpserver.New(w.client, o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, server.Close()) })
	return server
}

// serveHTTP serves a server on loopback and returns the URL of the endpoint.
func (w *world) serveHTTP(server *mcpserver.Server, o *mcpserver.HTTPOptions) string {
	w.t.Helper()
	h := httptest.NewServer(server.HTTPHandler(o))
	w.t.Cleanup(func() {
		assert.NoError(w.t, server.Close())
		h.Close()
	})
	return h.URL + "/mcp"
}

// model is a session as a model has it.
type model struct {
	t testing.TB
	*mcp.ClientSession
}

// connect starts a session. Nil opts mean a client that can do nothing extra.
func connect(tb testing.TB, transport mcp.Transport, revision string, opts *mcp.ClientOptions) *model {
	tb.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, opts)
	session, err := client.Connect(tb.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = session.Close() })
	return &model{tb, session}
}

// overHTTP is a transport that sends a bearer token, where it is not empty.
func overHTTP(tb testing.TB, url, token string) mcp.Transport {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer{transport, token}}, MaxRetries: -1}
}

type bearer struct {
	next  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

type args map[string]any

func (m *model) call(name string, a args) *mcp.CallToolResult {
	m.t.Helper()
	res, err := m.CallTool(m.t.Context(), &mcp.CallToolParams{Name: name, Arguments: a})
	require.NoError(m.t, err)
	require.NotContains(m.t, textOf(m.t, res), secret)
	return res
}

// ok calls a tool that must succeed, and returns its text.
func (m *model) ok(name string, a args) string {
	m.t.Helper()
	res := m.call(name, a)
	text := textOf(m.t, res)
	require.False(m.t, res.IsError, "%s: %s", name, text)
	return text
}

// state calls a tool that returns a structure, which its text has too.
func (m *model) state(name string, a args) map[string]any {
	m.t.Helper()
	res := m.call(name, a)
	text := textOf(m.t, res)
	require.False(m.t, res.IsError, "%s: %s", name, text)
	structure, ok := res.StructuredContent.(map[string]any)
	require.True(m.t, ok, "%s: no structure", name)
	var same map[string]any
	require.NoError(m.t, json.Unmarshal([]byte(text), &same))
	require.Equal(m.t, same, structure)
	return structure
}

// fails calls a tool that must fail with a code, and returns the text.
func (m *model) fails(code, name string, a args) string {
	m.t.Helper()
	res := m.call(name, a)
	text := textOf(m.t, res)
	require.True(m.t, res.IsError, "%s: %s", name, text)
	require.Nil(m.t, res.StructuredContent, "clients disagree on errors with a structure")
	require.Regexp(m.t, `^\[`+code+`\] .`, text)
	return text
}

// clone makes a sandbox and returns its ID.
func (m *model) clone(url, agent, task string) string {
	m.t.Helper()
	id, _ := m.state("git_clone", args{"repo_url": url, "agent_id": agent, "task_id": task})["sandbox_id"].(string)
	require.NotEmpty(m.t, id)
	return id
}

// textOf returns the text of a result, which is always one block.
func textOf(tb testing.TB, res *mcp.CallToolResult) string {
	tb.Helper()
	require.Len(tb, res.Content, 1)
	text, ok := res.Content[0].(*mcp.TextContent)
	require.True(tb, ok)
	return text.Text
}

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go test -update after a change that is meant")
}

// logBuffer is a log that tests read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running counts the sandboxes that the fake has.
func (w *world) running() int {
	w.t.Helper()
	n := 0
	for _, err := range w.sandboxes.List(w.t.Context(), nil) {
		require.NoError(w.t, err)
		n++
	}
	return n
}

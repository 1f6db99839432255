package mcpserver_test

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

func itoa(n int) string { return strconv.Itoa(n) }

func write(t *testing.T, file string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, nil, 0o600))
}

// await waits for a file and returns its content.
func await(tb testing.TB, file string) string {
	tb.Helper()
	var content []byte
	require.Eventually(tb, func() bool {
		var err error
		content, err = os.ReadFile(file)
		return err == nil
	}, 30*time.Second, 5*time.Millisecond, file)
	return string(content)
}

// start runs a command that does not end, in the background, and returns the ID of
// its process.
func (w *world) start(m *model, sandboxID string) int {
	w.t.Helper()
	return w.startWith(w.t.Context(), m, sandboxID)
}

func (w *world) startWith(ctx context.Context, m *model, sandboxID string) int {
	w.t.Helper()
	go func() {
		_, _ = m.CallTool(ctx, &mcp.CallToolParams{Name: "run", Arguments: args{
			"sandbox_id": sandboxID, "command": "echo $$ >pid.new; mv pid.new pid; while true; do sleep 1; done", "timeout_seconds": 600,
		}})
	}()
	dir, err := w.sandboxes.Dir(sandboxID)
	require.NoError(w.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(await(w.t, dir+"/home/user/repo/pid")))
	require.NoError(w.t, err)
	require.NoError(w.t, syscall.Kill(pid, 0), "it runs")
	return pid
}

// gone waits for a process to end.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, 20*time.Second, 5*time.Millisecond, "the command still runs")
}

// Cancelling a call ends the command in the sandbox, whichever way a revision and a
// transport have to say so.
func TestCancelEndsTheCommand(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		for _, transport := range []string{"in process", "http"} {
			t.Run(revision+" "+transport, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				server := w.serve(nil)
				through := server.InProcess()
				if transport == "http" {
					through = overHTTP(t, w.serveHTTP(server, nil), "")
				}
				m := connect(t, through, revision, nil)
				id := m.clone(w.url, "a", "t")
				ctx, cancel := context.WithCancel(t.Context())
				pid := w.startWith(ctx, m, id)
				cancel()
				gone(t, pid)
				require.Eventually(t, func() bool {
					return strings.Contains(w.log.String(), "tool=run sandbox_id="+id+" status=failure code=CANCELLED")
				}, 10*time.Second, 5*time.Millisecond)
				m.state("git_status", args{"sandbox_id": id})
			})
		}
	}
}

func TestDeadlineEndsTheCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := connect(t, w.serve(&mcpserver.Options{Tools: tools.Options{Timeout: 2 * time.Second}}).InProcess(), modern, nil)
	id := m.clone(w.url, "a", "t")
	text := m.ok("run", args{"sandbox_id": id, "command": "echo $$ >pid; while true; do sleep 1; done"})
	assert.Contains(t, text, "ended=timeout (no command may take longer here)")
	dir, err := w.sandboxes.Dir(id)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(await(t, dir+"/home/user/repo/pid")))
	require.NoError(t, err)
	gone(t, pid)
}

// The end of the session, and of the server, are the end of its calls.
func TestEndOfSessionEndsTheCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.serve(nil)
	m := connect(t, server.InProcess(), modern, nil)
	pid := w.start(m, m.clone(w.url, "a", "t"))
	require.NoError(t, server.Close())
	gone(t, pid)
	require.NoError(t, server.Close(), "twice")
	require.Error(t, server.Run(t.Context(), server.InProcess()), "closed")
}

// A session has an end of its own, which is no other's.
func TestEndOfOneSession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(client io.Closer, cancel context.CancelFunc){
		"the client leaves": func(client io.Closer, _ context.CancelFunc) { _ = client.Close() },
		"the context ends":  func(_ io.Closer, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			server := w.serve(nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			here, there := net.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- server.Run(ctx, &mcp.IOTransport{Reader: here, Writer: here}) }()
			m := connect(t, &mcp.IOTransport{Reader: there, Writer: there}, legacy, nil)
			id := m.clone(w.url, "a", "t")
			pid := w.start(m, id)
			end(there, cancel)
			gone(t, pid)
			require.Equal(t, ctx.Err(), <-ended)
			connect(t, server.InProcess(), modern, nil).state("git_status", args{"sandbox_id": id})
		})
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var mu sync.Mutex
			var steps []float64
			var messages []string
			m := connect(t, overHTTP(t, w.serveHTTP(w.serve(nil), nil), ""), revision, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
					mu.Lock()
					defer mu.Unlock()
					assert.Equal(t, "p1", r.Params.ProgressToken)
					steps, messages = append(steps, r.Params.Progress), append(messages, r.Params.Message)
				},
			})
			params := &mcp.CallToolParams{Name: "git_clone", Arguments: args{"repo_url": w.url}}
			params.SetProgressToken("p1")
			res, err := m.CallTool(t.Context(), params)
			require.NoError(t, err)
			require.False(t, res.IsError)
			mu.Lock()
			defer mu.Unlock()
			require.GreaterOrEqual(t, len(steps), 3)
			for i, step := range steps {
				assert.InDelta(t, float64(i+1), step, 0, "it grows by one")
			}
			assert.Contains(t, messages, "starting the sandbox")
			assert.Contains(t, messages, "fetching from the remote")
		})
	}
}

// A bug is an answer and a record, and not the end of the process.
func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			w := newWorld(t, &gitsandbox.Trace{
				RequestStart: func(ctx context.Context, info gitsandbox.RequestInfo) context.Context {
					once.Do(func() { panic("secret of " + info.Target) })
					return ctx
				},
			})
			metrics := mcpserver.NewMetrics()
			m := connect(t, w.serve(&mcpserver.Options{Metrics: metrics}).InProcess(), revision, nil)
			text := m.fails("INTERNAL", "git_clone", args{"repo_url": w.url})
			assert.NotContains(t, text, "secret")
			m.state("git_clone", args{"repo_url": w.url})

			log := w.log.String()
			assert.Contains(t, log, `level=ERROR msg=panic method=tools/call panic=string stack="goroutine `)
			assert.Contains(t, log, `tool=git_clone sandbox_id="" status=panic code=INTERNAL`)
			assert.NotContains(t, log, "secret of")
			assert.NoError(t, testutil.CollectAndCompare(metrics, strings.NewReader(`
# HELP gitsandbox_mcp_calls_total Calls of tools over MCP, by tool and by how they ended.
# TYPE gitsandbox_mcp_calls_total counter
gitsandbox_mcp_calls_total{status="panic",tool="git_clone"} 1
gitsandbox_mcp_calls_total{status="success",tool="git_clone"} 1
`), "gitsandbox_mcp_calls_total"))
		})
	}
}

func TestRateOfEachCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	metrics := mcpserver.NewMetrics()
	url := w.serveHTTP(w.serve(&mcpserver.Options{Rate: 0.001, Burst: 4, Roles: roles(t), Tokens: tokens(t), Metrics: metrics}), nil)
	alice := connect(t, overHTTP(t, url, aliceToken), modern, nil) // the first request of four
	for range 3 {
		alice.fails("SANDBOX_NOT_FOUND", "git_status", args{"sandbox_id": "x"})
	}
	text := alice.fails("RATE_LIMITED", "git_status", args{"sandbox_id": "x"})
	assert.Regexp(t, `too many calls. Call again in 1000 s.$`, text)
	_, err := alice.ListTools(t.Context(), nil)
	require.ErrorContains(t, err, "too many requests")
	bob := connect(t, overHTTP(t, url, bobToken), modern, nil)
	bob.fails("SANDBOX_NOT_FOUND", "git_status", args{"sandbox_id": "x"})

	assert.Contains(t, w.log.String(), "caller=alice tool=git_status sandbox_id=\"\" status=rejected code=RATE_LIMITED")
	assert.NoError(t, testutil.CollectAndCompare(metrics, strings.NewReader(`
# HELP gitsandbox_mcp_calls_total Calls of tools over MCP, by tool and by how they ended.
# TYPE gitsandbox_mcp_calls_total counter
gitsandbox_mcp_calls_total{status="failure",tool="git_status"} 4
gitsandbox_mcp_calls_total{status="rejected",tool="git_status"} 1
`), "gitsandbox_mcp_calls_total"))
}

// What a client makes up is no label, or there would be as many as it likes.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	metrics := mcpserver.NewMetrics()
	m := connect(t, w.serve(&mcpserver.Options{Metrics: metrics}).InProcess(), modern, nil)
	for i := range 20 {
		_, err := m.CallTool(t.Context(), &mcp.CallToolParams{Name: "made_up_" + itoa(i)})
		require.ErrorContains(t, err, "unknown tool")
	}
	assert.NoError(t, testutil.CollectAndCompare(metrics, strings.NewReader(`
# HELP gitsandbox_mcp_calls_total Calls of tools over MCP, by tool and by how they ended.
# TYPE gitsandbox_mcp_calls_total counter
gitsandbox_mcp_calls_total{status="rejected",tool="unknown"} 20
`), "gitsandbox_mcp_calls_total"))
	problems, err := testutil.CollectAndLint(metrics)
	require.NoError(t, err)
	assert.Empty(t, problems)
	assert.NotContains(t, w.log.String(), "made_up")
}

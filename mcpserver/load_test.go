package mcpserver_test

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/mcpserver"
)

// loadTime is how long the load lasts; one round of each session at least.
var loadTime = flag.Duration("load", 0, "how long TestLoad puts load on the server")

// 64 sessions at once, each with a clone of its own, half of them with the newest
// revision and half with an older one, over HTTP. No call may fail, and nothing may
// be left.
func TestLoad(t *testing.T) {
	t.Parallel()
	const sessions = 64
	w := newWorld(t)
	server := w.serve(&mcpserver.Options{Rate: -1})
	url := w.serveHTTP(server, nil)
	end := time.Now().Add(*loadTime)
	var calls atomic.Int64
	var running sync.WaitGroup
	for i := range sessions {
		running.Go(func() {
			n, err := session(t, url, w.url, i, end)
			calls.Add(n)
			assert.NoError(t, err)
		})
	}
	running.Wait()
	assert.Zero(t, w.running(), "every session has closed its sandbox")
	t.Logf("%d calls in %v", calls.Load(), max(*loadTime, time.Since(end)))
	// TestMain sees to it that no goroutine is left.
}

// session works until end, and returns how many calls it made.
func session(t *testing.T, endpoint, repo string, i int, end time.Time) (calls int64, err error) {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "load", Version: "1"}, nil)
	s, err := client.Connect(t.Context(), overHTTP(t, endpoint, ""), &mcp.ClientSessionOptions{ProtocolVersion: revisions[i%2]})
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Close() }()
	call := func(name string, a args) (*mcp.CallToolResult, error) {
		calls++
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: a})
		if err == nil && res.IsError {
			err = fmt.Errorf("%s: %v", name, textOf(t, res))
		}
		return res, err
	}
	res, err := call("git_clone", args{"repo_url": repo, "agent_id": "load", "task_id": itoa(i)})
	if err != nil {
		return calls, err
	}
	structure, _ := res.StructuredContent.(map[string]any)
	id := structure["sandbox_id"]
	for round := 0; round == 0 || time.Now().Before(end); round++ {
		for _, c := range []struct {
			tool string
			args args
		}{
			{"file_write", args{"path": "load.txt", "content": fmt.Sprintf("%d of %d\n", round, i)}},
			{"file_read", args{"path": "load.txt"}},
			{"run", args{"command": "cat load.txt"}},
			{"git_status", args{}},
			{"git_diff", args{}},
			{"git_push", args{"commit_message": fmt.Sprintf("Round %d", round)}},
		} {
			c.args["sandbox_id"] = id
			if _, err := call(c.tool, c.args); err != nil {
				return calls, err
			}
		}
	}
	_, err = call("sandbox_close", args{"sandbox_id": id})
	return calls, err
}

// The figure of the issue: what idle sessions cost, the client's half included.
func TestIdleSessionsAreSmall(t *testing.T) { //nolint:paralleltest // it measures the heap
	const sessions, most = 1000, 50 << 20
	w := newWorld(t)
	server := w.serve(&mcpserver.Options{Rate: -1})
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := heap()
	open := make([]*mcp.ClientSession, sessions)
	for i := range open {
		var err error
		client := mcp.NewClient(&mcp.Implementation{Name: "idle", Version: "1"}, nil)
		open[i], err = client.Connect(t.Context(), server.InProcess(), &mcp.ClientSessionOptions{ProtocolVersion: revisions[i%2]})
		require.NoError(t, err)
	}
	used := heap() - before
	t.Logf("%d sessions: %.1f MB", sessions, float64(used)/(1<<20))
	assert.Less(t, used, uint64(most))
	for _, s := range open {
		require.NoError(t, s.Close())
	}
}

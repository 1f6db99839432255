package mcpserver_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

// BenchmarkCall compares a tool over an in-memory session with the library call
// below it: reading a small file. The difference is what MCP and the tool add.
func BenchmarkCall(b *testing.B) {
	w := newWorld(b)
	server := w.serve(&mcpserver.Options{Rate: -1})
	id := connect(b, server.InProcess(), modern, nil).clone(w.url, "a", "t")
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			s, err := w.client.Open(b.Context(), id)
			require.NoError(b, err)
			_, err = s.ReadFile(b.Context(), "a.txt")
			require.NoError(b, err)
		}
	})
	b.Run("tool", func(b *testing.B) {
		set, err := tools.New(w.client, nil)
		require.NoError(b, err)
		raw, err := json.Marshal(args{"sandbox_id": id, "path": "a.txt"})
		require.NoError(b, err)
		for b.Loop() {
			require.False(b, set.Call(b.Context(), "file_read", raw).IsError)
		}
	})
	for _, revision := range revisions {
		b.Run("mcp "+revision, func(b *testing.B) {
			m := connect(b, server.InProcess(), revision, nil)
			params := &mcp.CallToolParams{Name: "file_read", Arguments: args{"sandbox_id": id, "path": "a.txt"}}
			for b.Loop() {
				res, err := m.CallTool(b.Context(), params)
				require.NoError(b, err)
				require.False(b, res.IsError)
			}
		})
	}
}

// raceDetector is whether the race detector is what would be measured.
var raceDetector bool

// The figure of the issue: what a call over MCP adds to the library's. Both take
// turns, and the quarter that was fastest counts, so that a busy machine does not.
func TestCallAddsLittle(t *testing.T) { //nolint:paralleltest // it measures time
	if raceDetector {
		t.Skip("run it without the race detector")
	}
	const rounds, most = 1001, 200 * time.Microsecond
	w := newWorld(t)
	m := connect(t, w.serve(&mcpserver.Options{Rate: -1}).InProcess(), modern, nil)
	id := m.clone(w.url, "a", "t")
	params := &mcp.CallToolParams{Name: "file_read", Arguments: args{"sandbox_id": id, "path": "a.txt"}}
	var library, call [rounds]time.Duration
	for i := range rounds {
		start := time.Now()
		s, err := w.client.Open(t.Context(), id)
		require.NoError(t, err)
		_, err = s.ReadFile(t.Context(), "a.txt")
		library[i] = time.Since(start)
		require.NoError(t, err)

		start = time.Now()
		_, err = m.CallTool(t.Context(), params)
		call[i] = time.Since(start)
		require.NoError(t, err)
	}
	slices.Sort(library[:])
	slices.Sort(call[:])
	t.Logf("library %v, over MCP %v", library[rounds/4], call[rounds/4])
	added := call[rounds/4] - library[rounds/4]
	require.Less(t, added, most)
}

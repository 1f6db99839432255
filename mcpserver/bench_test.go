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

// BenchmarkAdded is the figure of docs/benchmarks.md: what a call over an in-memory
// session adds to the library call below it. Both take turns, and the median of each
// counts, so that a busy machine weighs on both.
func BenchmarkAdded(b *testing.B) {
	w := newWorld(b)
	m := connect(b, w.serve(&mcpserver.Options{Rate: -1}).InProcess(), modern, nil)
	id := m.clone(w.url, "a", "t")
	params := &mcp.CallToolParams{Name: "file_read", Arguments: args{"sandbox_id": id, "path": "a.txt"}}
	var library, call []time.Duration
	for b.Loop() {
		start := time.Now()
		s, err := w.client.Open(b.Context(), id)
		require.NoError(b, err)
		_, err = s.ReadFile(b.Context(), "a.txt")
		library = append(library, time.Since(start))
		require.NoError(b, err)

		start = time.Now()
		_, err = m.CallTool(b.Context(), params)
		call = append(call, time.Since(start))
		require.NoError(b, err)
	}
	slices.Sort(library)
	slices.Sort(call)
	added := call[len(call)/2] - library[len(library)/2]
	b.ReportMetric(float64(added.Nanoseconds())/1000, "added-µs/op")
}

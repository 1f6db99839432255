package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/internal/scripted"
	"github.com/gitsandbox/gitsandbox/tools"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newWorld(t *testing.T) *scripted.World {
	t.Helper()
	w, err := scripted.New()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	return w
}

func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := newWorld(t)
	script, err := run(tools.WithCaller(t.Context(), scripted.Caller), &out, w)
	require.NoError(t, err)
	require.NoError(t, summary(&out, w))
	assert.NoError(t, script.Check(t.Context()))
	assert.Equal(t, `The server has 18 tools.
   git_clone failed=false
   file_read failed=true
   file_write failed=false
   git_commit failed=true
   git_commit failed=false
   git_push failed=false

The remote has "# Our shop & more\n" of the commit "Rename the shop".
`, out.String())
}

func TestServerListsEachToolAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listed := newServer(w.Tools).ListTools()
	require.Len(t, listed, len(w.Tools.Tools()))
	for _, want := range w.Tools.Tools() {
		require.Contains(t, listed, want.Name)
		data, err := json.Marshal(listed[want.Name].Tool)
		require.NoError(t, err)
		var got struct {
			Description               string
			InputSchema, OutputSchema json.RawMessage
			Annotations               mcp.ToolAnnotation
		}
		require.NoError(t, json.Unmarshal(data, &got))
		assert.Equal(t, want.Description, got.Description)
		assert.JSONEq(t, string(want.InputSchema), string(got.InputSchema))
		assert.Equal(t, want.OutputSchema == nil, got.OutputSchema == nil)
		assert.Equal(t, want.ReadOnly, *got.Annotations.ReadOnlyHint)
		assert.Equal(t, want.Destructive, *got.Annotations.DestructiveHint)
		assert.Equal(t, want.Idempotent, *got.Annotations.IdempotentHint)
		assert.Equal(t, want.OpenWorld, *got.Annotations.OpenWorldHint)
	}
}

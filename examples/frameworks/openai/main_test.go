package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
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
	require.NoError(t, run(t.Context(), &out, w))
	require.NoError(t, summary(&out, w))
	assert.Equal(t, `   git_clone 
   file_read FILE_NOT_FOUND
   file_write 
   git_commit INVALID_ARGUMENT
   git_commit 
   git_push 
The shop has its new name.

The remote has "# Our shop & more\n" of the commit "Rename the shop".
`, out.String())
}

func TestWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	script := w.NewScript()
	api := scripted.NewOpenAI(script)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	client := openai.NewClient(option.WithBaseURL(server.URL), option.WithAPIKey("none"), option.WithHTTPClient(server.Client()))

	answer, err := work(tools.WithCaller(t.Context(), scripted.Caller), &bytes.Buffer{}, &client, w.Tools, "Rename the shop.")
	require.NoError(t, err)
	assert.Equal(t, scripted.Last, answer)
	assert.NoError(t, script.Check(t.Context()))

	// What the SDK sends is what the exporter makes.
	var want []any
	for _, tool := range w.Tools.Tools() {
		want = append(want, tool.OpenAI())
	}
	wantJSON, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, string(wantJSON), string(api.Tools()))
}

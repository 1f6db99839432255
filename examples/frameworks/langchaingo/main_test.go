package main

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms/openai"
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
	assert.Equal(t, `The shop has its new name.

The remote has "# Our shop & more\n" of the commit "Rename the shop".
`, out.String())
}

func TestWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	script := w.NewScript()
	api := scripted.NewOpenAI(script)
	api.Wrap = wrap
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	llm, err := openai.New(openai.WithBaseURL(server.URL), openai.WithToken("none"), openai.WithModel("scripted"), openai.WithHTTPClient(server.Client()))
	require.NoError(t, err)

	answer, err := work(tools.WithCaller(t.Context(), scripted.Caller), llm, w.Tools, "Rename the shop.")
	require.NoError(t, err)
	assert.Equal(t, scripted.Last, answer)
	assert.NoError(t, script.Check(t.Context()))
	assert.Contains(t, string(api.Tools()), `"repo_url\"`, "the description has the schema")
}

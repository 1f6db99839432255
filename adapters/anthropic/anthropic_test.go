package anthropic_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	adapter "github.com/gitsandbox/gitsandbox/adapters/anthropic"
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

// api is the Messages API, with a model that follows a script.
type api struct {
	script *scripted.Script
	tools  json.RawMessage
	before func() // each answer
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Tools    json.RawMessage
		Messages []struct {
			Content []struct {
				Type    string
				IsError bool `json:"is_error"`
				Content []struct{ Text string }
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.URL.Path != "/v1/messages" {
		http.Error(w, "no such request", http.StatusNotFound)
		return
	}
	if a.before != nil {
		a.before()
	}
	a.tools = request.Tools
	var replies []scripted.Reply
	for _, message := range request.Messages {
		for _, block := range message.Content {
			if block.Type == "tool_result" {
				// The runner puts a word before what failed.
				text := strings.TrimPrefix(block.Content[0].Text, "Error: ")
				replies = append(replies, scripted.Reply{Text: text, Failed: block.IsError})
			}
		}
	}
	answer := map[string]any{
		"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "stop_reason": "end_turn",
		"content": []any{map[string]any{"type": "text", "text": scripted.Last}},
		"usage":   map[string]any{"input_tokens": 1, "output_tokens": 1},
	}
	if call := a.script.Next(replies); call != nil {
		answer["stop_reason"] = "tool_use"
		answer["content"] = []any{map[string]any{"type": "tool_use", "id": call.ID, "name": call.Name, "input": call.Arguments}}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err) // it is made of strings
	}
}

// run returns the text of the last message.
func run(ctx context.Context, a *api, set *tools.Set) (string, error) {
	server := httptest.NewServer(a)
	defer server.Close()
	claude := anthropic.NewClient(
		option.WithBaseURL(server.URL), option.WithAPIKey("none"),
		option.WithHTTPClient(server.Client()), option.WithMaxRetries(0),
	)
	runner := claude.Beta.Messages.NewToolRunner(adapter.Tools(set), anthropic.BetaToolRunnerParams{
		BetaMessageNewParams: anthropic.BetaMessageNewParams{
			Model: "scripted", MaxTokens: 8192,
			Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("Rename the shop."))},
		},
		MaxIterations: 20,
	})
	message, err := runner.RunToCompletion(ctx)
	if err != nil {
		return "", err
	}
	return message.Content[0].Text, nil
}

func TestRunnerWorksFromCloneToPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := &api{script: w.NewScript()}
	text, err := run(tools.WithCaller(t.Context(), scripted.Caller), a, w.Tools)
	require.NoError(t, err)
	assert.Equal(t, scripted.Last, text)
	assert.NoError(t, a.script.Check(t.Context()))
}

func TestModelIsToldOfEachTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := &api{script: w.NewScript()}
	_, err := run(t.Context(), a, w.Tools)
	require.NoError(t, err)
	var want []any
	for _, tool := range w.Tools.Tools() {
		want = append(want, tool.Anthropic())
	}
	wantJSON, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, string(wantJSON), string(a.tools))
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := run(ctx, &api{script: w.NewScript(), before: cancel}, w.Tools)
	require.ErrorIs(t, err, context.Canceled)
}

func TestToolSaysThatContextHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := adapter.Tools(w.Tools)[0].Execute(ctx, json.RawMessage(`{"repo_url":"`+w.RepoURL()+`"}`))
	require.ErrorIs(t, err, context.Canceled)
}

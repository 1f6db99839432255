package adk_test

import (
	"context"
	"encoding/json"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/adk/v2/agent"
	"google.golang.org/adk/v2/agent/llmagent"
	"google.golang.org/adk/v2/model"
	"google.golang.org/adk/v2/runner"
	"google.golang.org/adk/v2/tool"
	"google.golang.org/genai"

	adapter "github.com/gitsandbox/gitsandbox/adapters/adk"
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

// llm is a model of the kit's own interface that follows a script.
type llm struct {
	script *scripted.Script
	tools  []*genai.Tool
	before func() // each answer
}

func (m *llm) Name() string { return "scripted" }

func (m *llm) GenerateContent(_ context.Context, req *model.LLMRequest, _ bool) iter.Seq2[*model.LLMResponse, error] {
	return func(yield func(*model.LLMResponse, error) bool) {
		if m.before != nil {
			m.before()
		}
		m.tools = req.Config.Tools
		var replies []scripted.Reply
		for _, content := range req.Contents {
			for _, part := range content.Parts {
				if part.FunctionResponse == nil {
					continue
				}
				shown, err := reply(part.FunctionResponse.Response)
				if err != nil {
					yield(nil, err)
					return
				}
				replies = append(replies, shown)
			}
		}
		part := &genai.Part{Text: scripted.Last}
		if call := m.script.Next(replies); call != nil {
			part = &genai.Part{FunctionCall: &genai.FunctionCall{ID: call.ID, Name: call.Name}}
			_ = json.Unmarshal(call.Arguments, &part.FunctionCall.Args) // it is an object
		}
		yield(&model.LLMResponse{Content: &genai.Content{Role: genai.RoleModel, Parts: []*genai.Part{part}}}, nil)
	}
}

// reply is what a response says to Gemini: an output or an error.
func reply(response map[string]any) (scripted.Reply, error) {
	if text, ok := response["error"].(string); ok {
		return scripted.Reply{Text: text, Failed: true}, nil
	}
	if text, ok := response["output"].(string); ok {
		return scripted.Reply{Text: text}, nil
	}
	text, err := json.Marshal(response["output"])
	return scripted.Reply{Text: string(text)}, err
}

// run returns the last text of the agent.
func run(ctx context.Context, m *llm, config llmagent.Config) (string, error) {
	config.Name, config.Model = "coder", m
	coder, err := llmagent.New(config)
	if err != nil {
		return "", err
	}
	r, err := runner.NewInMemory("coder", coder)
	if err != nil {
		return "", err
	}
	var text string
	for event, err := range r.Run(ctx, "user", "session", genai.NewContentFromText("Rename the shop.", genai.RoleUser), agent.RunConfig{}) {
		if err != nil {
			return "", err
		}
		if event.Content != nil {
			for _, part := range event.Content.Parts {
				text = part.Text
			}
		}
	}
	return text, nil
}

func TestAgentWorksFromCloneToPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &llm{script: w.NewScript()}
	text, err := run(tools.WithCaller(t.Context(), scripted.Caller), m, llmagent.Config{Tools: adapter.Tools(w.Tools)})
	require.NoError(t, err)
	assert.Equal(t, scripted.Last, text)
	assert.NoError(t, m.script.Check(t.Context()))
}

func TestModelIsToldOfEachTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &llm{script: w.NewScript()}
	_, err := run(t.Context(), m, llmagent.Config{Tools: adapter.Tools(w.Tools)})
	require.NoError(t, err)
	require.Len(t, m.tools, 1)
	declarations := map[string]*genai.FunctionDeclaration{}
	for _, d := range m.tools[0].FunctionDeclarations {
		declarations[d.Name] = d
	}
	require.Len(t, declarations, len(w.Tools.Tools()))
	for _, want := range w.Tools.Tools() {
		require.Contains(t, declarations, want.Name)
		assert.Equal(t, want.Description, declarations[want.Name].Description)
		got, err := json.Marshal(declarations[want.Name].ParametersJsonSchema)
		require.NoError(t, err)
		assert.JSONEq(t, string(want.InputSchema), string(got), want.Name)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	m := &llm{script: w.NewScript(), before: cancel}
	_, err := run(ctx, m, llmagent.Config{Tools: adapter.Tools(w.Tools)})
	require.ErrorIs(t, err, context.Canceled)
}

// toolset is a toolset of the kit.
type toolset []tool.Tool

func (s toolset) Name() string                                     { return "gitsandbox" }
func (s toolset) Tools(agent.ReadonlyContext) ([]tool.Tool, error) { return s, nil }

// The kit's confirmation works on the tools: what is not confirmed does not run.
func TestPersonIsAskedBeforeAConfirmedCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &llm{script: w.NewScript()}
	var asked []string
	confirmed := tool.WithConfirmation(toolset(adapter.Tools(w.Tools)), false, func(name string, _ any) bool {
		asked = append(asked, name)
		return true
	})
	_, err := run(t.Context(), m, llmagent.Config{Toolsets: []tool.Toolset{confirmed}})
	require.NoError(t, err)
	assert.Equal(t, []string{"git_clone"}, asked)
	_, _, err = w.Pushed()
	require.Error(t, err, "nothing was pushed")
}

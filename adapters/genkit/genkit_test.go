package genkit_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/firebase/genkit/go/ai"
	"github.com/firebase/genkit/go/core/api"
	"github.com/firebase/genkit/go/genkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	adapter "github.com/gitsandbox/gitsandbox/adapters/genkit"
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

// model follows a script.
type model struct {
	script *scripted.Script
	tools  []*ai.ToolDefinition
	before func() // each answer
}

func (m *model) generate(_ context.Context, request *ai.ModelRequest, _ any, _ ai.ModelStreamCallback) (*ai.ModelResponse, error) {
	if m.before != nil {
		m.before()
	}
	m.tools = request.Tools
	var replies []scripted.Reply
	for _, message := range request.Messages {
		for _, part := range message.Content {
			if !part.IsToolResponse() {
				continue
			}
			shown, err := reply(part.ToolResponse.Output)
			if err != nil {
				return nil, err
			}
			replies = append(replies, shown)
		}
	}
	part := ai.NewTextPart(scripted.Last)
	if call := m.script.Next(replies); call != nil {
		var input any
		if err := json.Unmarshal(call.Arguments, &input); err != nil {
			return nil, err
		}
		part = ai.NewToolRequestPart(&ai.ToolRequest{Ref: call.ID, Name: call.Name, Input: input})
	}
	return &ai.ModelResponse{Request: request, FinishReason: ai.FinishReasonStop, Message: ai.NewModelMessage(part)}, nil
}

// reply is what an output says.
func reply(output any) (scripted.Reply, error) {
	if text, ok := output.(string); ok {
		return scripted.Reply{Text: text}, nil
	}
	if object, ok := output.(map[string]any); ok && len(object) == 1 {
		if text, ok := object["error"].(string); ok {
			return scripted.Reply{Text: text, Failed: true}, nil
		}
	}
	text, err := json.Marshal(output)
	return scripted.Reply{Text: string(text)}, err
}

func initGenkit(t *testing.T) *genkit.Genkit {
	t.Helper()
	// Init leaves a goroutine that waits for a signal, or for the end of the context.
	return genkit.Init(t.Context())
}

func run(ctx context.Context, g *genkit.Genkit, name string, m *model, refs []ai.ToolRef) (string, error) {
	genkit.DefineModelAction(g, name, &ai.ModelOptions{Supports: &ai.ModelSupports{Tools: true, Multiturn: true}}, m.generate)
	response, err := genkit.Generate(ctx, g,
		ai.WithModelName(name), ai.WithTools(refs...), ai.WithMaxTurns(20), ai.WithPrompt("Rename the shop."))
	return response.Text(), err
}

func TestGenerateWorksFromCloneToPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &model{script: w.NewScript()}
	text, err := run(tools.WithCaller(t.Context(), scripted.Caller), initGenkit(t), "test/model", m, adapter.Tools(w.Tools))
	require.NoError(t, err)
	assert.Equal(t, scripted.Last, text)
	assert.NoError(t, m.script.Check(t.Context()))
}

func TestModelIsToldOfEachTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &model{script: w.NewScript()}
	_, err := run(t.Context(), initGenkit(t), "test/model", m, adapter.Tools(w.Tools))
	require.NoError(t, err)
	definitions := map[string]*ai.ToolDefinition{}
	for _, d := range m.tools {
		definitions[d.Name] = d
	}
	require.Len(t, definitions, len(w.Tools.Tools()))
	for i, ref := range adapter.Tools(w.Tools) {
		want := w.Tools.Tools()[i]
		require.Contains(t, definitions, want.Name)
		assert.Equal(t, want.Description, definitions[want.Name].Description)
		got, err := json.Marshal(definitions[want.Name].InputSchema)
		require.NoError(t, err)
		assert.JSONEq(t, string(want.InputSchema), string(got), want.Name)
		assert.Equal(t, definitions[want.Name], ref.(ai.Tool).Definition())
	}
}

// Registered tools are found by name, and their action is as lenient.
func TestRegisteredToolIsFoundByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := initGenkit(t)
	for _, ref := range adapter.Tools(w.Tools) {
		genkit.RegisterAction(g, ref.(api.Action))
	}
	m := &model{script: w.NewScript()}
	var names []ai.ToolRef
	for _, tool := range w.Tools.Tools() {
		names = append(names, ai.ToolName(tool.Name))
	}
	_, err := run(tools.WithCaller(t.Context(), scripted.Caller), g, "test/model", m, names)
	require.NoError(t, err)
	assert.NoError(t, m.script.Check(t.Context()))
}

// Generates that run at once share the tools. A race detector watches.
func TestToolsAreForManyGenerates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := initGenkit(t)
	refs := adapter.Tools(w.Tools)
	var all sync.WaitGroup
	for _, name := range []string{"test/one", "test/two", "test/three"} {
		all.Go(func() {
			text, err := run(t.Context(), g, name, &model{script: w.NewScript()}, refs)
			assert.NoError(t, err)
			assert.Equal(t, scripted.Last, text)
		})
	}
	all.Wait()
	content, _, err := w.Pushed()
	require.NoError(t, err)
	assert.Equal(t, "# Our shop & more\n", content)
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := run(ctx, initGenkit(t), "test/model", &model{script: w.NewScript(), before: cancel}, adapter.Tools(w.Tools))
	require.ErrorIs(t, err, context.Canceled)
}

package eino_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cloudwego/eino/components/model"
	"github.com/cloudwego/eino/components/tool"
	"github.com/cloudwego/eino/compose"
	"github.com/cloudwego/eino/flow/agent/react"
	"github.com/cloudwego/eino/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	adapter "github.com/gitsandbox/gitsandbox/adapters/eino"
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

// chatModel is a model of eino's own interface that follows a script.
type chatModel struct {
	script *scripted.Script
	tools  []*schema.ToolInfo
	before func() // each answer
}

func (m *chatModel) WithTools(infos []*schema.ToolInfo) (model.ToolCallingChatModel, error) {
	m.tools = infos
	return m, nil
}

func (m *chatModel) Generate(_ context.Context, input []*schema.Message, _ ...model.Option) (*schema.Message, error) {
	if m.before != nil {
		m.before()
	}
	var replies []scripted.Reply
	for _, message := range input {
		if message.Role == schema.Tool {
			// Eino has no mark for a call that failed.
			failed := strings.HasPrefix(message.Content, "[")
			replies = append(replies, scripted.Reply{Text: message.Content, Failed: failed})
		}
	}
	call := m.script.Next(replies)
	if call == nil {
		return schema.AssistantMessage(scripted.Last, nil), nil
	}
	return schema.AssistantMessage("", []schema.ToolCall{{
		ID: call.ID, Type: "function", Function: schema.FunctionCall{Name: call.Name, Arguments: string(call.Arguments)},
	}}), nil
}

func (m *chatModel) Stream(ctx context.Context, input []*schema.Message, opts ...model.Option) (*schema.StreamReader[*schema.Message], error) {
	message, err := m.Generate(ctx, input, opts...)
	return schema.StreamReaderFromArray([]*schema.Message{message}), err
}

func run(ctx context.Context, m *chatModel, set *tools.Set) (*schema.Message, error) {
	agent, err := react.NewAgent(ctx, &react.AgentConfig{
		ToolCallingModel: m,
		ToolsConfig:      compose.ToolsNodeConfig{Tools: adapter.Tools(set)},
		MaxStep:          20,
	})
	if err != nil {
		return nil, err
	}
	return agent.Generate(ctx, []*schema.Message{schema.UserMessage("Rename the shop.")})
}

func TestAgentWorksFromCloneToPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &chatModel{script: w.NewScript()}
	message, err := run(tools.WithCaller(t.Context(), scripted.Caller), m, w.Tools)
	require.NoError(t, err)
	assert.Equal(t, scripted.Last, message.Content)
	assert.NoError(t, m.script.Check(t.Context()))
}

func TestModelIsToldOfEachTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := &chatModel{script: w.NewScript()}
	_, err := run(t.Context(), m, w.Tools)
	require.NoError(t, err)
	require.Len(t, m.tools, len(w.Tools.Tools()))
	for i, want := range w.Tools.Tools() {
		assert.Equal(t, want.Name, m.tools[i].Name)
		assert.Equal(t, want.Description, m.tools[i].Desc)
		s, err := m.tools[i].ToJSONSchema()
		require.NoError(t, err)
		got, err := json.Marshal(s)
		require.NoError(t, err)
		assert.JSONEq(t, string(want.InputSchema), string(got), want.Name)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := run(ctx, &chatModel{script: w.NewScript(), before: cancel}, w.Tools)
	require.ErrorIs(t, err, context.Canceled)
}

func TestToolReturnsAnErrorOnlyWhereContextHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	invokable, ok := adapter.Tools(w.Tools)[0].(tool.InvokableTool)
	require.True(t, ok)
	text, err := invokable.InvokableRun(t.Context(), "{")
	require.NoError(t, err)
	assert.Equal(t, "[INVALID_ARGUMENT] the arguments are not a JSON object", text)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = invokable.InvokableRun(ctx, `{"repo_url":"`+w.RepoURL()+`"}`)
	require.ErrorIs(t, err, context.Canceled)
}

// As docs/frameworks.md has it: a name that the model made up is an answer.
func TestUnknownToolIsAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node, err := compose.NewToolNode(t.Context(), &compose.ToolsNodeConfig{
		Tools: adapter.Tools(w.Tools),
		UnknownToolsHandler: func(ctx context.Context, name, input string) (string, error) {
			return w.Tools.Call(ctx, name, json.RawMessage(input)).Text, nil
		},
	})
	require.NoError(t, err)
	messages, err := node.Invoke(t.Context(), schema.AssistantMessage("", []schema.ToolCall{{
		ID: "call_1", Function: schema.FunctionCall{Name: "git_clon", Arguments: "{}"},
	}}))
	require.NoError(t, err)
	require.Len(t, messages, 1)
	assert.Equal(t, `[UNKNOWN_TOOL] there is no tool "git_clon". Did you mean git_clone?`, messages[0].Content)
}

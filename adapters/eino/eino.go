// Package eino hands the tools of package tools to agents of Eino,
// github.com/cloudwego/eino.
//
//	set, err := tools.New(client, nil)
//	if err != nil {
//		return err
//	}
//	agent, err := react.NewAgent(ctx, &react.AgentConfig{
//		ToolCallingModel: chatModel,
//		ToolsConfig:      compose.ToolsNodeConfig{Tools: adapter.Tools(set)},
//		MaxStep:          100, // two for each call
//	})
//	if err != nil {
//		return err
//	}
//	reply, err := agent.Generate(ctx, []*schema.Message{schema.UserMessage(task)})
//
// The name adapter is that of the import: adapter
// "github.com/gitsandbox/gitsandbox/adapters/eino".
//
// A call that fails is text for the model, with its code, its cause and the next
// call, and the run goes on. The context of the run reaches the tools, so
// tools.WithCaller and the others have effect.
package eino

import (
	"context"
	"encoding/json"

	"github.com/cloudwego/eino/components/tool"
	"github.com/cloudwego/eino/schema"
	"github.com/eino-contrib/jsonschema"

	"github.com/gitsandbox/gitsandbox/tools"
)

// Tools returns the tools of a set, in its order. Each is a [tool.InvokableTool]
// that any number of goroutines may use. Its InvokableRun returns an error only
// where ctx has ended.
func Tools(set *tools.Set) []tool.BaseTool {
	var all []tool.BaseTool
	for _, t := range set.Tools() {
		all = append(all, &invokable{t})
	}
	return all
}

type invokable struct{ tool *tools.Tool }

var _ tool.InvokableTool = (*invokable)(nil)

func (i *invokable) Info(context.Context) (*schema.ToolInfo, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal(i.tool.InputSchema, &s); err != nil {
		return nil, err
	}
	return &schema.ToolInfo{Name: i.tool.Name, Desc: i.tool.Description, ParamsOneOf: schema.NewParamsOneOfByJSONSchema(&s)}, nil
}

func (i *invokable) InvokableRun(ctx context.Context, arguments string, _ ...tool.Option) (string, error) {
	return i.tool.Text().Call(ctx, arguments)
}

// Package adk hands the tools of package tools to agents of Google's Agent
// Development Kit, google.golang.org/adk/v2.
//
//	set, err := tools.New(client, nil)
//	if err != nil {
//		return err
//	}
//	coder, err := llmagent.New(llmagent.Config{
//		Name: "coder", Model: model, Instruction: "You change code.",
//		Tools: adapter.Tools(set),
//	})
//	if err != nil {
//		return err
//	}
//	r, err := runner.NewInMemory("coder", coder)
//	if err != nil {
//		return err
//	}
//	for event, err := range r.Run(ctx, user, session, genai.NewContentFromText(task, genai.RoleUser), agent.RunConfig{}) {
//		...
//	}
//
// The name adapter is that of the import: adapter
// "github.com/gitsandbox/gitsandbox/adapters/adk".
//
// The model gets a structure or text as "output", and of a call that fails the
// code, the cause and the next call as "error", as Gemini knows them; the run goes
// on. The context of the run reaches the tools, so tools.WithCaller and the others
// have effect. The kit's tool.WithConfirmation has a person asked before a call.
package adk

import (
	"encoding/json"
	"errors"

	"google.golang.org/adk/v2/agent"
	"google.golang.org/adk/v2/model"
	"google.golang.org/adk/v2/tool"
	"google.golang.org/adk/v2/tool/toolutils"
	"google.golang.org/genai"

	"github.com/gitsandbox/gitsandbox/tools"
)

// Tools returns the tools of a set, in its order. Any number of goroutines may use
// them. A call returns an error only where its context has ended.
func Tools(set *tools.Set) []tool.Tool {
	var all []tool.Tool
	for _, t := range set.Tools() {
		all = append(all, &function{t})
	}
	return all
}

// function has the methods that the kit looks for. Its own functiontool checks
// arguments before a tool can take what models get wrong without harm.
type function struct{ tool *tools.Tool }

func (f *function) Name() string        { return f.tool.Name }
func (f *function) Description() string { return f.tool.Description }
func (f *function) IsLongRunning() bool { return false }

// ProcessRequest tells the model of the tool.
func (f *function) ProcessRequest(_ agent.Context, req *model.LLMRequest) error {
	return toolutils.PackTool(req, f)
}

// Declaration returns what the model is told.
func (f *function) Declaration() *genai.FunctionDeclaration {
	return &genai.FunctionDeclaration{Name: f.tool.Name, Description: f.tool.Description, ParametersJsonSchema: f.tool.InputSchema}
}

// Run runs the tool.
func (f *function) Run(ctx agent.Context, args any) (map[string]any, error) {
	arguments, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	result := f.tool.Call(ctx, arguments)
	switch {
	case result.IsError && ctx.Err() != nil:
		return nil, errors.Join(ctx.Err(), result.Err)
	case result.IsError:
		return map[string]any{"error": result.Text}, nil
	case result.Data == nil:
		return map[string]any{"output": result.Text}, nil
	}
	// Sessions are stored and compared as JSON, so the structure is made of maps.
	var output any
	err = json.Unmarshal([]byte(result.Text), &output)
	return map[string]any{"output": output}, err
}

// Package genkit hands the tools of package tools to Genkit,
// github.com/firebase/genkit/go.
//
//	set, err := tools.New(client, nil)
//	if err != nil {
//		return err
//	}
//	g := genkit.Init(ctx, genkit.WithPlugins(...))
//	response, err := genkit.Generate(ctx, g,
//		ai.WithModelName(model),
//		ai.WithTools(adapter.Tools(set)...),
//		ai.WithMaxTurns(100),
//		ai.WithPrompt(task),
//	)
//
// The name adapter is that of the import: adapter
// "github.com/gitsandbox/gitsandbox/adapters/genkit". To use the tools by name, as
// prompt files do, register each: genkit.RegisterAction(g, tool).
//
// The model gets a structure or text, and of a call that fails an object with the
// field error, which has the code, the cause and the next call; the run goes on.
// The context of the run reaches the tools, so tools.WithCaller and the others have
// effect.
package genkit

import (
	"encoding/json"
	"errors"

	"github.com/firebase/genkit/go/ai"
	"github.com/firebase/genkit/go/core/api"

	"github.com/gitsandbox/gitsandbox/tools"
)

// Tools returns the tools of a set, in its order. Each is an [ai.Tool] and an
// [api.Action] that any number of goroutines and Genkits may use. A call returns an
// error only where its context has ended.
func Tools(set *tools.Set) []ai.ToolRef {
	var all []ai.ToolRef
	for _, t := range set.Tools() {
		// The action has no schema, since Genkit ends a run where arguments do not
		// fit one; the tools tell the model instead, and take what is wrong without
		// harm.
		all = append(all, &action{ToolAction: ai.NewTool(t.Name, t.Description, call(t)), schema: t.Parameters()})
	}
	return all
}

func call(t *tools.Tool) ai.ToolFunc[any, any] {
	return func(ctx *ai.ToolContext, input any) (any, error) {
		arguments, err := json.Marshal(input)
		if err != nil {
			return nil, err
		}
		result := t.Call(ctx, arguments)
		switch {
		case result.IsError && ctx.Err() != nil:
			return nil, errors.Join(ctx.Err(), result.Err)
		case result.IsError:
			return map[string]any{"error": result.Text}, nil
		case result.Data == nil:
			return result.Text, nil
		}
		return result.Data, nil
	}
}

// action is a ToolAction with a schema that the model is told and Genkit does not
// check.
type action struct {
	*ai.ToolAction[any, any]
	schema map[string]any
}

var (
	_ ai.Tool    = (*action)(nil)
	_ api.Action = (*action)(nil)
)

// Desc describes the tool to the registry.
func (a *action) Desc() api.ActionDesc {
	desc := a.ToolAction.Desc()
	desc.InputSchema = a.schema
	return desc
}

// Definition describes the tool to a model.
func (a *action) Definition() *ai.ToolDefinition {
	definition := a.ToolAction.Definition()
	definition.InputSchema = a.schema
	return definition
}

// Register makes the tool known for one Generate or for all. It changes nothing of
// the tool, other than that of ToolAction, so that several may do it at once.
func (a *action) Register(r api.Registry) {
	for _, kind := range []api.ActionType{api.ActionTypeToolV2, api.ActionTypeTool} {
		r.RegisterAction(api.NewKey(kind, "", a.Name()), a)
	}
}

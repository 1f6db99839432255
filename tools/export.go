package tools

import (
	"context"
	"encoding/json"
	"errors"
)

// OpenAI returns the tool as an entry of the field tools of OpenAI's Chat
// Completions API. Encode it with encoding/json.
func (t *Tool) OpenAI() map[string]any {
	return map[string]any{"type": "function", "function": map[string]any{
		"name": t.Name, "description": t.Description, "parameters": t.InputSchema,
	}}
}

// OpenAIResponses returns the tool as an entry of the field tools of OpenAI's
// Responses API.
func (t *Tool) OpenAIResponses() map[string]any {
	return map[string]any{
		"type": "function", "name": t.Name, "description": t.Description, "parameters": t.InputSchema,
		// Strict schemas may have no optional arguments.
		"strict": false,
	}
}

// Anthropic returns the tool as an entry of the field tools of Anthropic's Messages
// API.
func (t *Tool) Anthropic() map[string]any {
	return map[string]any{"name": t.Name, "description": t.Description, "input_schema": t.InputSchema}
}

// Parameters returns the InputSchema as a map, which some SDKs want.
func (t *Tool) Parameters() map[string]any {
	var m map[string]any
	_ = json.Unmarshal(t.InputSchema, &m) // it is one of ours
	return m
}

// A Text is a Tool that takes and returns text: the interface of langchaingo's and
// langgraphgo's tools, by its methods. Input is the arguments as JSON.
type Text struct{ tool *Tool }

// Text returns the tool with the methods Name, Description and Call.
func (t *Tool) Text() Text { return Text{t} }

// Name returns the name of the tool.
func (x Text) Name() string { return x.tool.Name }

// Description returns the description of the tool with the schema of its
// arguments, which those frameworks do not pass on.
func (x Text) Description() string {
	return x.tool.Description + "\nThe input is a JSON object with this schema: " + string(x.tool.InputSchema)
}

// Call runs the tool. The error is that of ctx alone: a model is to read why a call
// failed, and go on.
func (x Text) Call(ctx context.Context, input string) (string, error) {
	result := x.tool.Call(ctx, json.RawMessage(input))
	if result.IsError && ctx.Err() != nil {
		return "", errors.Join(ctx.Err(), result.Err)
	}
	return result.Text, nil
}

// Package anthropic hands the tools of package tools to the tool runner of
// Anthropic's SDK, github.com/anthropics/anthropic-sdk-go.
//
//	set, err := tools.New(client, nil)
//	if err != nil {
//		return err
//	}
//	claude := anthropic.NewClient() // ANTHROPIC_API_KEY
//	runner := claude.Beta.Messages.NewToolRunner(adapter.Tools(set), anthropic.BetaToolRunnerParams{
//		BetaMessageNewParams: anthropic.BetaMessageNewParams{
//			Model: model, MaxTokens: 8192,
//			Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock(task))},
//		},
//		MaxIterations: 100,
//	})
//	message, err := runner.RunToCompletion(ctx)
//
// The name adapter is that of the import: adapter
// "github.com/gitsandbox/gitsandbox/adapters/anthropic". For the Messages API
// without the runner, tools.Tool.Anthropic has the JSON, and this package is not
// needed.
//
// A call that fails is a tool result with is_error, with its code, its cause and
// the next call, and the run goes on. The context of the run reaches the tools, so
// tools.WithCaller and the others have effect.
package anthropic

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/anthropics/anthropic-sdk-go"

	"github.com/gitsandbox/gitsandbox/tools"
)

// Tools returns the tools of a set, in its order. Any number of goroutines may use
// them.
func Tools(set *tools.Set) []anthropic.BetaTool {
	var all []anthropic.BetaTool
	for _, t := range set.Tools() {
		all = append(all, &betaTool{t})
	}
	return all
}

type betaTool struct{ tool *tools.Tool }

func (b *betaTool) Name() string        { return b.tool.Name }
func (b *betaTool) Description() string { return b.tool.Description }

func (b *betaTool) InputSchema() anthropic.BetaToolInputSchemaParam {
	var schema anthropic.BetaToolInputSchemaParam
	_ = json.Unmarshal(b.tool.InputSchema, &schema) // it is one of ours
	return schema
}

// Execute returns as an error what the runner sends as a result with is_error. Only
// the end of ctx ends a run.
func (b *betaTool) Execute(ctx context.Context, input json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	result := b.tool.Call(ctx, input)
	switch {
	case result.IsError && ctx.Err() != nil:
		return nil, errors.Join(ctx.Err(), result.Err)
	case result.IsError:
		return nil, errors.New(result.Text)
	}
	return []anthropic.BetaToolResultBlockParamContentUnion{{OfText: &anthropic.BetaTextBlockParam{Text: result.Text}}}, nil
}

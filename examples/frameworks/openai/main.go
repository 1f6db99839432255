// Openai shows the tools in the loop that an agent on OpenAI's SDK is. The API of
// OpenAI is played by a server in this program, with answers that were written
// before, so that it runs without an account and without a network:
//
//	cd examples/frameworks/openai && go run .
//
// To use a real one, give openai.NewClient its key and gitsandbox.NewFromEnv in
// place of the fake.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/signal"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/gitsandbox/gitsandbox/internal/scripted"
	"github.com/gitsandbox/gitsandbox/tools"
)

func main() {
	world, err := scripted.New() // a fake of E2B, and a git server
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = errors.Join(run(ctx, os.Stdout, world), summary(os.Stdout, world), world.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openai:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, world *scripted.World) error {
	server := httptest.NewServer(scripted.NewOpenAI(world.NewScript()))
	defer server.Close()

	client := openai.NewClient(option.WithBaseURL(server.URL), option.WithAPIKey("none"), option.WithHTTPClient(server.Client()))
	answer, err := work(ctx, out, &client, world.Tools, "Rename the shop in "+world.RepoURL()+".")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, answer)
	return nil
}

// summary prints what the remote has in the end.
func summary(out io.Writer, world *scripted.World) error {
	content, message, err := world.Pushed()
	fmt.Fprintf(out, "\nThe remote has %q of the commit %q.\n", content, message)
	return err
}

// work lets the model call tools until it has an answer.
func work(ctx context.Context, out io.Writer, client *openai.Client, set *tools.Set, task string) (string, error) {
	params := openai.ChatCompletionNewParams{
		Model:    "scripted", // and yours here
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(task)},
	}
	for _, t := range set.Tools() {
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: t.Name, Description: openai.String(t.Description), Parameters: t.Parameters(),
		}))
	}
	const turns = 100
	for range turns {
		completion, err := client.Chat.Completions.New(ctx, params)
		if err != nil {
			return "", err
		}
		message := completion.Choices[0].Message
		if len(message.ToolCalls) == 0 {
			return message.Content, nil
		}
		params.Messages = append(params.Messages, message.ToParam())
		for _, call := range message.ToolCalls {
			// A call that failed is text as well: the model reads why, and goes on.
			result := set.Call(ctx, call.Function.Name, json.RawMessage(call.Function.Arguments))
			fmt.Fprintln(out, "  ", call.Function.Name, result.Code)
			params.Messages = append(params.Messages, openai.ToolMessage(result.Text, call.ID))
		}
	}
	return "", errors.New("the model has no answer after 100 turns")
}

// Langchaingo shows the tools with an agent of langchaingo. They have the methods
// of its tools.Tool by tools.Tool.Text, so no adapter is needed. The API of OpenAI
// is played by a server in this program, with answers that were written before, so
// that it runs without an account and without a network:
//
//	cd examples/frameworks/langchaingo && go run .
//
// To use a real one, give openai.New its key and gitsandbox.NewFromEnv in place of
// the fake.
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

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	lctools "github.com/tmc/langchaingo/tools"

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
		fmt.Fprintln(os.Stderr, "langchaingo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, world *scripted.World) error {
	api := scripted.NewOpenAI(world.NewScript())
	api.Wrap = wrap
	server := httptest.NewServer(api)
	defer server.Close()

	llm, err := openai.New(openai.WithBaseURL(server.URL), openai.WithToken("none"), openai.WithModel("scripted"), openai.WithHTTPClient(server.Client()))
	if err != nil {
		return err
	}
	answer, err := work(ctx, llm, world.Tools, "Rename the shop in "+world.RepoURL()+".")
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

// work lets an agent of langchaingo call tools until it has an answer.
func work(ctx context.Context, llm llms.Model, set *tools.Set, task string) (string, error) {
	var list []lctools.Tool
	for _, t := range set.Tools() {
		list = append(list, t.Text())
	}
	agent := agents.NewOpenAIFunctionsAgent(llm, list)
	return chains.Run(ctx, agents.NewExecutor(agent, agents.WithMaxIterations(100)), task)
}

// wrap does what a model does that this agent tells of one argument of any tool, a
// string: the description says what JSON is to be in it.
func wrap(arguments json.RawMessage) json.RawMessage {
	wrapped, err := json.Marshal(map[string]string{"__arg1": string(arguments)})
	if err != nil {
		panic(err) // it is a string
	}
	return wrapped
}

package anthropic_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	adapter "github.com/gitsandbox/gitsandbox/adapters/anthropic"
	"github.com/gitsandbox/gitsandbox/internal/scripted"
)

// An agent that works from clone to push. The API is scripted here, and the place a
// fake: yours are anthropic.NewClient without options, and gitsandbox.NewFromEnv.
func ExampleTools() {
	ctx := context.Background()
	world, err := scripted.New()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = world.Close() }()
	server := httptest.NewServer(&api{script: world.NewScript()})
	defer server.Close()

	claude := anthropic.NewClient(option.WithBaseURL(server.URL), option.WithAPIKey("none"), option.WithHTTPClient(server.Client()))
	runner := claude.Beta.Messages.NewToolRunner(adapter.Tools(world.Tools), anthropic.BetaToolRunnerParams{
		BetaMessageNewParams: anthropic.BetaMessageNewParams{
			Model: "scripted", MaxTokens: 8192,
			Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("Rename the shop."))},
		},
		MaxIterations: 100,
	})
	last, err := runner.RunToCompletion(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(last.Content[0].Text)
	_, message, err := world.Pushed()
	fmt.Println(message, err)
	// Output:
	// The shop has its new name.
	// Rename the shop <nil>
}

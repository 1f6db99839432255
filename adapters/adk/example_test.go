package adk_test

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/adk/v2/agent"
	"google.golang.org/adk/v2/agent/llmagent"
	"google.golang.org/adk/v2/runner"
	"google.golang.org/genai"

	adapter "github.com/gitsandbox/gitsandbox/adapters/adk"
	"github.com/gitsandbox/gitsandbox/internal/scripted"
)

// An agent that works from clone to push. The model is scripted here, and the place
// a fake: yours are a model of the kit, and gitsandbox.NewFromEnv.
func ExampleTools() {
	ctx := context.Background()
	world, err := scripted.New()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = world.Close() }()

	coder, err := llmagent.New(llmagent.Config{
		Name: "coder", Model: &llm{script: world.NewScript()}, Instruction: "You change code.",
		Tools: adapter.Tools(world.Tools),
	})
	if err != nil {
		log.Fatal(err)
	}
	r, err := runner.NewInMemory("coder", coder)
	if err != nil {
		log.Fatal(err)
	}
	task := genai.NewContentFromText("Rename the shop.", genai.RoleUser)
	for event, err := range r.Run(ctx, "user", "session", task, agent.RunConfig{}) {
		if err != nil {
			log.Fatal(err)
		}
		for _, part := range event.Content.Parts {
			switch {
			case part.FunctionCall != nil:
				fmt.Println(part.FunctionCall.Name)
			case part.Text != "":
				fmt.Println(part.Text)
			}
		}
	}
	_, message, err := world.Pushed()
	fmt.Println(message, err)
	// Output:
	// git_clone
	// file_read
	// file_write
	// git_commit
	// git_commit
	// git_push
	// The shop has its new name.
	// Rename the shop <nil>
}

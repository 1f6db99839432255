package eino_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cloudwego/eino/compose"
	"github.com/cloudwego/eino/flow/agent/react"
	"github.com/cloudwego/eino/schema"

	adapter "github.com/gitsandbox/gitsandbox/adapters/eino"
	"github.com/gitsandbox/gitsandbox/internal/scripted"
)

// An agent that works from clone to push. The model is scripted here, and the place
// a fake: yours is a model of eino-ext, and gitsandbox.NewFromEnv.
func ExampleTools() {
	ctx := context.Background()
	world, err := scripted.New()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = world.Close() }()

	agent, err := react.NewAgent(ctx, &react.AgentConfig{
		ToolCallingModel: &chatModel{script: world.NewScript()},
		ToolsConfig:      compose.ToolsNodeConfig{Tools: adapter.Tools(world.Tools)},
		MaxStep:          100, // two for each call
	})
	if err != nil {
		log.Fatal(err)
	}
	reply, err := agent.Generate(ctx, []*schema.Message{schema.UserMessage("Rename the shop.")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Content)
	_, message, err := world.Pushed()
	fmt.Println(message, err)
	// Output:
	// The shop has its new name.
	// Rename the shop <nil>
}

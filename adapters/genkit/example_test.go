package genkit_test

import (
	"context"
	"fmt"
	"log"

	"github.com/firebase/genkit/go/ai"
	"github.com/firebase/genkit/go/genkit"

	adapter "github.com/gitsandbox/gitsandbox/adapters/genkit"
	"github.com/gitsandbox/gitsandbox/internal/scripted"
)

// An agent that works from clone to push. The model is scripted here, and the place
// a fake: yours are a model of a plugin, and gitsandbox.NewFromEnv.
func ExampleTools() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	world, err := scripted.New()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = world.Close() }()
	m := &model{script: world.NewScript()}

	g := genkit.Init(ctx)
	genkit.DefineModelAction(g, "test/model", &ai.ModelOptions{Supports: &ai.ModelSupports{Tools: true, Multiturn: true}}, m.generate)
	response, err := genkit.Generate(ctx, g,
		ai.WithModelName("test/model"),
		ai.WithTools(adapter.Tools(world.Tools)...),
		ai.WithMaxTurns(100),
		ai.WithPrompt("Rename the shop."),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Text())
	_, message, err := world.Pushed()
	fmt.Println(message, err)
	// Output:
	// The shop has its new name.
	// Rename the shop <nil>
}

package otelgitsandbox_test

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/otelgitsandbox"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The spans of a clone, in the order in which they ended.
func ExampleNewTrace() {
	ctx := context.Background()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	must(err)
	defer sandboxes.Close()
	remote, err := gitsandboxtest.NewRemote(nil)
	must(err)
	defer remote.Close()
	must(remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}))

	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Trace: []*gitsandbox.Trace{otelgitsandbox.NewTrace(&otelgitsandbox.Options{TracerProvider: provider})},
	})
	must(err)
	defer client.Close()

	_, err = client.Clone(ctx, remote.URL("shop"), nil)
	must(err)
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output:
	// gitsandbox remote ls-refs
	// gitsandbox control create
	// gitsandbox sandbox exec
	// gitsandbox clone attempt
	// gitsandbox clone
}

package otelgitsandbox_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/otelgitsandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "s3cr3t-Wq7nTb2xLd-token"

// world is a fake E2B, a git server, a Client and the spans that it made.
type world struct {
	t         *testing.T
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	url       string
	spans     *tracetest.InMemoryExporter
	tracer    trace.Tracer
}

func newWorld(t *testing.T, opts *gitsandbox.Options, sampler sdktrace.Sampler) *world {
	t.Helper()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sandboxes.Close()) })
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: token})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, remote.Close()) })
	require.NoError(t, remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}))

	w := &world{t: t, sandboxes: sandboxes, remote: remote, url: remote.URL("shop"), spans: tracetest.NewInMemoryExporter()}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans), sdktrace.WithSampler(sampler))
	w.tracer = provider.Tracer("test")
	o := *opts
	o.Credentials = gitsandbox.StaticToken(remote.Host(), token)
	o.Retry = gitsandbox.Backoff{Base: 1, Max: 1, Jitter: -1}
	o.Trace = []*gitsandbox.Trace{otelgitsandbox.NewTrace(&otelgitsandbox.Options{TracerProvider: provider})}
	w.client, err = gitsandbox.New(sandboxes, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.client.Close()) })
	return w
}

func (w *world) clone() *gitsandbox.Sandbox {
	w.t.Helper()
	s, err := w.client.Clone(w.t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(w.t, err)
	return s
}

// take returns the spans and forgets them.
func (w *world) take() tracetest.SpanStubs {
	spans := w.spans.GetSpans()
	w.spans.Reset()
	return spans
}

// tree writes spans as lines, each below its parent, in the order in which
// they began, or by name where they began at once.
func tree(spans tracetest.SpanStubs) []string {
	var out []string
	var walk func(parent trace.SpanID, indent string)
	walk = func(parent trace.SpanID, indent string) {
		children := slices.DeleteFunc(slices.Clone(spans), func(s tracetest.SpanStub) bool { return s.Parent.SpanID() != parent })
		slices.SortFunc(children, func(a, b tracetest.SpanStub) int {
			return cmp.Or(a.StartTime.Compare(b.StartTime), strings.Compare(a.Name, b.Name))
		})
		for _, s := range children {
			parts := []string{indent + s.Name}
			if s.Status.Code == codes.Error {
				parts = append(parts, "failed:", attribute(s, "error_type"))
			}
			for _, e := range s.Events {
				parts = append(parts, "+", e.Name)
			}
			out = append(out, strings.Join(parts, " "))
			walk(s.SpanContext.SpanID(), indent+"  ")
		}
	}
	walk(trace.SpanID{}, "")
	return out
}

// attribute returns the value of the attribute gitsandbox.name as text, or "none".
func attribute(s tracetest.SpanStub, name string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == "gitsandbox."+name {
			return a.Value.String()
		}
	}
	return "none"
}

// find returns the spans of a name.
func find(spans tracetest.SpanStubs, name string) tracetest.SpanStubs {
	return slices.DeleteFunc(slices.Clone(spans), func(s tracetest.SpanStub) bool { return s.Name != name })
}

// text writes all that spans hold.
func text(spans tracetest.SpanStubs) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %v %q\n", s.Name, s.Status.Code, s.Status.Description)
		for _, a := range s.Attributes {
			fmt.Fprintf(&b, "  %s = %s\n", a.Key, a.Value.String())
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "  + %s\n", e.Name)
			for _, a := range e.Attributes {
				fmt.Fprintf(&b, "    %s = %s\n", a.Key, a.Value.String())
			}
		}
	}
	return b.String()
}

// Package otelgitsandbox makes OpenTelemetry spans of what a
// [gitsandbox.Client] does.
//
//	metrics := gitsandbox.NewMetrics(&gitsandbox.MetricsOptions{TraceID: otelgitsandbox.TraceID})
//	client, err := gitsandbox.NewFromEnv(&gitsandbox.Options{
//		Metrics: metrics,
//		Trace:   []*gitsandbox.Trace{otelgitsandbox.NewTrace(nil)},
//	})
//
// An operation, such as a push, is a span below that of the context it was
// called with. Each of its attempts is a span below it, and each request to the
// sandbox, to E2B's control plane or to the git remote one below the attempt. A
// decision about a push is an event.
//
// # Attributes
//
// All have the prefix "gitsandbox." and then the name of the field in the
// records of Options.Logger:
//
//	operation           of an operation and an attempt, such as push
//	sandbox_id          where there is a sandbox already
//	url                 of the repository, without credentials
//	attempts            of an operation: how many it took
//	attempt, wait       of an attempt: its number, and the seconds until the next one
//	target, kind        of a request, as in [gitsandbox.RequestInfo]
//	error_type          of what failed, as [gitsandbox.ErrorType] says
//
// The event gitsandbox.push has decision, rule, agent_id, task_id, url, ref, old,
// new and pack_bytes, as in [gitsandbox.PushAudit].
//
// What failed has the status Error and the text of the error as its description. No
// span holds a credential or content of the repository: the library redacts what
// it tells a Trace.
//
// # Stability
//
// As that of package gitsandbox. The names of spans and attributes stay.
package otelgitsandbox

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/gitsandbox/gitsandbox"
)

// scope is the name of the tracer.
const scope = "github.com/gitsandbox/gitsandbox/otelgitsandbox"

// Options are the options of [NewTrace]. The zero value of each field is its
// default.
type Options struct {
	// TracerProvider makes the spans. Default: that of
	// [otel.GetTracerProvider], whatever it is when a span begins.
	TracerProvider trace.TracerProvider
}

// NewTrace returns a Trace for gitsandbox.Options. Any number of Clients may use
// it. Nil opts mean the defaults.
func NewTrace(opts *Options) *gitsandbox.Trace {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	t := tracer{o.TracerProvider.Tracer(scope)}
	return &gitsandbox.Trace{
		OperationStart: t.operationStart, OperationDone: operationDone,
		AttemptStart: t.attemptStart, AttemptDone: attemptDone,
		RequestStart: t.requestStart, RequestDone: requestDone,
		PushDecided: pushDecided,
	}
}

// TraceID returns the ID of the trace that ctx belongs to, in hexadecimal
// digits, or "" where there is none or it is not sampled. It is for
// MetricsOptions.TraceID: an exemplar then leads to a trace that is there.
func TraceID(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.HasTraceID() || !sc.IsSampled() {
		return ""
	}
	return sc.TraceID().String()
}

type tracer struct{ trace.Tracer }

func (t tracer) operationStart(ctx context.Context, info gitsandbox.OperationInfo) context.Context {
	ctx, _ = t.Start(ctx, "gitsandbox "+info.Operation, trace.WithAttributes(operation(info)...))
	return ctx
}

func operationDone(ctx context.Context, info gitsandbox.OperationInfo, result gitsandbox.OperationResult) {
	span := trace.SpanFromContext(ctx)
	// A Clone knows its sandbox only now.
	span.SetAttributes(operation(info)...)
	span.SetAttributes(attribute.Int("gitsandbox.attempts", result.Attempts))
	end(span, result.Err)
}

func (t tracer) attemptStart(ctx context.Context, info gitsandbox.OperationInfo, attempt int) context.Context {
	ctx, _ = t.Start(ctx, "gitsandbox "+info.Operation+" attempt", trace.WithAttributes(operation(info)...),
		trace.WithAttributes(attribute.Int("gitsandbox.attempt", attempt)))
	return ctx
}

func attemptDone(ctx context.Context, info gitsandbox.OperationInfo, _ int, retry time.Duration, err error) {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(operation(info)...)
	if err != nil && retry >= 0 {
		span.SetAttributes(attribute.Float64("gitsandbox.wait", retry.Seconds()))
	}
	end(span, err)
}

func (t tracer) requestStart(ctx context.Context, info gitsandbox.RequestInfo) context.Context {
	ctx, _ = t.Start(ctx, "gitsandbox "+info.Target+" "+info.Kind, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(some("target", info.Target, "kind", info.Kind, "sandbox_id", info.SandboxID)...))
	return ctx
}

func requestDone(ctx context.Context, _ gitsandbox.RequestInfo, _ time.Duration, err error) {
	end(trace.SpanFromContext(ctx), err)
}

// pushDecided tells the span of the attempt. A push that is refused before it has
// one tells that of the caller, if there is one.
func pushDecided(ctx context.Context, push gitsandbox.PushAudit) {
	attrs := some("decision", push.Decision, "rule", push.Rule,
		"sandbox_id", push.SandboxID, "agent_id", push.AgentID, "task_id", push.TaskID, "url", push.URL,
		"ref", push.Ref, "old", string(push.Old), "new", string(push.New))
	attrs = append(attrs, attribute.Int64("gitsandbox.pack_bytes", push.PackBytes))
	trace.SpanFromContext(ctx).AddEvent("gitsandbox.push", trace.WithAttributes(attrs...))
}

func operation(info gitsandbox.OperationInfo) []attribute.KeyValue {
	return some("operation", info.Operation, "sandbox_id", info.SandboxID, "url", info.URL)
}

// some makes attributes of names and values, without those that are empty.
func some(pairs ...string) []attribute.KeyValue {
	var out []attribute.KeyValue
	for pair := range slices.Chunk(pairs, 2) {
		if name, value := pair[0], pair[1]; value != "" {
			out = append(out, attribute.String("gitsandbox."+name, value))
		}
	}
	return out
}

func end(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(attribute.String("gitsandbox.error_type", gitsandbox.ErrorType(err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

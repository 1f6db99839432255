package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/otelgitsandbox"
)

// telemetry is what a service sets up once: metrics that a server shows, spans
// and records.
type telemetry struct {
	spans   *sdktrace.TracerProvider
	options gitsandbox.Options
	server  *http.Server
	url     string // of the metrics
	done    chan error
}

// newTelemetry writes records and spans to out, and serves metrics on loopback.
// The caller closes it.
func newTelemetry(out io.Writer) (*telemetry, error) {
	metrics := gitsandbox.NewMetrics(&gitsandbox.MetricsOptions{Project: "shop", TraceID: otelgitsandbox.TraceID})
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	// Exemplars are in the OpenMetrics format only.
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))

	// A real service has an OTLP exporter with a batcher in place of printer.
	spans := sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{out}))
	t := &telemetry{
		spans: spans, url: "http://" + listener.Addr().String() + "/metrics", done: make(chan error, 1),
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second},
		options: gitsandbox.Options{
			Metrics: metrics,
			Trace:   []*gitsandbox.Trace{otelgitsandbox.NewTrace(&otelgitsandbox.Options{TracerProvider: spans})},
			Logger:  slog.New(traced{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})}),
		},
	}
	go func() { t.done <- t.server.Serve(listener) }()
	return t, nil
}

func (t *telemetry) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := errors.Join(t.server.Shutdown(ctx), t.spans.Shutdown(ctx))
	if served := <-t.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// scrape gets the metrics as Prometheus does.
func (t *telemetry) scrape(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("metrics: %s", res.Status)
	}
	return string(text), err
}

// traced adds the ID of the trace to each record, so that a record leads to its
// spans.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if id := otelgitsandbox.TraceID(ctx); id != "" {
		r.AddAttrs(slog.String("trace_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// printer is an exporter that writes each span as a line.
type printer struct{ w io.Writer }

func (p printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		var line strings.Builder
		fmt.Fprintf(&line, "span trace_id=%s span_id=%s parent=%s name=%q duration=%s",
			s.SpanContext().TraceID(), s.SpanContext().SpanID(), parent(s), s.Name(), s.EndTime().Sub(s.StartTime()).Round(time.Microsecond))
		for _, a := range s.Attributes() {
			fmt.Fprintf(&line, " %s=%q", a.Key, a.Value.String())
		}
		for _, e := range s.Events() {
			fmt.Fprintf(&line, " event=%q", e.Name)
		}
		if s.Status().Code == codes.Error {
			fmt.Fprintf(&line, " error=%q", s.Status().Description)
		}
		if _, err := io.WriteString(p.w, line.String()+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (p printer) Shutdown(context.Context) error { return nil }

func parent(s sdktrace.ReadOnlySpan) string {
	if s.Parent().SpanID() == (trace.SpanID{}) {
		return "none"
	}
	return s.Parent().SpanID().String()
}

// lockedWriter writes a line at a time: spans end in several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

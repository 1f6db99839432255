package otelgitsandbox_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/otelgitsandbox"
)

func TestSpansOfAClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	s := w.clone()
	spans := w.take()
	assert.Equal(t, []string{
		"gitsandbox clone",
		"  gitsandbox clone attempt",
		"    gitsandbox remote ls-refs",
		"    gitsandbox control create",
		"    gitsandbox remote fetch",
		"    gitsandbox sandbox upload",
		"    gitsandbox sandbox exec",
	}, tree(spans))
	for _, span := range spans {
		assert.Equal(t, spans[0].SpanContext.TraceID(), span.SpanContext.TraceID())
		assert.Equal(t, codes.Unset, span.Status.Code)
	}

	operation := find(spans, "gitsandbox clone")[0]
	assert.Equal(t, trace.SpanKindInternal, operation.SpanKind)
	for name, want := range map[string]string{
		"operation": "clone", "url": w.url, "sandbox_id": s.ID(), "attempts": "1", "error_type": "none",
	} {
		assert.Equal(t, want, attribute(operation, name), name)
	}
	attempt := find(spans, "gitsandbox clone attempt")[0]
	for name, want := range map[string]string{
		"operation": "clone", "url": w.url, "sandbox_id": s.ID(), "attempt": "1", "wait": "none",
	} {
		assert.Equal(t, want, attribute(attempt, name), name)
	}
	request := find(spans, "gitsandbox sandbox exec")[0]
	assert.Equal(t, trace.SpanKindClient, request.SpanKind)
	for name, want := range map[string]string{"target": "sandbox", "kind": "exec", "sandbox_id": s.ID(), "url": "none"} {
		assert.Equal(t, want, attribute(request, name), name)
	}
}

func TestSpansAreBelowThatOfTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	s := w.clone()
	w.take()
	ctx, span := w.tracer.Start(t.Context(), "task")
	_, err := s.Status(ctx, nil)
	require.NoError(t, err)
	span.End()
	assert.Equal(t, []string{
		"task", "  gitsandbox status", "    gitsandbox status attempt", "      gitsandbox sandbox exec",
	}, tree(w.take()))
}

func TestSpansOfARetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	s := w.clone()
	require.NoError(t, s.WriteFile(t.Context(), "a.txt", []byte("a\n"), 0))
	w.take()
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Status: 503})
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)

	spans := w.take()
	operation, attempts := find(spans, "gitsandbox push")[0], find(spans, "gitsandbox push attempt")
	require.Len(t, attempts, 2)
	assert.Equal(t, codes.Unset, operation.Status.Code, "it succeeded in the end")
	assert.Equal(t, "2", attribute(operation, "attempts"))
	assert.Equal(t, codes.Error, attempts[0].Status.Code)
	assert.Equal(t, "network", attribute(attempts[0], "error_type"))
	assert.Equal(t, "1e-09", attribute(attempts[0], "wait"))
	assert.Empty(t, attempts[0].Events)
	assert.Equal(t, codes.Unset, attempts[1].Status.Code)
	assert.Equal(t, "2", attribute(attempts[1], "attempt"))
	assert.Equal(t, "none", attribute(attempts[1], "wait"))
	for _, a := range attempts {
		assert.Equal(t, operation.SpanContext.SpanID(), a.Parent.SpanID())
	}
	published := find(spans, "gitsandbox remote receive-pack")
	require.Len(t, published, 2)
	assert.Equal(t, "network", attribute(published[0], "error_type"), "a request has the type of the library's errors")
	assert.Equal(t, attempts[0].SpanContext.SpanID(), published[0].Parent.SpanID())
	assert.Equal(t, attempts[1].SpanContext.SpanID(), published[1].Parent.SpanID())

	require.Len(t, attempts[1].Events, 1)
	decision := attempts[1].Events[0]
	assert.Equal(t, "gitsandbox.push", decision.Name)
	got := map[string]string{}
	for _, a := range decision.Attributes {
		got[string(a.Key)] = a.Value.String()
	}
	assert.Positive(t, res.PackBytes)
	delete(got, "gitsandbox.pack_bytes")
	assert.Equal(t, map[string]string{
		"gitsandbox.decision": "published", "gitsandbox.sandbox_id": s.ID(), "gitsandbox.agent_id": "a", "gitsandbox.task_id": "t",
		"gitsandbox.url": w.url, "gitsandbox.ref": "refs/heads/agent-a-t",
		"gitsandbox.old": "0000000000000000000000000000000000000000", "gitsandbox.new": string(res.Commit),
	}, got)
}

func TestSpansOfAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	s := w.clone()
	w.take()
	require.NoError(t, w.sandboxes.Kill(t.Context(), s.ID()))
	_, err := s.Status(t.Context(), nil)
	require.Error(t, err)
	spans := w.take()
	assert.Equal(t, []string{
		"gitsandbox status failed: sandbox_not_found",
		"  gitsandbox status attempt failed: sandbox_not_found",
		"    gitsandbox sandbox exec failed: sandbox_not_found",
	}, tree(spans))
	assert.Equal(t, err.Error(), find(spans, "gitsandbox status")[0].Status.Description)
}

// A push that is refused before it begins has no span of its own.
func TestARefusedPushIsAnEventOfTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	s := w.clone()
	w.take()
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Branch: "main"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)
	assert.Empty(t, w.take())
	ctx, span := w.tracer.Start(t.Context(), "task")
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Branch: "main"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)
	span.End()
	assert.Equal(t, []string{"task + gitsandbox.push"}, tree(w.take()))
}

// No span holds the token or what is in the files, also where everything fails
// and the remote quotes the token.
func TestSpansHoldNoSecretAndNoContent(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	const content = "c0ntent-of-a-file"
	s := w.clone()
	require.NoError(t, s.WriteFile(ctx, "a.txt", []byte(content+"\n"), 0))
	_, err := s.Diff(ctx, nil)
	require.NoError(t, err)
	_, err = s.Commit(ctx, "Add a", nil)
	require.NoError(t, err)
	_, err = s.ReadFile(ctx, "a.txt")
	require.NoError(t, err)
	_, err = s.Exec(ctx, &e2b.Command{Args: []string{"cat", "a.txt"}})
	require.NoError(t, err)
	require.NoError(t, w.remote.RefusePushes("shop", "your token is "+token))
	_, err = s.Push(ctx, nil)
	require.ErrorIs(t, err, gitsandbox.ErrRemoteRejected)
	_, err = w.remote.Commit("shop", "main", "Theirs", map[string]string{"a.txt": "theirs-" + content + "\n"})
	require.NoError(t, err)
	_, err = s.Pull(ctx, nil)
	require.ErrorIs(t, err, gitsandbox.ErrConflict)
	w.remote.ExpirePassword()
	_, err = s.Pull(ctx, nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	_, err = w.client.Clone(ctx, "https://x-access-token:"+token+"@"+w.remote.Host()+"/shop", nil)
	require.Error(t, err)

	all := text(w.take())
	for _, there := range []string{
		"gitsandbox push", "gitsandbox.error_type = auth", "gitsandbox.error_type = conflict", "refused by the remote", "conflict in", "a.txt",
	} {
		assert.Contains(t, all, there)
	}
	for _, secret := range []string{token, base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token)), content} {
		assert.NotContains(t, all, secret)
	}
}

func TestWithoutAProviderNothingIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &gitsandbox.Options{}, sdktrace.AlwaysSample())
	client, err := gitsandbox.New(w.sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(w.remote.Host(), token), Trace: []*gitsandbox.Trace{otelgitsandbox.NewTrace(nil)},
	})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Clone(t.Context(), w.url, nil)
	require.NoError(t, err)
	assert.Empty(t, w.take())
}

// An exemplar of the metrics leads to the trace of the operation.
func TestTraceIDIsTheExemplar(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sampler sdktrace.Sampler
		sampled bool
	}{
		"sampled": {sdktrace.AlwaysSample(), true}, "not sampled": {sdktrace.NeverSample(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics := gitsandbox.NewMetrics(&gitsandbox.MetricsOptions{TraceID: otelgitsandbox.TraceID})
			registry := prometheus.NewRegistry()
			require.NoError(t, registry.Register(metrics))
			w := newWorld(t, &gitsandbox.Options{Metrics: metrics}, tt.sampler)
			s := w.clone()
			w.take()
			ctx, span := w.tracer.Start(t.Context(), "task")
			_, err := s.Status(ctx, nil)
			require.NoError(t, err)
			span.End()

			reply := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
			promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(reply, req)
			want := `git_operation_total{operation="status",status="success"} 1.0`
			assert.Contains(t, reply.Body.String(), want)
			want += ` # {trace_id="` + span.SpanContext().TraceID().String() + `"} `
			if tt.sampled {
				assert.Contains(t, reply.Body.String(), want)
				assert.Equal(t, span.SpanContext().TraceID().String(), otelgitsandbox.TraceID(ctx))
			} else {
				assert.NotContains(t, reply.Body.String(), "trace_id")
				assert.Empty(t, w.take())
			}
		})
	}
	assert.Empty(t, otelgitsandbox.TraceID(t.Context()))
}

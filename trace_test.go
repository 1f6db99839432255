package gitsandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

type traceKey struct{}

// recorder is a Trace that writes down what it is told.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

func (r *recorder) trace() *gitsandbox.Trace {
	return &gitsandbox.Trace{
		OperationStart: func(ctx context.Context, i gitsandbox.OperationInfo) context.Context {
			r.add("start %s", i.Operation)
			return context.WithValue(ctx, traceKey{}, i.Operation)
		},
		OperationDone: func(ctx context.Context, i gitsandbox.OperationInfo, res gitsandbox.OperationResult) {
			r.add("done %s %v attempts=%d err=%v", i.Operation, ctx.Value(traceKey{}), res.Attempts, res.Err != nil)
		},
		AttemptStart: func(ctx context.Context, _ gitsandbox.OperationInfo, n int) context.Context {
			r.add("attempt %d", n)
			return ctx
		},
		AttemptDone: func(_ context.Context, _ gitsandbox.OperationInfo, n int, wait time.Duration, err error) {
			r.add("attempt %d done again=%v err=%v", n, wait >= 0, err != nil)
		},
		RequestStart: func(ctx context.Context, i gitsandbox.RequestInfo) context.Context {
			r.add("request %s %s", i.Target, i.Kind)
			return ctx
		},
		PushDecided: func(_ context.Context, p gitsandbox.PushAudit) {
			r.add("push %s %s: %s", p.AgentID, p.Ref, p.Decision)
		},
	}
}

func TestTraceTellsWhatHappens(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Trace: []*gitsandbox.Trace{r.trace(), {}}}})
	s := w.clone("a", "t")
	assert.Equal(t, []string{
		"start clone", "attempt 1", "request remote ls-refs", "request control create", "request remote fetch",
		"request sandbox upload", "request sandbox exec", "attempt 1 done again=false err=false",
		"done clone clone attempts=1 err=false",
	}, r.take())

	w.write(s, "a.txt", "a\n")
	r.take()
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Status: 503})
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	events := r.take()
	// The first two requests of an attempt run at the same time.
	slices.Sort(events[2:4])
	slices.Sort(events[7:9])
	assert.Equal(t, []string{
		"start push", "attempt 1", "request remote advertisement", "request sandbox exec", "request remote receive-pack",
		"attempt 1 done again=true err=true",
		"attempt 2", "request remote advertisement", "request sandbox exec", "request remote receive-pack",
		"push a refs/heads/agent-a-t: published", "attempt 2 done again=false err=false",
		"done push push attempts=2 err=false",
	}, events)
}

// records decodes JSON records.
func records(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	var out []map[string]any
	for d := json.NewDecoder(bytes.NewReader(data)); d.More(); {
		var r map[string]any
		require.NoError(t, d.Decode(&r))
		out = append(out, r)
	}
	return out
}

func TestRecordsHaveTheFieldsOfSpans(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{
		Logger: slog.New(slog.NewJSONHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}})
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	buf.Reset()
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Status: 503})
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	require.NoError(t, w.sandboxes.Kill(t.Context(), s.ID()))
	_, failure := s.Status(t.Context(), nil)
	require.Error(t, failure)

	got := records(t, buf.Bytes())
	var messages []string
	for _, r := range got {
		messages = append(messages, fmt.Sprint(r["level"], " ", r["msg"]))
		assert.Equal(t, s.ID(), r["sandbox_id"], "%v", r)
		assert.Equal(t, w.url, r["url"], "%v", r)
	}
	require.Equal(t, []string{
		"INFO attempt failed", "INFO push", "DEBUG operation done", "WARN operation failed",
	}, messages)
	for i, want := range []map[string]any{
		{"operation": "push", "attempt": 1.0, "wait": 1.0, "error_type": "network"},
		{"decision": "published", "ref": "refs/heads/agent-a-t", "agent_id": "a", "task_id": "t"},
		{"operation": "push", "attempts": 2.0},
		{"operation": "status", "attempts": 1.0, "error_type": "sandbox_not_found", "error": failure.Error()},
	} {
		for k, v := range want {
			assert.Equal(t, v, got[i][k], "%s of %s", k, messages[i])
		}
	}
	assert.Positive(t, got[2]["duration"])
}

func TestLoggerGetsARecordForEachOperation(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{
		Logger: slog.New(slog.NewJSONHandler(&buf, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}})
	s := w.clone("a", "t")
	require.NoError(t, w.sandboxes.Kill(t.Context(), s.ID()))
	_, err := s.Status(t.Context(), nil)
	require.Error(t, err)
	assert.Contains(t, buf.String(), `"msg":"operation failed","operation":"status"`)
	assert.Contains(t, buf.String(), `"error_type":"sandbox_not_found"`)
	w.noToken(buf.String())
}

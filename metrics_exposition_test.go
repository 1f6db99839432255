package gitsandbox

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scrape returns what a scrape of c gets, in the OpenMetrics format with an
// accept header that asks for it.
func scrape(tb testing.TB, c prometheus.Collector, accept string) string {
	tb.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(tb, r.Register(c))
	w := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", accept)
	promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, req)
	require.Equal(tb, http.StatusOK, w.Code, "%s", w.Body)
	return w.Body.String()
}

// series counts the series of a scrape.
func series(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

const openMetrics = "application/openmetrics-text; version=1.0.0"

// A scrape before anything has happened shows every series, at zero. The file
// is written with "go test -run TestFreshMetrics -update .".
func TestFreshMetricsAreZerosWithoutGaps(t *testing.T) {
	t.Parallel()
	got := scrape(t, NewMetrics(nil), "text/plain")
	if *update {
		require.NoError(t, os.WriteFile("testdata/metrics.txt", []byte(got), 0o644))
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "#") {
			assert.True(t, strings.HasSuffix(line, " 0\n"), line)
		}
	}
	// 11 names of old and 6 of now: see the doc of Metrics.
	assert.Equal(t, 17, strings.Count(got, "# TYPE "))
}

// What an operation is about is in no label: after 10,000 operations of every
// kind over 500 repositories and as many agents, with every outcome, there are
// as many series as before the first.
func TestMetricsDoNotGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(nil)
		c, err := New(newStubE2B(), &Options{Metrics: m, Retry: Backoff{MaxAttempts: 12, Base: 1, Max: 1}})
		require.NoError(t, err)
		defer c.Close()
		before := series(scrape(t, m, "text/plain"))

		kinds := []error{
			nil, ErrTimeout, ErrAuth, ErrNetwork, ErrConflict, ErrSandboxNotFound, ErrProtocol,
			&cause{kind: ErrNetwork, retryable: true}, &PolicyError{Rule: "size"},
		}
		for i := range 10_000 {
			agent, id := fmt.Sprintf("agent-%d", i%500), fmt.Sprintf("sandbox-%d", i)
			url := fmt.Sprintf("https://git.example.com/team/repo-%d", i%500)
			// Each of them with each of the others.
			n := i / len(gitOperations)
			op, failure, r := gitOperations[i%len(gitOperations)], kinds[n%len(kinds)], requestNames[n/len(kinds)%len(requestNames)]
			end := m.begin(0, &e2b.SandboxInfo{})
			_, _ = operate(t.Context(), c, OperationInfo{Operation: op, SandboxID: id, URL: url},
				func(ctx context.Context, _ *operation) (int, error) {
					m.cacheLookup(i%2 == 0)
					return request(ctx, c, RequestInfo{Target: r.target, Kind: r.kind, SandboxID: id},
						func(context.Context) (int, error) { return 0, failure })
				})
			c.audit(t.Context(), PushAudit{
				SandboxID: id, AgentID: agent, URL: url, Ref: "refs/heads/" + agent,
				Decision: "refused by policy", Rule: policyRules[i%len(policyRules)],
			})
			m.created(time.Duration(i) * time.Millisecond)
			m.started([]string{startCreated, startCache, startE2B}[i%3])
			m.packChecked([]string{checkPassed, checkRefused}[i%2])
			m.relayed([]string{relayFetch, relayPush}[i%2], int64(i))
			end()
		}
		assert.Equal(t, before, series(scrape(t, m, "text/plain")))
		// 10,000 is 18 * 555 + 10: the first ten kinds have one more.
		assert.InDelta(t, 556, testutil.ToFloat64(m.operations["clone"].started), 0)
		assert.InDelta(t, 555, testutil.ToFloat64(m.operations["reset"].started), 0)
		assert.Positive(t, testutil.ToFloat64(m.retryCounter[9]), "the twelfth attempt counts as 10+")
	})
}

// What a caller's own error may hold makes no series.
func TestLabelValuesThatAreNoneAreDropped(t *testing.T) {
	t.Parallel()
	m := NewMetrics(nil)
	before := scrape(t, m, "text/plain")
	m.requested("sandbox", "telepathy", "")
	m.refused("secret-of-the-caller")
	assert.Equal(t, before, scrape(t, m, "text/plain"))
}

func TestTwoMetricsOnOneRegistry(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	first := NewMetrics(nil)
	require.NoError(t, r.Register(first))

	err := r.Register(NewMetrics(nil))
	var already prometheus.AlreadyRegisteredError
	require.ErrorAs(t, err, &already)
	assert.Same(t, first, already.ExistingCollector)
	require.EqualError(t, err, "duplicate metrics collector registration attempted")

	// A second project is a second Metrics all the same.
	err = r.Register(NewMetrics(&MetricsOptions{Project: "other"}))
	require.ErrorContains(t, err, "already exists with the same fully-qualified name and const label values")

	labelled := prometheus.NewPedanticRegistry()
	for _, team := range []string{"a", "b"} {
		require.NoError(t, prometheus.WrapRegistererWith(prometheus.Labels{"team": team}, labelled).Register(NewMetrics(nil)))
	}
	_, err = labelled.Gather()
	require.NoError(t, err)
}

func TestExemplarsNameTheTrace(t *testing.T) {
	t.Parallel()
	type key struct{}
	m := NewMetrics(&MetricsOptions{TraceID: func(ctx context.Context) string {
		id, _ := ctx.Value(key{}).(string)
		return id
	}})
	traced := context.WithValue(t.Context(), key{}, "4bf92f3577b34da6a3ce929d0e0e4736")
	o := m.operation("push")
	o.start(traced)
	o.again(traced)
	o.conflict(traced)
	m.pushRetry(traced, 1)
	o.done(traced, 3*time.Second, 2, ErrConflict)
	o.start(t.Context())
	o.done(t.Context(), time.Second, 1, nil)

	var with []string
	for line := range strings.Lines(scrape(t, m, openMetrics)) {
		name, exemplar, ok := strings.Cut(line, " # ")
		if !ok {
			continue
		}
		with = append(with, name)
		assert.True(t, strings.HasPrefix(exemplar, `{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} `), line)
	}
	assert.Equal(t, []string{
		`git_conflicts_detected_total{operation="push"} 1.0`,
		`git_errors_total{error_type="conflict",operation="push"} 1.0`,
		`git_operation_duration_seconds_bucket{operation="push",le="5.0"} 2`,
		`git_operation_total{operation="push",status="failure"} 1.0`,
		`git_operation_total{operation="push",status="retry"} 1.0`,
		`git_operation_total{operation="push",status="started"} 2.0`,
		`git_push_retry_count_total{attempt="1"} 1.0`,
	}, with)
}

func TestATraceIDThatIsNoneIsDropped(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"empty": "", "too long": strings.Repeat("a", 121), "not UTF-8": "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewMetrics(&MetricsOptions{TraceID: func(context.Context) string { return id }})
			m.operation("push").done(t.Context(), time.Second, 1, ErrAuth)
			text := scrape(t, m, openMetrics)
			assert.NotContains(t, text, traceLabel)
			assert.Contains(t, text, `git_errors_total{error_type="auth",operation="push"} 1.0`)
		})
	}
	m := NewMetrics(&MetricsOptions{TraceID: func(context.Context) string { return strings.Repeat("é", 120) }})
	m.operation("push").done(t.Context(), time.Second, 1, nil)
	assert.Contains(t, scrape(t, m, openMetrics), strings.Repeat("é", 120), "the longest that there can be")
}

func TestRecordingDoesNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not
	m := NewMetrics(nil)
	ctx := t.Context()
	for name, record := range map[string]func(){
		"success": func() { m.operation("push").done(ctx, time.Second, 1, nil) },
		"failure": func() { m.operation("push").done(ctx, time.Second, 3, ErrConflict) },
		"start":   func() { m.operation("push").start(ctx) },
		"retry":   func() { m.operation("push").again(ctx); m.pushRetry(ctx, 2) },
		"request": func() { m.requested("remote", "fetch", "network") },
		"relay":   func() { m.relayed(relayFetch, 1<<20) },
		"refusal": func() { m.packChecked(checkRefused); m.refused("malformed") },
		"lookup":  func() { m.cacheLookup(false) },
	} {
		assert.Zero(t, testing.AllocsPerRun(100, record), name)
	}
}

// A scrape of a Client with 10,000 sandboxes: what one costs is that of the
// constant number of series.
func BenchmarkScrape(b *testing.B) {
	for _, sandboxes := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("sandboxes=%d", sandboxes), func(b *testing.B) {
			m := NewMetrics(nil)
			stub := newStubE2B()
			c, err := New(stub, &Options{Metrics: m})
			require.NoError(b, err)
			defer c.Close()
			for i := range sandboxes {
				rec := &record{Sandbox: attachment{SandboxID: fmt.Sprint("i", i)}}
				c.fleet.add(newLive(&stubSandbox{stub, rec.Sandbox.SandboxID}, rec), true, 0)
			}
			r := prometheus.NewRegistry()
			require.NoError(b, r.Register(m))
			h := promhttp.HandlerFor(r, promhttp.HandlerOpts{DisableCompression: true})
			req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			require.Contains(b, w.Body.String(), fmt.Sprintf("active_sandboxes_total %d\n", sandboxes))
			for b.Loop() {
				w.Body.Reset()
				h.ServeHTTP(w, req)
			}
		})
	}
}

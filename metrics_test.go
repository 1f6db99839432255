package gitsandbox

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func TestMetricsNamesAreFixed(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(NewMetrics(nil)))
	families, err := r.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	assert.Equal(t, []string{
		"active_sandboxes_total", "estimated_cost_dollars", "git_conflicts_detected_total", "git_errors_total",
		"git_operation_duration_seconds", "git_operation_total", "git_push_retry_count_total",
		"gitsandbox_operation_attempts", "gitsandbox_pack_checks_total", "gitsandbox_policy_refusals_total",
		"gitsandbox_relay_bytes_total", "gitsandbox_requests_total", "gitsandbox_sandbox_starts_total",
		"sandbox_cache_hits_total", "sandbox_cache_misses_total", "sandbox_creation_seconds", "sandbox_hours_total",
	}, names)
}

func TestMetricsLint(t *testing.T) {
	t.Parallel()
	problems, err := testutil.CollectAndLint(NewMetrics(nil))
	require.NoError(t, err)
	// The two names that the linter does not like are fixed, since dashboards
	// use them.
	assert.Equal(t, []promlint.Problem{
		{Metric: "active_sandboxes_total", Text: `non-counter metrics should not have "_total" suffix`},
		{Metric: "sandbox_hours_total", Text: `use base unit "seconds" instead of "hours"`},
	}, problems)
}

func TestMetricsOfAnOperation(t *testing.T) {
	t.Parallel()
	m := NewMetrics(nil)
	ctx := t.Context()
	o := m.operation("push")
	o.start(ctx)
	o.again(ctx)
	o.conflict(ctx)
	m.pushRetry(ctx, 1)
	m.pushRetry(ctx, 25)
	o.done(ctx, 3*time.Second, 2, ErrConflict)
	o.start(ctx)
	o.done(ctx, time.Second, 1, nil)
	require.NoError(t, testutil.CollectAndCompare(only{m, "push"}, strings.NewReader(`
# HELP git_operation_total Git operations by status; retry counts further attempts.
# TYPE git_operation_total counter
git_operation_total{operation="push",status="failure"} 1
git_operation_total{operation="push",status="retry"} 1
git_operation_total{operation="push",status="started"} 2
git_operation_total{operation="push",status="success"} 1
`), "git_operation_total"))
	assert.InDelta(t, 1, testutil.ToFloat64(m.retryCounter[0]), 0)
	assert.InDelta(t, 1, testutil.ToFloat64(m.retryCounter[9]), 0, "25 counts as 10+")
	assert.InDelta(t, 1, testutil.ToFloat64(o.conflicts), 0)
	assert.InDelta(t, 1, testutil.ToFloat64(o.errors["conflict"]), 0)
}

// only collects the metrics whose label operation is op.
type only struct {
	m  *Metrics
	op string
}

func (o only) Describe(ch chan<- *prometheus.Desc) { o.m.Describe(ch) }

func (o only) Collect(ch chan<- prometheus.Metric) {
	om := o.m.operations[o.op]
	for _, c := range []prometheus.Counter{om.started, om.success, om.failure, om.retry} {
		ch <- c
	}
}

func TestMetricsHoursAndCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(&MetricsOptions{Project: "p", CostPerSandboxHour: 0.02})
		first := m.begin(0, &e2b.SandboxInfo{})
		second := m.begin(30*time.Minute, &e2b.SandboxInfo{}) // has run for half an hour already
		advance(time.Hour)
		first()
		first() // twice is harmless
		advance(time.Hour)
		require.NoError(t, testutil.CollectAndCompare(m, strings.NewReader(`
# HELP active_sandboxes_total Sandboxes that this process keeps.
# TYPE active_sandboxes_total gauge
active_sandboxes_total 1
# HELP estimated_cost_dollars Cost of a period if the sandboxes that run now went on.
# TYPE estimated_cost_dollars gauge
estimated_cost_dollars{period="daily"} 0.48
estimated_cost_dollars{period="hourly"} 0.02
estimated_cost_dollars{period="monthly"} 14.6
# HELP sandbox_hours_total Running time of sandboxes in hours.
# TYPE sandbox_hours_total counter
sandbox_hours_total{project="p"} 3.5
`), "active_sandboxes_total", "estimated_cost_dollars", "sandbox_hours_total"))
		second()
		_, hours := m.accounts.read()
		advance(time.Hour)
		_, later := m.accounts.read()
		assert.InDelta(t, hours, later, 0, "nothing runs")
	})
}

func TestMetricsAreTrueUnderConcurrency(t *testing.T) {
	t.Parallel()
	m := NewMetrics(&MetricsOptions{TraceID: func(context.Context) string { return "4bf92f3577b34da6a3ce929d0e0e4736" }})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				o := m.operation("status")
				o.start(t.Context())
				end := m.begin(0, &e2b.SandboxInfo{})
				m.cacheLookup(true)
				m.requested("sandbox", "exec", "")
				m.relayed(relayFetch, 3)
				m.packChecked(checkPassed)
				m.refused("size")
				m.started(startCache)
				o.done(t.Context(), time.Millisecond, 1, nil)
				end()
			}
		})
	}
	wg.Wait()
	assert.InDelta(t, 8000, testutil.ToFloat64(m.operations["status"].success), 0)
	assert.InDelta(t, 8000, testutil.ToFloat64(m.cacheHits), 0)
	assert.InDelta(t, 8000, testutil.ToFloat64(m.requests[requestName{"sandbox", "exec"}][""]), 0)
	assert.InDelta(t, 24000, testutil.ToFloat64(m.relayBytes["fetch"]), 0)
	assert.InDelta(t, 8000, testutil.ToFloat64(m.packChecks["passed"]), 0)
	assert.InDelta(t, 8000, testutil.ToFloat64(m.refusals["size"]), 0)
	assert.InDelta(t, 8000, testutil.ToFloat64(m.starts["cache"]), 0)
	active, _ := m.accounts.read()
	assert.Zero(t, active)
}

func TestNilMetricsDropWhatTheyAreTold(t *testing.T) {
	t.Parallel()
	var m *Metrics
	ctx := t.Context()
	m.operation("push").start(ctx)
	m.operation("push").again(ctx)
	m.operation("push").conflict(ctx)
	m.operation("push").done(ctx, 0, 1, context.Canceled)
	m.pushRetry(ctx, 1)
	m.requested("sandbox", "exec", "")
	m.relayed(relayPush, 1)
	m.packChecked(checkRefused)
	m.refused("ref")
	m.started(startE2B)
	m.created(0)
	m.cacheLookup(true)
	m.begin(0, &e2b.SandboxInfo{})()
}

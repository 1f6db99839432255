package gitsandbox

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// Metrics are the Prometheus metrics of one or more Clients, whose figures they
// add up. It is a [prometheus.Collector] that the caller registers; nothing is
// registered by itself. A registry takes one Metrics, and refuses a second one as
// a duplicate, unless prometheus.WrapRegistererWith gives each of them a label. No label
// holds a URL, an ID, a branch or a message. Any number of goroutines and Clients may use it.
//
//	sandbox_creation_seconds                        histogram: what E2B takes to start a sandbox
//	active_sandboxes_total                          gauge: sandboxes that this process keeps
//	sandbox_cache_hits_total                        counter: records found in the Cache
//	sandbox_cache_misses_total                      counter: records not found
//	git_operation_total{operation,status}           counter: started, success, failure; retry counts further attempts
//	git_operation_duration_seconds{operation}       histogram: from start to end, with all attempts
//	git_errors_total{operation,error_type}          counter: failed operations by [ErrorType]
//	git_push_retry_count_total{attempt}             counter: the 1st, 2nd, ... further attempt of a push
//	git_conflicts_detected_total{operation}         counter: conflicts, kept and undone ones
//	sandbox_hours_total{project}                    counter: running time of the sandboxes that this process made or took over
//	estimated_cost_dollars{period}                  gauge: what an hour, a day (24 h) and a month (730 h) cost if the sandboxes that run now ran all of it, in US dollars
//	gitsandbox_operation_attempts{operation}        histogram: attempts of each operation that has ended
//	gitsandbox_requests_total{target,kind,status}   counter: requests as in [RequestInfo]; success, or the [ErrorType]
//	gitsandbox_sandbox_starts_total{source}         counter: sandboxes that Clone created, also where it then failed, or that were taken up from a cache record, or through e2b
//	gitsandbox_relay_bytes_total{direction}         counter: bytes of packs that went through this process: fetch into a sandbox, push to the remote
//	gitsandbox_pack_checks_total{result}            counter: packs that were checked before a push: passed, refused
//	gitsandbox_policy_refusals_total{rule}          counter: what the push policy refused, by [PolicyError].Rule; fast_forward also where a rebase mended it
//
// The duration of an operation and the counters of operations, errors, conflicts
// and retries carry exemplars with the label trace_id where MetricsOptions.TraceID
// is set. A scrape shows them in the OpenMetrics format only.
type Metrics struct {
	creation     prometheus.Histogram
	cacheHits    prometheus.Counter
	cacheMisses  prometheus.Counter
	operations   map[string]*operationMetrics
	retryCounter [maxRetryLabel]prometheus.Counter
	requests     map[requestName]map[string]prometheus.Counter
	starts       map[string]prometheus.Counter
	relayBytes   map[string]prometheus.Counter
	packChecks   map[string]prometheus.Counter
	refusals     map[string]prometheus.Counter
	collectors   []prometheus.Collector
	traceID      func(context.Context) string

	accounts accounts
}

type operationMetrics struct {
	m                                *Metrics
	started, success, failure, retry prometheus.Counter
	duration, attempts               prometheus.Observer
	conflicts                        prometheus.Counter
	errors                           map[string]prometheus.Counter
}

// MetricsOptions are the options of [NewMetrics].
type MetricsOptions struct {
	// Project is the value of the label project. Default "default".
	Project string

	// CostPerSandboxHour is what a sandbox of any size costs, in US dollars per
	// hour. Default [DefaultCostPerSandboxHour]; a negative one means 0.
	CostPerSandboxHour float64

	// CostPerVCPUSecond and CostPerGiBSecond are what a sandbox costs by its
	// size, as E2B bills it: US dollars per second for each vCPU, and for each
	// GiB of memory. Where one of them is above 0 they take the place of
	// CostPerSandboxHour. Default 0.
	CostPerVCPUSecond, CostPerGiBSecond float64

	// AssumedCPUCount and AssumedMemoryMB are the size of the sandboxes whose
	// size is not known, in vCPUs and MiB: E2B does not tell it of one that was
	// just created. Set them to those of your template. Default 2 and 512, which
	// E2B's template "base" has.
	AssumedCPUCount, AssumedMemoryMB int

	// TraceID returns the ID of the trace that a context belongs to, for
	// exemplars, or "" where there is none. It is called with the context of
	// the operation, as [Trace] made it, from the goroutine of the operation. An
	// ID that is not UTF-8 or has more than 120 characters is dropped. Default: no
	// exemplars.
	TraceID func(ctx context.Context) string
}

// NewMetrics returns metrics that are not registered anywhere.
func NewMetrics(opts *MetricsOptions) *Metrics {
	var o MetricsOptions
	if opts != nil {
		o = *opts
	}
	if o.Project == "" {
		o.Project = "default"
	}
	m := &Metrics{traceID: o.TraceID}
	m.accounts.open(newPrices(&o))
	m.addSandboxes(o.Project)
	m.addOperations()
	m.addRequests()
	m.addPushes()
	return m
}

func (m *Metrics) addSandboxes(project string) {
	m.creation = prometheus.NewHistogram(histogramOpts("sandbox_creation_seconds",
		"Time that E2B takes to start a sandbox.", .5, 1, 2, 5, 10, 20, 30, 60, 120))
	m.cacheHits = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sandbox_cache_hits_total", Help: "Sandbox records found in the cache.",
	})
	m.cacheMisses = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sandbox_cache_misses_total", Help: "Sandbox records not found in the cache.",
	})
	starts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gitsandbox_sandbox_starts_total", Help: "Sandboxes that were created, or taken up from a cache record or through E2B.",
	}, []string{"source"})
	m.starts = counters(starts, startCreated, startCache, startE2B)
	m.collectors = append(m.collectors, m.creation, m.cacheHits, m.cacheMisses, starts,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{ //nolint:promlinter // the name is fixed: dashboards use it
			Name: "active_sandboxes_total", Help: "Sandboxes that this process keeps.",
		}, func() float64 { active, _ := m.accounts.read(); return float64(active) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{ //nolint:promlinter // the name is fixed: dashboards use it
			Name: "sandbox_hours_total", Help: "Running time of sandboxes in hours.",
			ConstLabels: prometheus.Labels{"project": project},
		}, func() float64 { _, hours := m.accounts.read(); return hours }),
		m.costGauge("hourly", 1), m.costGauge("daily", hoursPerDay), m.costGauge("monthly", hoursPerMonth),
	)
}

func (m *Metrics) costGauge(period string, hours float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "estimated_cost_dollars", Help: "Cost of a period if the sandboxes that run now went on.",
		ConstLabels: prometheus.Labels{"period": period},
	}, func() float64 { return m.accounts.balance().hourly * hours })
}

func (m *Metrics) addOperations() {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_operation_total", Help: "Git operations by status; retry counts further attempts.",
	}, []string{"operation", "status"})
	durations := prometheus.NewHistogramVec(histogramOpts("git_operation_duration_seconds",
		"Duration of git operations, all attempts included.", .1, .5, 1, 2, 5, 10, 30, 60, 120, 300),
		[]string{"operation"})
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gitsandbox_operation_attempts", Help: "Attempts of the git operations that have ended.",
		Buckets: []float64{1, 2, 3, 5, 10},
	}, []string{"operation"})
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_errors_total", Help: "Failed git operations by type of error.",
	}, []string{"operation", "error_type"})
	pushRetries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_push_retry_count_total", Help: "Further attempts of pushes, by their number.",
	}, []string{"attempt"})
	conflicts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_conflicts_detected_total", Help: "Conflicts found while integrating.",
	}, []string{"operation"})

	m.operations = map[string]*operationMetrics{}
	for _, op := range gitOperations {
		om := &operationMetrics{
			m:         m,
			started:   total.WithLabelValues(op, "started"),
			success:   total.WithLabelValues(op, "success"),
			failure:   total.WithLabelValues(op, "failure"),
			retry:     total.WithLabelValues(op, "retry"),
			duration:  durations.WithLabelValues(op),
			attempts:  attempts.WithLabelValues(op),
			conflicts: conflicts.WithLabelValues(op),
			errors:    map[string]prometheus.Counter{},
		}
		for _, t := range errorTypes {
			om.errors[t] = failed.WithLabelValues(op, t)
		}
		m.operations[op] = om
	}
	for i := range m.retryCounter {
		label := strconv.Itoa(i + 1)
		if i+1 == maxRetryLabel {
			label += "+"
		}
		m.retryCounter[i] = pushRetries.WithLabelValues(label)
	}
	m.collectors = append(m.collectors, total, durations, attempts, failed, pushRetries, conflicts)
}

func (m *Metrics) addRequests() {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gitsandbox_requests_total", Help: "Requests to sandboxes, to E2B's control plane and to git remotes, by how they ended.",
	}, []string{"target", "kind", "status"})
	m.requests = map[requestName]map[string]prometheus.Counter{}
	for _, r := range requestNames {
		byStatus := map[string]prometheus.Counter{"": requests.WithLabelValues(r.target, r.kind, "success")}
		for _, t := range errorTypes {
			byStatus[t] = requests.WithLabelValues(r.target, r.kind, t)
		}
		m.requests[r] = byStatus
	}
	m.collectors = append(m.collectors, requests)
}

func (m *Metrics) addPushes() {
	relayBytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gitsandbox_relay_bytes_total", Help: "Bytes of packs that went through this process: fetch into a sandbox, push to the remote.",
	}, []string{"direction"})
	packChecks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gitsandbox_pack_checks_total", Help: "Packs that were checked before they were published, by result.",
	}, []string{"result"})
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gitsandbox_policy_refusals_total", Help: "Pushes and packs that the push policy refused, by rule.",
	}, []string{"rule"})
	m.relayBytes = counters(relayBytes, relayFetch, relayPush)
	m.packChecks = counters(packChecks, checkPassed, checkRefused)
	m.refusals = counters(refusals, policyRules...)
	m.collectors = append(m.collectors, relayBytes, packChecks, refusals)
}

// counters returns a counter for each value of the one label of v.
func counters(v *prometheus.CounterVec, values ...string) map[string]prometheus.Counter {
	out := map[string]prometheus.Counter{}
	for _, value := range values {
		out[value] = v.WithLabelValues(value)
	}
	return out
}

func histogramOpts(name, help string, buckets ...float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		// Native as well as classic; the limits are what Prometheus's own
		// instrumentation uses.
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors {
		c.Describe(ch)
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors {
		c.Collect(ch)
	}
}

// The methods below record; a nil *Metrics drops what it is told.

func (m *Metrics) operation(op string) *operationMetrics {
	if m == nil {
		return nil
	}
	return m.operations[op]
}

func (o *operationMetrics) start(ctx context.Context) {
	if o != nil {
		inc(o.started, o.m.exemplar(ctx))
	}
}

func (o *operationMetrics) again(ctx context.Context) {
	if o != nil {
		inc(o.retry, o.m.exemplar(ctx))
	}
}

func (o *operationMetrics) conflict(ctx context.Context) {
	if o != nil {
		inc(o.conflicts, o.m.exemplar(ctx))
	}
}

func (o *operationMetrics) done(ctx context.Context, d time.Duration, attempts int, err error) {
	if o == nil {
		return
	}
	trace := o.m.exemplar(ctx)
	o.attempts.Observe(float64(attempts))
	observe(o.duration, d.Seconds(), trace)
	if err == nil {
		inc(o.success, trace)
		return
	}
	inc(o.failure, trace)
	inc(o.errors[ErrorType(err)], trace)
}

func (m *Metrics) pushRetry(ctx context.Context, n int) {
	if m != nil {
		inc(m.retryCounter[min(n, maxRetryLabel)-1], m.exemplar(ctx))
	}
}

func (m *Metrics) created(d time.Duration) {
	if m != nil {
		m.creation.Observe(d.Seconds())
	}
}

func (m *Metrics) started(source string) {
	if m != nil {
		m.starts[source].Inc()
	}
}

func (m *Metrics) cacheLookup(hit bool) {
	switch {
	case m == nil:
	case hit:
		m.cacheHits.Inc()
	default:
		m.cacheMisses.Inc()
	}
}

// requested counts a request that ended with an error of the given type, or
// with "" for none.
func (m *Metrics) requested(target, kind, errorType string) {
	if m == nil {
		return
	}
	if c := m.requests[requestName{target, kind}][errorType]; c != nil {
		c.Inc()
	}
}

func (m *Metrics) relayed(direction string, n int64) {
	if m != nil {
		m.relayBytes[direction].Add(float64(n))
	}
}

func (m *Metrics) packChecked(result string) {
	if m != nil {
		m.packChecks[result].Inc()
	}
}

func (m *Metrics) refused(rule string) {
	if m == nil {
		return
	}
	if c := m.refusals[rule]; c != nil {
		c.Inc()
	}
}

// traceLabel is the label of an exemplar that Grafana and others look for.
const traceLabel = "trace_id"

// exemplar returns the labels of an exemplar, or nil for none. Ones that
// client_golang would panic over are none.
func (m *Metrics) exemplar(ctx context.Context) prometheus.Labels {
	if m.traceID == nil {
		return nil
	}
	id := m.traceID(ctx)
	if id == "" || !utf8.ValidString(id) || utf8.RuneCountInString(id) > prometheus.ExemplarMaxRunes-len(traceLabel) {
		return nil
	}
	return prometheus.Labels{traceLabel: id}
}

func inc(c prometheus.Counter, exemplar prometheus.Labels) {
	if e, ok := c.(prometheus.ExemplarAdder); ok && exemplar != nil {
		e.AddWithExemplar(1, exemplar)
		return
	}
	c.Inc()
}

func observe(o prometheus.Observer, v float64, exemplar prometheus.Labels) {
	if e, ok := o.(prometheus.ExemplarObserver); ok && exemplar != nil {
		e.ObserveWithExemplar(v, exemplar)
		return
	}
	o.Observe(v)
}

// begin counts a sandbox as accounts do.
func (m *Metrics) begin(age time.Duration, info *e2b.SandboxInfo) (end func()) {
	if m == nil {
		return func() {}
	}
	return m.accounts.begin(age, info)
}

package gitsandbox

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gitOperations are the values of the label operation. All of them are there
// from the first scrape on, so that a rate has no gap.
var gitOperations = []string{ //nolint:gochecknoglobals // a constant list
	"clone", "open", "status", "diff", "log", "show", "fetch", "pull", "commit", "push",
	"continue", "abort", "branches", "create_branch", "checkout", "delete_branch",
	"restore", "reset",
}

var errorTypes = []string{"timeout", "auth", "network", "conflict", "sandbox_not_found", "other"} //nolint:gochecknoglobals // a constant list

// maxRetryLabel bounds the label attempt: what is beyond counts as "10+".
const maxRetryLabel = 10

// DefaultCostPerSandboxHour is in US dollars.
const DefaultCostPerSandboxHour = 0.015

// Metrics are the Prometheus metrics of one or more Clients. It is a
// [prometheus.Collector] that the caller registers; nothing is registered by
// itself. No label holds a URL, an ID, a branch or a message. Any number of
// goroutines and Clients may use it.
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
//	estimated_cost_dollars{period}                  gauge: cost of an hour, a day, a month (730 h) if what runs now went on
type Metrics struct {
	creation     prometheus.Histogram
	cacheHits    prometheus.Counter
	cacheMisses  prometheus.Counter
	pushRetries  *prometheus.CounterVec
	operations   map[string]*operationMetrics
	collectors   []prometheus.Collector
	ratePerHour  float64
	retryCounter [maxRetryLabel]prometheus.Counter

	accounts accounts
}

type operationMetrics struct {
	started, success, failure, retry prometheus.Counter
	duration                         prometheus.Observer
	conflicts                        prometheus.Counter
	errors                           map[string]prometheus.Counter
}

// MetricsOptions are the options of [NewMetrics].
type MetricsOptions struct {
	// Project is the value of the label project. Default "default".
	Project string

	// CostPerSandboxHour is in US dollars. Default
	// [DefaultCostPerSandboxHour]; a negative one means 0.
	CostPerSandboxHour float64
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
	switch {
	case o.CostPerSandboxHour == 0:
		o.CostPerSandboxHour = DefaultCostPerSandboxHour
	case o.CostPerSandboxHour < 0:
		o.CostPerSandboxHour = 0
	}

	m := &Metrics{ratePerHour: o.CostPerSandboxHour, operations: map[string]*operationMetrics{}}
	m.accounts.epoch = time.Now()
	m.creation = prometheus.NewHistogram(histogramOpts("sandbox_creation_seconds",
		"Time that E2B takes to start a sandbox.", .5, 1, 2, 5, 10, 20, 30, 60, 120))
	m.cacheHits = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sandbox_cache_hits_total", Help: "Sandbox records found in the cache.",
	})
	m.cacheMisses = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sandbox_cache_misses_total", Help: "Sandbox records not found in the cache.",
	})
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_operation_total", Help: "Git operations by status; retry counts further attempts.",
	}, []string{"operation", "status"})
	durations := prometheus.NewHistogramVec(histogramOpts("git_operation_duration_seconds",
		"Duration of git operations, all attempts included.", .1, .5, 1, 2, 5, 10, 30, 60, 120, 300),
		[]string{"operation"})
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_errors_total", Help: "Failed git operations by type of error.",
	}, []string{"operation", "error_type"})
	m.pushRetries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_push_retry_count_total", Help: "Further attempts of pushes, by their number.",
	}, []string{"attempt"})
	conflicts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "git_conflicts_detected_total", Help: "Conflicts found while integrating.",
	}, []string{"operation"})

	for _, op := range gitOperations {
		om := &operationMetrics{
			started:   total.WithLabelValues(op, "started"),
			success:   total.WithLabelValues(op, "success"),
			failure:   total.WithLabelValues(op, "failure"),
			retry:     total.WithLabelValues(op, "retry"),
			duration:  durations.WithLabelValues(op),
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
		m.retryCounter[i] = m.pushRetries.WithLabelValues(label)
	}

	m.collectors = []prometheus.Collector{
		m.creation, m.cacheHits, m.cacheMisses, total, durations, failed, m.pushRetries, conflicts,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{ //nolint:promlinter // the name is fixed: dashboards use it
			Name: "active_sandboxes_total", Help: "Sandboxes that this process keeps.",
		}, func() float64 { active, _ := m.accounts.read(); return float64(active) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{ //nolint:promlinter // the name is fixed: dashboards use it
			Name: "sandbox_hours_total", Help: "Running time of sandboxes in hours.",
			ConstLabels: prometheus.Labels{"project": o.Project},
		}, func() float64 { _, hours := m.accounts.read(); return hours }),
		m.costGauge("hourly", 1), m.costGauge("daily", 24), m.costGauge("monthly", 730),
	}
	return m
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

func (m *Metrics) costGauge(period string, hours float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "estimated_cost_dollars", Help: "Cost of a period if the sandboxes that run now went on.",
		ConstLabels: prometheus.Labels{"period": period},
	}, func() float64 {
		active, _ := m.accounts.read()
		return float64(active) * m.ratePerHour * hours
	})
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

func (o *operationMetrics) start() {
	if o != nil {
		o.started.Inc()
	}
}

func (o *operationMetrics) again() {
	if o != nil {
		o.retry.Inc()
	}
}

func (o *operationMetrics) conflict() {
	if o != nil {
		o.conflicts.Inc()
	}
}

func (o *operationMetrics) done(d time.Duration, err error) {
	if o == nil {
		return
	}
	o.duration.Observe(d.Seconds())
	if err == nil {
		o.success.Inc()
		return
	}
	o.failure.Inc()
	o.errors[ErrorType(err)].Inc()
}

func (m *Metrics) pushRetry(n int) {
	if m != nil {
		m.retryCounter[min(n, maxRetryLabel)-1].Inc()
	}
}

func (m *Metrics) created(d time.Duration) {
	if m != nil {
		m.creation.Observe(d.Seconds())
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

// accounts adds up the running time of sandboxes, so that a scrape costs the
// same however many there are. Times are hours on the monotonic clock, as
// offsets from epoch: a jump of the wall clock does not show.
type accounts struct {
	epoch time.Time

	mu       sync.Mutex
	active   int
	starts   float64 // sum of the starts of the active ones
	finished float64 // sum of the running times of the others
	reported float64 // the highest sum read: rounding must not lower a counter
}

// begin counts a sandbox that has run for age already, and returns what ends
// the count. Calling that twice is harmless.
func (m *Metrics) begin(age time.Duration) (end func()) {
	if m == nil {
		return func() {}
	}
	a := &m.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	start := (time.Since(a.epoch) - max(age, 0)).Hours()
	a.active++
	a.starts += start
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.active--
		a.starts -= start
		a.finished += time.Since(a.epoch).Hours() - start
	})
}

func (a *accounts) read() (active int, hours float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	running := float64(a.active)*time.Since(a.epoch).Hours() - a.starts
	a.reported = max(a.reported, a.finished+running)
	return a.active, a.reported
}

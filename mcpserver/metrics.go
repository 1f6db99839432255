package mcpserver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts the calls of tools. It is a [prometheus.Collector], which the
// caller registers. The label tool has the name of a tool or "unknown", and status
// is success, failure (a result that says why), input_required (a person was asked,
// and the call comes again), rejected (too many calls, no such tool, a malformed
// request, the end of the server) or panic. A nil Metrics counts nothing.
type Metrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics returns Metrics that have counted nothing.
func NewMetrics() *Metrics {
	return &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitsandbox_mcp_calls_total",
			Help: "Calls of tools over MCP, by tool and by how they ended.",
		}, []string{"tool", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                        "gitsandbox_mcp_call_duration_seconds",
			Help:                        "Duration of calls of tools over MCP.",
			Buckets:                     []float64{.01, .05, .1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600},
			NativeHistogramBucketFactor: 1.1,
		}, []string{"tool"}),
	}
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.calls.Describe(ch)
	m.duration.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.calls.Collect(ch)
	m.duration.Collect(ch)
}

func (m *Metrics) observe(tool, status string, took time.Duration) {
	if m == nil {
		return
	}
	m.calls.WithLabelValues(tool, status).Inc()
	m.duration.WithLabelValues(tool).Observe(took.Seconds())
}

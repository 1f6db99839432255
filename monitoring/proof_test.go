package monitoring

import (
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

const (
	// patience is how long the proof waits for a server to see something.
	patience = 90 * time.Second
	poll     = 200 * time.Millisecond

	// window is what stands for Grafana's variables in a panel's query: longer
	// than the workload, so that a rate over it counts all of it.
	window = 5 * time.Minute
)

// proof is a Prometheus that scrapes, evaluates the rules and tells an Alertmanager
// every second.
type proof struct {
	*servers.Prometheus
	t   *testing.T
	dir string
}

// startPrometheus starts one with the data that dir/data holds, if any. No
// target is scraped yet.
func startPrometheus(t *testing.T, tools *servers.Tools, dir, alertmanager string) *proof {
	t.Helper()
	rules, err := Rules(&RuleOptions{Eager: true})
	require.NoError(t, err)
	alerts, err := Alerts(&RuleOptions{Eager: true})
	require.NoError(t, err)
	config := servers.Config(Job, time.Second, alertmanager)
	addr, err := servers.FreeAddr("")
	require.NoError(t, err)
	p, err := servers.StartPrometheus(t.Context(), tools, dir, addr, servers.PrometheusFiles{
		Config: config,
		Others: map[string][]byte{
			servers.RulesFile: rules, servers.AlertsFile: alerts, servers.TargetsFile: servers.Targets(),
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	check(t, tools, "promtool", "check", "config", filepath.Join(dir, "prometheus.yaml"))
	return &proof{Prometheus: p, t: t, dir: dir}
}

// scrape lets it scrape the given addresses from now on.
func (p *proof) scrape(addrs ...string) {
	p.t.Helper()
	// Prometheus watches the file: it must never see half of it.
	name := filepath.Join(p.dir, servers.TargetsFile)
	require.NoError(p.t, os.WriteFile(name+".new", servers.Targets(addrs...), 0o600))
	require.NoError(p.t, os.Rename(name+".new", name))
}

// scraped waits for a scrape that began after a time, and returns its time.
func (p *proof) scraped(after time.Time) time.Time {
	p.t.Helper()
	var at time.Time
	require.Eventually(p.t, func() bool {
		last, err := p.Query(p.t.Context(), `timestamp(up{job="gitsandbox"})`, time.Now())
		if err != nil || len(last) != 1 {
			return false
		}
		at = time.UnixMilli(int64(math.Round(last[0].Value() * 1000)))
		up, err := p.Query(p.t.Context(), `up{job="gitsandbox"}`, at)
		return err == nil && at.After(after) && len(up) == 1 && up[0].Value() == 1
	}, patience, poll)
	return at
}

func (p *proof) query(expr string, at time.Time) []servers.Series {
	p.t.Helper()
	series, err := p.Query(p.t.Context(), expr, at)
	require.NoError(p.t, err)
	return series
}

// ask runs the query of a panel or of the guide, and returns the values by the
// values of their labels.
func (p *proof) ask(expr string, at time.Time) map[string]float64 {
	p.t.Helper()
	series := p.query(grafana.Substitute(expr, window, window), at)
	values := map[string]float64{}
	for _, s := range series {
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, s.Labels[name])
		}
		values[strings.Join(labels, " ")] = s.Value()
	}
	require.Len(p.t, values, len(series), "%s: two series look alike", expr)
	return values
}

// listenAgain serves a handler on an address that was free a moment ago.
func listenAgain(t *testing.T, addr string, h http.Handler) {
	t.Helper()
	server := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ListenAndServe() }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

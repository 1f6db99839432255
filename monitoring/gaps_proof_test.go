package monitoring

import (
	"bufio"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
)

// shown are the series of a service that has done nothing, as a scrape shows
// them: names with labels.
func shown(t *testing.T) []string {
	t.Helper()
	r := prometheus.NewRegistry()
	require.NoError(t, r.Register(gitsandbox.NewMetrics(nil)))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	var names []string
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			name, value, ok := strings.Cut(line, " ")
			require.True(t, ok, line)
			// No time stands there, so a jump of the service's clock cannot show.
			require.Equal(t, "0", value, line)
			names = append(names, name)
		}
	}
	return names
}

// An hour in which the service started anew, and in which Prometheus's clock
// jumped, or the machine slept: there are no samples for a while.
const (
	hour     = time.Hour
	resetAgo = 40 * time.Minute
	gapBegan = 30 * time.Minute
	gapEnded = 15 * time.Minute
)

// brokenHour is such an hour, in which every counter grows by 4 a minute.
func brokenHour(names []string) history {
	h := history{}
	for _, name := range names {
		h[name] = func(ago time.Duration) (float64, bool) {
			outside := ago >= gapBegan || ago <= gapEnded
			switch {
			case strings.HasPrefix(name, "active_sandboxes"), strings.HasPrefix(name, "estimated_cost"):
				return 3, outside
			case ago > resetAgo:
				return 4 * (hour - ago).Minutes(), outside
			default:
				return 4 * (resetAgo - ago).Minutes(), outside
			}
		}
	}
	return h
}

func TestPanelsOutliveAResetAndAJumpOfTheClock(t *testing.T) {
	t.Parallel()
	tools, dir := findTools(t), t.TempDir()
	now := time.Now().Truncate(time.Second)
	const interval = 15 * time.Second
	brokenHour(shown(t)).backfill(t, tools, dir, now, hour, interval, "i")
	p := startPrometheus(t, tools, dir, noAlertmanager)

	// What each panel shows while all is well, from 4 a minute of everything:
	// as many operations fail as succeed, and all are in the first bucket.
	want := map[string]float64{
		"Operation success rate":   0.5,
		"P95 latency by operation": 0.095,
		"Active sandboxes":         3,
		"Cache hit ratio":          0.5,
		"Operations per minute":    4,
		"Error rate by type":       0.5, // 18 operations, 4 of each type and 8 that ended
		"Sandbox creation time":    4,
		"Estimated monthly cost":   3,
		"Daily cost trend":         3,
		"Operations distribution":  4,
		"Push retry attempts":      4,
		"Conflicts detected":       4,
	}
	for _, panel := range readPanels(t) {
		require.Contains(t, want, panel.Title)
		series, err := p.QueryRange(t.Context(), grafana.Substitute(panel.Expr, time.Minute, time.Minute), now.Add(-hour), now, interval)
		require.NoError(t, err)
		require.NotEmpty(t, series, panel.Title)
		last, present := 0, map[time.Duration]bool{}
		for _, s := range series {
			for _, point := range s.Points {
				ago := now.Sub(point.Time)
				present[ago] = true
				assert.False(t, math.IsNaN(point.Value) || point.Value < 0, "%s: %v before the end: %v", panel.Title, ago, point.Value)
				assert.LessOrEqual(t, point.Value, want[panel.Title]+1e-9, "%s: %v before the end", panel.Title, ago)
				if ago == 0 {
					assert.InDelta(t, want[panel.Title], point.Value, 1e-9, panel.Title)
					last++
				}
			}
		}
		assert.Equal(t, len(series), last, "%s: a series has no end", panel.Title)
		// A rate needs two samples, at the beginning and after the gap.
		for ago := hour - interval; ago >= 0; ago -= interval {
			if ago >= gapBegan || ago < gapEnded {
				assert.True(t, present[ago], "%s: nothing %v before the end", panel.Title, ago)
			}
		}
	}
}

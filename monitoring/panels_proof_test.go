package monitoring

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/demo"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
)

// noAlertmanager is an address at which nobody answers.
const noAlertmanager = "127.0.0.1:1"

// answer is what a panel is to show. Of the labels that are not among the
// values, each has the value rest.
type answer struct {
	values map[string]float64
	rest   float64
}

// observed is what the operations' Trace saw: how long they took, and how many
// bytes of packs were published.
type observed struct {
	mu        sync.Mutex
	durations map[string][]float64
	bytes     int64
}

func (o *observed) trace() *gitsandbox.Trace {
	return &gitsandbox.Trace{
		OperationDone: func(_ context.Context, i gitsandbox.OperationInfo, r gitsandbox.OperationResult) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.durations[i.Operation] = append(o.durations[i.Operation], r.Duration.Seconds())
		},
		PushDecided: func(_ context.Context, push gitsandbox.PushAudit) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if push.Decision == "published" {
				o.bytes += push.PackBytes
			}
		},
	}
}

func (o *observed) published() float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return float64(o.bytes)
}

// quantile is what the buckets of a histogram tell of a quantile: where the
// rank lies within its bucket.
func (o *observed) quantile(q float64, operation string) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.durations[operation]
	rank := q * float64(len(all))
	bounds := []float64{.1, .5, 1, 2, 5, 10, 30, 60, 120, 300}
	lower, below := 0.0, 0
	for _, upper := range bounds {
		inside := 0
		for _, v := range all {
			if v <= upper && v > lower {
				inside++
			}
		}
		if float64(below+inside) >= rank {
			return lower + (upper-lower)*(rank-float64(below))/float64(inside)
		}
		lower, below = upper, below+inside
	}
	return bounds[len(bounds)-1]
}

func TestPanelsShowWhatTheWorkloadDid(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	seen := &observed{durations: map[string][]float64{}}
	service, err := demo.Start(demo.Options{Trace: seen.trace()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, service.Close()) })
	p := startPrometheus(t, tools, t.TempDir(), noAlertmanager)
	panels := readPanels(t)

	// Nothing has happened yet: zeros, and no gap.
	p.scrape(service.Addr())
	first := p.scraped(time.Now())
	at := p.scraped(first) // a rate needs two
	for _, panel := range panels {
		want := answer{}
		if panel.Title == "Operation success rate" {
			want.rest = 1
		}
		compare(t, panel.Title+", before the first operation", p.ask(panel.Expr, at), want)
	}

	require.NoError(t, service.Script(t.Context(), "t1"))
	at = p.scraped(time.Now())
	for _, panel := range panels {
		showsScript(t, panel, p.ask(panel.Expr, at), seen, 1)
	}
	// The recording rules see it within a second, and the alerts, which read
	// what these recorded, within another.
	recorded := p.scraped(p.scraped(at).Add(time.Second))
	guideExamples(t, p, recorded, seen)
	for _, r := range allRules(t) {
		// Nothing was there six hours before.
		if r.Record != "" && !strings.HasSuffix(r.Record, "_before") {
			assert.NotEmpty(t, p.query(r.Record, recorded), r.Record)
		}
	}

	// The service starts anew: its counters begin at 0, and the panels go on.
	require.NoError(t, service.Restart())
	p.scraped(time.Now())
	require.NoError(t, service.Script(t.Context(), "t2"))
	at = p.scraped(time.Now())
	for _, panel := range panels {
		showsScript(t, panel, p.ask(panel.Expr, at), seen, 2)
	}
}

// showsScript compares a panel with what so many runs of the script do. Rates
// are over five minutes, which is longer than all of it.
func showsScript(t *testing.T, panel grafana.Panel, got map[string]float64, seen *observed, runs float64) {
	t.Helper()
	var want answer
	switch panel.Title {
	case "Operation success rate":
		want = answer{map[string]float64{"clone": 9. / 10, "push": 8. / 11, "status": 3. / 4}, 1}
	case "P95 latency by operation":
		want = answer{values: map[string]float64{}}
		for _, op := range []string{"clone", "push", "status", "diff", "log"} {
			want.values[op] = seen.quantile(0.95, op)
		}
	case "Active sandboxes":
		want.values = map[string]float64{"": 5} // 7 started, 2 ended
	case "Cache hit ratio":
		want.values = map[string]float64{"": 31. / 39}
	case "Operations per minute":
		want.values = map[string]float64{
			"clone": runs * 10 / 5, "push": runs * 11 / 5, "status": runs * 4 / 5, "diff": runs / 5, "log": runs / 5,
		}
	case "Error rate by type":
		want.values = map[string]float64{"conflict": 1. / 27, "other": 2. / 27, "auth": 1. / 27, "sandbox_not_found": 1. / 27}
	case "Sandbox creation time":
		// How many are below a second is the machine's affair, but for the one
		// that was held back.
		require.Len(t, got, 10, panel.Title)
		require.Contains(t, got, "1.0", panel.Title)
		assert.LessOrEqual(t, got["1.0"], 6*runs+1e-6, panel.Title)
		assert.InDelta(t, 7*runs, got["120.0"], 1e-6, panel.Title)
		assert.InDelta(t, 7*runs, got["+Inf"], 1e-6, panel.Title)
		return
	case "Estimated monthly cost":
		want.values = map[string]float64{"": 54.75} // 5 x 0.015 x 730
	case "Daily cost trend":
		want.values = map[string]float64{"": 1.8} // 5 x 0.015 x 24
	case "Operations distribution":
		want.values = map[string]float64{"clone": runs * 10, "push": runs * 11, "status": runs * 4, "diff": runs, "log": runs}
	case "Push retry attempts":
		want.values = map[string]float64{"1": runs * 3 / 5}
	case "Conflicts detected":
		want.values = map[string]float64{"push": runs / 5}
	default:
		t.Errorf("%s: what is it to show?", panel.Title)
	}
	compare(t, panel.Title, got, want)
}

func compare(t *testing.T, name string, got map[string]float64, want answer) {
	t.Helper()
	assert.NotEmpty(t, got, name)
	for label, v := range got {
		expected, listed := want.values[label]
		if !listed {
			expected = want.rest
		}
		assert.InDelta(t, expected, v, 1e-6, "%s: %s", name, label)
	}
	for label := range want.values {
		assert.Contains(t, got, label, name)
	}
}

func TestQuantileOfDurations(t *testing.T) {
	t.Parallel()
	o := &observed{durations: map[string][]float64{"push": append(slices.Repeat([]float64{0.3}, 20), 0.7)}}
	// 21 durations: rank 19.95, in the bucket from 0.1 to 0.5, which holds 20.
	assert.InDelta(t, 0.1+0.4*19.95/20, o.quantile(0.95, "push"), 1e-9)
	o.durations["push"] = append(o.durations["push"], 0.7)
	// 22: rank 20.9, in the bucket from 0.5 to 1, which holds 2.
	assert.InDelta(t, 0.5+0.5*0.9/2, o.quantile(0.95, "push"), 1e-9)
}

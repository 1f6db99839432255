package monitoring

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

// inbox is what a team's chat or pager would be: the receiver of an
// Alertmanager's notifications.
type inbox struct {
	mu              sync.Mutex
	fired, resolved map[string]servers.Alert
}

func (b *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var message struct {
		Alerts []struct {
			servers.Alert

			Status string `json:"status"`
		} `json:"alerts"`
	}
	if json.NewDecoder(r.Body).Decode(&message) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range message.Alerts {
		if a.Status == "firing" {
			b.fired[a.Name()] = a.Alert
			delete(b.resolved, a.Name())
		} else {
			b.resolved[a.Name()] = a.Alert
		}
	}
}

func (b *inbox) names() (fired, resolved []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.fired)), slices.Sorted(maps.Keys(b.resolved))
}

// startAlertmanager starts one that sends every alert on its own, at once.
func startAlertmanager(t *testing.T, tools *servers.Tools, dir string, receiver http.Handler) *servers.Alertmanager {
	t.Helper()
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	config := fmt.Sprintf(`route:
  receiver: inbox
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: inbox
    webhook_configs:
      - url: %s
`, server.URL)
	addr, err := servers.FreeAddr("")
	require.NoError(t, err)
	am, err := servers.StartAlertmanager(t.Context(), tools, dir, addr, []byte(config))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, am.Close()) })
	return am
}

const (
	// pastLength is how much history there is: more than the longest window
	// that a burst of a few hours needs.
	pastLength = 7 * time.Hour
	pastStep   = 15 * time.Second

	// refusedAgo is when pushes were refused: soon it is more than the quarter of
	// an hour ago that the alert looks back on.
	refusedAgo = 13*time.Minute + 15*time.Second

	// healing bounds the wait until all is well.
	healing = 3 * time.Minute
)

// badHours are seven hours of a service that ends up with every alert that a
// service can bring about.
func badHours() history {
	duration := func(le string, perMinute float64) (string, func(time.Duration) (float64, bool)) {
		return fmt.Sprintf("git_operation_duration_seconds_bucket{operation=\"clone\",le=%q}", le), steady(perMinute, pastLength)
	}
	h := history{
		`git_operation_total{operation="push",status="success"}`:  steady(8, pastLength),
		`git_operation_total{operation="push",status="failure"}`:  steady(2, pastLength),
		`git_errors_total{operation="push",error_type="network"}`: steady(2, pastLength),
		`git_push_retry_count_total{attempt="1"}`:                 steady(2, 25*time.Minute),
		`git_conflicts_detected_total{operation="push"}`:          steady(1, 25*time.Minute),
		`active_sandboxes_total`:                                  constant(11),
		`estimated_cost_dollars{period="monthly"}`:                constant(120.45),
		`sandbox_cache_hits_total`:                                steady(4, pastLength),
		`sandbox_cache_misses_total`:                              steady(6, pastLength),
		`sandbox_creation_seconds_bucket{le="10"}`:                steady(0, pastLength),
		`sandbox_creation_seconds_bucket{le="20"}`:                steady(3, pastLength),
		`sandbox_creation_seconds_bucket{le="+Inf"}`:              steady(3, pastLength),
		`gitsandbox_pack_checks_total{result="passed"}`:           steady(3, pastLength),
		`gitsandbox_pack_checks_total{result="refused"}`:          steady(3, pastLength),
		`gitsandbox_policy_refusals_total{rule="protected_path"}`: burst(10, refusedAgo),
	}
	for le, perMinute := range map[string]float64{"5": 0, "10": 4, "+Inf": 4} {
		name, value := duration(le, perMinute)
		h[name] = value
	}
	return h
}

// burst is a counter that went up by n at once.
func burst(n float64, when time.Duration) func(time.Duration) (float64, bool) {
	return func(ago time.Duration) (float64, bool) {
		if ago < when {
			return n, true
		}
		return 0, true
	}
}

// flood is the service after it has mended and done so much good work that the
// bad hours hardly count.
func (h history) flood() history {
	const much = 1e7
	good := history{}
	for name, value := range h {
		now, _ := value(0)
		switch {
		case strings.Contains(name, "success"), strings.Contains(name, "_bucket"), strings.Contains(name, "hits"), strings.Contains(name, "passed"):
			now += much
		case name == "active_sandboxes_total":
			now = 5
		case strings.HasPrefix(name, "estimated_cost"):
			now = 54.75
		}
		good[name] = constant(now)
	}
	return good
}

func TestAlertsFireAndResolve(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	addr, err := servers.FreeAddr("")
	require.NoError(t, err)
	box := &inbox{fired: map[string]servers.Alert{}, resolved: map[string]servers.Alert{}}
	am := startAlertmanager(t, tools, t.TempDir(), box)
	past, dir := badHours(), t.TempDir()
	past.backfill(t, tools, dir, time.Now(), pastLength, pastStep, addr)
	p := startPrometheus(t, tools, dir, strings.TrimPrefix(am.URL(), "http://"))

	var all []string
	for _, a := range alerts(t) {
		all = append(all, a.Alert)
	}
	slices.Sort(all)
	const down, absent = "GitSandboxTargetDown", "GitSandboxNotScraped"

	// There is no target, and the past was bad.
	most := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == down })
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		fired, _ := box.names()
		assert.Equal(c, most, fired)
	}, patience, poll)

	// There is a target, and it does not answer.
	p.scrape(addr)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		fired, resolved := box.names()
		assert.Equal(c, all, fired)
		assert.Contains(c, resolved, absent)
	}, patience, poll)
	active, err := am.Alerts(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(active), len(all)-2, "Alertmanager shows them")

	// It answers, and all is well.
	good := past.flood().exposition()
	listenAgain(t, addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(good)
	}))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, resolved := box.names()
		assert.Equal(c, all, resolved)
	}, healing, poll)
	active, err = am.Alerts(t.Context())
	require.NoError(t, err)
	assert.Empty(t, active)

	told := box.fired["GitSandboxErrorRateHigh"]
	assert.Equal(t, "push of gitsandbox fails", told.Annotations["summary"])
	assert.Equal(t, "20% of push fail; the threshold is 10 %.", told.Annotations["description"])
	assert.Equal(t, guide+"#gitsandboxerrorratehigh", told.Annotations["runbook_url"])
	assert.Equal(t, "scale_up", told.Labels["criterion"])
}

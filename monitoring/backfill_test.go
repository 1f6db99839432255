package monitoring

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

// history are the values of series over time, by name with labels but for
// job and instance. A value is a function of the time before the present.
type history map[string]func(ago time.Duration) (value float64, ok bool)

// steady is a counter that grew by n per minute since start.
func steady(perMinute float64, start time.Duration) func(time.Duration) (float64, bool) {
	return func(ago time.Duration) (float64, bool) { return max(0, (start-ago).Minutes()) * perMinute, true }
}

// constant is a gauge.
func constant(v float64) func(time.Duration) (float64, bool) {
	return func(time.Duration) (float64, bool) { return v, true }
}

// openMetrics writes the history as promtool reads it.
func (h history) openMetrics(now time.Time, length, step time.Duration, instance string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for ago := length; ago >= 0; ago -= step {
			if v, ok := h[name](ago); ok {
				fmt.Fprintf(&b, "%s %g %d\n", labelled(name, fmt.Sprintf("job=%q,instance=%q", Job, instance)), v, now.Add(-ago).Unix())
			}
		}
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}

// exposition is what a service shows at the end of the history.
func (h history) exposition() []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if v, ok := h[name](0); ok {
			fmt.Fprintf(&b, "%s %g\n", name, v)
		}
	}
	return b.Bytes()
}

// labelled adds labels to a name that may have some.
func labelled(name, labels string) string {
	if base, ok := strings.CutSuffix(name, "}"); ok {
		return base + "," + labels + "}"
	}
	return name + "{" + labels + "}"
}

// backfill makes the data of a Prometheus in dir, as if it had scraped the
// history until now.
func (h history) backfill(t *testing.T, tools *servers.Tools, dir string, now time.Time, length, step time.Duration, instance string) {
	t.Helper()
	file := filepath.Join(dir, "history.txt")
	require.NoError(t, os.WriteFile(file, h.openMetrics(now, length, step, instance), 0o600))
	check(t, tools, "promtool", "tsdb", "create-blocks-from", "openmetrics", file, filepath.Join(dir, "data"))
}

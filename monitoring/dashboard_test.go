package monitoring

import (
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
)

func readPanels(t *testing.T) []grafana.Panel {
	t.Helper()
	panels, err := grafana.Read(readFile(t, "dashboards/gitsandbox.json"))
	require.NoError(t, err)
	return panels
}

func TestDashboardHasTheTwelvePanels(t *testing.T) {
	t.Parallel()
	var titles []string
	for _, p := range readPanels(t) {
		titles = append(titles, p.Title+": "+p.Kind)
	}
	assert.Equal(t, []string{
		"Operation success rate: timeseries",
		"P95 latency by operation: timeseries",
		"Active sandboxes: stat",
		"Cache hit ratio: timeseries",
		"Operations per minute: timeseries",
		"Error rate by type: timeseries",
		"Sandbox creation time: heatmap",
		"Estimated monthly cost: stat",
		"Daily cost trend: timeseries",
		"Operations distribution: piechart",
		"Push retry attempts: timeseries",
		"Conflicts detected: timeseries",
	}, titles)
}

// strict reads a dashboard as Grafana's schema has it. The SDK returns an error
// that is a nil pointer where there is none, hence the look at its text.
func strict(data []byte) error {
	var d dashboard.Dashboard //nolint:staticcheck // see Dashboard
	if err := d.UnmarshalJSONStrict(data); err != nil && err.Error() != "" {
		return err
	}
	if err := d.Validate(); err != nil && err.Error() != "" {
		return err
	}
	return nil
}

func TestDashboardIsOneOfGrafanas(t *testing.T) { //nolint:paralleltest // the SDK's registry is global
	plugins.RegisterDefaultPlugins()
	data := readFile(t, "dashboards/gitsandbox.json")
	require.NoError(t, strict(data))
	for _, wrong := range [][2]string{
		{`"editable": false`, `"editable": "no"`},
		{`"thresholdsStyle"`, `"thresholdStyle"`},
		{`"title": "Cache hit ratio"`, `"titel": "Cache hit ratio"`},
		{`"schemaVersion": 42`, `"schemaVersion": "42"`},
	} {
		require.Contains(t, string(data), wrong[0])
		require.Error(t, strict([]byte(strings.Replace(string(data), wrong[0], wrong[1], 1))), wrong[1])
	}
}

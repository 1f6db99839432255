package monitoring

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// panel is what the tests read of a panel in the file.
type panel struct {
	title, kind, expr, legend string
}

func readPanels(t *testing.T) []panel {
	t.Helper()
	var file struct {
		Panels []struct {
			Title   string `json:"title"`
			Type    string `json:"type"`
			Targets []struct {
				Expr         string `json:"expr"`
				LegendFormat string `json:"legendFormat"`
			} `json:"targets"`
		} `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(readFile(t, "dashboards/gitsandbox.json"), &file))
	var out []panel
	for _, p := range file.Panels {
		require.Len(t, p.Targets, 1, p.Title)
		out = append(out, panel{p.Title, p.Type, p.Targets[0].Expr, p.Targets[0].LegendFormat})
	}
	return out
}

func TestDashboardHasTheTwelvePanels(t *testing.T) {
	t.Parallel()
	var titles []string
	for _, p := range readPanels(t) {
		titles = append(titles, p.title+": "+p.kind)
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

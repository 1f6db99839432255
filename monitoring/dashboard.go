package monitoring

import (
	"encoding/json"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// Dashboard returns the dashboard as Grafana's JSON. It has a variable each for
// the data source, the job and the instance, and one query per panel.
func Dashboard() ([]byte, error) {
	//nolint:staticcheck // the newer schema needs Grafana 12; this one loads in all
	b := dashboard.NewDashboardBuilder("gitsandbox").
		Uid("gitsandbox").
		Description("Agents' git sandboxes: latency, errors, conflicts, cache and cost. Guide: "+guide).
		Tags([]string{"gitsandbox", "e2b", "git"}).
		Readonly().
		Time("now-6h", "now").
		Refresh("30s").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(labelVariable("job", "Job", "label_values(git_operation_total, job)")).
		WithVariable(labelVariable("instance", "Instance", `label_values(git_operation_total{job=~"$job"}, instance)`))
	for _, p := range panels() {
		b.WithPanel(p)
	}
	d, err := b.Build()
	if err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(d, "", "  ")
	return append(out, '\n'), err
}

// source is the data source that the user of the dashboard picks.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

func labelVariable(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).
		Label(label).
		Datasource(source()).
		Query(dashboard.StringOrMap{String: &query}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).
		IncludeAll(true).
		AllValue(".+").
		Current(dashboard.VariableOption{
			Selected: new(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		})
}

// query makes a target. In expr, SEL stands for the matchers of the variables
// and W for the range of a rate.
func query(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().
		Datasource(source()).
		RefId("A").
		Expr(strings.NewReplacer("SEL", `job=~"$job",instance=~"$instance"`, "W", "$__rate_interval").Replace(expr)).
		LegendFormat(legend).
		EditorMode(prometheus.QueryEditorModeCode).
		Range()
}

// levels colours what lies at or above each value.
func levels(base string, steps ...dashboard.Threshold) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().
		Mode(dashboard.ThresholdsModeAbsolute).
		Steps(append([]dashboard.Threshold{{Color: base}}, steps...))
}

func at(value float64, color string) dashboard.Threshold {
	return dashboard.Threshold{Value: &value, Color: color}
}

package monitoring

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/piechart"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// The colours of good, of a warning and of trouble.
const (
	green  = "green"
	orange = "orange"
	red    = "red"
)

// panels are those of the dashboard, in reading order: three to a row.
func panels() []cog.Builder[dashboard.Panel] {
	return []cog.Builder[dashboard.Panel]{
		lines("Operation success rate",
			"Share of the operations that succeeded, of those that ended. 100 % where none did.",
			units.PercentUnit,
			query(`1 - sum by (operation) (rate(git_operation_total{SEL,status="failure"}[W])) / clamp_min(sum by (operation) (rate(git_operation_total{SEL,status=~"success|failure"}[W])), 1e-9)`, "{{operation}}")).
			Min(0).Max(1).
			Thresholds(levels(red, at(1-ErrorRatio, green))),
		lines("P95 latency by operation",
			"Time that 95 % of the operations stay below, with all their attempts. 0 where none ended.",
			units.Seconds,
			query(`histogram_quantile(0.95, sum by (operation, le) (rate(git_operation_duration_seconds_bucket{SEL}[W]))) >= 0 or sum by (operation) (rate(git_operation_duration_seconds_count{SEL}[W])) * 0`, "{{operation}}")).
			Min(0).
			Thresholds(levels(green, at(LatencySeconds, red))),
		value("Active sandboxes",
			"Sandboxes that the services keep now. Each costs money until it has ended.",
			units.Short,
			query(`sum(active_sandboxes_total{SEL})`, "active")).
			Thresholds(levels(green, at(ActiveSandboxes, orange), at(ActiveSandboxes+1, red))),

		lines("Cache hit ratio",
			"Share of the look-ups that found a sandbox's record. 0 where nobody looked.",
			units.PercentUnit,
			query(`sum(rate(sandbox_cache_hits_total{SEL}[W])) / clamp_min(sum(rate(sandbox_cache_hits_total{SEL}[W])) + sum(rate(sandbox_cache_misses_total{SEL}[W])), 1e-9)`, "hits")).
			Min(0).Max(1).
			Thresholds(levels(red, at(1-CacheMissRatio, green))),
		lines("Operations per minute",
			"Operations that began.",
			units.OpsPerMinute,
			query(`60 * sum by (operation) (rate(git_operation_total{SEL,status="started"}[W]))`, "{{operation}}")).
			Min(0),
		lines("Error rate by type",
			"Failed operations by type of error, as a share of all that ended.",
			units.PercentUnit,
			query(`sum by (error_type) (rate(git_errors_total{SEL}[W])) / on () group_left () clamp_min(sum(rate(git_operation_total{SEL,status=~"success|failure"}[W])), 1e-9)`, "{{error_type}}")).
			Min(0).
			Thresholds(levels(green, at(ErrorRatio, red))),

		heat("Sandbox creation time",
			"How many sandboxes took how long to start.",
			query(`sum by (le) (increase(sandbox_creation_seconds_bucket{SEL}[W]))`, "{{le}}")),
		value("Estimated monthly cost",
			"Cost of 730 hours if what runs now went on.",
			units.Dollars,
			query(`sum(estimated_cost_dollars{SEL,period="monthly"})`, "monthly")).
			Thresholds(levels(green, at(MonthlyCostDollars, orange), at(MonthlyBudgetDollars, red))),
		lines("Daily cost trend",
			"Cost of 24 hours if what ran at that moment went on.",
			units.Dollars,
			query(`sum(estimated_cost_dollars{SEL,period="daily"})`, "daily")).
			Min(0).NoValue("unknown"),

		pie("Operations distribution",
			"Operations that began in the time that the dashboard shows.",
			query(`sum by (operation) (increase(git_operation_total{SEL,status="started"}[$__range]))`, "{{operation}}")),
		lines("Push retry attempts",
			"Further attempts of pushes per minute, by their number.",
			units.CountsPerMinute,
			query(`60 * sum by (attempt) (rate(git_push_retry_count_total{SEL}[W]))`, "attempt {{attempt}}")).
			Min(0),
		lines("Conflicts detected",
			"Conflicts per minute, kept and undone ones, by operation.",
			units.CountsPerMinute,
			query(`60 * sum by (operation) (rate(git_conflicts_detected_total{SEL}[W]))`, "{{operation}}")).
			Min(0),
	}
}

const (
	panelHeight = 8
	panelWidth  = 8 // a row has 24
)

func lines(title, description, unit string, q *prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().
		Title(title).Description(description).
		Datasource(source()).
		Height(panelHeight).Span(panelWidth).
		Unit(unit).
		LineWidth(1).FillOpacity(10).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed)).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).ShowLegend(true).
			Calcs([]string{"lastNotNull", "max"}).SortBy("Max").SortDesc(true)).
		WithTarget(q)
}

func value(title, description, unit string, q *prometheus.DataqueryBuilder) *stat.PanelBuilder {
	return stat.NewPanelBuilder().
		Title(title).Description(description).
		Datasource(source()).
		Height(panelHeight).Span(panelWidth).
		Unit(unit).
		NoValue("unknown").
		GraphMode(common.BigValueGraphModeArea).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		WithTarget(q)
}

func heat(title, description string, q *prometheus.DataqueryBuilder) *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().
		Title(title).Description(description).
		Datasource(source()).
		Height(panelHeight).Span(panelWidth).
		Calculate(false).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).
		Unit(units.Short).
		WithTarget(q.Format(prometheus.PromQueryFormatHeatmap))
}

func pie(title, description string, q *prometheus.DataqueryBuilder) *piechart.PanelBuilder {
	return piechart.NewPanelBuilder().
		Title(title).Description(description).
		Datasource(source()).
		Height(panelHeight).Span(panelWidth).
		Unit(units.Short).Decimals(0).
		PieType(piechart.PieChartTypeDonut).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Legend(piechart.NewPieChartLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementRight).ShowLegend(true).
			Values([]piechart.PieChartLegendValues{piechart.PieChartLegendValuesValue, piechart.PieChartLegendValuesPercent})).
		WithTarget(q.Instant())
}

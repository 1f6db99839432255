package monitoring

import (
	"fmt"
	"iter"
)

// RuleOptions are the options of [Rules] and [Alerts].
type RuleOptions struct {
	// Eager leaves out the times that an alert has to hold before it fires,
	// and lets every group be evaluated at the global interval. It is for
	// demonstrations and tests. Default false.
	Eager bool
}

// finished selects the operations that have ended, one way or the other.
const finished = `git_operation_total{status=~"success|failure"}`

// tiny keeps a ratio of nothing by nothing at 0: no counter that moves is
// slower than once in thirty years.
const tiny = "1e-9"

// burnWindows are the windows of the burn-rate alerts.
var burnWindows = []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} //nolint:gochecknoglobals // a constant list

// Rules returns the recording rules. The names say level, metric and
// operation, as Prometheus's guide asks. Nil opts mean the defaults.
func Rules(opts *RuleOptions) ([]byte, error) {
	operations := ruleGroup{Name: "gitsandbox.operations", Rules: []rule{
		{
			Record: "job_operation:git_operation_success:ratio_rate5m",
			Expr:   `1 - job_operation:git_operation_failure:ratio_rate5m`,
		},
		{
			Record: "job:git_operation_success:ratio_rate5m",
			Expr: `1 - ` + ratio(
				`sum by (job) (rate(git_operation_total{status="failure"}[5m]))`,
				`sum by (job) (rate(`+finished+`[5m]))`),
		},
	}}
	failure := rule{
		Record: "job_operation:git_operation_failure:ratio_rate5m",
		Expr: ratio(
			`sum by (job, operation) (rate(git_operation_total{status="failure"}[5m]))`,
			`sum by (job, operation) (rate(`+finished+`[5m]))`),
	}
	operations.Rules = append([]rule{failure}, operations.Rules...)
	for _, q := range []struct{ name, quantile string }{{"p50", "0.5"}, {"p95", "0.95"}, {"p99", "0.99"}} {
		operations.Rules = append(operations.Rules, rule{
			Record: "job_operation:git_operation_duration_seconds:" + q.name + "_5m",
			Expr:   quantile(q.quantile, "job, operation", "git_operation_duration_seconds", "5m"),
		})
	}

	sandboxes := ruleGroup{Name: "gitsandbox.sandboxes", Rules: []rule{
		{
			Record: "job:sandbox_cache_hit:ratio_rate5m",
			Expr: ratio(
				`sum by (job) (rate(sandbox_cache_hits_total[5m]))`,
				`(sum by (job) (rate(sandbox_cache_hits_total[5m])) + sum by (job) (rate(sandbox_cache_misses_total[5m])))`),
		},
		{
			Record: "job:sandbox_cache_miss:ratio_rate5m",
			Expr: ratio(
				`sum by (job) (rate(sandbox_cache_misses_total[5m]))`,
				`(sum by (job) (rate(sandbox_cache_hits_total[5m])) + sum by (job) (rate(sandbox_cache_misses_total[5m])))`),
		},
		{
			Record: "job:sandbox_creation_seconds:p95_5m",
			Expr:   quantile("0.95", "job", "sandbox_creation_seconds", "5m"),
		},
		{
			Record: "job:active_sandboxes:sum",
			Expr:   `sum by (job) (active_sandboxes_total)`,
		},
		{
			Record: "job_period:estimated_cost_dollars:sum",
			Expr:   `sum by (job, period) (estimated_cost_dollars)`,
		},
	}}

	// The last half hour, and the six hours before it.
	trends := ruleGroup{Name: "gitsandbox.trends"}
	for name, w := range trendWindows() {
		trends.Rules = append(trends.Rules,
			rule{
				Record: "job:git_push_retry:ratio_rate" + name,
				Expr: ratio(
					`sum by (job) (rate(git_push_retry_count_total`+w+`))`,
					`sum by (job) (rate(git_operation_total{operation="push",status=~"success|failure"}`+w+`))`),
			},
			rule{
				Record: "job_operation:git_conflict:ratio_rate" + name,
				Expr: ratio(
					`sum by (job, operation) (rate(git_conflicts_detected_total`+w+`))`,
					`sum by (job, operation) (rate(`+finished+w+`))`),
			})
	}
	trends.Rules = append(trends.Rules, rule{
		Record: "job:gitsandbox_pack_check_refused:ratio_rate15m",
		Expr: ratio(
			`sum by (job) (rate(gitsandbox_pack_checks_total{result="refused"}[15m]))`,
			`sum by (job) (rate(gitsandbox_pack_checks_total[15m]))`),
	})

	// A window of days over many series is work: once a minute is enough.
	burn := ruleGroup{Name: "gitsandbox.burn", Interval: "1m"}
	for _, w := range burnWindows {
		burn.Rules = append(burn.Rules, rule{
			Record: "job:gitsandbox_failure:ratio_rate" + w,
			Expr: ratio(
				`sum by (job) (rate(git_errors_total{error_type!="conflict"}[`+w+`]))`,
				`sum by (job) (rate(`+finished+`[`+w+`]))`),
		})
	}
	return encode(opts, operations, sandboxes, trends, burn)
}

// trendWindows are names and ranges of what the alerts on trends compare.
func trendWindows() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		_ = yield("30m", "[30m]") && yield("6h_before", "[6h] offset 30m")
	}
}

// ratio divides rates. Where nothing happened it is 0, not a gap.
func ratio(part, whole string) string {
	return fmt.Sprintf("%s\n/\nclamp_min(%s, %s)", part, whole, tiny)
}

// quantile is of a classic histogram. Where nothing happened it is absent.
func quantile(q, by, metric, window string) string {
	return fmt.Sprintf("histogram_quantile(%s, sum by (%s, le) (rate(%s_bucket[%s]))) >= 0", q, by, metric, window)
}

func encode(opts *RuleOptions, groups ...ruleGroup) ([]byte, error) {
	f := ruleFile{Groups: groups}
	if opts != nil && opts.Eager {
		for i := range f.Groups {
			f.Groups[i].Interval = ""
			for j := range f.Groups[i].Rules {
				f.Groups[i].Rules[j].For = ""
			}
		}
	}
	return f.encode()
}

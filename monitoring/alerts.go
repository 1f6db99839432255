package monitoring

import (
	"fmt"
	"strconv"
	"strings"
)

// Job is the value of the label job that the alerts about missing scrapes look
// for. The other alerts take any.
const Job = "gitsandbox"

// guide is where the runbooks are.
const guide = "https://github.com/gitsandbox/gitsandbox/blob/main/monitoring/README.md"

// alert makes a rule whose runbook is the section of the guide that has the
// alert's name.
func alert(name, severity, hold, summary, description, expr string) rule {
	return rule{
		Alert: name, Expr: expr, For: hold,
		Labels: map[string]string{"severity": severity},
		Annotations: map[string]string{
			"summary":     summary,
			"description": description,
			"runbook_url": guide + "#" + strings.ToLower(name),
		},
	}
}

// scaleUp marks an alert as one of the criteria by which a team decides to
// scale up.
func scaleUp(r rule) rule {
	r.Labels["criterion"] = "scale_up"
	return r
}

// Alerts returns the alerts. They use what [Rules] records. Nil opts mean the
// defaults.
//
// No single event fires an alert on a ratio: it holds for longer than its
// window, or asks for a number of events.
func Alerts(opts *RuleOptions) ([]byte, error) {
	scale := ruleGroup{Name: "gitsandbox.scale_up", Rules: []rule{
		scaleUp(alert("GitSandboxLatencyHigh", "warning", "10m",
			"{{ $labels.operation }} of {{ $labels.job }} is slow",
			fmt.Sprintf("P95 of {{ $labels.operation }} is {{ $value | humanizeDuration }}; the threshold is %v s.", LatencySeconds),
			fmt.Sprintf("job_operation:git_operation_duration_seconds:p95_5m > %v", LatencySeconds))),
		scaleUp(alert("GitSandboxErrorRateHigh", "critical", "10m",
			"{{ $labels.operation }} of {{ $labels.job }} fails",
			fmt.Sprintf("{{ $value | humanizePercentage }} of {{ $labels.operation }} fail; the threshold is %s.", percent(ErrorRatio)),
			fmt.Sprintf("job_operation:git_operation_failure:ratio_rate5m > %v", ErrorRatio))),
		scaleUp(alert("GitSandboxActiveSandboxesHigh", "warning", "10m",
			"{{ $labels.job }} keeps many sandboxes",
			fmt.Sprintf("{{ $value }} sandboxes are active; the threshold is %v.", ActiveSandboxes),
			fmt.Sprintf("job:active_sandboxes:sum > %v", ActiveSandboxes))),
		scaleUp(alert("GitSandboxMonthlyCostHigh", "warning", "30m",
			"{{ $labels.job }} spends too fast",
			fmt.Sprintf("What runs now costs ${{ printf \"%%.2f\" $value }} a month; the threshold is $%v of a budget of $%v.",
				MonthlyCostDollars, MonthlyBudgetDollars),
			fmt.Sprintf(`job_period:estimated_cost_dollars:sum{period="monthly"} > %v`, MonthlyCostDollars))),
		scaleUp(alert("GitSandboxCacheMissRatioHigh", "warning", "15m",
			"The cache of {{ $labels.job }} misses",
			fmt.Sprintf("{{ $value | humanizePercentage }} of the look-ups miss; the threshold is %s.", percent(CacheMissRatio)),
			fmt.Sprintf("job:sandbox_cache_miss:ratio_rate5m > %v", CacheMissRatio))),
	}}

	work := ruleGroup{Name: "gitsandbox.work", Rules: []rule{
		alert("GitSandboxPushRetriesRising", "warning", "5m",
			"Pushes of {{ $labels.job }} need more attempts",
			"There are {{ printf \"%.2f\" $value }} further attempts per push in the last half hour, more than twice as many as before.",
			rising("job:git_push_retry:ratio_rate", RetryRatio,
				"sum by (job) (increase(git_push_retry_count_total[30m]))")),
		alert("GitSandboxConflictsRising", "warning", "5m",
			"{{ $labels.operation }} of {{ $labels.job }} meets more conflicts",
			"{{ $value | humanizePercentage }} of {{ $labels.operation }} met a conflict in the last half hour, more than twice as many as before.",
			rising("job_operation:git_conflict:ratio_rate", ConflictRatio,
				"sum by (job, operation) (increase(git_conflicts_detected_total[30m]))")),
		alert("GitSandboxCreationSlow", "warning", "10m",
			"Sandboxes of {{ $labels.job }} start slowly",
			fmt.Sprintf("P95 of the start of a sandbox is {{ $value | humanizeDuration }}; the threshold is %v s.", CreationSeconds),
			fmt.Sprintf("job:sandbox_creation_seconds:p95_5m > %v", CreationSeconds)),
		alert("GitSandboxRelayRefusing", "critical", "1m",
			"The relay of {{ $labels.job }} refuses packs",
			"{{ $value | humanizePercentage }} of the packs that sandboxes sent in the last quarter of an hour did not pass the checks.",
			fmt.Sprintf("job:gitsandbox_pack_check_refused:ratio_rate15m > %v\nand\n"+
				`sum by (job) (increase(gitsandbox_pack_checks_total{result="refused"}[15m])) >= %d`, PackRefusalRatio, RefusalEvents)),
		alert("GitSandboxPolicyRefusing", "warning", "1m",
			"The push policy of {{ $labels.job }} refuses pushes",
			"The rule {{ $labels.rule }} refused {{ printf \"%.0f\" $value }} pushes in the last quarter of an hour.",
			// A push that is not a fast-forward is rebased: no refusal in the end.
			fmt.Sprintf(`sum by (job, rule) (increase(gitsandbox_policy_refusals_total{rule!="fast_forward"}[15m])) >= %d`, RefusalEvents)),
	}}

	scrape := ruleGroup{Name: "gitsandbox.scrape", Rules: []rule{
		alert("GitSandboxTargetDown", "critical", "2m",
			"{{ $labels.instance }} of {{ $labels.job }} is not scraped",
			"Prometheus gets no metrics from {{ $labels.instance }}.",
			fmt.Sprintf(`up{job=%q} == 0`, Job)),
		alert("GitSandboxNotScraped", "critical", "5m",
			"Nothing of gitsandbox is scraped",
			fmt.Sprintf("Prometheus has no target of the job %q, so no other alert can fire.", Job),
			fmt.Sprintf(`absent(up{job=%q})`, Job)),
	}}

	burn := ruleGroup{Name: "gitsandbox.objective", Interval: "1m", Rules: []rule{
		alert("GitSandboxErrorBudgetBurnFast", "critical", "2m",
			"{{ $labels.job }} uses up its error budget within days",
			fmt.Sprintf("{{ $value | humanizePercentage }} of the operations fail, conflicts apart; the objective allows %s.", percent(1-SuccessObjective)),
			burning("6h", burnPair("1h", "5m", 14.4), burnPair("6h", "30m", 6))),
		alert("GitSandboxErrorBudgetBurnSlow", "warning", "15m",
			"{{ $labels.job }} uses up its error budget before the month is over",
			fmt.Sprintf("{{ $value | humanizePercentage }} of the operations fail, conflicts apart; the objective allows %s.", percent(1-SuccessObjective)),
			burning("3d", burnPair("1d", "2h", 3), burnPair("3d", "6h", 1))),
	}}
	return encode(opts, scale, work, scrape, burn)
}

// rising holds where the last half hour is bad, not for want of events, unless
// the six hours before it were nearly as bad.
func rising(record string, threshold float64, events string) string {
	return fmt.Sprintf("(\n  %s30m > %v\n  and\n  %s >= %d\n)\nunless\n%s30m <= %d * %s6h_before",
		record, threshold, events, RisingEvents, record, RisingFactor, record)
}

// burnPair holds where the budget is used up factor times as fast as the
// objective allows, over a long window and still over a short one.
func burnPair(long, short string, factor float64) string {
	limit := strconv.FormatFloat(factor*(1-SuccessObjective), 'g', 3, 64)
	return fmt.Sprintf("  (\n    job:gitsandbox_failure:ratio_rate%s > %s\n    and\n    job:gitsandbox_failure:ratio_rate%s > %s\n  )",
		long, limit, short, limit)
}

// burning holds where one of two pairs does, and not for want of failures.
func burning(window, fast, slow string) string {
	return fmt.Sprintf("(\n%s\n  or\n%s\n)\nand\nsum by (job) (increase(git_errors_total{error_type!=\"conflict\"}[%s])) >= %d",
		fast, slow, window, BurnEvents)
}

func percent(ratio float64) string {
	return strconv.FormatFloat(100*ratio, 'g', 3, 64) + " %"
}

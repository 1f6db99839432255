package monitoring

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	require.NoError(t, err)
	return data
}

// allRules are those of the files.
func allRules(t *testing.T) []rule {
	t.Helper()
	var rules []rule
	for _, name := range []string{"rules/gitsandbox.rules.yaml", "rules/gitsandbox.alerts.yaml"} {
		var f ruleFile
		require.NoError(t, yaml.Unmarshal(readFile(t, name), &f))
		for _, g := range f.Groups {
			rules = append(rules, g.Rules...)
		}
	}
	return rules
}

func alerts(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(allRules(t), func(r rule) bool { return r.Alert == "" })
}

func TestGeneratedFilesAreWhatTheCodeMakes(t *testing.T) {
	t.Parallel()
	files, err := Files()
	require.NoError(t, err)
	for name, want := range files {
		assert.Equal(t, string(want), string(readFile(t, name)), "%s: run go generate", name)
	}
}

func TestAlertsAreThoseOfTheGuide(t *testing.T) {
	t.Parallel()
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
	}
	assert.Equal(t, []string{
		"GitSandboxLatencyHigh", "GitSandboxErrorRateHigh", "GitSandboxActiveSandboxesHigh", "GitSandboxMonthlyCostHigh",
		"GitSandboxCacheMissRatioHigh", "GitSandboxPushRetriesRising", "GitSandboxConflictsRising", "GitSandboxCreationSlow",
		"GitSandboxRelayRefusing", "GitSandboxPolicyRefusing", "GitSandboxTargetDown", "GitSandboxNotScraped",
		"GitSandboxErrorBudgetBurnFast", "GitSandboxErrorBudgetBurnSlow",
	}, names)
}

func TestFiveAlertsAreCriteriaForScalingUp(t *testing.T) {
	t.Parallel()
	exprs := map[string]string{}
	for _, a := range alerts(t) {
		if a.Labels["criterion"] == "scale_up" {
			exprs[a.Alert] = a.Expr
		}
	}
	assert.Equal(t, map[string]string{
		"GitSandboxLatencyHigh":         "job_operation:git_operation_duration_seconds:p95_5m > 5",
		"GitSandboxErrorRateHigh":       "job_operation:git_operation_failure:ratio_rate5m > 0.1",
		"GitSandboxActiveSandboxesHigh": "job:active_sandboxes:sum > 10",
		"GitSandboxMonthlyCostHigh":     `job_period:estimated_cost_dollars:sum{period="monthly"} > 75`,
		"GitSandboxCacheMissRatioHigh":  "job:sandbox_cache_miss:ratio_rate5m > 0.5",
	}, exprs)
}

func TestEagerAlertsDifferOnlyInTheirTimes(t *testing.T) {
	t.Parallel()
	eager, err := Alerts(&RuleOptions{Eager: true})
	require.NoError(t, err)
	var kept []string
	for line := range strings.Lines(string(readFile(t, "rules/gitsandbox.alerts.yaml"))) {
		if trimmed := strings.TrimSpace(line); !strings.HasPrefix(trimmed, "for:") && !strings.HasPrefix(trimmed, "interval:") {
			kept = append(kept, line)
		}
	}
	assert.Equal(t, strings.Join(kept, ""), string(eager))
}

// ruleTests is what these tests read of a file for promtool.
type ruleTests struct {
	Tests []struct {
		Name           string `yaml:"name"`
		AlertRuleTests []struct {
			Alertname string `yaml:"alertname"`
			ExpAlerts []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

func TestEachAlertIsTestedFiringAndSilent(t *testing.T) {
	t.Parallel()
	var f ruleTests
	require.NoError(t, yaml.Unmarshal(readFile(t, "rules/gitsandbox_test.yaml"), &f))
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range f.Tests {
		require.NotEmpty(t, test.AlertRuleTests, test.Name)
		// A test may look while the alert is pending; its last look counts.
		last := test.AlertRuleTests[len(test.AlertRuleTests)-1]
		if len(last.ExpAlerts) > 0 {
			fires[last.Alertname] = true
		} else {
			silent[last.Alertname] = true
		}
	}
	for _, a := range alerts(t) {
		assert.True(t, fires[a.Alert], "%s: no test in which it fires", a.Alert)
		assert.True(t, silent[a.Alert], "%s: no test in which it is silent", a.Alert)
	}
}

func TestRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	check(t, tools, "promtool", "check", "rules", "--lint=all", "--lint-fatal", "rules/gitsandbox.rules.yaml", "rules/gitsandbox.alerts.yaml")
	check(t, tools, "promtool", "test", "rules", "rules/gitsandbox_test.yaml")
}

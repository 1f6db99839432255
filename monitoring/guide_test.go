package monitoring

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// examples are the PromQL examples of the guide, by the comment that they
// begin with.
func examples(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```promql\n# ([^\n]+)\n(.*?)```").FindAllStringSubmatch(string(readFile(t, "README.md")), -1) {
		found[m[1]] = m[2]
	}
	assert.Len(t, found, strings.Count(string(readFile(t, "README.md")), "```promql"), "each has a name of its own")
	return found
}

// guideExamples compares the examples with what one run of the script did.
func guideExamples(t *testing.T, p *proof, at time.Time, seen *observed) {
	t.Helper()
	one := func(v float64) map[string]float64 { return map[string]float64{"": v} }
	want := map[string]map[string]float64{
		"Success rate of pushes": one(8. / 11),
		"Failures by operation and type": {
			"conflict push": 1, "other push": 1, "auth push": 1, "other clone": 1, "sandbox_not_found status": 1,
		},
		"Attempts per push":                      one(14. / 11), // 3 took a second one
		"Pushes that took more than one attempt": one(3),
		"P99 of clones":                          one(seen.quantile(0.99, "clone")),
		"Failed requests":                        {"remote": 2, "control": 0, "sandbox": 0}, // the password, the repository that is not there
		"Sandboxes by source":                    {"created": 7, "cache": 0, "e2b": 0},
		"Bytes pushed":                           one(seen.published()),
		"Refused packs":                          one(1. / 9), // 8 pushes succeeded
		"Policy refusals":                        {"protected_path": 1},
		"Projected cost":                         {"hourly": 0.075, "daily": 1.8, "monthly": 54.75},
		"Error budget left":                      one(1 - 4./27/0.01), // of 5 failures one is a conflict
		"Criteria for scaling up":                {"GitSandboxErrorRateHigh": 1},
	}
	for name, expr := range examples(t) {
		got := p.ask(expr, at)
		if name == "Cost of the last day" {
			// 7 sandboxes for less than the test takes.
			assert.Greater(t, got[""], 0.0, name)
			assert.Less(t, got[""], 7*0.015*window.Hours(), name)
			continue
		}
		if assert.Contains(t, want, name) {
			assert.InDeltaMapValues(t, want[name], got, 1e-6, "%s: %v", name, got)
		}
		delete(want, name)
	}
	assert.Empty(t, want, "not in the guide")
}

func TestGuideExamplesUseWhatServicesShow(t *testing.T) {
	t.Parallel()
	e, recorded := freshMetrics(t), map[string]bool{"ALERTS": true}
	for _, r := range allRules(t) {
		recorded[r.Record] = true
	}
	found := examples(t)
	require.NotEmpty(t, found)
	for name, expr := range found {
		missing, err := e.unknown(expr, recorded)
		require.NoError(t, err, name)
		assert.Empty(t, missing, name)
	}
}

// headings are the sections of the guide, as the links to them name them.
func headings(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(readFile(t, "README.md")), -1) {
		anchor := strings.ToLower(strings.ReplaceAll(m[1], " ", "-"))
		found[regexp.MustCompile(`[^a-z0-9-]`).ReplaceAllString(anchor, "")] = true
	}
	return found
}

func TestEachAlertHasARunbookAndARow(t *testing.T) {
	t.Parallel()
	sections, text := headings(t), string(readFile(t, "README.md"))
	for _, a := range alerts(t) {
		page, section, _ := strings.Cut(a.Annotations["runbook_url"], "#")
		assert.Equal(t, guide, page)
		assert.True(t, sections[section], "%s: no section %q", a.Alert, section)
		criterion := ""
		if a.Labels["criterion"] == "scale_up" {
			criterion = ` \(criterion\)`
		}
		row := fmt.Sprintf(`(?m)^\| \[%s\]\(#%s\)%s \| .+ \| %s \| %s \|$`, a.Alert, section, criterion, a.For, a.Labels["severity"])
		assert.Regexp(t, row, text)
	}
}

func TestGuideLinksToWhatIsThere(t *testing.T) {
	t.Parallel()
	sections := headings(t)
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(readFile(t, "README.md")), -1) {
		section, inside := strings.CutPrefix(m[1], "#")
		switch {
		case inside:
			assert.True(t, sections[section], m[1])
		case !strings.Contains(m[1], "://"):
			assert.FileExists(t, m[1])
		}
	}
}

func TestGuideShowsEachPanel(t *testing.T) {
	t.Parallel()
	sections, text := headings(t), string(readFile(t, "README.md"))
	for _, p := range readPanels(t) {
		anchor := strings.ToLower(strings.ReplaceAll(p.Title, " ", "-"))
		assert.True(t, sections[anchor], p.Title)
		assert.Contains(t, text, fmt.Sprintf("![%s](images/%s.png)", p.Title, anchor))
	}
}

func TestGuideKnowsTheNumberOfSeries(t *testing.T) {
	t.Parallel()
	assert.Contains(t, string(readFile(t, "README.md")), fmt.Sprintf("An instance has %d series", len(shown(t))))
}

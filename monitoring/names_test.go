package monitoring

import (
	"regexp"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
)

// exposed are the series that a service shows before it has done anything, by
// name. The labels that a scrape adds are not there.
type exposed map[string][]map[string]string

func freshMetrics(t *testing.T) exposed {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(gitsandbox.NewMetrics(nil)))
	families, err := r.Gather()
	require.NoError(t, err)
	e := exposed{"up": {{}}} // Prometheus makes it
	for _, f := range families {
		for _, m := range f.GetMetric() {
			e.add(f, m)
		}
	}
	return e
}

func (e exposed) add(f *dto.MetricFamily, m *dto.Metric) {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	if f.GetType() != dto.MetricType_HISTOGRAM {
		e[f.GetName()] = append(e[f.GetName()], labels)
		return
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		e[f.GetName()+suffix] = append(e[f.GetName()+suffix], labels)
	}
}

// unknown returns what an expression selects that no service shows, nor any
// recording rule.
func (e exposed) unknown(expr string, recorded map[string]bool) ([]string, error) {
	expr = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h").Replace(expr)
	parsed, err := metricsql.Parse(expr)
	if err != nil {
		return nil, err
	}
	var missing []string
	metricsql.VisitAll(parsed, func(x metricsql.Expr) {
		m, ok := x.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			if !recorded[name(filters)] && !e.selects(filters) {
				missing = append(missing, string(m.AppendString(nil)))
			}
		}
	})
	return missing, nil
}

func name(filters []metricsql.LabelFilter) string {
	for _, f := range filters {
		if f.Label == "__name__" {
			return f.Value
		}
	}
	return ""
}

func (e exposed) selects(filters []metricsql.LabelFilter) bool {
	for _, labels := range e[name(filters)] {
		ok := true
		for _, f := range filters {
			switch f.Label {
			case "__name__", "job", "instance", "le": // what the scrape and the histogram add
			default:
				ok = ok && matches(f, labels[f.Label])
			}
		}
		if ok {
			return true
		}
	}
	return false
}

func matches(f metricsql.LabelFilter, value string) bool {
	equal := value == f.Value
	if f.IsRegexp {
		equal = regexp.MustCompile("^(?:" + f.Value + ")$").MatchString(value)
	}
	return equal != f.IsNegative
}

func TestUnknownMetricsAndLabelsAreFound(t *testing.T) {
	t.Parallel()
	e := freshMetrics(t)
	for expr, want := range map[string][]string{
		`sum(git_operation_total)`:                                              nil,
		`git_operation_total{operation="push",status="success"}`:                nil,
		`rate(git_operation_duration_seconds_bucket{le="5"}[$__rate_interval])`: nil,
		`known:rule > 5`:                                 nil,
		`sum(git_operations_total)`:                      {`git_operations_total`},
		`git_operation_total{status="succeeded"}`:        {`git_operation_total{status="succeeded"}`},
		`git_operation_total{status=~"won|lost"}`:        {`git_operation_total{status=~"won|lost"}`},
		`git_errors_total{error_type="a"} / up`:          {`git_errors_total{error_type="a"}`},
		`rate(git_operation_duration_seconds_total[1h])`: {`git_operation_duration_seconds_total`},
	} {
		got, err := e.unknown(expr, map[string]bool{"known:rule": true})
		require.NoError(t, err)
		assert.Equal(t, want, got, expr)
	}
}

func TestRulesUseWhatServicesShow(t *testing.T) {
	t.Parallel()
	e, recorded := freshMetrics(t), map[string]bool{}
	for _, r := range allRules(t) {
		if r.Record != "" {
			recorded[r.Record] = true
		}
	}
	for _, r := range allRules(t) {
		missing, err := e.unknown(r.Expr, recorded)
		require.NoError(t, err, r.Expr)
		assert.Empty(t, missing, "%s%s", r.Record, r.Alert)
	}
}

func TestPanelsUseWhatServicesShow(t *testing.T) {
	t.Parallel()
	e := freshMetrics(t)
	for _, p := range readPanels(t) {
		missing, err := e.unknown(p.Expr, nil)
		require.NoError(t, err, p.Expr)
		assert.Empty(t, missing, p.Title)
	}
	variable := regexp.MustCompile(`label_values\((\w+)`).FindAllStringSubmatch(string(readFile(t, "dashboards/gitsandbox.json")), -1)
	require.NotEmpty(t, variable)
	for _, v := range variable {
		assert.Contains(t, e, v[1])
	}
}

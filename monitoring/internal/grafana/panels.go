// Package grafana reads dashboards, as far as the tests and the pictures need
// it.
package grafana

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Panel is one panel of a dashboard with one query.
type Panel struct {
	Title, Kind, Unit string

	// Expr is the query, Legend the template of a series' name.
	Expr, Legend string
}

// Read returns the panels of a dashboard.
func Read(dashboard []byte) ([]Panel, error) {
	var file struct {
		Panels []struct {
			Title   string `json:"title"`
			Type    string `json:"type"`
			Targets []struct {
				Expr         string `json:"expr"`
				LegendFormat string `json:"legendFormat"`
			} `json:"targets"`
			FieldConfig struct {
				Defaults struct {
					Unit string `json:"unit"`
				} `json:"defaults"`
			} `json:"fieldConfig"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(dashboard, &file); err != nil {
		return nil, err
	}
	var panels []Panel
	for _, p := range file.Panels {
		if len(p.Targets) != 1 {
			return nil, fmt.Errorf("panel %q has %d queries", p.Title, len(p.Targets))
		}
		panels = append(panels, Panel{
			Title: p.Title, Kind: p.Type, Unit: p.FieldConfig.Defaults.Unit,
			Expr: p.Targets[0].Expr, Legend: p.Targets[0].LegendFormat,
		})
	}
	return panels, nil
}

// Substitute puts values in place of Grafana's variables: the window of rates,
// the time that the dashboard shows, and any job and instance.
func Substitute(expr string, window, shown time.Duration) string {
	return strings.NewReplacer(
		"$__rate_interval", window.String(), "$__range", shown.String(), "$job", ".+", "$instance", ".+",
	).Replace(expr)
}

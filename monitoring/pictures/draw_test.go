package main

import (
	"bytes"
	"image/png"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/monitoring"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

// rising is a series that rises by slope each second.
func rising(begin time.Time, slope float64, labels map[string]string) servers.Series {
	s := servers.Series{Labels: labels}
	for i := range 60 {
		s.Points = append(s.Points, servers.Point{Time: begin.Add(time.Duration(i) * time.Second), Value: slope * float64(i)})
	}
	return s
}

func TestDrawEachPanel(t *testing.T) {
	t.Parallel()
	dashboard, err := monitoring.Dashboard()
	require.NoError(t, err)
	panels, err := grafana.Read(dashboard)
	require.NoError(t, err)
	begin := time.Now()
	series := []servers.Series{
		rising(begin, 1, map[string]string{"le": "0.5", "operation": "push"}),
		rising(begin, 3, map[string]string{"le": "+Inf", "operation": "clone"}),
	}
	for _, panel := range panels {
		data, err := draw(panel, series, begin)
		require.NoError(t, err, panel.Title)
		picture, err := png.Decode(bytes.NewReader(data))
		require.NoError(t, err, panel.Title)
		assert.Equal(t, 756, picture.Bounds().Dx(), panel.Title)
	}
	_, err = draw(panels[0], nil, begin)
	require.ErrorIs(t, err, errEmpty)
}

func TestLegend(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "attempt 2 of push", legend("attempt {{attempt}} of {{operation}}", map[string]string{"attempt": "2", "operation": "push"}))
}

func TestFlatSeriesAreThoseOfIdleOperations(t *testing.T) {
	t.Parallel()
	assert.True(t, flat(rising(time.Now(), 0, nil)))
	assert.False(t, flat(rising(time.Now(), 2, nil)))
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for unit, want := range map[string]string{"percentunit": "50 %", "currencyUSD": "$0.5", "s": "0.5 s", "opm": "0.5"} {
		var labels []string
		for _, tick := range units(unit).Ticks(0, 1) {
			labels = append(labels, tick.Label)
		}
		assert.Contains(t, labels, want, unit)
	}
}

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

const (
	pictureWidth  = 20 * vg.Centimeter
	pictureHeight = 8 * vg.Centimeter

	// heatColumn is how much time a column of the heat map covers.
	heatColumn = 15 * time.Second
)

var errEmpty = errors.New("the query has no answer")

// draw makes the picture of a panel, as PNG.
func draw(panel grafana.Panel, series []servers.Series, begin time.Time) ([]byte, error) {
	if len(series) == 0 {
		return nil, errEmpty
	}
	p := plot.New()
	p.Title.Text = panel.Title
	p.X.Label.Text = "minutes"
	var err error
	switch panel.Kind {
	case "heatmap":
		err = heat(p, series, begin)
	case "piechart":
		err = bars(p, panel, series)
	default:
		err = lines(p, panel, series, begin)
	}
	if err != nil {
		return nil, err
	}
	w, err := p.WriterTo(pictureWidth, pictureHeight, "png")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	return b.Bytes(), err
}

// lines draws the series over time. Those that say nothing are left out: an
// operation that nobody called.
func lines(p *plot.Plot, panel grafana.Panel, series []servers.Series, begin time.Time) error {
	p.Y.Min = 0
	p.Y.Tick.Marker = units(panel.Unit)
	p.Add(plotter.NewGrid())
	p.Legend.Left, p.Legend.Top = true, true
	drawn := 0
	for _, s := range series {
		if len(series) > 1 && flat(s) {
			continue
		}
		points := make(plotter.XYs, len(s.Points))
		for i, point := range s.Points {
			points[i] = plotter.XY{X: point.Time.Sub(begin).Minutes(), Y: point.Value}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color = plotutil.Color(drawn)
		line.Width = vg.Points(1.2)
		p.Add(line)
		p.Legend.Add(legend(panel.Legend, s.Labels), line)
		drawn++
	}
	p.Y.Max = max(p.Y.Max*1.4, 0.01) // room for the legend
	return nil
}

// flat reports whether a series is what an operation shows that did not run.
func flat(s servers.Series) bool {
	return !slices.ContainsFunc(s.Points, func(p servers.Point) bool { return p.Value != 0 && p.Value != 1 })
}

// bars draw the last values, the largest one first: what a pie shows.
func bars(p *plot.Plot, panel grafana.Panel, series []servers.Series) error {
	series = slices.DeleteFunc(slices.Clone(series), func(s servers.Series) bool { return s.Value() == 0 })
	slices.SortFunc(series, func(a, b servers.Series) int { return cmp.Compare(b.Value(), a.Value()) })
	var values plotter.Values
	var names []string
	for _, s := range series {
		values = append(values, s.Value())
		names = append(names, legend(panel.Legend, s.Labels))
	}
	chart, err := plotter.NewBarChart(values, vg.Points(30))
	if err != nil {
		return err
	}
	chart.Color = plotutil.Color(2)
	p.X.Label.Text = ""
	p.Add(chart)
	p.NominalX(names...)
	return nil
}

// grid are counts by column of time and bucket.
type grid struct {
	counts [][]float64 // by column
	rows   int
}

func (g *grid) Dims() (c, r int)   { return len(g.counts), g.rows }
func (g *grid) Z(c, r int) float64 { return g.counts[c][r] }
func (g *grid) X(c int) float64    { return (float64(c) + 0.5) * heatColumn.Minutes() }
func (g *grid) Y(r int) float64    { return float64(r) }

// heat draws how many observations fell into which bucket, over time.
func heat(p *plot.Plot, series []servers.Series, begin time.Time) error {
	bounds := map[float64]servers.Series{}
	for _, s := range series {
		bound, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil {
			return err
		}
		bounds[bound] = s
	}
	order := slices.Sorted(maps.Keys(bounds))
	g := &grid{rows: len(order)}
	last := bounds[order[0]].Points
	columns := int(last[len(last)-1].Time.Sub(begin)/heatColumn) + 1
	for range columns {
		g.counts = append(g.counts, make([]float64, g.rows))
	}
	for row, bound := range order {
		for i, point := range bounds[bound].Points {
			below := 0.0 // buckets count what is in the smaller ones as well
			if row > 0 {
				below = bounds[order[row-1]].Points[i].Value
			}
			column := min(int(point.Time.Sub(begin)/heatColumn), columns-1)
			g.counts[column][row] = math.Max(g.counts[column][row], point.Value-below)
		}
	}
	colors := moreland.Kindlmann()
	colors.SetMin(0)
	colors.SetMax(1)
	p.Add(plotter.NewHeatMap(g, palette.Reverse(colors).Palette(32))) // nothing is white
	var ticks plot.ConstantTicks
	for row, bound := range order {
		ticks = append(ticks, plot.Tick{Value: float64(row), Label: fmt.Sprintf("%g s", bound)})
	}
	p.Y.Tick.Marker = ticks
	return nil
}

// units writes the values of an axis as Grafana does.
func units(unit string) plot.Ticker {
	return plot.TickerFunc(func(low, high float64) []plot.Tick {
		ticks := plot.DefaultTicks{}.Ticks(low, high)
		for i, t := range ticks {
			if t.Label == "" {
				continue
			}
			switch unit {
			case "percentunit":
				ticks[i].Label = fmt.Sprintf("%.3g %%", 100*t.Value)
			case "currencyUSD":
				ticks[i].Label = fmt.Sprintf("$%.4g", t.Value)
			case "s":
				ticks[i].Label = fmt.Sprintf("%.4g s", t.Value)
			}
		}
		return ticks
	})
}

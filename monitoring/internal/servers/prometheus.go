package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"time"
)

// Prometheus is one that runs.
type Prometheus struct {
	addr string
	p    *process
}

// PrometheusFiles are what a Prometheus reads.
type PrometheusFiles struct {
	// Config is its configuration. It may name the files below.
	Config []byte

	// Others are further files, by their names beside the configuration.
	Others map[string][]byte
}

// StartPrometheus starts a Prometheus on addr that keeps its files in dir, and
// its data in dir/data. The caller removes dir. The context ends it, and so
// does Close.
func StartPrometheus(ctx context.Context, t *Tools, dir, addr string, files PrometheusFiles) (*Prometheus, error) {
	config := filepath.Join(dir, "prometheus.yaml")
	all := map[string][]byte{config: files.Config}
	for name, data := range files.Others {
		all[filepath.Join(dir, name)] = data
	}
	if err := writeFiles(all); err != nil {
		return nil, err
	}
	cmd := t.Command(ctx, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--storage.tsdb.retention.time=30d", "--web.listen-address="+addr)
	p, err := start(ctx, cmd, "http://"+addr+"/-/ready")
	if err != nil {
		return nil, err
	}
	return &Prometheus{addr: addr, p: p}, nil
}

// URL returns the address.
func (p *Prometheus) URL() string { return "http://" + p.addr }

// Close ends the Prometheus.
func (p *Prometheus) Close() error { return p.p.stop() }

// Series is a part of the answer to a query.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Value returns the last value.
func (s *Series) Value() float64 { return s.Points[len(s.Points)-1].Value }

// Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// UnmarshalJSON reads a point as the API writes it: a time in seconds, and the
// value as a string.
func (p *Point) UnmarshalJSON(data []byte) error {
	var raw [2]json.RawMessage
	var seconds float64
	var value string
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw[0], &seconds); err != nil {
		return err
	}
	if err := json.Unmarshal(raw[1], &value); err != nil {
		return err
	}
	p.Time = time.UnixMilli(int64(seconds*1000 + 0.5))
	var err error
	p.Value, err = strconv.ParseFloat(value, 64)
	return err
}

// Query returns the value of an expression at a time.
func (p *Prometheus) Query(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	return p.query(ctx, "query", url.Values{"query": {expr}, "time": {stamp(at)}})
}

// QueryRange returns the values of an expression between two times.
func (p *Prometheus) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	return p.query(ctx, "query_range", url.Values{
		"query": {expr}, "start": {stamp(from)}, "end": {stamp(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
}

func (p *Prometheus) query(ctx context.Context, kind string, values url.Values) ([]Series, error) {
	var reply struct {
		Error string `json:"error"`
		Data  struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  *Point            `json:"value"`
				Values []Point           `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := get(ctx, p.URL()+"/api/v1/"+kind+"?"+values.Encode(), &reply); err != nil {
		return nil, err
	}
	if reply.Error != "" {
		return nil, fmt.Errorf("%s: %s", values.Get("query"), reply.Error)
	}
	var out []Series
	for _, r := range reply.Data.Result {
		points := r.Values
		if r.Value != nil {
			points = append(points, *r.Value)
		}
		if len(points) > 0 {
			out = append(out, Series{Labels: r.Metric, Points: points})
		}
	}
	return out, nil
}

func stamp(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// Pictures draws the panels of the dashboard for the guide. Grafana is not
// needed: it lets the demo service work for a while, asks a Prometheus that
// scraped it what the panels ask, and draws the answers. It prints what the work
// cost, for the guide's table.
//
//	go run ./pictures -for 4m -out images
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/monitoring"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/demo"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/grafana"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

// The demo is faster than life: it is scraped every second, and rates are over
// half a minute.
const (
	interval = time.Second
	window   = 30 * time.Second
)

type options struct {
	bin, out string
	dur      time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", os.Getenv("GITSANDBOX_PROMETHEUS_BIN"), "directory with prometheus; see the stack's -install")
	flag.StringVar(&o.out, "out", "images", "directory to write to")
	flag.DurationVar(&o.dur, "for", 4*time.Minute, "how long the service works")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	tools, err := servers.Find(o.bin)
	if err != nil {
		return err
	}
	service, err := demo.Start(demo.Options{}) //nolint:contextcheck // it lives until Close
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	dir, err := os.MkdirTemp("", "gitsandbox-pictures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := startPrometheus(ctx, tools, dir, service.Addr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()

	begin := time.Now()
	work, cancel := context.WithTimeout(ctx, o.dur)
	defer cancel()
	if err := service.Traffic(work); err != nil {
		return err
	}
	end := begin.Add(time.Since(begin).Round(time.Second)) // Prometheus takes no fractions
	if err := drawAll(ctx, p, begin, end, o.out); err != nil {
		return err
	}
	return printCost(ctx, out, p, end)
}

func startPrometheus(ctx context.Context, tools *servers.Tools, dir, target string) (*servers.Prometheus, error) {
	rules, err := monitoring.Rules(&monitoring.RuleOptions{Eager: true})
	if err != nil {
		return nil, err
	}
	addr, err := servers.FreeAddr("")
	if err != nil {
		return nil, err
	}
	return servers.StartPrometheus(ctx, tools, dir, addr, servers.PrometheusFiles{
		Config: servers.Config(monitoring.Job, interval, "127.0.0.1:1"), // no Alertmanager
		Others: map[string][]byte{
			servers.RulesFile: rules, servers.AlertsFile: []byte("groups: []\n"), servers.TargetsFile: servers.Targets(target),
		},
	})
}

func drawAll(ctx context.Context, p *servers.Prometheus, begin, end time.Time, dir string) error {
	dashboard, err := monitoring.Dashboard()
	if err != nil {
		return err
	}
	panels, err := grafana.Read(dashboard)
	if err != nil {
		return err
	}
	for _, panel := range panels {
		series, err := p.QueryRange(ctx, grafana.Substitute(panel.Expr, window, end.Sub(begin)), begin, end, interval)
		if err != nil {
			return err
		}
		data, err := draw(panel, series, begin)
		if err != nil {
			return fmt.Errorf("%s: %w", panel.Title, err)
		}
		if err := os.WriteFile(filepath.Join(dir, fileName(panel.Title)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fileName is that of a panel's picture.
func fileName(title string) string {
	return strings.ToLower(strings.ReplaceAll(title, " ", "-")) + ".png"
}

var placeholder = regexp.MustCompile(`{{(\w+)}}`)

// legend is the name of a series by the template of its panel.
func legend(template string, labels map[string]string) string {
	return placeholder.ReplaceAllStringFunc(template, func(s string) string {
		return labels[placeholder.FindStringSubmatch(s)[1]]
	})
}

// printCost prints what the work took of the sandboxes' time. The service began
// with it, so the counters are the whole of it.
func printCost(ctx context.Context, out io.Writer, p *servers.Prometheus, end time.Time) error {
	for _, figure := range []struct{ name, expr string }{
		{"sandboxes started", `sum(gitsandbox_sandbox_starts_total)`},
		{"pushes published", `sum(git_operation_total{operation="push",status="success"})`},
		{"sandbox-seconds", `3600 * sum(sandbox_hours_total)`},
	} {
		series, err := p.Query(ctx, figure.expr, end)
		if err != nil {
			return err
		}
		for _, s := range series {
			fmt.Fprintf(out, "%-20s %.0f\n", figure.name, s.Value())
		}
	}
	return nil
}

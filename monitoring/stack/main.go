// Stack starts Prometheus and Alertmanager with the rules of this module, and
// a demo service on the fake that makes traffic, conflicts and failures. It
// needs no container and no account; everything is on loopback addresses.
//
//	go run ./stack             # until Ctrl-C
//	go run ./stack -for 1m
//	go run ./stack -install    # builds the programs, and no more
//
// The first run builds Prometheus and Alertmanager from their Go modules, which
// takes minutes. They are kept in the user's cache directory, or where -bin says.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gitsandbox/gitsandbox/monitoring"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/demo"
	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

// The addresses where they are free: those of the compose file, so that what is
// written down for one is right for the other.
const (
	prometheusAddr   = "127.0.0.1:9090"
	alertmanagerAddr = "127.0.0.1:9093"
)

// interval is how often the demo is scraped: its traffic is faster than life.
const interval = time.Second

// reportTime is how often the alerts that fire are printed.
const reportTime = 10 * time.Second

const alertmanagerConfig = `route:
  receiver: nobody
  group_by: [alertname]
receivers:
  - name: nobody
`

type options struct {
	bin     string
	dur     time.Duration
	install bool
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "", "directory of the programs (default: one in the user's cache directory)")
	flag.DurationVar(&o.dur, "for", 0, "how long to run (default: until interrupted)")
	flag.BoolVar(&o.install, "install", false, "build the programs and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	if o.bin == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		o.bin = filepath.Join(cache, "gitsandbox", "monitoring")
	}
	tools, err := servers.Install(ctx, o.bin, out)
	if err != nil || o.install {
		return err
	}
	if o.dur > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.dur)
		defer cancel()
	}
	dir, err := os.MkdirTemp("", "gitsandbox-monitoring-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return serve(ctx, out, tools, dir)
}

// serve runs everything until the context ends.
func serve(ctx context.Context, out io.Writer, tools *servers.Tools, dir string) (err error) {
	service, err := demo.Start(demo.Options{}) //nolint:contextcheck // it lives until Close
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()

	am, err := servers.StartAlertmanager(ctx, tools, dir, freeOr(alertmanagerAddr), []byte(alertmanagerConfig))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, am.Close()) }()

	files, err := files(am, service)
	if err != nil {
		return err
	}
	p, err := servers.StartPrometheus(ctx, tools, dir, freeOr(prometheusAddr), files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()

	fmt.Fprintf(out, "service       http://%s/metrics\n", service.Addr())
	fmt.Fprintf(out, "prometheus    %s\n", p.URL())
	fmt.Fprintf(out, "alertmanager  %s\n", am.URL())
	fmt.Fprintf(out, "what fires    curl -s %s/api/v2/alerts\n", am.URL())
	fmt.Fprintf(out, "a query       curl -s %s/api/v1/query -d 'query=sum by (operation) (git_operation_total)'\n", p.URL())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { defer cancel(); done <- service.Traffic(ctx) }()
	report(ctx, out, am)
	return <-done
}

// files are what Prometheus reads. Alerts do not have to hold: a demo has
// no ten minutes.
func files(am *servers.Alertmanager, service *demo.Service) (servers.PrometheusFiles, error) {
	eager := &monitoring.RuleOptions{Eager: true}
	rules, err := monitoring.Rules(eager)
	if err != nil {
		return servers.PrometheusFiles{}, err
	}
	alerts, err := monitoring.Alerts(eager)
	return servers.PrometheusFiles{
		Config: servers.Config(monitoring.Job, interval, strings.TrimPrefix(am.URL(), "http://")),
		Others: map[string][]byte{
			servers.RulesFile: rules, servers.AlertsFile: alerts, servers.TargetsFile: servers.Targets(service.Addr()),
		},
	}, err
}

// freeOr returns addr, or where that is taken a free one.
func freeOr(addr string) string {
	if free, err := servers.FreeAddr(addr); err == nil {
		return free
	}
	if free, err := servers.FreeAddr(""); err == nil {
		return free
	}
	return addr
}

// report prints which alerts fire, until the context ends.
func report(ctx context.Context, out io.Writer, am *servers.Alertmanager) {
	ticker := time.NewTicker(reportTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		alerts, err := am.Alerts(ctx)
		if err != nil {
			continue // it ends, or answers the next time
		}
		var names []string
		for _, a := range alerts {
			names = append(names, a.Name())
		}
		slices.Sort(names)
		fmt.Fprintf(out, "%s firing: %s\n", time.Now().Format(time.TimeOnly), strings.Join(slices.Compact(names), " "))
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gitsandbox/gitsandbox"
)

// cloud is E2B's, on a real repository.
func cloud(repo string, metrics *gitsandbox.Metrics) (*place, error) {
	if os.Getenv("E2B_API_KEY") == "" {
		return nil, errors.New("-repo needs E2B_API_KEY; without -repo everything runs on this machine")
	}
	client, err := gitsandbox.NewFromEnv(&gitsandbox.Options{Metrics: metrics})
	if err != nil {
		return nil, err
	}
	return &place{
		client: client, repo: repo,
		summary: func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "   see the branches that begin with agent- at %s\n", repo)
			return err
		},
		close: func() { _ = client.Close() },
	}, nil
}

// printMetrics prints the counters that are not zero.
func printMetrics(out io.Writer, registry prometheus.Gatherer) error {
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		if family.GetType() != dto.MetricType_COUNTER {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetCounter().GetValue() == 0 {
				continue
			}
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			fmt.Fprintf(out, "   %-32s %-36s %.4g\n", family.GetName(), strings.Join(labels, " "), m.GetCounter().GetValue())
		}
	}
	return nil
}

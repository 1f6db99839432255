// Package monitoring builds what operators of gitsandbox load into Prometheus
// and Grafana: recording rules, alerts and a dashboard. The files in rules and
// dashboards are what [Rules], [Alerts] and [Dashboard] return; README.md is
// the guide to them.
//
// Change a threshold in thresholds.go, then run
//
//	go generate ./...
//
// The tests compare the files with the code, the metrics with those of
// gitsandbox.NewMetrics, and run everything on a real Prometheus and
// Alertmanager where these are installed.
package monitoring

//go:generate go run ./generate

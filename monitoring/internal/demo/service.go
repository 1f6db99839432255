// Package demo is a service that runs agents on the fake of package
// gitsandboxtest, and shows its metrics: something for Prometheus to scrape
// where there is no account.
package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

const (
	repo     = "shop"
	password = "correct-horse-battery-staple"
)

// Options are the options of [Start]. The zero value is ready to use.
type Options struct {
	// Addr is where the metrics are. Default: a free port of 127.0.0.1.
	Addr string

	// Trace sees what the agents do, or is nil.
	Trace *gitsandbox.Trace
}

// A Service is a service that runs agents. Its metrics are at /metrics. One
// goroutine uses it at a time.
type Service struct {
	trace     *gitsandbox.Trace
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	listener  net.Listener
	server    *http.Server
	addr      string
	round     int
	kept      []*gitsandbox.Sandbox
}

// Start starts a service that does nothing yet. The caller closes it.
func Start(opts Options) (*Service, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	s := &Service{trace: opts.Trace}
	err := s.start(opts.Addr)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) start(addr string) (err error) {
	if s.sandboxes, err = gitsandboxtest.NewTransport(nil); err != nil {
		return err
	}
	if s.remote, err = gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: password}); err != nil {
		return err
	}
	if err = s.remote.CreateRepo(repo, map[string]string{"README.md": "# Shop\n", "plan.txt": "1. look\n2. think\n3. do\n"}); err != nil {
		return err
	}
	return s.serve(addr)
}

// serve makes a client with new metrics and shows these.
func (s *Service) serve(addr string) error {
	metrics := gitsandbox.NewMetrics(nil)
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil {
		return err
	}
	var err error
	s.client, err = gitsandbox.New(s.sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(s.remote.Host(), password),
		Metrics:     metrics,
		Retry:       gitsandbox.Backoff{Base: 10 * time.Millisecond},
		Trace:       []*gitsandbox.Trace{s.trace},
	})
	if err != nil {
		return err
	}
	if s.listener, err = net.Listen("tcp", addr); err != nil { //nolint:noctx // local and at once
		return err
	}
	s.addr = s.listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func(server *http.Server, l net.Listener) { _ = server.Serve(l) }(s.server, s.listener)
	return nil
}

// Addr returns the address of the metrics.
func (s *Service) Addr() string { return s.addr }

// Restart does what the end of the process and a new one would: the counters
// begin at 0, and nothing is known of the sandboxes. The address stays.
func (s *Service) Restart() error {
	s.kept = nil
	if err := errors.Join(s.server.Close(), s.client.Close()); err != nil {
		return err
	}
	return s.serve(s.addr)
}

// Close ends the service and removes what it made.
func (s *Service) Close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.remote != nil {
		errs = append(errs, s.remote.Close())
	}
	if s.sandboxes != nil {
		errs = append(errs, s.sandboxes.Close())
	}
	return errors.Join(errs...)
}

// clone clones the repository for an agent.
func (s *Service) clone(ctx context.Context, agent, task, branch string) (*gitsandbox.Sandbox, error) {
	return s.client.Clone(ctx, s.remote.URL(repo), &gitsandbox.CloneOptions{AgentID: agent, TaskID: task, AgentBranch: branch})
}

// push writes a file and pushes it.
func push(ctx context.Context, sb *gitsandbox.Sandbox, file, content string) error {
	if err := sb.WriteFile(ctx, file, []byte(content), 0o644); err != nil {
		return err
	}
	_, err := sb.Push(ctx, &gitsandbox.PushOptions{Message: "Change " + file})
	return err
}

// expect returns an error unless err is of the given kind.
func expect(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return errors.Join(errors.New("expected: "+kind.Error()), err)
}

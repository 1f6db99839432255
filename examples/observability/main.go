// Observability shows the three ways in which a service sees what its agents'
// sandboxes do: metrics, whose exemplars name a trace; the spans of that trace;
// and log records with the same fields. An agent works, meets a push that
// fails at first, a conflict, a refusal of the policy and a sandbox that has died.
//
//	go run ./examples/observability
//
// It runs on this machine, without an account and without a network, and ends by
// itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/otelgitsandbox"
)

func main() {
	s, err := openShop(os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = errors.Join(s.run(ctx), s.close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

const password = "s3cret-token"

// A shop is a fake of E2B and a git server with a repository, both on this
// machine, and what watches a Client of them.
type shop struct {
	*telemetry
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	out       io.Writer
}

// openShop writes records and spans to out. The caller closes the shop.
func openShop(out io.Writer) (*shop, error) {
	s := &shop{out: &lockedWriter{w: out}}
	err := s.open()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *shop) open() (err error) {
	if s.sandboxes, err = gitsandboxtest.NewTransport(nil); err != nil {
		return err
	}
	if s.remote, err = gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: password}); err != nil {
		return err
	}
	if err = s.remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n", "price.txt": "2\n"}); err != nil {
		return err
	}
	if s.telemetry, err = newTelemetry(s.out); err != nil {
		return err
	}
	opts := s.options
	opts.Credentials = gitsandbox.StaticToken(s.remote.Host(), password)
	opts.Retry = gitsandbox.Backoff{Base: 1}
	s.client, err = gitsandbox.New(s.sandboxes, &opts)
	return err
}

func (s *shop) close() error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.telemetry != nil {
		errs = append(errs, s.telemetry.close())
	}
	if s.remote != nil {
		errs = append(errs, s.remote.Close())
	}
	if s.sandboxes != nil {
		errs = append(errs, s.sandboxes.Close())
	}
	return errors.Join(errs...)
}

func (s *shop) run(ctx context.Context) error {
	fmt.Fprint(s.out, "== Records and spans, as they come\n")
	// A service has a span for what it was asked to do.
	taskCtx, span := s.spans.Tracer("shop").Start(ctx, "task", trace.WithNewRoot())
	err := s.work(taskCtx)
	span.End()
	if err != nil {
		return err
	}
	return s.report(ctx, otelgitsandbox.TraceID(taskCtx))
}

// work is what an agent does, and what goes wrong.
func (s *shop) work(ctx context.Context) error {
	sandbox, err := s.client.Clone(ctx, s.remote.URL("shop"), &gitsandbox.CloneOptions{AgentID: "ada", TaskID: "t1"})
	if err != nil {
		return err
	}
	if err := sandbox.WriteFile(ctx, "price.txt", []byte("3\n"), 0); err != nil {
		return err
	}
	// The remote is not there for the first attempt.
	s.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Status: 503})
	if _, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Raise the price"}); err != nil {
		return err
	}
	// The policy keeps the base branch for people.
	if _, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Branch: "main"}); !errors.Is(err, gitsandbox.ErrPolicy) {
		return fmt.Errorf("a push to main: %w", err)
	}
	// Somebody else has another idea of the price.
	_, err = s.remote.Commit("shop", "main", "Lower the price", map[string]string{"price.txt": "1\n"}) //nolint:contextcheck // the fake's takes none
	if err != nil {
		return err
	}
	if _, err := sandbox.Pull(ctx, nil); !errors.Is(err, gitsandbox.ErrConflict) {
		return fmt.Errorf("a pull of a conflict: %w", err)
	}
	// The sandbox dies.
	if err := s.sandboxes.Kill(ctx, sandbox.ID()); err != nil {
		return err
	}
	if _, err := sandbox.Status(ctx, nil); !errors.Is(err, gitsandbox.ErrSandboxNotFound) {
		return fmt.Errorf("a status of nothing: %w", err)
	}
	return nil
}

// report prints the metrics that have moved, and what the Client says itself.
func (s *shop) report(ctx context.Context, traceID string) error {
	text, err := s.scrape(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n== Metrics, from %s\n", s.url)
	exemplars := 0
	for line := range strings.Lines(text) {
		sample, exemplar, _ := strings.Cut(strings.TrimSpace(line), " # ")
		if strings.Contains(exemplar, traceID) {
			exemplars++
		}
		zero := strings.HasSuffix(sample, " 0.0") || strings.HasSuffix(sample, " 0")
		if !strings.HasPrefix(line, "#") && !zero && !strings.Contains(line, "_bucket") {
			fmt.Fprint(s.out, line)
		}
	}
	fmt.Fprintf(s.out, "\n== The trace %s is named by %d exemplars\n", traceID, exemplars)

	stats := s.client.Stats()
	fmt.Fprintf(s.out, "\n== Stats\noperations %d, errors %d, retries %d, conflicts %d, refused by the policy %d\n",
		stats.Operations, stats.Errors, stats.Retries, stats.Conflicts, stats.PolicyRefusals)
	fmt.Fprint(s.out, "\n== Advice, with a minimum of one\n")
	for _, advice := range s.client.Advise(&gitsandbox.AdviseOptions{MinSeen: 1}) {
		fmt.Fprintln(s.out, advice)
	}
	return nil
}

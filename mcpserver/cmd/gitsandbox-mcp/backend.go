package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/tools"
)

// A backend is where the sandboxes are.
type backend struct {
	client *gitsandbox.Client
	close  func()
}

func newBackend(f *flags, metrics *gitsandbox.Metrics, log *slog.Logger, stderr io.Writer) (*backend, error) {
	o := &gitsandbox.Options{
		Metrics: metrics, Logger: log, MaxSandboxes: f.maxSandboxes, Trace: []*gitsandbox.Trace{tools.ProgressTrace()},
	}
	if f.fake {
		return fakeBackend(o, stderr)
	}
	client, err := gitsandbox.NewFromEnv(o)
	if err != nil {
		return nil, fmt.Errorf("%w\n(-fake works without an account, on this machine)", err)
	}
	return &backend{client, func() { _ = client.Close() }}, nil
}

// fakeBackend is on this machine: sandboxes that are directories, and a git server
// with a repository to try things on.
func fakeBackend(o *gitsandbox.Options, stderr io.Writer) (_ *backend, err error) {
	var b backend
	var closers []func() error
	b.close = func() {
		for _, c := range slices.Backward(closers) {
			_ = c()
		}
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		return nil, fmt.Errorf("-fake: %w", err)
	}
	closers = append(closers, sandboxes.Close)
	// With a password, so that the way of a credential is the one that is tried.
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: rand.Text()})
	if err != nil {
		return nil, fmt.Errorf("-fake: %w", err)
	}
	closers = append(closers, remote.Close)
	if err := remote.CreateRepo("shop", sample()); err != nil {
		return nil, fmt.Errorf("-fake: %w", err)
	}
	o.Credentials = gitsandbox.StaticToken(remote.Host(), remote.Password())
	if b.client, err = gitsandbox.New(sandboxes, o); err != nil {
		return nil, fmt.Errorf("-fake: %w", err)
	}
	closers = append(closers, b.client.Close)
	_, err = fmt.Fprintf(stderr, "gitsandbox-mcp: WARNING: -fake runs the commands of the model ON THIS MACHINE, as this user, without isolation.\n"+
		"gitsandbox-mcp: sandboxes and the sample repository are gone when this ends.\n"+
		"gitsandbox-mcp: sample repository: %s\n", remote.URL("shop"))
	if err != nil {
		return nil, errors.Join(errors.New("standard error"), err)
	}
	return &b, nil
}

// sample is a program with a test that fails, for an agent to have something to do.
func sample() map[string]string {
	return map[string]string{
		"README.md": "# Shop\n\nPrices in cents. Run `sh test.sh`.\n",
		"total.sh":  "#!/bin/sh\n# Adds prices.\nsum=0\nfor price in \"$@\"; do\n\tsum=$((sum - price))\ndone\necho \"$sum\"\n",
		"test.sh":   "#!/bin/sh\ngot=$(sh total.sh 100 250)\nif [ \"$got\" != 350 ]; then\n\techo \"FAIL: total of 100 and 250 is $got, not 350\"\n\texit 1\nfi\necho PASS\n",
	}
}

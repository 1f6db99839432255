// Gitsandbox-mcp serves the tools of gitsandbox over the Model Context Protocol: on
// standard input and output, or with -http over HTTP.
//
//	gitsandbox-mcp                                    # E2B_API_KEY, GITHUB_TOKEN; see gitsandbox.NewFromEnv
//	gitsandbox-mcp -http 127.0.0.1:8080 -tokens f.yaml
//	gitsandbox-mcp -fake                              # no account: commands run on this machine
//
// Standard output has the protocol and nothing else; logs are on standard error.
// See docs/mcp.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/mcpserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "gitsandbox-mcp:", err)
		os.Exit(1) //nolint:forbidigo // a program
	}
}

// run is the program. Stdout is for -version alone: the protocol has the process's
// own.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if f.version {
		_, err := fmt.Fprintln(stdout, "gitsandbox-mcp", version())
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.logLevel}))
	options, err := f.options()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	libraryMetrics, callMetrics := gitsandbox.NewMetrics(nil), mcpserver.NewMetrics()
	for _, c := range []prometheus.Collector{
		libraryMetrics, callMetrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	b, err := newBackend(f, libraryMetrics, log, stderr) //nolint:contextcheck // closed by its own func
	if err != nil {
		return err
	}
	defer b.close()

	options.Metrics, options.Logger, options.Version = callMetrics, log, version()
	server, err := mcpserver.New(b.client, options)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if f.http == "" {
		err = server.Run(ctx, &mcp.StdioTransport{})
	} else {
		err = serveHTTP(ctx, server, f, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), log)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // it was asked to end
	}
	return err
}

func serveHTTP(ctx context.Context, server *mcpserver.Server, f *flags, metrics http.Handler, log *slog.Logger) error {
	l, err := server.Listen(ctx, f.http)
	if errors.Is(err, mcpserver.ErrExposed) {
		return fmt.Errorf("-http %s: %w: give -tokens, or listen on 127.0.0.1", f.http, mcpserver.ErrExposed)
	}
	if err != nil {
		return fmt.Errorf("-http: %w", err)
	}
	log.Info("listening", "url", "http://"+l.Addr().String()+"/mcp")
	return server.Serve(ctx, l, &mcpserver.HTTPOptions{
		AllowedHosts: f.hosts, AllowedOrigins: f.origins, Metrics: metrics,
		ShutdownTimeout: f.shutdownTimeout, SessionTimeout: f.sessionTimeout,
	})
}

// version is that of the module, as the go command recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

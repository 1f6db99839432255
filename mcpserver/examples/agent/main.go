// Agent is an agent loop over MCP: it offers the tools of a server to a model, calls
// what the model asks for, and hands back the results, until the work is pushed.
//
//	go run ./mcpserver/examples/agent
//
// The model is a script here, so that no account is needed; model.go says what a
// real one gets. The agent runs twice: with the server in the same process, and over
// HTTP. Sandboxes and the git server are those of gitsandboxtest, on this machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1) //nolint:forbidigo // a program
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	p, err := newPlace() //nolint:contextcheck // closed by its own func
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	server, err := mcpserver.New(p.client, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	fmt.Fprintf(out, "== In process\n")
	if err := agent(ctx, out, p, server.InProcess(), "in-process"); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== Over HTTP\n")
	l, err := server.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving, l, nil) }()
	err = agent(ctx, out, p, overHTTP(l.Addr()), "http")
	stop()
	return errors.Join(err, <-served)
}

func overHTTP(address net.Addr) mcp.Transport {
	return &mcp.StreamableClientTransport{
		Endpoint:   "http://" + address.String() + "/mcp",
		HTTPClient: &http.Client{Transport: &http.Transport{IdleConnTimeout: time.Second}},
	}
}

// agent connects to a server, works on a branch of its own, and looks at the remote
// in the end.
func agent(ctx context.Context, out io.Writer, p *place, transport mcp.Transport, task string) error {
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := client.Connect(ctx, transport, nil)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	branch := "agent-demo-" + task
	script := &script{repo: p.repo, task: task, elsewhere: func() error { return p.elsewhere(branch) }} //nolint:contextcheck // the git server's is its own
	if err := loop(ctx, out, session, script); err != nil {
		return err
	}
	content, err := p.remote.ReadFile("shop", branch, "total.sh") //nolint:contextcheck // as above
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s of the remote has total.sh:\n%s", branch, content)
	return nil
}

// A place is where the agent works.
type place struct {
	client *gitsandbox.Client
	remote *gitsandboxtest.Remote
	repo   string
	close  func() error
}

func newPlace() (*place, error) {
	const password = "correct-horse-battery-staple"
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		return nil, err
	}
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: password})
	if err != nil {
		return nil, errors.Join(err, sandboxes.Close())
	}
	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), password),
		Trace:       []*gitsandbox.Trace{tools.ProgressTrace()},
	})
	if err == nil {
		err = remote.CreateRepo("shop", map[string]string{
			"total.sh": "#!/bin/sh\n# Adds prices.\nsum=0\nfor price in \"$@\"; do sum=$((sum - price)); done\necho \"$sum\"\n",
			"test.sh":  "#!/bin/sh\n[ \"$(sh total.sh 100 250)\" = 350 ] && echo PASS\n",
		})
	}
	if err != nil {
		return nil, errors.Join(err, remote.Close(), sandboxes.Close())
	}
	return &place{client: client, remote: remote, repo: remote.URL("shop"), close: func() error {
		return errors.Join(client.Close(), remote.Close(), sandboxes.Close())
	}}, nil
}

// elsewhere is another developer, who changes the same lines on the agent's branch.
func (p *place) elsewhere(branch string) error {
	_, err := p.remote.Commit("shop", branch, "Say what it does", map[string]string{
		"total.sh": "#!/bin/sh\n# Prints the total of prices in cents.\nsum=0\nfor price in \"$@\"; do sum=$((sum-price)); done\necho \"$sum\"\n",
	})
	return err
}

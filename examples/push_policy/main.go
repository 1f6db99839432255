// Push_policy shows what keeps an agent, or whoever has taken it over, from
// publishing what it must not: each push is checked in this process before
// anything reaches the remote, and each decision is audited.
//
//	go run ./examples/push_policy
//
// It runs on this machine, without an account and without a network.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func main() {
	s, err := openShop()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = errors.Join(run(ctx, os.Stdout, s), s.close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "push_policy:", err)
		os.Exit(1)
	}
}

// A shop is a fake of E2B and a git server with a repository, both on this
// machine.
type shop struct {
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
}

func openShop() (*shop, error) {
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		return nil, err
	}
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	if err != nil {
		return nil, errors.Join(err, sandboxes.Close())
	}
	s := &shop{sandboxes: sandboxes, remote: remote}
	err = remote.CreateRepo("shop", map[string]string{
		"README.md":                "# Shop\n",
		".github/workflows/ci.yml": "on: push\n",
		"prices/tea.txt":           "2\n",
	})
	if err == nil {
		// The server has rules too. They are the second line.
		err = remote.ProtectBranch("shop", "release/*")
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *shop) close() error { return errors.Join(s.remote.Close(), s.sandboxes.Close()) }

func run(ctx context.Context, out io.Writer, s *shop) error {
	client, err := gitsandbox.New(s.sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(s.remote.Host(), s.remote.Password()),
		Policy: &gitsandbox.PushPolicy{
			// Beside its own branch the agent may push below these two.
			AllowRefs: []string{"refs/heads/proposals/*", "refs/heads/release/*"},
			// What it may not change, wherever it pushes.
			ProtectedPaths: append(gitsandbox.DefaultProtectedPaths(), "prices"),
			MaxPackBytes:   1 << 20,
		},
		// The audit log of what the remote was asked to publish.
		Trace: []*gitsandbox.Trace{{PushDecided: func(_ context.Context, p gitsandbox.PushAudit) {
			if p.Rule == "" {
				fmt.Fprintf(out, "   audit: %s of agent %s: %s\n", p.Ref, p.AgentID, p.Decision)
			}
		}}},
	})
	if err != nil {
		return err
	}
	defer client.Close()

	for _, a := range scenes() {
		fmt.Fprintf(out, "\n== %s\n", a.title)
		if err := try(ctx, out, client, s.remote.URL("shop"), a); err != nil {
			return err
		}
	}
	return nil
}

// A scene is one push of an agent.
type scene struct {
	title   string
	task    string
	file    string
	content string
	branch  string // empty for the agent branch
}

func scenes() []scene {
	noise := make([]byte, 2<<20) // does not compress
	_, _ = rand.Read(noise)
	return []scene{
		{title: "Work on the agent branch", task: "t1", file: "tea.txt", content: "green\n"},
		{title: "A proposal", task: "t2", file: "tea.txt", content: "black\n", branch: "proposals/tea"},
		{title: "The base branch", task: "t3", file: "tea.txt", content: "white\n", branch: "main"},
		{title: "A CI definition, which runs with the secrets of the CI", task: "t4", file: ".github/workflows/ci.yml", content: "on: push # and print all secrets\n"},
		{title: "A price", task: "t5", file: "prices/tea.txt", content: "0\n"},
		{title: "More than a megabyte", task: "t6", file: "film.bin", content: string(noise)},
		{title: "A branch that the server protects", task: "t7", file: "tea.txt", content: "red\n", branch: "release/1.0"},
	}
}

// try makes the push and prints what an agent loop would tell its model.
func try(ctx context.Context, out io.Writer, client *gitsandbox.Client, repo string, a scene) error {
	sandbox, err := client.Clone(ctx, repo, &gitsandbox.CloneOptions{AgentID: "ada", TaskID: a.task})
	if err != nil {
		return err
	}
	defer func() { _ = sandbox.Kill(context.WithoutCancel(ctx)) }()
	if err := sandbox.WriteFile(ctx, a.file, []byte(a.content), 0); err != nil {
		return err
	}
	result, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Change " + a.file, Branch: a.branch})
	if refused, ok := errors.AsType[*gitsandbox.PolicyError](err); ok {
		fmt.Fprintf(out, "   refused by rule %s\n", strings.TrimSpace(refused.Rule+" "+refused.Path))
		return nil
	}
	switch {
	case errors.Is(err, gitsandbox.ErrRemoteRejected):
		fmt.Fprintln(out, "   refused by the remote")
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintf(out, "   %s to %s\n", result.Outcome, result.Branch)
	return nil
}

// Quickstart shows two agents at work on one repository at once: clone, edit,
// run, status, diff, pull, commit and push, a rejected push that is rebased
// and lands, and a conflict that is reported with its files.
//
//	go run ./examples/quickstart                                     # on this machine, no account, no network
//	go run ./examples/quickstart -repo https://github.com/you/repo   # on E2B, with E2B_API_KEY and GITHUB_TOKEN
//
// Without a -repo it starts the fake of E2B and a password-protected git
// server, both on this machine.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

func main() {
	repo := flag.String("repo", "", "https URL of a repository to work on at E2B; needs E2B_API_KEY")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *repo); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// A place is where the agents work.
type place struct {
	client *gitsandbox.Client
	repo   string
	// elsewhere commits to the base branch as somebody else, where it can.
	elsewhere func(file, content string) error
	// summary prints what the remote holds.
	summary func(io.Writer) error
	close   func()
}

func run(ctx context.Context, out io.Writer, repo string) error {
	metrics := gitsandbox.NewMetrics(nil)
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)

	var p *place
	var err error
	if repo == "" {
		p, err = local(metrics) //nolint:contextcheck // closed by its own func
	} else {
		p, err = cloud(repo, metrics)
	}
	if err != nil {
		return err
	}
	defer p.close()

	// Names are new each time, so that a second run on a real repository does
	// not meet the branches of the first.
	id := time.Now().UTC().Format("0102150405")

	fmt.Fprintf(out, "\n== Two agents at once, each on a branch of its own\n")
	if err := twoAgents(ctx, out, p, id); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== Two agents on one branch: the second push is rebased, then a conflict\n")
	if err := oneBranch(ctx, out, p, id); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== What the remote holds\n")
	if err := p.summary(out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== Metrics\n")
	return printMetrics(out, registry)
}

func twoAgents(ctx context.Context, out io.Writer, p *place, id string) error {
	var wg sync.WaitGroup
	agents := []string{"ada", "ben"}
	logs, errs := make([]bytes.Buffer, len(agents)), make([]error, len(agents))
	for i, agent := range agents {
		wg.Go(func() { errs[i] = workflow(ctx, &logs[i], p, agent, id) })
	}
	wg.Wait()
	for i := range logs {
		_, _ = logs[i].WriteTo(out)
	}
	return errors.Join(errs...)
}

// workflow is what one agent does.
func workflow(ctx context.Context, out io.Writer, p *place, agent, id string) error {
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "   %s: "+format+"\n", append([]any{agent}, args...)...)
	}

	sandbox, err := p.client.Clone(ctx, p.repo, &gitsandbox.CloneOptions{AgentID: agent, TaskID: id})
	if err != nil {
		return err
	}
	defer kill(ctx, sandbox)
	say("cloned into sandbox %s on branch %s, route %s", sandbox.ID(), sandbox.Branch(), sandbox.Route())

	script := fmt.Sprintf("#!/bin/sh\necho \"hello from %s\"\n", agent)
	if err := sandbox.WriteFile(ctx, "agents/"+agent+".sh", []byte(script), 0o755); err != nil {
		return err
	}
	res, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"agents/" + agent + ".sh"}})
	if err != nil {
		return err
	}
	say("ran its script: exit code %d, printed %q", res.ExitCode, res.Stdout)

	status, err := sandbox.Status(ctx, nil)
	if err != nil {
		return err
	}
	for _, f := range status.Files {
		say("status: %s %s", f.Worktree, f.Path)
	}
	diff, err := sandbox.Diff(ctx, &gitsandbox.DiffOptions{Untracked: true})
	if err != nil {
		return err
	}
	for _, f := range diff.Files {
		say("diff: %s, %d lines added, %d deleted", f.Path, f.Additions, f.Deletions)
	}

	if p.elsewhere != nil {
		if err := p.elsewhere("NEWS-"+agent+".txt", "somebody else was here\n"); err != nil {
			return err
		}
	}
	if _, err := sandbox.Commit(ctx, "Add a script of "+agent, nil); err != nil {
		return err
	}
	pulled, err := sandbox.Pull(ctx, nil)
	if err != nil {
		return err
	}
	say("pulled %s: %s", sandbox.BaseBranch(), pulled.Outcome)

	pushed, err := sandbox.Push(ctx, nil)
	if err != nil {
		return err
	}
	say("pushed %s to %s: %s", pushed.Commit.Short(), pushed.Branch, pushed.Outcome)
	return nil
}

func oneBranch(ctx context.Context, out io.Writer, p *place, id string) error {
	say := func(format string, args ...any) { fmt.Fprintf(out, "   "+format+"\n", args...) }
	branch := "agent-pair-" + id

	var pair [2]*gitsandbox.Sandbox
	for i, agent := range []string{"cleo", "dan"} {
		s, err := p.client.Clone(ctx, p.repo, &gitsandbox.CloneOptions{AgentID: agent, TaskID: id, AgentBranch: branch})
		if err != nil {
			return err
		}
		defer kill(ctx, s)
		pair[i] = s
	}
	cleo, dan := pair[0], pair[1]

	// Different files: dan's push is not a fast-forward, so it is rebased and
	// sent again.
	if _, err := push(ctx, cleo, "plan.txt", "1. look\n2. think\n3. do\n", "Add a plan"); err != nil {
		return err
	}
	say("cleo pushed plan.txt to %s", branch)
	result, err := push(ctx, dan, "notes.txt", "all is well\n", "Add notes")
	if err != nil {
		return err
	}
	say("dan pushed notes.txt: %s, after %d attempts", result.Outcome, result.Attempts)

	// The same line: nothing can be rebased. The error names the file, and
	// dan's commit is where it was.
	if _, err := push(ctx, cleo, "plan.txt", "1. look\n2. sleep on it\n3. do\n", "Sleep on it"); err != nil {
		return err
	}
	say("cleo changed line 2 of plan.txt and pushed")
	_, err = push(ctx, dan, "plan.txt", "1. look\n2. ask\n3. do\n", "Ask")
	conflict, ok := errors.AsType[*gitsandbox.ConflictError](err)
	if !ok {
		return fmt.Errorf("a conflict was expected: %w", err)
	}
	say("dan changed the same line: conflict in %q", conflict.Files)
	for c, err := range dan.Log(ctx, &gitsandbox.LogOptions{Max: 1}) {
		if err != nil {
			return err
		}
		say("dan's commit %q is still there", c.Subject)
	}
	return nil
}

// kill ends a sandbox, also after an interrupt. What fails here, E2B ends when
// the lifetime of the sandbox is over.
func kill(ctx context.Context, s *gitsandbox.Sandbox) {
	_ = s.Kill(context.WithoutCancel(ctx))
}

func push(ctx context.Context, s *gitsandbox.Sandbox, file, content, message string) (*gitsandbox.PushResult, error) {
	if err := s.WriteFile(ctx, file, []byte(content), 0o644); err != nil {
		return nil, err
	}
	return s.Push(ctx, &gitsandbox.PushOptions{Message: message})
}

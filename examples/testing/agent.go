package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

// collect writes the TODO comments of a repository to TODO.md and pushes it to
// the agent branch of the task. It returns gitsandbox.ErrNothingToCommit where
// TODO.md is up to date.
//
// The library tries again what failed on the way. What is left to the agent is
// what only it can know: that nothing is lost with a sandbox that dies, and
// that a conflict in TODO.md is resolved by writing it anew.
func collect(ctx context.Context, client *gitsandbox.Client, repo, task string) (*gitsandbox.PushResult, error) {
	const sandboxes = 2
	for n := 1; ; n++ {
		result, err := collectOnce(ctx, client, repo, task)
		if n < sandboxes && errors.Is(err, gitsandbox.ErrSandboxNotFound) {
			continue
		}
		return result, err
	}
}

func collectOnce(ctx context.Context, client *gitsandbox.Client, repo, task string) (*gitsandbox.PushResult, error) {
	sandbox, err := client.Clone(ctx, repo, &gitsandbox.CloneOptions{AgentID: "todo", TaskID: task})
	if err != nil {
		return nil, err
	}
	defer func() { _ = sandbox.Kill(context.WithoutCancel(ctx)) }()

	const conflicts = 3
	for n := 0; ; n++ {
		list, err := todos(ctx, sandbox)
		if err != nil {
			return nil, err
		}
		if err := sandbox.WriteFile(ctx, "TODO.md", []byte(list), 0); err != nil {
			return nil, err
		}
		result, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Collect the TODOs"})
		if n == conflicts || !errors.Is(err, gitsandbox.ErrConflict) {
			return result, err
		}
		// Somebody else has written TODO.md: go on from their commit.
		theirs := &gitsandbox.ResetOptions{Rev: "origin/" + sandbox.Branch(), Mode: gitsandbox.ResetHard}
		if err := sandbox.Reset(ctx, theirs); err != nil {
			return nil, err
		}
	}
}

// todos returns what TODO.md is to hold.
func todos(ctx context.Context, sandbox *gitsandbox.Sandbox) (string, error) {
	res, err := sandbox.Exec(ctx, &e2b.Command{
		Args: []string{"grep", "-rIo", "--exclude-dir=.git", "--exclude=TODO.md", "TODO: .*"},
	})
	if err != nil {
		return "", err
	}
	if res.ExitCode > 1 { // 1 means that it found nothing
		return "", fmt.Errorf("grep: exit code %d: %s", res.ExitCode, res.Stderr)
	}
	var list strings.Builder
	list.WriteString("# TODO\n\n")
	for _, line := range slices.Sorted(strings.Lines(string(res.Stdout))) {
		file, text, _ := strings.Cut(line, ":TODO: ")
		fmt.Fprintf(&list, "- %s: %s", file, text)
	}
	return list.String(), nil
}

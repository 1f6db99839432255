package gitsandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gitsandbox/gitsandbox"
)

func ExampleSandbox_Commit() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "tea.txt", "green\n")
	write(ctx, sandbox, "notes.txt", "for me alone\n")

	commit, err := sandbox.Commit(ctx, "Sell tea", &gitsandbox.CommitOptions{
		Paths:  []string{"tea.txt"},
		Author: gitsandbox.Signature{Name: "Ada", Email: "ada@shop.example"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q by %s, committed by %s\n", commit.Subject, commit.Author.Name, commit.Committer.Name)

	_, err = sandbox.Commit(ctx, "Sell tea", &gitsandbox.CommitOptions{Paths: []string{"tea.txt"}})
	fmt.Println(errors.Is(err, gitsandbox.ErrNothingToCommit))
	// Output:
	// "Sell tea" by Ada, committed by gitsandbox
	// true
}

// Commit and push in one step.
func ExampleSandbox_Push() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "tea.txt", "green\n")

	result, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Sell tea"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Outcome, "to", result.Branch)

	result, err = sandbox.Push(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Outcome)
	// Output:
	// pushed to agent-a1-t1
	// up to date
}

// Somebody else has pushed to the same branch: the work is rebased and pushed
// again.
func ExampleSandbox_Push_rebased() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	shop.commit("agent-a1-t1", "bread.txt", "rye\n")
	write(ctx, sandbox, "tea.txt", "green\n")

	result, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Sell tea"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s after %d attempts\n", result.Outcome, result.Attempts)
	// Output: rebased and pushed after 2 attempts
}

// What is new on the base branch comes below the commits of the agent.
func ExampleSandbox_Pull() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	write(ctx, sandbox, "tea.txt", "green\n")
	if _, err := sandbox.Commit(ctx, "Sell tea", nil); err != nil {
		fmt.Println(err)
		return
	}
	shop.commit("main", "NEWS.md", "We have moved.\n")

	result, err := sandbox.Pull(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %d commit\n", result.Outcome, result.Replayed)

	result, err = sandbox.Pull(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Outcome)
	// Output:
	// rebased 1 commit
	// up to date
}

// Fetch looks what is new and changes no file.
func ExampleSandbox_Fetch() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	shop.commit("main", "NEWS.md", "We have moved.\n")

	seen, err := sandbox.Fetch(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the remote has the agent branch:", seen.Branch != "")
	news, err := sandbox.ShowFile(ctx, "origin/main", "NEWS.md")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", news)
	// Output:
	// the remote has the agent branch: false
	// We have moved.
}

// A conflict names the files. Nothing has changed, so the agent can look at
// what the others did and try again.
func ExampleConflictError() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	write(ctx, sandbox, "README.md", "# Tea shop\n")
	shop.commit("agent-a1-t1", "README.md", "# Book shop\n")

	_, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Say tea"})
	if conflict, ok := errors.AsType[*gitsandbox.ConflictError](err); ok {
		fmt.Println("conflict in", conflict.Files)
	}
	status, err := sandbox.Status(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("clean:", status.Clean(), "ahead:", status.Ahead)
	// Output:
	// conflict in [README.md]
	// clean: true ahead: 1
}

// The agent resolves a conflict in the files, as a person would.
func ExampleSandbox_Continue() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	write(ctx, sandbox, "README.md", "# Tea shop\n")
	if _, err := sandbox.Commit(ctx, "Say tea", nil); err != nil {
		fmt.Println(err)
		return
	}
	shop.commit("main", "README.md", "# Book shop\n")

	_, err := sandbox.Pull(ctx, &gitsandbox.PullOptions{KeepConflicts: true})
	conflict, ok := errors.AsType[*gitsandbox.ConflictError](err)
	if !ok {
		fmt.Println(err)
		return
	}
	for _, name := range conflict.Files {
		text, err := sandbox.ReadFile(ctx, name)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(name, "has markers:", strings.HasPrefix(string(text), "<<<<<<<"))
		write(ctx, sandbox, name, "# Tea and book shop\n")
	}
	merge, err := sandbox.Continue(ctx, "Merge main: tea and books")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, %d parents\n", merge.Subject, len(merge.Parents))
	// Output:
	// README.md has markers: true
	// Merge main: tea and books, 2 parents
}

// The agent gives up: the clone is as it was before the pull.
func ExampleSandbox_Abort() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	write(ctx, sandbox, "README.md", "# Tea shop\n")
	if _, err := sandbox.Commit(ctx, "Say tea", nil); err != nil {
		fmt.Println(err)
		return
	}
	shop.commit("main", "README.md", "# Book shop\n")
	_, err := sandbox.Pull(ctx, &gitsandbox.PullOptions{KeepConflicts: true})
	fmt.Println(errors.Is(err, gitsandbox.ErrConflict))

	if err := sandbox.Abort(ctx); err != nil {
		fmt.Println(err)
		return
	}
	readme, err := sandbox.ReadFile(ctx, "README.md")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", readme)
	// Output:
	// true
	// # Tea shop
}

// An agent may push to a branch that people merge from, and may not touch
// what decides about prices.
func ExamplePushPolicy() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{Policy: &gitsandbox.PushPolicy{
		AllowRefs:      []string{"refs/heads/proposals/*"},
		ProtectedPaths: append(gitsandbox.DefaultProtectedPaths(), "prices"),
		MaxPackBytes:   10 << 20,
	}})
	defer shop.Close()
	sandbox := shop.clone(ctx)

	write(ctx, sandbox, "tea.txt", "green\n")
	result, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Sell tea", Branch: "proposals/tea"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Outcome, "to", result.Branch)

	_, err = sandbox.Push(ctx, &gitsandbox.PushOptions{Branch: "main"})
	if refused, ok := errors.AsType[*gitsandbox.PolicyError](err); ok {
		fmt.Println("refused:", refused.Rule)
	}
	write(ctx, sandbox, "prices/tea.txt", "0\n")
	_, err = sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Free tea"})
	if refused, ok := errors.AsType[*gitsandbox.PolicyError](err); ok {
		fmt.Println("refused:", refused.Rule, refused.Path)
	}
	// Output:
	// pushed to proposals/tea
	// refused: ref
	// refused: protected_path prices
}

// The CI of the remote runs what these paths say, with its secrets.
func ExampleDefaultProtectedPaths() {
	for _, path := range gitsandbox.DefaultProtectedPaths()[:3] {
		fmt.Println(path)
	}
	// Output:
	// .github/workflows
	// .github/actions
	// .github/CODEOWNERS
}

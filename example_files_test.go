package gitsandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

func ExampleSandbox_Exec() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	// A non-zero exit code is a result, not an error.
	res, err := sandbox.Exec(ctx, &e2b.Command{
		Args:    []string{"sh", "-c", "wc -l < README.md; exit 3"},
		Timeout: time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("exit code %d, %s", res.ExitCode, res.Stdout)
	// Output: exit code 3, 1
}

// Output can be had as it comes.
func ExampleSandbox_Exec_stream() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	_, err := sandbox.Exec(ctx, &e2b.Command{
		Args:   []string{"sort"},
		Stdin:  strings.NewReader("tea\nbread\n"),
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// bread
	// tea
}

// When the context ends, the command and all that it has started are ended.
func ExampleSandbox_Exec_deadline() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"sleep", "60"}})
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, gitsandbox.ErrTimeout))
	// Output: true true
}

func ExampleSandbox_ReadFile() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	readme, err := sandbox.ReadFile(ctx, "README.md")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", readme)

	_, err = sandbox.ReadFile(ctx, "TODO.md")
	fmt.Println(errors.Is(err, gitsandbox.ErrFileNotFound))
	_, err = sandbox.ReadFile(ctx, "../.ssh/id_rsa")
	fmt.Println(errors.Is(err, gitsandbox.ErrInvalidArgument))
	// Output:
	// # Shop
	// true
	// true
}

func ExampleSandbox_WriteFile() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	if err := sandbox.WriteFile(ctx, "bin/open", []byte("#!/bin/sh\necho open\n"), 0o755); err != nil {
		fmt.Println(err)
		return
	}
	res, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"bin/open"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", res.Stdout)
	// Output: open
}

// A defer that ends the sandbox also when the context has ended.
func ExampleSandbox_Kill() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	ctx, cancel := context.WithCancel(ctx)
	cancel()
	fmt.Println(sandbox.Kill(context.WithoutCancel(ctx)))

	_, err := sandbox.Status(context.WithoutCancel(ctx), nil)
	fmt.Println(errors.Is(err, gitsandbox.ErrSandboxNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleSandbox_Status() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "README.md", "# Our shop\n")
	write(ctx, sandbox, "prices.txt", "tea 2\n")

	status, err := sandbox.Status(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, %d ahead and %d behind of %s\n", status.Branch, status.Ahead, status.Behind, status.Upstream)
	for _, f := range status.Files {
		fmt.Println(f.Path, f.Worktree)
	}
	fmt.Println("clean:", status.Clean())
	// Output:
	// agent-a1-t1, 0 ahead and 0 behind of origin/main
	// README.md modified
	// prices.txt untracked
	// clean: false
}

func ExampleSandbox_Diff() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "README.md", "# Shop\n\nWe sell tea.\n")

	diff, err := sandbox.Diff(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range diff.Files {
		fmt.Printf("%s: %s, +%d -%d\n", f.Path, f.Change, f.Additions, f.Deletions)
	}
	_, hunk, _ := strings.Cut(string(diff.Patch), "+++ b/README.md\n")
	fmt.Print(hunk)
	// Output:
	// README.md: modified, +2 -0
	// @@ -1 +1,3 @@
	//  # Shop
	// +
	// +We sell tea.
}

// What the agent has added since it left the base branch, as a reviewer would
// see it.
func ExampleSandbox_Diff_review() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "prices.txt", "tea 2\nbread 3\n")
	if _, err := sandbox.Commit(ctx, "Add prices", nil); err != nil {
		fmt.Println(err)
		return
	}

	diff, err := sandbox.Diff(ctx, &gitsandbox.DiffOptions{
		From: "origin/" + sandbox.BaseBranch(), To: "HEAD", MergeBase: true, NoPatch: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range diff.Files {
		fmt.Printf("%s: %s, %d lines\n", f.Path, f.Change, f.Additions)
	}
	// Output: prices.txt: added, 2 lines
}

// The commits of the agent, which the base branch does not have.
func ExampleSandbox_Log() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	for _, name := range []string{"tea", "bread"} {
		write(ctx, sandbox, name+".txt", name+"\n")
		if _, err := sandbox.Commit(ctx, "Sell "+name, nil); err != nil {
			fmt.Println(err)
			return
		}
	}

	for commit, err := range sandbox.Log(ctx, &gitsandbox.LogOptions{Exclude: []string{"origin/main"}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(commit.Subject, "by", commit.Author.Name)
	}
	// Output:
	// Sell bread by gitsandbox
	// Sell tea by gitsandbox
}

func ExampleSandbox_Show() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "tea.txt", "green\nblack\n")
	if _, err := sandbox.Commit(ctx, "Sell tea\n\nTwo kinds of it.", nil); err != nil {
		fmt.Println(err)
		return
	}

	shown, err := sandbox.Show(ctx, "HEAD", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(shown.Commit.Subject)
	fmt.Println(strings.TrimSpace(shown.Commit.Body))
	for _, f := range shown.Diff.Files {
		fmt.Println(f.Path, f.Change, f.Additions)
	}
	// Output:
	// Sell tea
	// Two kinds of it.
	// tea.txt added 2
}

func ExampleSandbox_ShowFile() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "README.md", "# Our shop\n")

	before, err := sandbox.ShowFile(ctx, "HEAD", "README.md")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", before)
	// Output: # Shop
}

// An agent takes a change back.
func ExampleSandbox_Restore() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "README.md", "oops\n")

	if err := sandbox.Restore(ctx, []string{"README.md"}, nil); err != nil {
		fmt.Println(err)
		return
	}
	status, err := sandbox.Status(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("clean:", status.Clean())
	// Output: clean: true
}

// An agent gives up its last commit and keeps the files.
func ExampleSandbox_Reset() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "draft.txt", "draft\n")
	if _, err := sandbox.Commit(ctx, "Too early", nil); err != nil {
		fmt.Println(err)
		return
	}

	if err := sandbox.Reset(ctx, &gitsandbox.ResetOptions{Rev: "HEAD~1", Mode: gitsandbox.ResetMixed}); err != nil {
		fmt.Println(err)
		return
	}
	status, err := sandbox.Status(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range status.Files {
		fmt.Println(f.Path, f.Worktree)
	}
	// Output: draft.txt untracked
}

func ExampleSandbox_Branches() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	write(ctx, sandbox, "tea.txt", "green\n")
	if _, err := sandbox.Commit(ctx, "Sell tea", nil); err != nil {
		fmt.Println(err)
		return
	}

	branches, err := sandbox.Branches(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range branches {
		fmt.Printf("%s: %q, %d ahead\n", b.Name, b.Subject, b.Ahead)
	}
	// Output: agent-a1-t1: "Sell tea", 1 ahead
}

// An agent tries something on a branch of its own. Only Push publishes, so the
// branch stays in the sandbox.
func ExampleSandbox_CreateBranch() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	if err := sandbox.CreateBranch(ctx, "spike", &gitsandbox.CreateBranchOptions{Checkout: true}); err != nil {
		fmt.Println(err)
		return
	}
	status, err := sandbox.Status(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status.Branch)
	// Output: spike
}

func ExampleSandbox_Checkout() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	if err := sandbox.CreateBranch(ctx, "spike", nil); err != nil {
		fmt.Println(err)
		return
	}

	for _, name := range []string{"spike", sandbox.Branch()} {
		if err := sandbox.Checkout(ctx, name); err != nil {
			fmt.Println(err)
			return
		}
		status, err := sandbox.Status(ctx, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(status.Branch)
	}
	// Output:
	// spike
	// agent-a1-t1
}

// A branch with commits that no other branch has is deleted only by force.
func ExampleSandbox_DeleteBranch() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()
	if err := sandbox.CreateBranch(ctx, "spike", &gitsandbox.CreateBranchOptions{Checkout: true}); err != nil {
		fmt.Println(err)
		return
	}
	write(ctx, sandbox, "spike.txt", "spike\n")
	if _, err := sandbox.Commit(ctx, "Spike", nil); err != nil {
		fmt.Println(err)
		return
	}
	if err := sandbox.Checkout(ctx, sandbox.Branch()); err != nil {
		fmt.Println(err)
		return
	}

	err := sandbox.DeleteBranch(ctx, "spike", nil)
	fmt.Println(errors.Is(err, gitsandbox.ErrNotFastForward))
	err = sandbox.DeleteBranch(ctx, "spike", &gitsandbox.DeleteBranchOptions{Force: true})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleSandbox_ListFiles() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	files, err := sandbox.ListFiles(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(files.Paths)
	// Output: [README.md]
}

func ExampleSandbox_Search() {
	ctx := context.Background()
	sandbox, end := newClone(ctx)
	defer end()

	found, err := sandbox.Search(ctx, "^#", &gitsandbox.SearchOptions{Regexp: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range found.Matches {
		fmt.Printf("%s:%d: %s\n", m.Path, m.Line, m.Text)
	}
	// Output: README.md:1: # Shop
}

func ExampleClient_List() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	for _, task := range []string{"readme", "tests"} {
		if _, err := shop.client.Clone(ctx, shop.url, &gitsandbox.CloneOptions{AgentID: "a1", TaskID: task, Owner: "alice"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for info, err := range shop.client.List(ctx, &gitsandbox.ListOptions{Owner: "alice"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(info.TaskID, "on", info.Branch)
	}
	// Output:
	// tests on agent-a1-tests
	// readme on agent-a1-readme
}

package gitsandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

// bothRoutes runs a test once with a credential, over the relay, and once
// without, directly.
func bothRoutes(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("relay", func(t *testing.T) {
		t.Parallel()
		fn(t, newWorld(t, nil))
	})
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		fn(t, newWorld(t, &worldOptions{open: true}))
	})
}

func TestCloneChecksOutAnAgentBranch(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		s := w.clone("a1", "t1")
		assert.Equal(t, "agent-a1-t1", s.Branch())
		assert.Equal(t, "main", s.BaseBranch())
		assert.Equal(t, w.url, s.RepoURL())
		st, err := s.Status(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, &gitsandbox.Status{
			Branch: "agent-a1-t1", Head: w.tip("main"), Upstream: "origin/main", Files: []gitsandbox.FileStatus{},
		}, st)
		assert.True(t, st.Clean())
		data, err := s.ReadFile(t.Context(), "README.md")
		require.NoError(t, err)
		assert.Equal(t, "# Shop\n", string(data))
	})
}

func TestRouteFollowsTheCredential(t *testing.T) {
	t.Parallel()
	assert.Equal(t, gitsandbox.RouteRelay, newWorld(t, nil).clone("a", "t").Route())
	assert.Equal(t, gitsandbox.RouteDirect, newWorld(t, &worldOptions{open: true}).clone("a", "t").Route())
}

func TestCommitAndPush(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		s := w.clone("a1", "t1")
		w.write(s, "src/new.go", "package src\n")
		res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add src\n\nWith a body.\n"})
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PushPublished, res.Outcome)
		assert.Equal(t, "agent-a1-t1", res.Branch)
		assert.Equal(t, 1, res.Attempts)
		assert.True(t, res.Committed)
		assert.Empty(t, res.Previous)
		assert.Equal(t, w.tip("agent-a1-t1"), res.Commit)
		assert.Equal(t, "package src\n", w.file("agent-a1-t1", "src/new.go"))

		st, err := s.Status(t.Context(), nil)
		require.NoError(t, err)
		assert.True(t, st.Clean())
		assert.Equal(t, "origin/agent-a1-t1", st.Upstream)
		assert.Equal(t, 0, st.Ahead)

		again, err := s.Push(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PushUpToDate, again.Outcome)

		_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Nothing"})
		require.ErrorIs(t, err, gitsandbox.ErrNothingToCommit)
	})
}

func TestCommitReturnsTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	base := w.tip("main")
	w.write(s, "a.txt", "a\n")
	w.write(s, "b.txt", "b\n")
	c, err := s.Commit(t.Context(), "Add a\n\nBody.", &gitsandbox.CommitOptions{
		Paths: []string{"a.txt"}, Author: gitsandbox.Signature{Name: "Ada", Email: "ada@example.com"},
	})
	require.NoError(t, err)
	assert.Equal(t, "Add a", c.Subject)
	assert.Equal(t, "Body.", c.Body)
	assert.Equal(t, []gitsandbox.Hash{base}, c.Parents)

	var logged []*gitsandbox.Commit
	for c, err := range s.Log(t.Context(), &gitsandbox.LogOptions{Exclude: []string{"origin/main"}}) {
		require.NoError(t, err)
		logged = append(logged, c)
	}
	require.Len(t, logged, 1)
	assert.Equal(t, c.Hash, logged[0].Hash)
	assert.Equal(t, "Ada", logged[0].Author.Name)
	assert.Equal(t, "gitsandbox", logged[0].Committer.Name)
	assert.True(t, c.Authored.Equal(logged[0].Authored))

	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []gitsandbox.FileStatus{{Path: "b.txt", Index: gitsandbox.Untracked, Worktree: gitsandbox.Untracked}}, st.Files)
	assert.Equal(t, 1, st.Ahead)
}

func TestCommitWithAMessageTooLongForAnArgument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	w.write(s, "a.txt", "a\n")
	body := strings.Repeat("long line\n", 20_000)
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Subject\n\n" + body})
	require.NoError(t, err)
	shown, err := s.Show(t.Context(), "HEAD", nil)
	require.NoError(t, err)
	assert.Equal(t, strings.TrimRight(body, "\n"), shown.Commit.Body)
}

func TestPushThatIsRejectedIsRebasedAndLands(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		s := w.clone("a1", "t1")
		w.write(s, "mine.txt", "mine\n")
		_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Mine"})
		require.NoError(t, err)
		theirs := w.commit("agent-a1-t1", "Theirs", map[string]string{"theirs.txt": "theirs\n"})

		w.write(s, "mine2.txt", "mine2\n")
		w.write(s, "README.md", "# Shop, edited\n")
		res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Mine again", Paths: []string{"mine2.txt"}})
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PushRebased, res.Outcome)
		assert.Equal(t, 2, res.Attempts)
		assert.Equal(t, theirs, res.Previous)
		assert.Equal(t, "mine2\n", w.file("agent-a1-t1", "mine2.txt"))
		assert.Equal(t, "theirs\n", w.file("agent-a1-t1", "theirs.txt"))
		got, err := s.ReadFile(t.Context(), "theirs.txt")
		require.NoError(t, err)
		assert.Equal(t, "theirs\n", string(got))
		edited, err := s.ReadFile(t.Context(), "README.md")
		require.NoError(t, err)
		assert.Equal(t, "# Shop, edited\n", string(edited), "uncommitted work survives the rebase")
	})
}

// A rebase would take a merge apart, and ask for its conflicts again.
func TestPushOfAMergeThatIsRejectedIsMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	w.write(s, "README.md", "# Mine\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Mine"})
	require.NoError(t, err)
	w.commit("main", "Theirs", map[string]string{"README.md": "# Theirs\n"})
	_, err = s.Pull(t.Context(), &gitsandbox.PullOptions{KeepConflicts: true})
	require.ErrorIs(t, err, gitsandbox.ErrConflict)
	w.write(s, "README.md", "# Ours\n")
	_, err = s.Continue(t.Context(), "")
	require.NoError(t, err)
	w.commit("agent-a1-t1", "Reviewed", map[string]string{"review.txt": "fine\n"})
	res, err := s.Push(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushRebased, res.Outcome)
	assert.Equal(t, "# Ours\n", w.file("agent-a1-t1", "README.md"))
	assert.Equal(t, "fine\n", w.file("agent-a1-t1", "review.txt"))
}

func TestPushConflictNamesTheFilesAndLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	w.write(s, "plan.txt", "one\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Plan"})
	require.NoError(t, err)
	theirs := w.commit("agent-a1-t1", "Their plan", map[string]string{"plan.txt": "two\n"})

	w.write(s, "plan.txt", "three\n")
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "My plan"})
	require.ErrorIs(t, err, gitsandbox.ErrConflict)
	conflict, ok := errors.AsType[*gitsandbox.ConflictError](err)
	require.True(t, ok)
	assert.Equal(t, []string{"plan.txt"}, conflict.Files)
	assert.False(t, conflict.Kept)
	assert.Equal(t, theirs, w.tip("agent-a1-t1"), "nothing was published")

	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.True(t, st.Clean())
	assert.Empty(t, st.Operation)
	assert.Equal(t, 1, st.Ahead)
	assert.Equal(t, 1, st.Behind)
	data, err := s.ReadFile(t.Context(), "plan.txt")
	require.NoError(t, err)
	assert.Equal(t, "three\n", string(data))
}

func TestKeptConflictIsContinuedAndPushed(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		s := w.clone("a1", "t1")
		w.write(s, "README.md", "# Mine\n")
		mine, err := s.Commit(t.Context(), "Mine", nil)
		require.NoError(t, err)
		theirs := w.commit("main", "Theirs", map[string]string{"README.md": "# Theirs\n"})

		_, err = s.Pull(t.Context(), &gitsandbox.PullOptions{KeepConflicts: true})
		conflict, ok := errors.AsType[*gitsandbox.ConflictError](err)
		require.True(t, ok, "%v", err)
		assert.True(t, conflict.Kept)
		assert.Equal(t, []string{"README.md"}, conflict.Files)
		st, err := s.Status(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, "merge", st.Operation)
		assert.True(t, st.HasConflicts())

		_, err = s.Push(t.Context(), nil)
		require.ErrorIs(t, err, gitsandbox.ErrUnfinished)
		_, err = s.Continue(t.Context(), "")
		require.ErrorIs(t, err, gitsandbox.ErrConflict)
		require.ErrorContains(t, err, `conflict in "README.md": conflict markers are still there`)

		w.write(s, "README.md", "# Ours\n")
		merge, err := s.Continue(t.Context(), "Merge main")
		require.NoError(t, err)
		assert.Equal(t, []gitsandbox.Hash{mine.Hash, theirs}, merge.Parents)
		res, err := s.Push(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, merge.Hash, res.Commit)
		assert.Equal(t, "# Ours\n", w.file("agent-a1-t1", "README.md"))
	})
}

// TestCommitWithAnUnmergedIndex leaves a conflict that no operation of the library
// has made, and that none ends.
func TestCommitWithAnUnmergedIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	for _, args := range [][]string{
		{"sh", "-c", "echo one >README.md && git stash -q && echo two >README.md && git commit -qam two"},
		{"git", "stash", "pop"},
	} {
		_, err := s.Exec(t.Context(), &e2b.Command{Args: args})
		require.NoError(t, err)
	}
	_, err := s.Commit(t.Context(), "three", nil)
	conflict, ok := errors.AsType[*gitsandbox.ConflictError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, []string{"README.md"}, conflict.Files)
	assert.False(t, conflict.Kept, "there is nothing to continue")
	require.ErrorContains(t, err, `conflict in "README.md": unmerged in the index until the file is staged`)
	_, err = s.Exec(t.Context(), &e2b.Command{Args: []string{"git", "add", "README.md"}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), "three", nil)
	require.NoError(t, err)
}

func TestKeptConflictIsAborted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	require.ErrorIs(t, s.Abort(t.Context()), gitsandbox.ErrUnfinished)
	w.write(s, "README.md", "# Mine\n")
	mine, err := s.Commit(t.Context(), "Mine", nil)
	require.NoError(t, err)
	w.commit("main", "Theirs", map[string]string{"README.md": "# Theirs\n"})
	_, err = s.Pull(t.Context(), &gitsandbox.PullOptions{KeepConflicts: true})
	require.ErrorIs(t, err, gitsandbox.ErrConflict)
	require.NoError(t, s.Abort(t.Context()))
	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.True(t, st.Clean())
	assert.Empty(t, st.Operation)
	assert.Equal(t, mine.Hash, st.Head)
	data, err := s.ReadFile(t.Context(), "README.md")
	require.NoError(t, err)
	assert.Equal(t, "# Mine\n", string(data))
}

func TestPull(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		s := w.clone("a1", "t1")
		res, err := s.Pull(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PullUpToDate, res.Outcome)

		one := w.commit("main", "One", map[string]string{"one.txt": "1\n"})
		res, err = s.Pull(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PullFastForwarded, res.Outcome)
		assert.Equal(t, one, res.After)

		w.write(s, "mine.txt", "mine\n")
		_, err = s.Commit(t.Context(), "Mine", nil)
		require.NoError(t, err)
		w.commit("main", "Two", map[string]string{"two.txt": "2\n"})
		_, err = s.Pull(t.Context(), &gitsandbox.PullOptions{Mode: gitsandbox.PullFastForward})
		require.ErrorIs(t, err, gitsandbox.ErrNotFastForward)
		res, err = s.Pull(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PullRebased, res.Outcome)
		assert.Equal(t, 1, res.Replayed)

		// Once published, the commits are not rewritten.
		_, err = s.Push(t.Context(), nil)
		require.NoError(t, err)
		w.commit("main", "Three", map[string]string{"three.txt": "3\n"})
		res, err = s.Pull(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PullMerged, res.Outcome)
		pushed, err := s.Push(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PushPublished, pushed.Outcome)
		assert.Equal(t, 1, pushed.Attempts)
		assert.Equal(t, "3\n", w.file("agent-a1-t1", "three.txt"))
	})
}

// After the agent's work was merged into the base branch, the agent goes on from
// there: its branch is fast-forwarded to commits that the remote has already.
func TestPushAfterTheWorkWasMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	w.write(s, "work.txt", "work\n")
	first, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Work"})
	require.NoError(t, err)
	w.git("update-ref", "refs/heads/main", string(first.Commit))
	w.commit("main", "News", map[string]string{".github/workflows/ci.yml": "on: push\n"})
	tip := w.commit("main", "More news", map[string]string{"news.txt": "news\n"})
	pulled, err := s.Pull(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PullFastForwarded, pulled.Outcome)

	res, err := s.Push(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushPublished, res.Outcome)
	assert.Equal(t, tip, res.Commit)
	assert.Equal(t, tip, w.tip("agent-a1-t1"))

	w.write(s, "more.txt", "more\n")
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "More work"})
	require.NoError(t, err)
}

func TestPullRefusesToOverwriteUncommittedChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a1", "t1")
	w.write(s, "README.md", "# Mine\n")
	w.write(s, "new.txt", "mine\n")
	w.commit("main", "Theirs", map[string]string{"README.md": "# Theirs\n", "new.txt": "theirs\n"})
	_, err := s.Pull(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrUncommittedChanges)
	data, err := s.ReadFile(t.Context(), "README.md")
	require.NoError(t, err)
	assert.Equal(t, "# Mine\n", string(data))
	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, 1, st.Behind)
}

func TestCloneTakesUpAnAgentBranchThatTheRemoteHas(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		first := w.clone("a1", "t1")
		w.write(first, "work.txt", "half\n")
		pushed, err := first.Push(t.Context(), &gitsandbox.PushOptions{Message: "Half"})
		require.NoError(t, err)
		require.NoError(t, first.Kill(t.Context()))

		second := w.clone("a1", "t1")
		assert.NotEqual(t, first.ID(), second.ID())
		st, err := second.Status(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, pushed.Commit, st.Head)
		w.write(second, "work.txt", "whole\n")
		res, err := second.Push(t.Context(), &gitsandbox.PushOptions{Message: "Whole"})
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PushPublished, res.Outcome)
		assert.Equal(t, pushed.Commit, res.Previous)
	})
}

func TestCloneOfTheSameTaskReturnsTheLiveSandboxUpToDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first := w.clone("a1", "t1")
	w.write(first, "draft.txt", "draft\n")
	tip := w.commit("main", "News", map[string]string{"news.txt": "news\n"})
	second := w.clone("a1", "t1")
	assert.Equal(t, first.ID(), second.ID())
	st, err := second.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, tip, st.Head)
	data, err := second.ReadFile(t.Context(), "draft.txt")
	require.NoError(t, err)
	assert.Equal(t, "draft\n", string(data))
}

func TestShallowAndSparseClone(t *testing.T) {
	t.Parallel()
	bothRoutes(t, func(t *testing.T, w *world) { //nolint:thelper // it is the test
		for i := range 3 {
			w.commit("main", fmt.Sprintf("More %d", i), map[string]string{fmt.Sprintf("docs/%d.md", i): "x\n", "src/a.go": fmt.Sprintf("package a // %d\n", i)})
		}
		s, err := w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t", Depth: 1, Sparse: []string{"src"}})
		require.NoError(t, err)
		n := 0
		for _, err := range s.Log(t.Context(), nil) {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, 1, n)
		_, err = s.ReadFile(t.Context(), "docs/0.md")
		require.ErrorIs(t, err, gitsandbox.ErrFileNotFound)
		w.write(s, "src/b.go", "package a\n")
		w.commit("main", "Later", map[string]string{"docs/9.md": "x\n", "src/c.go": "package a\n"})
		_, err = s.Commit(t.Context(), "Add b", nil)
		require.NoError(t, err)
		res, err := s.Pull(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, gitsandbox.PullRebased, res.Outcome)
		_, err = s.Push(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, "x\n", w.file("agent-a-t", "docs/0.md"), "what is outside the cone is not deleted")
		assert.Equal(t, "x\n", w.file("agent-a-t", "docs/9.md"))
	})
}

func TestExecRunsInTheCloneAndReportsTheExitCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "cat README.md; exit 3"}})
	require.NoError(t, err)
	assert.Equal(t, 3, res.ExitCode)
	assert.Equal(t, "# Shop\n", string(res.Stdout))
}

func TestExecEndsWithTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.Exec(ctx, &e2b.Command{Args: []string{"sleep", "60"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, gitsandbox.ErrTimeout)
	assert.Equal(t, "timeout", gitsandbox.ErrorType(err))
}

func TestWriteFileSetsTheMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	require.NoError(t, s.WriteFile(t.Context(), "run.sh", []byte("#!/bin/sh\necho hi\n"), 0o755))
	res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"./run.sh"}})
	require.NoError(t, err)
	assert.Equal(t, "hi\n", string(res.Stdout))
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Script"})
	require.NoError(t, err)
	d, err := s.Diff(t.Context(), &gitsandbox.DiffOptions{From: "origin/main", To: "HEAD"})
	require.NoError(t, err)
	require.Len(t, d.Files, 1)
	assert.Equal(t, "100755", d.Files[0].NewMode)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "README.md", "# Shop\nopen\n")
	w.write(s, "new.txt", "new\n")
	d, err := s.Diff(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, d.Files, 1)
	assert.Equal(t, gitsandbox.FileDiff{
		Path: "README.md", Change: gitsandbox.Modified, Additions: 1, OldMode: "100644", NewMode: "100644",
	}, d.Files[0])
	assert.Equal(t, `diff --git a/README.md b/README.md
index a00621bb3a9b990ee018f8d04c2d3140800d6ca6..13a9809c3faa07823d0ffe8d142b7c024dd301f9 100644
--- a/README.md
+++ b/README.md
@@ -1 +1,2 @@
 # Shop
+open
`, string(d.Patch))
	d, err = s.Diff(t.Context(), &gitsandbox.DiffOptions{Untracked: true, NoPatch: true})
	require.NoError(t, err)
	require.Len(t, d.Files, 2)
	assert.Equal(t, "new.txt", d.Files[1].Path)
	assert.Equal(t, gitsandbox.Added, d.Files[1].Change)
	_, err = s.Diff(t.Context(), &gitsandbox.DiffOptions{From: "nope"})
	require.ErrorIs(t, err, gitsandbox.ErrRefNotFound)
}

func TestBranches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	ctx := t.Context()
	require.NoError(t, s.CreateBranch(ctx, "spike", &gitsandbox.CreateBranchOptions{Checkout: true}))
	require.ErrorIs(t, s.CreateBranch(ctx, "spike", nil), gitsandbox.ErrExists)
	w.write(s, "spike.txt", "x\n")
	_, err := s.Commit(ctx, "Spike", nil)
	require.NoError(t, err)
	list, err := s.Branches(ctx)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, "agent-a-t", list[0].Name)
	assert.Equal(t, "spike", list[1].Name)
	assert.True(t, list[1].Current)
	assert.Equal(t, "Spike", list[1].Subject)
	assert.Equal(t, 1, list[1].Ahead)

	require.NoError(t, s.Checkout(ctx, "agent-a-t"))
	require.ErrorIs(t, s.Checkout(ctx, "nope"), gitsandbox.ErrRefNotFound)
	require.ErrorIs(t, s.DeleteBranch(ctx, "spike", nil), gitsandbox.ErrNotFastForward)
	require.NoError(t, s.DeleteBranch(ctx, "spike", &gitsandbox.DeleteBranchOptions{Force: true}))
	require.ErrorIs(t, s.DeleteBranch(ctx, "agent-a-t", nil), gitsandbox.ErrInvalidArgument)
}

func TestRestoreResetShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	ctx := t.Context()
	w.write(s, "README.md", "# Edited\n")
	require.NoError(t, s.Restore(ctx, []string{"README.md"}, nil))
	data, err := s.ReadFile(ctx, "README.md")
	require.NoError(t, err)
	assert.Equal(t, "# Shop\n", string(data))
	require.ErrorIs(t, s.Restore(ctx, []string{"nope"}, nil), gitsandbox.ErrFileNotFound)

	w.write(s, "README.md", "# Edited\n")
	_, err = s.Commit(ctx, "Edit", nil)
	require.NoError(t, err)
	old, err := s.ShowFile(ctx, "HEAD~1", "README.md")
	require.NoError(t, err)
	assert.Equal(t, "# Shop\n", string(old))
	_, err = s.ShowFile(ctx, "HEAD", "nope")
	require.ErrorIs(t, err, gitsandbox.ErrFileNotFound)
	require.NoError(t, s.Reset(ctx, &gitsandbox.ResetOptions{Rev: "HEAD~1", Mode: gitsandbox.ResetHard}))
	st, err := s.Status(ctx, nil)
	require.NoError(t, err)
	assert.Equal(t, w.tip("main"), st.Head)
	assert.True(t, st.Clean())
}

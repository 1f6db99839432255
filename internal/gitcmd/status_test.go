package gitcmd

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStatusTellsEveryUnmergedState has all that an index can hold of a conflict:
// any of the base, our side and their side.
func TestStatusTellsEveryUnmergedState(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	oid := b.gitIn(b.dir(), []byte("x\n"), "hash-object", "-w", "--stdin")
	var index strings.Builder
	want := []FileStatus{}
	for state, stages := range map[string]string{"DD": "1", "AU": "2", "UA": "3", "UD": "12", "DU": "13", "AA": "23", "UU": "123"} {
		for _, stage := range stages {
			index.WriteString("100644 " + oid + " " + string(stage) + "\t" + state + "\n")
		}
		if state != "DD" {
			b.write(state, "x\n")
		}
		want = append(want, FileStatus{Path: state, Index: state[0], Worktree: state[1], Unmerged: true})
	}
	b.gitIn(b.dir(), []byte(index.String()), "update-index", "--index-info")
	assert.ElementsMatch(t, want, b.status().Files)
	b.unlocked()
	f := b.fails(b.repo.Commit(&CommitArgs{Message: "no"}))
	assert.Equal(t, Unmerged, f.Kind)
	assert.ElementsMatch(t, []string{"DD", "AU", "UA", "UD", "DU", "AA", "UU"}, f.Files)
}

// TestStatusOfASubmodule shows commits of a submodule, and nothing of its files: to
// look at those, git would run a git in it.
func TestStatusOfASubmodule(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	b.git(b.home, "init", "-q", b.dir("sub"))
	b.git(b.dir("sub"), "commit", "-q", "--allow-empty", "-m", "one")
	b.git(b.dir(), "-c", "advice.addEmbeddedRepo=false", "add", "sub")
	assert.Equal(t, []FileStatus{{Path: "sub", Index: 'A', Worktree: '.', Submodule: true}}, b.status().Files)
	b.commit("sub")
	b.write("sub/untracked", "x\n")
	assert.Empty(t, b.status().Files)
	b.git(b.dir("sub"), "commit", "-q", "--allow-empty", "-m", "two")
	assert.Equal(t, []FileStatus{{Path: "sub", Index: '.', Worktree: 'M', Submodule: true}}, b.status().Files)
	b.unlocked()
	two := b.git(b.dir("sub"), "rev-parse", "HEAD")
	d, err := ParseDiff(b.ok(b.repo.Diff(nil)))
	require.NoError(t, err)
	assert.Contains(t, string(d.Patch), "+Subproject commit "+two+"\n")
	require.NoError(t, os.RemoveAll(b.dir("sub")))
	assert.Equal(t, []FileStatus{{Path: "sub", Index: '.', Worktree: 'D', Submodule: true}}, b.status().Files)
}

// TestStatusWhereHEADIsUnusual reads what has no branch, or no commit.
func TestStatusWhereHEADIsUnusual(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	head := b.head()
	b.git(b.dir(), "checkout", "-q", "--detach")
	s := b.status()
	assert.Empty(t, s.Branch)
	assert.Equal(t, head, s.Head)
	b.unlocked()
	b.git(b.dir(), "checkout", "-q", "--orphan", "unborn")
	s = b.status()
	assert.Equal(t, "unborn", s.Branch)
	assert.Empty(t, s.Head)
	assert.Len(t, s.Files, 2)
	b.unlockedAgrees()
}

// TestDiffCutAnywhereHasWholeHunks cuts at all places. What is left is the
// beginning of the patch, and one that git can apply.
func TestDiffCutAnywhereHasWholeHunks(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	long := strings.Repeat("line\n", 60)
	b.clone(b.push(map[string]string{"long": long, "end": "no newline", "old": long + "x\n", "zbin": "a\x00b", "mode": "1\n"}))
	b.write("long", "changed\n"+strings.Repeat("line\n", 30)+"-- \n+++ b\n@@ -1 +1 @@\n"+strings.Repeat("line\n", 30))
	b.write("end", "none here")
	b.git(b.dir(), "mv", "old", "new\nname")
	b.write("zbin", "a\x00c")
	b.ok(b.repo.Chmod("mode", true))
	full, err := ParseDiff(b.ok(b.repo.Diff(nil)))
	require.NoError(t, err)
	require.False(t, full.Truncated)
	require.Greater(t, len(full.Patch), 800)
	for limit := 1; limit < len(full.Patch); limit += 11 {
		d, err := ParseDiff(b.ok(b.repo.Diff(&DiffArgs{MaxBytes: limit})))
		require.NoError(t, err)
		require.True(t, d.Truncated, "at %d", limit)
		require.Equal(t, full.Files, d.Files)
		require.LessOrEqual(t, len(d.Patch), limit)
		require.True(t, bytes.HasPrefix(full.Patch, d.Patch), "at %d", limit)
		// A binary patch without its content has nothing to apply.
		if len(d.Patch) > 0 && !bytes.Contains(d.Patch, []byte("Binary files")) {
			cmd := exec.Command("git", "apply", "--check", "-")
			cmd.Dir, cmd.Stdin = b.origin, bytes.NewReader(d.Patch)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "at %d: %s\n%s", limit, out, d.Patch)
		}
	}
}

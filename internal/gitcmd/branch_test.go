package gitcmd

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBranchesCreateListCheckoutDelete(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	b.write("a", "2\n")
	second := b.commit("two").Commit
	p, err := ParsePosition(b.ok(b.repo.CreateBranch(&BranchArgs{Name: "topic/x", Start: "HEAD^"})))
	require.NoError(t, err)
	assert.Equal(t, "agent", p.Branch)
	assert.Equal(t, Exists, b.fails(b.repo.CreateBranch(&BranchArgs{Name: "topic/x"})).Kind)
	list, err := ParseBranches(b.ok(b.repo.Branches()))
	require.NoError(t, err)
	assert.Equal(t, []Branch{
		{Name: "agent", OID: second, Current: true, Subject: "two", Ahead: 1, HasUpstream: true},
		{Name: "topic/x", OID: first, Subject: "upstream", HasUpstream: true},
	}, list)

	b.write("a", "dirty\n")
	f := b.fails(b.repo.Checkout("topic/x"))
	assert.Equal(t, Dirty, f.Kind)
	assert.Equal(t, []string{"a"}, f.Files)
	b.write("a", "2\n")
	b.write("b", "untracked\n")
	p, err = ParsePosition(b.ok(b.repo.Checkout("topic/x")))
	require.NoError(t, err)
	assert.Equal(t, &Position{Branch: "topic/x", Head: first, Before: second}, p)
	assert.Equal(t, "1\n", b.read("a"))
	assert.Equal(t, []string{"?? b"}, b.states())
	assert.Equal(t, "topic/x", b.git(b.dir(), "branch", "--show-current"))

	assert.Equal(t, CurrentBranch, b.fails(b.repo.DeleteBranch("topic/x", true)).Kind)
	b.git(b.dir(), "pack-refs", "--all")
	assert.Equal(t, NotFastForward, b.fails(b.repo.DeleteBranch("agent", false)).Kind)
	b.ok(b.repo.DeleteBranch("agent", true))
	assert.Equal(t, "topic/x", b.git(b.dir(), "for-each-ref", "--format=%(refname:short)", "refs/heads"))
	assert.Equal(t, UnknownRevision, b.fails(b.repo.DeleteBranch("agent", true)).Kind)
	assert.Equal(t, UnknownRevision, b.fails(b.repo.Checkout("agent")).Kind)

	b.ok(b.repo.CreateBranch(&BranchArgs{Name: "agent", Start: second, Checkout: true}))
	assert.Equal(t, "2\n", b.read("a"))
}

func TestRestoreAndReset(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n", "b": "1\n"})
	b.clone(first)
	b.write("a", "2\n")
	b.write("b", "2\n")
	b.git(b.dir(), "add", "a")
	require.NoError(t, ParseDone(b.ok(b.repo.Restore(&RestoreArgs{Paths: []string{"b"}}))))
	assert.Equal(t, []string{"M. a"}, b.states())
	require.NoError(t, ParseDone(b.ok(b.repo.Restore(&RestoreArgs{Paths: []string{"a"}, Staged: true}))))
	assert.Equal(t, []string{".M a"}, b.states())
	assert.Equal(t, PathNotFound, b.fails(b.repo.Restore(&RestoreArgs{Paths: []string{"zz"}})).Kind)
	second := b.commit("two").Commit

	reset := func(a *ResetArgs) *Position {
		p, err := ParsePosition(b.ok(b.repo.Reset(a)))
		require.NoError(t, err)
		return p
	}
	assert.Equal(t, &Position{Branch: "agent", Head: first, Before: second}, reset(&ResetArgs{Rev: "HEAD^", Mode: ResetSoft}))
	assert.Equal(t, []string{"M. a"}, b.states())
	reset(&ResetArgs{})
	assert.Equal(t, []string{".M a"}, b.states())
	b.git(b.dir(), "add", "a")
	reset(&ResetArgs{Paths: []string{"a"}})
	assert.Equal(t, []string{".M a"}, b.states())
	reset(&ResetArgs{Mode: ResetHard})
	assert.Empty(t, b.states())
	assert.Equal(t, "1\n", b.read("a"))
	b.write("b", "dirty\n")
	for _, mode := range []ResetMode{ResetKeep, ResetMerge} {
		assert.Equal(t, second, reset(&ResetArgs{Rev: second, Mode: mode}).Head)
		assert.Equal(t, "2\n", b.read("a"))
		assert.Equal(t, []string{".M b"}, b.states())
		assert.Equal(t, first, reset(&ResetArgs{Rev: "origin/main", Mode: mode}).Head)
	}
	b.write("a", "dirty\n")
	f := b.fails(b.repo.Reset(&ResetArgs{Rev: second, Mode: ResetKeep}))
	assert.Equal(t, Dirty, f.Kind)
	assert.Equal(t, []string{"a"}, f.Files)
	f = b.fails(b.repo.Reset(&ResetArgs{Rev: second, Mode: ResetMerge}))
	assert.Equal(t, Dirty, f.Kind)
	assert.Contains(t, f.Files, "a")
}

func TestShowListSearchChmod(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"d/a b": "needle one\nnothing\nNeedle\n", ".gitignore": "ignored\n"})
	b.clone(first)
	f, err := ParseFile(b.ok(b.repo.ShowFile(&ShowArgs{Rev: "origin/main", Path: "d/a b"})))
	require.NoError(t, err)
	assert.Equal(t, "needle one\nnothing\nNeedle\n", string(f.Data))
	assert.Equal(t, "100644", f.Mode)
	f, err = ParseFile(b.ok(b.repo.ShowFile(&ShowArgs{Path: "d/a b", MaxBytes: 6})))
	require.NoError(t, err)
	assert.Equal(t, "needle", string(f.Data))
	assert.True(t, f.Truncated)
	for _, p := range []string{"d", "nope", "--help"} {
		assert.Equal(t, PathNotFound, b.fails(b.repo.ShowFile(&ShowArgs{Path: p})).Kind)
	}

	b.write("new", "a needle\n")
	b.write("ignored", "needle\n")
	l, err := ParseListing(b.ok(b.repo.List(nil)))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"d/a b", ".gitignore", "new"}, l.Paths)
	assert.False(t, l.Truncated)
	l, err = ParseListing(b.ok(b.repo.List(&ListArgs{MaxBytes: 6})))
	require.NoError(t, err)
	assert.True(t, l.Truncated)

	m, err := ParseMatches(b.ok(b.repo.Search(&SearchArgs{Pattern: "needle"})))
	require.NoError(t, err)
	assert.Equal(t, []Match{{"d/a b", 1, "needle one"}, {"new", 1, "a needle"}}, m.Matches)
	m, err = ParseMatches(b.ok(b.repo.Search(&SearchArgs{Pattern: "^n.*E$|^Nee", Regexp: true, IgnoreCase: true, Paths: []string{"d"}})))
	require.NoError(t, err)
	assert.Equal(t, []Match{{"d/a b", 1, "needle one"}, {"d/a b", 3, "Needle"}}, m.Matches)
	m, err = ParseMatches(b.ok(b.repo.Search(&SearchArgs{Pattern: "--open-files-in-pager=touch pwned"})))
	require.NoError(t, err)
	assert.Empty(t, m.Matches)

	require.NoError(t, ParseDone(b.ok(b.repo.Chmod("d/a b", true))))
	assert.Equal(t, []string{".M d/a b"}, b.states()[:1])
	require.NoError(t, ParseDone(b.ok(b.repo.Chmod("d/a b", false))))
	require.NoError(t, os.Symlink("/etc", b.dir("link")))
	assert.Equal(t, PathNotFound, b.fails(b.repo.Chmod("link/passwd", true)).Kind)
}

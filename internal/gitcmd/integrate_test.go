package gitcmd

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// diverged makes a clone whose branch has a commit with ours, and a commit of the
// remote with theirs that is uploaded as "p".
func diverged(t *testing.T, ours, theirs map[string]string) (b *box, before, onto string) {
	t.Helper()
	b = newBox(t)
	first := b.push(map[string]string{"a": "1\n2\n3\n4\n5\n", "b": "b\n", "c": "c\n"})
	b.clone(first)
	for name, content := range ours {
		b.write(name, content)
	}
	before = first
	if ours != nil {
		before = b.commit("ours").Commit
	}
	onto = b.push(theirs)
	b.upload("p", onto, first)
	b.track(onto)
	return b, before, onto
}

func TestIntegrateRebases(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"a": "one\n2\n3\n4\n5\n"}, map[string]string{"a": "1\n2\n3\n4\nfive\n", "new": "n\n"})
	b.write("c", "dirty\n")
	b.write("untracked", "u\n")
	b.git(b.dir(), "add", "c")
	i := b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: onto, Fetch: Fetch{Pack: "p"}}))
	assert.Equal(t, &Integrated{How: Rebased, Before: before, After: b.head(), Replayed: 1}, i)
	assert.Equal(t, onto, b.git(b.dir(), "rev-parse", "HEAD^"))
	assert.Equal(t, "one\n2\n3\n4\nfive\n", b.read("a"))
	assert.Equal(t, "n\n", b.read("new"))
	assert.ElementsMatch(t, []string{"M. c", "?? untracked"}, b.states())
	assert.Equal(t, "Agent", b.git(b.dir(), "log", "-1", "--format=%an"))
	assert.Equal(t, onto, b.git(b.dir(), "rev-parse", "origin/main"))

	i = b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: onto}))
	assert.Equal(t, UpToDate, i.How)
}

func TestIntegrateFastForwards(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, nil, map[string]string{"a": "", "d/e": "e\n"})
	i := b.integrated(b.repo.Integrate(&IntegrateArgs{Mode: FastOnly, Onto: onto, Fetch: Fetch{Pack: "p"}}))
	assert.Equal(t, &Integrated{How: FastForward, Before: before, After: onto}, i)
	assert.NoFileExists(t, b.dir("a"))
	assert.FileExists(t, b.dir("d/e"))
	assert.Empty(t, b.states())
}

func TestIntegrateFastOnlyRefuses(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"b": "x\n"}, map[string]string{"c": "x\n"})
	assert.Equal(t, NotFastForward, b.fails(b.repo.Integrate(&IntegrateArgs{Mode: FastOnly, Onto: onto, Fetch: Fetch{Pack: "p"}})).Kind)
	assert.Equal(t, before, b.head())
}

func TestIntegrateMerges(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"b": "x\n"}, map[string]string{"c": "x\n"})
	b.repo.OpID = "m1"
	args := &IntegrateArgs{Mode: Merge, Onto: onto, Message: "bring it in", Fetch: Fetch{Pack: "p"}}
	i := b.integrated(b.repo.Integrate(args))
	assert.Equal(t, Merged, i.How)
	assert.Equal(t, before+" "+onto, b.git(b.dir(), "log", "-1", "--format=%P"))
	assert.Equal(t, "bring it in", b.git(b.dir(), "log", "-1", "--format=%s"))
	assert.Empty(t, b.states())
	assert.Equal(t, i, b.integrated(b.repo.Integrate(args)), "sent again, the upload gone")
}

func TestIntegrateThenPacks(t *testing.T) {
	t.Parallel()
	b, _, onto := diverged(t, map[string]string{"b": "x\n"}, map[string]string{"c": "x\n"})
	b.repo.OpID = "i1"
	args := &IntegrateArgs{Onto: onto, Fetch: Fetch{Pack: "p"}, Then: &PackArgs{Known: []string{onto}}}
	for range 2 {
		out := b.ok(b.repo.Integrate(args))
		r := bufio.NewReader(bytes.NewReader(out))
		i, err := ReadIntegrated(r)
		require.NoError(t, err)
		p, err := ReadPack(r)
		require.NoError(t, err)
		assert.True(t, p.HasPack)
		assert.Equal(t, i.After, p.Head)
		magic, err := r.Peek(4)
		require.NoError(t, err)
		assert.Equal(t, "PACK", string(magic))
	}
}

func TestIntegrateDropsWhatBecameEmpty(t *testing.T) {
	t.Parallel()
	b, _, onto := diverged(t, map[string]string{"b": "x\n"}, map[string]string{"b": "x\n"})
	i := b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: onto, Fetch: Fetch{Pack: "p"}}))
	assert.Equal(t, onto, i.After)
	assert.Zero(t, i.Replayed)
}

func TestIntegrateReportsAConflictAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Rebase, Merge} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			b, before, onto := diverged(t, map[string]string{"a": "ours\n", "b": "x\n"}, map[string]string{"a": "theirs\n", "c": "y\n"})
			b.write("untracked", "u\n")
			f := b.fails(b.repo.Integrate(&IntegrateArgs{Mode: mode, Onto: onto, Fetch: Fetch{Pack: "p"}}))
			assert.Equal(t, Conflict, f.Kind)
			assert.Equal(t, []string{"a"}, f.Files)
			assert.Equal(t, before, b.head())
			assert.Equal(t, []string{"?? untracked"}, b.states())
			assert.Equal(t, "ours\n", b.read("a"))
		})
	}
}

func TestIntegrateRefusesToOverwrite(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"b": "x\n"}, map[string]string{"c": "theirs\n", "added": "1\n", "ignored": "2\n"})
	args := &IntegrateArgs{Onto: onto, Fetch: Fetch{Pack: "p"}}
	b.write("c", "dirty\n")
	f := b.fails(b.repo.Integrate(args))
	assert.Equal(t, Dirty, f.Kind)
	assert.Equal(t, []string{"c"}, f.Files)
	b.write("c", "c\n")
	args.Fetch = Fetch{}

	b.write("added", "mine\n")
	f = b.fails(b.repo.Integrate(args))
	assert.Equal(t, Dirty, f.Kind)
	assert.Equal(t, []string{"added"}, f.Files)
	assert.Equal(t, "mine\n", b.read("added"))
	require.NoError(t, os.Remove(b.dir("added")))

	b.write(".git/info/exclude", "ignored\n")
	b.write("ignored", "mine\n")
	f = b.fails(b.repo.Integrate(args))
	assert.Equal(t, []string{"ignored"}, f.Files)
	assert.Equal(t, before, b.head())
	require.NoError(t, os.Remove(b.dir("ignored")))

	assert.Equal(t, Rebased, b.integrated(b.repo.Integrate(args)).How)
}

func TestIntegrateKeepsAConflictForTheAgent(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"a": "ours\n", "b": "x\n"}, map[string]string{"a": "theirs\n", "c": "y\n", "new": "n\n"})
	b.write("untracked", "u\n")
	f := b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true, Message: "merge it", Fetch: Fetch{Pack: "p"}}))
	assert.Equal(t, Conflict, f.Kind)
	assert.Equal(t, []string{"a"}, f.Files)
	assert.Equal(t, "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> origin/main\n", b.read("a"))
	s := b.status()
	assert.Equal(t, "merge", s.Operation)
	assert.Equal(t, onto, s.MergeHead)
	assert.Equal(t, before, s.Head)
	assert.ElementsMatch(t, []string{"UU a", "M. c", "A. new", "?? untracked"}, b.states())
	assert.Equal(t, "UU a", strings.Split(b.git(b.dir(), "status", "--porcelain"), "\n")[0])

	f = b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true}))
	assert.Equal(t, &Failure{Kind: Conflict, ExitCode: 68, Detail: "kept " + before, Files: []string{"a"}}, f, "sent again")

	b.repo.OpID = "k1"
	args := &ContinueArgs{Ours: before, Theirs: onto, Message: "merged"}
	assert.Equal(t, Unfinished, b.fails(b.repo.Commit(&CommitArgs{Message: "no"})).Kind)
	f = b.fails(b.repo.Continue(args))
	assert.Equal(t, Unmerged, f.Kind)
	assert.Equal(t, []string{"a"}, f.Files)
	assert.Equal(t, Moved, b.fails(b.repo.Continue(&ContinueArgs{Ours: onto, Theirs: onto, Message: "m"})).Kind)

	// Staged with its markers, it is still not resolved.
	b.git(b.dir(), "add", "a")
	assert.Equal(t, Unmerged, b.fails(b.repo.Continue(args)).Kind)

	b.write("a", "both\n")
	i := b.integrated(b.repo.Continue(args))
	assert.Equal(t, Merged, i.How)
	assert.Equal(t, before+" "+onto, b.git(b.dir(), "log", "-1", "--format=%P"))
	assert.Equal(t, i, b.integrated(b.repo.Continue(args)))
	assert.Empty(t, b.states())
	assert.Empty(t, b.status().Operation)
}

func TestAbortPutsEverythingBack(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"a": "ours\n", "b": "x\n"}, map[string]string{"a": "theirs\n", "c": "", "new": "n\n"})
	b.write("untracked", "u\n")
	b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true, Fetch: Fetch{Pack: "p"}}))
	b.write("b", "edited since\n")
	p, err := ParsePosition(b.ok(b.repo.Abort(before)))
	require.NoError(t, err)
	assert.Equal(t, before, p.Head)
	assert.Equal(t, "ours\n", b.read("a"))
	assert.Equal(t, "c\n", b.read("c"))
	assert.NoFileExists(t, b.dir("new"))
	assert.ElementsMatch(t, []string{".M b", "?? untracked"}, b.states())
	assert.Equal(t, Moved, b.fails(b.repo.Abort(before)).Kind)
}

func TestKeepConflictsRefusesADirtyTree(t *testing.T) {
	t.Parallel()
	b, before, onto := diverged(t, map[string]string{"a": "ours\n"}, map[string]string{"a": "theirs\n"})
	b.write("c", "dirty\n")
	f := b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true, Fetch: Fetch{Pack: "p"}}))
	assert.Equal(t, Dirty, f.Kind)
	assert.Equal(t, []string{"c"}, f.Files)
	assert.Equal(t, before, b.head())
	assert.Empty(t, b.status().Operation)
}

func TestConflictOfEveryShape(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"content": "1\n", "we-delete": "1\n", "they-delete": "1\n"})
	b.clone(first)
	b.write("content", "ours\n")
	b.write("both-add", "ours\n")
	b.write("they-delete", "ours\n")
	require.NoError(t, os.Remove(b.dir("we-delete")))
	before := b.commit("ours").Commit
	onto := b.push(map[string]string{"content": "theirs\n", "both-add": "theirs\n", "they-delete": "", "we-delete": "theirs\n"})
	b.upload("p", onto, first)
	b.track(onto)
	f := b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true, Fetch: Fetch{Pack: "p"}}))
	assert.ElementsMatch(t, []string{"both-add", "content", "they-delete", "we-delete"}, f.Files)
	assert.ElementsMatch(t, []string{"AA both-add", "UU content", "UD they-delete", "DU we-delete"}, b.states())
	b.ok(b.repo.Abort(before))
	assert.Empty(t, b.states())
	assert.NoFileExists(t, b.dir("we-delete"))
}

func TestIntegrateWithoutACommonAncestor(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	b.git(b.origin, "checkout", "-q", "--orphan", "other")
	other := b.push(map[string]string{"z": "1\n"})
	b.upload("p", other)
	assert.Equal(t, Unrelated, b.fails(b.repo.Integrate(&IntegrateArgs{Onto: other, Fetch: Fetch{Pack: "p"}})).Kind)
	assert.Equal(t, UnknownRevision, b.fails(b.repo.Integrate(&IntegrateArgs{Onto: strings.Repeat("1", 40)})).Kind)
}

// TestIntegrateMergesWhereOnlyARebaseConflicts has two commits of which the second
// takes back the first: one by one they conflict with the other side, together they
// do not.
func TestIntegrateMergesWhereOnlyARebaseConflicts(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n", "b": "1\n"})
	b.clone(first)
	b.write("a", "ours\n")
	b.commit("one")
	b.write("a", "1\n")
	b.write("b", "ours\n")
	before := b.commit("two").Commit
	onto := b.push(map[string]string{"a": "theirs\n"})
	b.upload("p", onto, first)
	b.ok(b.repo.Fetch(&Fetch{Pack: "p"}))

	f := b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto}))
	assert.Equal(t, Conflict, f.Kind)
	assert.Equal(t, []string{"a"}, f.Files)
	assert.Equal(t, before, b.head())

	got := b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true, Message: "Merge"}))
	assert.Equal(t, Merged, got.How)
	assert.Equal(t, before+" "+onto, b.git(b.dir(), "log", "-1", "--format=%P"))
	assert.Equal(t, "theirs\n", b.read("a"))
	assert.Equal(t, "ours\n", b.read("b"))
	assert.Empty(t, b.states())
}

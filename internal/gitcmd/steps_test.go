package gitcmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCloneMakesAClone(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a.txt": "one\n", "dir/b.txt": "two\n"})
	c := b.clone(first)
	assert.Equal(t, "agent", c.Branch)
	assert.Equal(t, first, c.Head)
	assert.Regexp(t, `^2\.\d+`, c.GitVersion)
	assert.Equal(t, "two\n", b.read("dir/b.txt"))
	assert.Equal(t, "https://example.com/repo.git", b.git(b.dir(), "config", "remote.origin.url"))
	assert.Equal(t, "Agent", b.git(b.dir(), "config", "user.name"))
	assert.Equal(t, "## agent...origin/main", b.git(b.dir(), "status", "-sb"))
	assert.Empty(t, b.git(b.dir(), "fsck"))
	assert.NoFileExists(t, filepath.Join(b.home, UploadDir, "clone.pack"))

	f := b.fails(b.repo.Clone(&CloneArgs{URL: "https://example.com/repo.git", Base: "main", Branch: "agent", Head: first}))
	assert.Equal(t, Exists, f.Kind)
}

func TestCloneAgainWithTheSameOpIDSaysTheSame(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.repo.OpID = "op-1"
	first := b.push(map[string]string{"a.txt": "one\n"})
	b.clone(first)
	b.write("a.txt", "edited\n")
	again := b.clone(first)
	assert.Equal(t, first, again.Head)
	assert.Equal(t, "edited\n", b.read("a.txt"))
}

func TestCloneOfAnEmptyRemote(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	c := b.clone("")
	assert.Empty(t, c.Head)
	s := b.status()
	assert.Equal(t, "agent", s.Branch)
	assert.Empty(t, s.Head)
	b.write("a", "x")
	made := b.commit("first")
	assert.Empty(t, made.Parent)
	assert.Equal(t, made.Commit, b.head())
}

func TestCloneShallow(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.push(map[string]string{"a.txt": "one\n"})
	tip := b.push(map[string]string{"a.txt": "two\n"})
	objects := b.git(b.origin, "rev-list", "--objects", "--no-object-names", "-1", tip)
	pack := b.gitRaw(b.origin, []byte(objects+"\n"), "pack-objects", "--stdout", "-q")
	b.write("../"+UploadDir+"/p", pack)
	b.ok(b.repo.Clone(&CloneArgs{
		URL: "https://example.com/r", Base: "main", Branch: "agent", Head: tip,
		Fetch: Fetch{Pack: "p", Shallow: []string{tip}},
	}))
	assert.Equal(t, "1", b.git(b.dir(), "rev-list", "--count", "HEAD"))

	// Deepened: the boundary goes.
	b.upload("rest", tip)
	out := b.ok(b.repo.Fetch(&Fetch{Pack: "rest", Unshallow: []string{tip}}))
	f, err := ParseFetched(out)
	require.NoError(t, err)
	assert.False(t, f.Shallow)
	assert.Equal(t, "2", b.git(b.dir(), "rev-list", "--count", "HEAD"))
}

func TestCloneWithACorruptPackLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a.txt": "one\n"})
	b.write("../"+UploadDir+"/p", "PACK and nothing that follows")
	args := &CloneArgs{URL: "https://example.com/r", Base: "main", Branch: "agent", Head: first, Fetch: Fetch{Pack: "p"}}
	assert.Equal(t, Upload, b.fails(b.repo.Clone(args)).Kind)
	assert.NoDirExists(t, b.dir())
	assert.Equal(t, Upload, b.fails(b.repo.Clone(args)).Kind, "missing")
	b.clone(first)
}

func TestSparseCloneKeepsWhatIsOutside(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.repo.Sparse = []string{"in/deep"}
	first := b.push(map[string]string{"root": "r\n", "in/x": "x\n", "in/deep/y": "y\n", "out/z": "z\n"})
	b.clone(first)
	assert.FileExists(t, b.dir("in/deep/y"))
	assert.FileExists(t, b.dir("in/x"))
	assert.NoDirExists(t, b.dir("out"))
	assert.Empty(t, b.states())
	assert.Empty(t, b.git(b.dir(), "status", "--porcelain"))

	b.write("in/deep/y", "changed\n")
	b.write("out/new", "outside\n")
	b.commit("change")
	assert.Equal(t, "in/deep/y\nout/new", b.git(b.dir(), "diff", "--name-only", "HEAD^", "HEAD"))

	second := b.push(map[string]string{"out/z": "zz\n", "root": "rr\n"})
	b.upload("p", second, first)
	b.track(second)
	i := b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: second, Fetch: Fetch{Pack: "p"}}))
	assert.Equal(t, Rebased, i.How)
	assert.Equal(t, "rr\n", b.read("root"))
	assert.NoFileExists(t, b.dir("out/z"))
	assert.Empty(t, b.states())
}

func TestStatusTellsEveryState(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"mod": "1\n", "gone": "1\n", "renamed": "a long enough line\n", "staged": "1\n"})
	b.clone(first)
	b.write("mod", "2\n")
	require.NoError(t, os.Remove(b.dir("gone")))
	b.git(b.dir(), "mv", "renamed", "new name\nwith\"quotes")
	b.write("staged", "2\n")
	b.git(b.dir(), "add", "staged")
	b.write("-rf", "x")
	b.write("sub/\xff\xfe", "x")
	s := b.status()
	assert.Equal(t, "agent", s.Branch)
	assert.Equal(t, first, s.Head)
	assert.Equal(t, "refs/remotes/origin/main", s.Upstream)
	assert.ElementsMatch(t, []FileStatus{
		{Path: "gone", Index: '.', Worktree: 'D'},
		{Path: "mod", Index: '.', Worktree: 'M'},
		{Path: "new name\nwith\"quotes", From: "renamed", Index: 'R', Worktree: '.'},
		{Path: "staged", Index: 'M', Worktree: '.'},
		{Path: "-rf", Index: '?', Worktree: '?'},
		{Path: "sub/\xff\xfe", Index: '?', Worktree: '?'},
	}, s.Files)
}

func TestStatusCountsAheadAndBehind(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	second := b.push(map[string]string{"b": "1\n"})
	b.upload("p", second, first)
	b.track(second)
	b.ok(b.repo.Fetch(&Fetch{Pack: "p"}))
	b.write("c", "1\n")
	b.commit("c")
	b.write("d", "1\n")
	b.commit("d")
	s := b.status()
	assert.Equal(t, 2, s.Ahead)
	assert.Equal(t, 1, s.Behind)
	assert.Equal(t, second, b.git(b.dir(), "rev-parse", "origin/main"))
}

func TestStatusOfPackedRefs(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	b.git(b.dir(), "pack-refs", "--all")
	assert.Equal(t, first, b.status().Head)
	b.write("a", "2\n")
	assert.Equal(t, first, b.commit("x").Parent)
}

func TestStatusWithoutAClone(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	assert.Equal(t, NoClone, b.fails(b.repo.Status(nil)).Kind)
}

func TestDiffSummarisesAndPatches(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"mod": "1\n2\n3\n", "gone": "1\n", "old": "a long enough line\nand one more\n", "bin": "a\x00b"})
	b.clone(first)
	b.write("mod", "1\n2x\n3\n4\n")
	require.NoError(t, os.Remove(b.dir("gone")))
	b.git(b.dir(), "mv", "old", "new")
	b.write("bin", "a\x00c")
	b.write("untracked", "u\n")
	d, err := ParseDiff(b.ok(b.repo.Diff(&DiffArgs{Untracked: true})))
	require.NoError(t, err)
	var got []string
	for _, f := range d.Files {
		got = append(got, string(f.Status)+" "+f.From+">"+f.Path)
	}
	assert.ElementsMatch(t, []string{"M >bin", "D >gone", "M >mod", "R old>new", "A >untracked"}, got)
	i := slices.IndexFunc(d.Files, func(f FileDiff) bool { return f.Path == "mod" })
	assert.Equal(t, 2, d.Files[i].Additions)
	assert.Equal(t, 1, d.Files[i].Deletions)
	i = slices.IndexFunc(d.Files, func(f FileDiff) bool { return f.Path == "bin" })
	assert.True(t, d.Files[i].Binary)
	assert.Contains(t, string(d.Patch), "+2x\n")
	assert.Contains(t, string(d.Patch), "+++ b/untracked\n")
	assert.False(t, d.Truncated)
	assert.Contains(t, b.states(), "?? untracked", "the index is as it was")

	d, err = ParseDiff(b.ok(b.repo.Diff(nil)))
	require.NoError(t, err)
	assert.Len(t, d.Files, 4, "without untracked files")

	d, err = ParseDiff(b.ok(b.repo.Diff(&DiffArgs{Staged: true, NoPatch: true})))
	require.NoError(t, err)
	assert.Len(t, d.Files, 1)
	assert.Empty(t, d.Patch)

	d, err = ParseDiff(b.ok(b.repo.Diff(&DiffArgs{Paths: []string{"mod"}})))
	require.NoError(t, err)
	assert.Len(t, d.Files, 1)
}

func TestDiffCutsAtAHunk(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	var base, changed strings.Builder
	for i := range 400 {
		base.WriteString("line\n")
		if i%40 == 0 {
			changed.WriteString("changed\n")
		} else {
			changed.WriteString("line\n")
		}
	}
	first := b.push(map[string]string{"f": base.String(), "g": "1\n"})
	b.clone(first)
	b.write("f", changed.String())
	b.write("g", "2\n")
	d, err := ParseDiff(b.ok(b.repo.Diff(&DiffArgs{MaxBytes: 300})))
	require.NoError(t, err)
	assert.True(t, d.Truncated)
	assert.Len(t, d.Files, 2)
	assert.LessOrEqual(t, len(d.Patch), 300)
	assert.NotEmpty(t, d.Patch)
	b.gitIn(b.origin, d.Patch, "apply", "--check", "-")
}

func TestDiffBetweenRevisions(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	b.write("a", "2\n")
	b.commit("two")
	for _, rev := range []string{"HEAD^", "origin/main", first, "agent~1"} {
		d, err := ParseDiff(b.ok(b.repo.Diff(&DiffArgs{From: rev, To: "HEAD"})))
		require.NoError(t, err)
		assert.Len(t, d.Files, 1, rev)
	}
	assert.Equal(t, UnknownRevision, b.fails(b.repo.Diff(&DiffArgs{From: "nowhere"})).Kind)
	assert.Equal(t, UnknownRevision, b.fails(b.repo.Diff(&DiffArgs{From: "--output=pwned"})).Kind)

	s, err := ParseShown(b.ok(b.repo.ShowCommit("", nil)))
	require.NoError(t, err)
	assert.Equal(t, "two", s.Commit.Message)
	assert.Len(t, s.Diff.Files, 1)
	s, err = ParseShown(b.ok(b.repo.ShowCommit("HEAD^", nil)))
	require.NoError(t, err)
	assert.Equal(t, byte('A'), s.Diff.Files[0].Status, "the first commit")
}

func TestLogListsCommits(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	b.write("a", "2\n")
	b.commit("subject\n\nbody line\n\nmore  \n")
	var got []*Commit
	for c, err := range ReadLog(strings.NewReader(string(b.ok(b.repo.Log(nil))))) {
		require.NoError(t, err)
		got = append(got, c)
	}
	require.Len(t, got, 2)
	assert.Equal(t, b.head(), got[0].Hash)
	assert.Equal(t, []string{first}, got[0].Parents)
	assert.Equal(t, "subject", got[0].Subject())
	assert.Equal(t, "body line\n\nmore", got[0].Body())
	assert.Equal(t, "Agent", got[0].Author.Name)
	assert.Equal(t, int64(1700000000), got[0].Committer.Time.Unix())
	assert.Empty(t, got[1].Parents)

	out := b.ok(b.repo.Log(&LogArgs{Exclude: []string{"origin/main"}, Max: 5, Paths: []string{"a"}}))
	count := 0
	for _, err := range ReadLog(strings.NewReader(string(out))) {
		require.NoError(t, err)
		count++
	}
	assert.Equal(t, 1, count)
}

func TestCommitStagesEverything(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n", "gone": "1\n"})
	b.clone(first)
	assert.Equal(t, Nothing, b.fails(b.repo.Commit(&CommitArgs{Message: "none"})).Kind)
	b.write("a", "2\n")
	b.write("new/$(touch pwned)", "x")
	b.write("--output=x", "x")
	require.NoError(t, os.Remove(b.dir("gone")))
	b.repo.OpID = "c1"
	c := b.commit("all of it")
	assert.Equal(t, first, c.Parent)
	assert.Equal(t, "agent", c.Branch)
	assert.Equal(t, c.Commit, b.head())
	assert.Equal(t, c.Tree, b.git(b.dir(), "rev-parse", "HEAD^{tree}"))
	assert.Empty(t, b.states())
	assert.Empty(t, b.git(b.dir(), "status", "--porcelain"))

	// The reply was lost, and the agent went on.
	b.write("later", "x")
	assert.Equal(t, c, b.commit("all of it"))
	assert.Equal(t, []string{"?? later"}, b.states())
	b.git(b.dir(), "add", "-A")
	b.git(b.dir(), "commit", "-qm", "by the agent")
	assert.Equal(t, c, b.commit("all of it"))
	b.repo.OpID = "c2"
	assert.Equal(t, Nothing, b.fails(b.repo.Commit(&CommitArgs{Message: "none"})).Kind)
}

func TestCommitOfPaths(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n", "b": "1\n"})
	b.clone(first)
	b.write("a", "2\n")
	b.write("b", "2\n")
	assert.Equal(t, PathNotFound, b.fails(b.repo.Commit(&CommitArgs{Message: "m", Paths: []string{"nope"}})).Kind)
	b.ok(b.repo.Commit(&CommitArgs{Message: "m", Paths: []string{"a"}}))
	assert.Equal(t, []string{".M b"}, b.states())
	b.ok(b.repo.Commit(&CommitArgs{Message: "empty", AllowEmpty: true, Paths: []string{"a"}}))
}

func TestCommitOnADetachedHead(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	b.git(b.dir(), "checkout", "-q", "--detach")
	b.write("a", "2\n")
	c := b.commit("detached")
	assert.Empty(t, c.Branch)
	assert.Equal(t, c.Commit, b.head())
	assert.Equal(t, first, b.git(b.dir(), "rev-parse", "agent"))
}

func TestCommitWithAnUploadedMessage(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	b.write("a", "2\n")
	b.write("../"+UploadDir+"/m", strings.Repeat("x", 200000)+"\n")
	b.ok(b.repo.Commit(&CommitArgs{MessageUpload: "m"}))
	assert.Len(t, b.git(b.dir(), "log", "-1", "--format=%B"), 200001)
	assert.NoFileExists(t, filepath.Join(b.home, UploadDir, "m"))
}

func TestCommitWithASubmoduleRunsNothingOfIt(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	sub := b.dir("sub")
	require.NoError(t, os.MkdirAll(sub, 0o755))
	b.git(sub, "init", "-q")
	require.NoError(t, os.WriteFile(filepath.Join(sub, "s"), []byte("1"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(sub, ".gitattributes"), []byte("* filter=evil"), 0o600))
	b.git(sub, "add", "-A")
	b.git(sub, "commit", "-qm", "s")
	b.git(b.dir(), "add", "sub")
	b.git(b.dir(), "commit", "-qm", "sub")
	b.git(sub, "config", "filter.evil.clean", "touch "+b.home+"/pwned; cat")
	b.git(sub, "config", "core.fsmonitor", "touch "+b.home+"/pwned; false")
	require.NoError(t, os.WriteFile(filepath.Join(sub, "s"), []byte("2"), 0o600))
	b.write("a", "2\n")
	require.NoError(t, os.Mkdir(b.dir("d"), 0o755))
	b.write("d/x", "x")
	b.states()
	b.commit("change")
	_, err := ParseDiff(b.ok(b.repo.Diff(&DiffArgs{Untracked: true})))
	require.NoError(t, err)
	b.ok(b.repo.Reset(&ResetArgs{Mode: ResetHard, Rev: "HEAD^"}))
	assert.NoFileExists(t, filepath.Join(b.home, "pwned"))
}

func TestPackProvesAndPacks(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": strings.Repeat("line\n", 100), ".github/workflows/ci.yml": "on: push\n", ".GitHub/x": "x\n"})
	b.clone(first)
	b.write("a", strings.Repeat("line\n", 100)+"more\n")
	missing := strings.Repeat("1", 40)
	out := b.ok(b.repo.Pack(&PackArgs{
		Commit: &CommitArgs{Message: "work"},
		Known:  []string{first, missing},
		Proofs: []string{first}, Protected: []string{".github/workflows", ".gitlab-ci.yml"},
	}))
	p, objects := b.packed(out)
	assert.True(t, p.Committed)
	assert.Equal(t, b.head(), p.Head)
	assert.Equal(t, first, p.Parent)
	assert.Equal(t, "agent", p.Branch)
	assert.Len(t, objects, 3, "a commit, a tree and a blob")
	var types []string
	for _, o := range p.Proofs {
		types = append(types, o.Type)
		assert.Equal(t, o.OID, b.gitIn(b.origin, o.Data, "hash-object", "-t", o.Type, "--stdin"))
	}
	assert.Equal(t, []string{"commit", "tree", "tree", "tree"}, types)

	p, objects = b.packed(b.ok(b.repo.Pack(&PackArgs{Known: []string{b.head()}})))
	assert.False(t, p.HasPack)
	assert.False(t, p.Committed)
	assert.Empty(t, objects)

	p, objects = b.packed(b.ok(b.repo.Pack(&PackArgs{Commit: &CommitArgs{Message: "nothing"}})))
	assert.False(t, p.Committed)
	assert.Len(t, objects, 11, "the whole history")
	assert.True(t, p.HasPack)
}

func TestPackAgainPacksTheSameCommit(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	b.write("a", "2\n")
	b.repo.OpID = "p1"
	args := &PackArgs{Commit: &CommitArgs{Message: "work"}, Known: []string{first}}
	one, objects := b.packed(b.ok(b.repo.Pack(args)))
	two, again := b.packed(b.ok(b.repo.Pack(args)))
	assert.Equal(t, one, two)
	assert.Equal(t, objects, again)
	assert.True(t, two.Committed)
}

// TestPushFromInsideTheSandboxIsExplained types what an agent would. Fetch and pull
// are as ever.
func TestPushFromInsideTheSandboxIsExplained(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	for _, args := range [][]string{nil, {"origin"}, {"-u", "origin", "agent"}, {"--force"}, {"origin", "HEAD:main"}} {
		cmd := exec.Command("git", append([]string{"push"}, args...)...)
		cmd.Dir = b.dir()
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		first, _, _ := strings.Cut(string(out), "\n")
		assert.Equal(t, "fatal: 'no push from inside the sandbox, use the git_push tool, or Sandbox.Push in the host program' "+
			"does not appear to be a git repository", first)
	}
	assert.Equal(t, "https://example.com/repo.git", b.git(b.dir(), "remote", "get-url", "origin"))
	b.git(b.dir(), "remote", "set-url", "origin", b.origin)
	tip := b.push(map[string]string{"a": "2\n"})
	b.git(b.dir(), "fetch", "-q")
	assert.Equal(t, tip, b.git(b.dir(), "rev-parse", "origin/main"))
	b.git(b.dir(), "pull", "-q", "--ff-only")
	assert.Equal(t, tip, b.head())
}

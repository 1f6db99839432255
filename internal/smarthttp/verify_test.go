package smarthttp

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

// proof collects the objects of a proof as a sandbox would: the commit, its
// root tree, and .github and docs in any case.
func (r *repo) proof(commit string) []Object {
	r.t.Helper()
	object := func(kind, id string) Object {
		b, err := r.try(nil, "cat-file", kind, id)
		require.NoError(r.t, err)
		return Object{Type: kind, Data: b}
	}
	objects := []Object{object("commit", commit), object("tree", commit+"^{tree}")}
	for line := range strings.Lines(r.git("ls-tree", commit) + "\n") {
		fields := strings.Fields(line)
		if len(fields) == 4 && fields[1] == "tree" && (strings.EqualFold(fields[3], ".github") || strings.EqualFold(fields[3], "docs")) {
			objects = append(objects, object("tree", fields[2]))
		}
	}
	return objects
}

// protected checks a proof.
func (r *repo) protected(commit string) *Protected {
	r.t.Helper()
	p, err := CheckProof(commit, r.proof(commit), nil)
	require.NoError(r.t, err)
	return p
}

// verify reads and verifies a pack of what base lacks.
func (r *repo) verify(head, base string, opts VerifyOptions, not ...string) (*Protected, error) {
	r.t.Helper()
	pack, err := ReadPack(bytes.NewReader(r.pack(head, append(not, base)...)), nil)
	require.NoError(r.t, err)
	opts.New = head
	return pack.Verify(&opts)
}

// withCI are files with everything that is protected.
func withCI() map[string]string {
	return map[string]string{
		"README.md": "# Shop\n", ".github/workflows/ci.yml": "on: push\n", ".github/CODEOWNERS": "* @boss\n", "docs/guide.md": "guide\n",
		"src/main.go": "package main\n",
	}
}

func TestVerifyAllowsHonestWork(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{"with CI": withCI(), "without": {"README.md": "# Shop\n"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			base := r.commit("base", files)
			bases := []*Protected{r.protected(base)}
			r.commit("one", map[string]string{"src/a.go": "package a\n", "docs/more.md": "more\n"})
			two := r.commit("two", map[string]string{"README.md": "# Shop 2\n", ".github/dependabot.yml": "x\n"})
			after, err := r.verify(two, base, VerifyOptions{Old: ZeroID, Known: []string{base}, Bases: bases})
			require.NoError(t, err)
			assert.Equal(t, r.protected(two), after)

			// The next push stands on this one, without a further proof.
			three := r.commit("three", nil)
			_, err = r.verify(three, two, VerifyOptions{Old: two, Known: []string{base}, Bases: []*Protected{after}})
			require.NoError(t, err)
			// An empty commit brings no tree: that of its parent is known only
			// from the base.
			_, err = r.verify(three, two, VerifyOptions{Old: two, Known: []string{base}, Bases: bases})
			asViolation(t, err, RuleProtected)
		})
	}
}

func TestVerifyKeepsAsJSON(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := r.commit("base", withCI())
	b, err := json.Marshal(r.protected(base))
	require.NoError(t, err)
	var kept Protected
	require.NoError(t, json.Unmarshal(b, &kept))
	head := r.commit("one", map[string]string{"src/a.go": "package a\n"})
	_, err = r.verify(head, base, VerifyOptions{Old: base, Bases: []*Protected{&kept}})
	require.NoError(t, err)

	for name, change := range map[string]func(*Protected){
		"paths":  func(p *Protected) { p.Paths = p.Paths[1:] },
		"commit": func(p *Protected) { p.Commit = "" },
		"tree":   func(p *Protected) { p.Tree = "x" },
		"entry":  func(p *Protected) { p.Entries = map[string]Entry{".github": {Mode: "40000", ID: "x"}} },
	} {
		var broken Protected
		require.NoError(t, json.Unmarshal(b, &broken))
		change(&broken)
		_, err = r.verify(head, base, VerifyOptions{Old: base, Bases: []*Protected{&broken}})
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	_, err = r.verify(head, base, VerifyOptions{Old: base, Bases: []*Protected{nil}})
	require.ErrorIs(t, err, ErrInvalid)
}

func TestVerifyRefusesChangesToProtectedPaths(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change map[string]string
		path   string
		detail string
	}{
		"changed":          {map[string]string{".github/workflows/ci.yml": "on: pull_request_target\n"}, ".github/workflows", "protected path is changed"},
		"added":            {map[string]string{".github/workflows/evil.yml": "on: push\n"}, ".github/workflows", "protected path is changed"},
		"removed":          {map[string]string{".github/workflows": ""}, ".github/workflows", "protected path is removed"},
		"all removed":      {map[string]string{".github": ""}, ".github/CODEOWNERS", "protected path is removed"},
		"action":           {map[string]string{".github/actions/x/action.yml": "x\n"}, ".github/actions", "protected path is added"},
		"owners":           {map[string]string{".github/CODEOWNERS": "* @agent\n"}, ".github/CODEOWNERS", "protected path is changed"},
		"root owners":      {map[string]string{"CODEOWNERS": "* @agent\n"}, "CODEOWNERS", "protected path is added"},
		"docs owners":      {map[string]string{"docs/CODEOWNERS": "* @agent\n"}, "docs/CODEOWNERS", "protected path is added"},
		"gitlab":           {map[string]string{".gitlab-ci.yml": "x\n"}, ".gitlab-ci.yml", "protected path is added"},
		"modules":          {map[string]string{".gitmodules": "x\n"}, ".gitmodules", "protected path is added"},
		"case":             {map[string]string{".GitHub/Workflows/evil.yml": "x\n"}, ".GitHub/Workflows", "protected path is added"},
		"case 2":           {map[string]string{".github/WORKFLOWS/evil.yml": "x\n"}, ".github/WORKFLOWS", "protected path is added"},
		"case 3":           {map[string]string{"CodeOwners": "x\n"}, "CodeOwners", "protected path is added"},
		"kelvin":           {map[string]string{".github/wor\u212aflows/evil.yml": "x\n"}, ".github/wor\u212aflows", "protected path is added"},
		"long s":           {map[string]string{"doc\u017f/x": "x\n"}, "doc\u017f", "protected path is added"},
		"invisible":        {map[string]string{".git\u200chub/workflows/evil.yml": "x\n"}, ".git\u200chub", "protected path is added"},
		"trailing dot":     {map[string]string{".github./workflows/evil.yml": "x\n"}, ".github.", "protected path is added"},
		"short name":       {map[string]string{"GITHUB~1/workflows/evil.yml": "x\n"}, "GITHUB~1", "protected path is added"},
		"hashed name":      {map[string]string{"GI7EBA~1/workflows/evil.yml": "x\n"}, "GI7EBA~1", "protected path is added"},
		"short name below": {map[string]string{".github/WORKFL~1/evil.yml": "x\n"}, ".github/WORKFL~1", "protected path is added"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			base := r.commit("base", withCI())
			bases := []*Protected{r.protected(base)}
			head := r.commit("evil", tc.change)
			_, err := r.verify(head, base, VerifyOptions{Old: base, Bases: bases})
			v := asViolation(t, err, RuleProtected)
			assert.Equal(t, tc.path, v.Path)
			assert.Equal(t, head, v.Commit)
			assert.Equal(t, tc.detail, v.Detail)

			// Undone in the next commit it is still in the history.
			r.git("revert", "--no-edit", head)
			last := r.git("rev-parse", "HEAD")
			assert.Equal(t, r.git("rev-parse", base+"^{tree}"), r.git("rev-parse", last+"^{tree}"))
			_, err = r.verify(last, base, VerifyOptions{Old: base, Bases: bases})
			v = asViolation(t, err, RuleProtected)
			assert.Equal(t, head, v.Commit)
		})
	}
}

func TestVerifyRefusesOtherModesAtProtectedPaths(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *repo){
		"executable": func(r *repo) { r.git("update-index", "--chmod=+x", ".github/CODEOWNERS") },
		"symlink on the way": func(r *repo) {
			r.git("rm", "-rq", "--cached", ".github")
			r.git("update-index", "--add", "--cacheinfo", "120000,"+r.input("elsewhere", "hash-object", "-w", "--stdin")+",.github")
		},
		"submodule on the way": func(r *repo) {
			r.git("rm", "-rq", "--cached", ".github")
			r.git("update-index", "--add", "--cacheinfo", "160000,"+id1+",.github")
		},
		"file for directory": func(r *repo) {
			r.git("rm", "-rq", "--cached", ".github")
			r.git("update-index", "--add", "--cacheinfo", "100644,"+r.input("x", "hash-object", "-w", "--stdin")+",.github")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			base := r.commit("base", withCI())
			bases := []*Protected{r.protected(base)}
			change(r)
			head := r.git("commit-tree", "-p", base, "-m", "evil", r.git("write-tree"))
			_, err := r.verify(head, base, VerifyOptions{Old: base, Bases: bases})
			asViolation(t, err, RuleProtected)
		})
	}
}

func TestVerifyRefusesAnOlderState(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	old := r.commit("old", map[string]string{".github/workflows/ci.yml": "old\n"})
	base := r.commit("base", map[string]string{".github/workflows/ci.yml": "new\n"})
	r.commit("back", map[string]string{".github/workflows/ci.yml": "old\n"})
	head := r.git("rev-parse", "HEAD")
	_, err := r.verify(head, base, VerifyOptions{Old: base, Known: []string{old}, Bases: []*Protected{r.protected(base)}})
	asViolation(t, err, RuleProtected)
	// A state that is allowed, though of another tip.
	_, err = r.verify(head, base, VerifyOptions{Old: base, Bases: []*Protected{r.protected(base), r.protected(old)}})
	require.NoError(t, err)
}

func TestVerifyHistory(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	root := r.commit("root", withCI())
	base := r.commit("base", map[string]string{"a": "1\n"})
	bases := []*Protected{r.protected(base), r.protected(root)}
	mine := r.commit("mine", map[string]string{"b": "2\n"})
	r.git("checkout", "--quiet", "-b", "other", root)
	theirs := r.commit("theirs", map[string]string{"c": "3\n"})
	r.git("checkout", "--quiet", "main")
	r.git("merge", "--quiet", "--no-edit", "other")
	merge := r.git("rev-parse", "HEAD")

	// Work from below the tip does not contain it.
	_, err := r.verify(theirs, root, VerifyOptions{Old: base, Known: []string{root}, Bases: bases})
	v := asViolation(t, err, RuleFastForward)
	assert.Equal(t, theirs, v.Commit)
	// A parent that is on the remote, but that nobody named.
	_, err = r.verify(mine, base, VerifyOptions{Old: ZeroID, Bases: bases})
	v = asViolation(t, err, RuleForeign)
	assert.Equal(t, base, v.Commit)
	_, err = r.verify(merge, base, VerifyOptions{Old: base, Known: []string{root}, Bases: bases}, theirs)
	v = asViolation(t, err, RuleForeign)
	assert.Equal(t, theirs, v.Commit)
	_, err = r.verify(merge, base, VerifyOptions{Old: base, Known: []string{theirs}, Bases: bases}, theirs)
	require.NoError(t, err)
	// With the side branch in the pack, of which the start is known.
	_, err = r.verify(merge, base, VerifyOptions{Old: base, Known: []string{root}, Bases: bases})
	require.NoError(t, err)
	// A pack that holds more than it must, known commits among it.
	pack, err := ReadPack(bytes.NewReader(r.pack(merge)), nil)
	require.NoError(t, err)
	_, err = pack.Verify(&VerifyOptions{New: merge, Old: root, Known: []string{base, theirs}, Bases: bases})
	require.NoError(t, err)

	// What is new must be a commit of the pack.
	tree, blob := r.git("rev-parse", mine+"^{tree}"), r.git("rev-parse", mine+":b")
	pack, err = ReadPack(bytes.NewReader(r.pack(mine, base)), nil)
	require.NoError(t, err)
	for _, id := range []string{tree, blob, id1} {
		_, err = pack.Verify(&VerifyOptions{New: id, Old: base, Bases: bases})
		asViolation(t, err, RuleForeign)
	}
	// A branch can be put where the remote has another.
	p, err := pack.Verify(&VerifyOptions{New: base, Old: ZeroID, Known: []string{base}, Bases: bases})
	require.NoError(t, err)
	assert.Nil(t, p)
	_, err = pack.Verify(&VerifyOptions{New: root, Old: base, Known: []string{root}, Bases: bases})
	asViolation(t, err, RuleFastForward)
	// No base allows nothing.
	_, err = pack.Verify(&VerifyOptions{New: mine, Old: base})
	require.Error(t, err)
	for _, opts := range []VerifyOptions{{New: "HEAD", Old: base}, {New: mine}, {New: mine, Old: base, Known: []string{"x"}}, {New: ZeroID, Old: base}} {
		_, err = pack.Verify(&opts)
		require.ErrorIs(t, err, ErrInvalid)
	}
}

func TestVerifyOfATreeThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := r.commit("base", withCI())
	bases := []*Protected{r.protected(base)}
	for name, tree := range map[string]string{
		"root":    id1,
		".github": r.input("040000 tree "+id1+"\t.github\n", "mktree", "--missing"),
	} {
		head := hashObject("commit", []byte("tree "+tree+"\nparent "+base+"\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"))
		objects := []rawObject{{kind: packCommit, content: []byte("tree " + tree + "\nparent " + base + "\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n")}}
		if tree != id1 {
			b, err := r.try(nil, "cat-file", "tree", tree)
			require.NoError(t, err)
			objects = append(objects, rawObject{kind: packTree, content: b})
		}
		pack, err := ReadPack(bytes.NewReader(rawPack(objects...)), nil)
		require.NoError(t, err)
		_, err = pack.Verify(&VerifyOptions{New: head.String(), Old: base, Bases: bases})
		v := asViolation(t, err, RuleProtected)
		assert.Equal(t, "tree "+id1+" is neither in the pack nor one of the base", v.Detail, name)
	}
}

// A tree that a base has in one place says nothing about another place.
func TestVerifyOfAKnownTreeElsewhere(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := r.commit("base", map[string]string{"docs/guide.md": "x\n", "docs/workflows/evil.yml": "on: push\n"})
	bases := []*Protected{r.protected(base)}
	docs := r.git("rev-parse", base+":docs")
	tree := r.input("040000 tree "+docs+"\t.github\n040000 tree "+docs+"\tdocs\n", "mktree")
	head := r.git("commit-tree", "-p", base, "-m", "evil", tree)
	_, err := r.verify(head, base, VerifyOptions{Old: base, Bases: bases})
	v := asViolation(t, err, RuleProtected)
	assert.Equal(t, ".github/", v.Path)
}

func TestVerifyWithoutProtectedPaths(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := r.commit("base", withCI())
	head := r.commit("change", map[string]string{".github/workflows/ci.yml": "x\n"})
	pack, err := ReadPack(bytes.NewReader(r.pack(head, base)), &PackOptions{Protected: []string{}})
	require.NoError(t, err)
	_, err = pack.Verify(&VerifyOptions{New: head, Old: base})
	require.NoError(t, err)
}

func TestVerifyOfALongHistory(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	base := r.commit("base", withCI())
	bases := []*Protected{r.protected(base)}
	var stream strings.Builder
	for i := range 3000 {
		n := strconv.Itoa(i)
		stream.WriteString("commit refs/heads/main\ncommitter A <a@b> 1 +0000\ndata 1\nx\n")
		if i == 0 {
			stream.WriteString("from " + base + "\n")
		}
		stream.WriteString("M 100644 inline f\ndata " + strconv.Itoa(len(n)) + "\n" + n + "\n")
	}
	r.input(stream.String(), "fast-import", "--quiet")
	head := r.git("rev-parse", "main")
	_, err := r.verify(head, base, VerifyOptions{Old: base, Bases: bases})
	require.NoError(t, err)
}

func TestCheckProof(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.commit("old", map[string]string{"a": "0\n"})
	base := r.commit("base", withCI())
	objects := r.proof(base)
	p, err := CheckProof(base, objects, nil)
	require.NoError(t, err)
	assert.Equal(t, &Protected{
		Commit: base, Tree: r.git("rev-parse", base+"^{tree}"),
		Paths: []string{".github/actions", ".github/codeowners", ".github/workflows", ".gitlab-ci.yml", ".gitmodules", "codeowners", "docs/codeowners"},
		Entries: map[string]Entry{
			".github":            {"40000", r.git("rev-parse", base+":.github")},
			".github/workflows":  {"40000", r.git("rev-parse", base+":.github/workflows")},
			".github/CODEOWNERS": {"100644", r.git("rev-parse", base+":.github/CODEOWNERS")},
			"docs":               {"40000", r.git("rev-parse", base+":docs")},
		},
	}, p)
	b, err := json.Marshal(p)
	require.NoError(t, err)
	assert.Less(t, len(b), 1000)

	refused := func(name string, objects []Object) {
		_, err := CheckProof(base, objects, nil)
		var v *Violation
		require.ErrorAs(t, err, &v, name)
	}
	for i := range objects {
		without := append(append([]Object{}, objects[:i]...), objects[i+1:]...)
		refused("missing "+strconv.Itoa(i), without)
		// Any other byte makes another object, and the true one is missing.
		changed := append([]Object{}, objects...)
		changed[i] = Object{objects[i].Type, append(bytes.Clone(objects[i].Data), ' ')}
		refused("changed "+strconv.Itoa(i), changed)
		changed[i] = Object{map[string]string{"commit": "tree", "tree": "commit"}[objects[i].Type], objects[i].Data}
		refused("of another type "+strconv.Itoa(i), changed)
		changed[i] = Object{"blob", objects[i].Data}
		refused("a blob "+strconv.Itoa(i), changed)
	}
	refused("too many", make([]Object, 1025))
	refused("too large", []Object{{"tree", make([]byte, 65<<20)}})
	// What leads nowhere does no harm.
	_, err = CheckProof(base, append(objects, r.proof(base+"~")...), nil)
	require.NoError(t, err)
	_, err = CheckProof("HEAD", objects, nil)
	require.ErrorIs(t, err, ErrInvalid)
}

func TestProtectedPaths(t *testing.T) {
	t.Parallel()
	m, err := newMatcher([]string{"B/c/", "a", "A", "b/C"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b/c"}, m.paths)
	for _, path := range []string{"", "/", "/a", "a//b", "..", "a/../b", ".", ".git/config", "a\x00/.", strings.Repeat("a/", 17)} {
		_, err := newMatcher([]string{path})
		require.ErrorIs(t, err, ErrInvalid, path)
	}
	_, err = newMatcher(make([]string, 257))
	require.ErrorIs(t, err, ErrInvalid)
}

func TestLook(t *testing.T) {
	t.Parallel()
	m, err := newMatcher(nil)
	require.NoError(t, err)
	top := map[string]match{
		".github": matchWay, ".GITHUB": matchWay, ".github ": matchLeaf, "github~1": matchLeaf, "github": matchNone, "docs": matchWay, "Docs": matchWay,
		"doc\u017f": matchLeaf, "workflows": matchNone, "codeowners": matchLeaf, "CODEOW~2": matchLeaf, "CODEOW~x": matchNone, ".gitlab-ci.yml": matchLeaf,
		"GITLAB~1.YML": matchLeaf, "src": matchNone, "": matchNone,
	}
	for name, want := range top {
		got, _ := m.look(nil, modeTree, name)
		assert.Equal(t, want, got, "%q", name)
	}
	_, dir := m.look(nil, modeTree, ".GitHub")
	assert.Equal(t, []string{".github"}, dir)
	got, _ := m.look(dir, modeTree, "Workflows")
	assert.Equal(t, matchLeaf, got)
	got, _ = m.look(dir, "100644", "CODEOWNERS")
	assert.Equal(t, matchLeaf, got)
	got, _ = m.look(dir, "100644", "dependabot.yml")
	assert.Equal(t, matchNone, got)
	got, _ = m.look(nil, "100644", ".github")
	assert.Equal(t, matchNone, got)
	got, _ = m.look(nil, modeSymlink, ".github")
	assert.Equal(t, matchLeaf, got)
	assert.True(t, m.concerns("WORKFL~1"))
	assert.False(t, m.concerns("src"))
}

func FuzzCheckProof(f *testing.F) {
	content := "tree " + hashObject("tree", nil).String() + "\nauthor A\n\nx"
	f.Add([]byte(content), []byte{})
	f.Add([]byte(content), []byte(entry("40000", ".github", oid{1})))
	f.Fuzz(func(t *testing.T, c, tree []byte) {
		id := hashObject("commit", c).String()
		p, err := CheckProof(id, []Object{{"commit", c}, {"tree", tree}}, nil)
		if err != nil {
			return
		}
		m, err := newMatcher(nil)
		require.NoError(t, err)
		require.NoError(t, p.validate(m))
		b, err := json.Marshal(p)
		require.NoError(t, err)
		var kept Protected
		require.NoError(t, json.Unmarshal(b, &kept))
		for path := range maps.Keys(p.Entries) {
			assert.NotEmpty(t, path)
		}
	})
}

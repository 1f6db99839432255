package gitcmd

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	oidA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	oidB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// z joins records.
func z(fields ...string) []byte { return []byte(strings.Join(fields, "\x00") + "\x00") }

func TestParseFailureReadsKindAndFiles(t *testing.T) {
	t.Parallel()
	f := ParseFailure(68, z("fail", "kept", "a b", "-c", "", "end"), nil)
	assert.Equal(t, &Failure{Kind: Conflict, ExitCode: 68, Detail: "kept", Files: []string{"a b", "-c"}}, f)
	f = ParseFailure(72, z("integrated", "x", "fail", "", "", "end"), nil)
	assert.Equal(t, Unmerged, f.Kind)
	f = ParseFailure(68, z("fail", "kept", "cut"), []byte("fatal: x\n"))
	assert.Equal(t, &Failure{Kind: Git, ExitCode: 68, Detail: "fatal: x"}, f)
	assert.Equal(t, "git failed: fatal: x", f.Error())
	assert.Equal(t, Interrupted, ParseFailure(143, nil, nil).Kind)
	assert.Equal(t, Interrupted, ParseFailure(-1, nil, nil).Kind)
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{
		"fatal: could not read Username for 'https://github.com': terminal prompts disabled":                Auth,
		"fatal: Authentication failed for 'https://github.com/a/b/'":                                        Auth,
		"fatal: unable to access 'https://h/': The requested URL returned error: 403":                       Forbidden,
		"remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found":              NotFound,
		"fatal: remote error: upload-pack: not our ref 1111":                                                RefNotFound,
		"fatal: unable to access 'https://h/': Could not resolve host: h":                                   Network,
		"fatal: unable to access 'http://h/': The requested URL returned error: 503":                        Network,
		"error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF": Network,
		"fatal: write error: No space left on device":                                                       DiskFull,
		"fatal: pathspec 'x' did not match any files":                                                       PathNotFound,
		"fatal: something else": Git,
	} {
		assert.Equal(t, want, Classify([]byte(text)), text)
	}
}

func TestParseStatusRefusesWhatGitDoesNotPrint(t *testing.T) {
	t.Parallel()
	head := []string{"status", "agent", oidA, "", "", ""}
	entry := "1 .M N... 100644 100644 100644 " + oidA + " " + oidA + " a"
	for name, tail := range map[string][]string{
		"cut":           {entry},
		"after the end": {"end", "x"},
		"no path":       {strings.TrimSuffix(entry, "a"), "end"},
		"bad letter":    {strings.Replace(entry, ".M", ".Z", 1), "end"},
		"bad unmerged":  {"u AB N... 1 2 3 4 " + oidA + " " + oidA + " " + oidA + " a", "end"},
		"no from":       {"2 R. N... 100644 100644 100644 " + oidA + " " + oidA + " R100 b", "", "end"},
		"bad counts":    {"# branch.ab +x -1", "end"},
		"huge counts":   {"# branch.ab +99999999999 -1", "end"},
		"unknown kind":  {"9 x", "end"},
		"empty name":    {"? ", "end"},
	} {
		_, err := ParseStatus(z(append(head, tail...)...))
		assert.ErrorIs(t, err, ErrOutput, name)
	}
	s, err := ParseStatus(z(append(head, entry, "end")...))
	require.NoError(t, err)
	assert.Equal(t, []FileStatus{{Path: "a", Index: '.', Worktree: 'M'}}, s.Files)
}

func TestParseStatusNeedsCountsForAnUpstream(t *testing.T) {
	t.Parallel()
	head := []string{"status", "agent", oidA, "refs/remotes/origin/main", "", ""}
	s, err := ParseStatus(z(append(head, "# branch.upstream upstream", "end")...))
	require.NoError(t, err)
	assert.Empty(t, s.Upstream)
	s, err = ParseStatus(z(append(head, "# branch.ab +2 -3", "end")...))
	require.NoError(t, err)
	assert.Equal(t, []any{"refs/remotes/origin/main", 2, 3}, []any{s.Upstream, s.Ahead, s.Behind})
}

func TestCutPatchCountsLines(t *testing.T) {
	t.Parallel()
	one := "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1,2 @@\n-@@ -1,9 +1,9 @@\n+diff --git a/x b/x\n+@@ -1 +1 @@\n"
	two := "@@ -9 +10 @@ func x\n-a\n\\ No newline at end of file\n+b\n"
	bare := "diff --git a/m b/m\nold mode 100644\nnew mode 100755\n"
	last := "diff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n"
	patch := []byte(one + two + bare + last)
	assert.Empty(t, cutPatch(patch, len(one)-1))
	assert.Equal(t, one, string(cutPatch(patch, len(one))))
	assert.Equal(t, one, string(cutPatch(patch, len(one+two)-1)))
	assert.Equal(t, one+two, string(cutPatch(patch, len(one+two)+5)))
	assert.Equal(t, one+two+bare, string(cutPatch(patch, len(one+two+bare)+5)))
	assert.Equal(t, string(patch), string(cutPatch(patch, len(patch))))
	assert.Empty(t, cutPatch([]byte("@@ -1,5 +1,5 @@\n lies\n"), 100))
}

func TestReadPackRefusesLies(t *testing.T) {
	t.Parallel()
	for name, out := range map[string][]byte{
		"no head":       z("packed", "b", "", "0", "", "", "proofs", "0", "pack"),
		"bad head":      z("packed", "b", "--x", "0", "", "", "proofs", "0", "none", "end"),
		"too many":      z("packed", "b", oidA, "0", "", "", "proofs", "99999", "none", "end"),
		"huge object":   append(z("packed", "b", oidA, "0", "", "", "proofs", "1"), oidB+" tree 2147483647\n"...),
		"missing":       append(z("packed", "b", oidA, "0", "", "", "proofs", "1"), oidB+" missing\n"...),
		"negative":      append(z("packed", "b", oidA, "0", "", "", "proofs", "1"), oidB+" tree -1\n"...),
		"no tree":       z("packed", "b", oidA, "1", "", "", "proofs", "0", "pack"),
		"after the end": append(z("packed", "b", oidA, "0", "", "", "proofs", "0", "none", "end"), 'x'),
		"cut":           z("packed", "b", oidA),
	} {
		_, err := ReadPack(bufio.NewReader(bytes.NewReader(out)))
		assert.ErrorIs(t, err, ErrOutput, name)
	}
	r := bufio.NewReader(bytes.NewReader(append(append(z("packed", "b", oidA, "1", oidB, "", "proofs", "1"), oidB+" blob 3\na\x00b\n"...), z("pack", "PACK")...)))
	p, err := ReadPack(r)
	require.NoError(t, err)
	assert.Equal(t, &Packed{Branch: "b", Head: oidA, Committed: true, Tree: oidB, Proofs: []Object{{oidB, "blob", []byte("a\x00b")}}, HasPack: true}, p)
}

func TestReadLogEndsAtALie(t *testing.T) {
	t.Parallel()
	commit := z(oidA, oidB, "", "n", "e", "1 +0130", "n", "e", "2 -0130", "subject\n\nbody\n")
	var got []*Commit
	var last error
	for c, err := range ReadLog(bytes.NewReader(append(append(z("log"), commit...), "cut"...))) {
		if err != nil {
			last = err
			continue
		}
		got = append(got, c)
	}
	require.Len(t, got, 1)
	require.ErrorIs(t, last, ErrOutput)
	_, offset := got[0].Author.Time.Zone()
	assert.Equal(t, 5400, offset)
	assert.Equal(t, "subject\n\nbody", got[0].Message)
	for c, err := range ReadLog(bytes.NewReader(append(z("log"), bytes.Repeat([]byte("x"), 3<<20)...))) {
		assert.Nil(t, c)
		assert.ErrorIs(t, err, ErrOutput)
	}
}

func TestCleanMessage(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "subject\n\nbody\n\nmore", clean("\n\n  \nsubject  \r\n\n\n\nbody\t\n\nmore\n\n"))
	assert.Empty(t, clean(" \n"))
}

func TestSparsePatterns(t *testing.T) {
	t.Parallel()
	assert.Empty(t, sparse(nil))
	assert.Equal(t, "/*\n!/*/\n/a/\n!/a/*/\n/a/b/\n/c/", sparse([]string{"c", "a/b"}))
	assert.Equal(t, "/*\n!/*/\n/a/\n/a/b/", sparse([]string{"a", "a/b"}))
}

func TestConfigValuesAreQuoted(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `"a\"b\\c\n[core] # x"`, quote("a\"b\\c\n[core] # x"))
}

func TestScriptsFitAnArgument(t *testing.T) {
	t.Parallel()
	for _, s := range []string{integrateScript(), packScript(), cloneScript(), continueScript(), branchScript()} {
		assert.Less(t, len(s), 64<<10)
		assert.NotContains(t, s, "\x00")
	}
}

func TestNeedRefs(t *testing.T) {
	t.Parallel()
	assert.Empty(t, needRefs("", "HEAD", "HEAD~2^1", oidA+"^"))
	assert.Equal(t, "1", needRefs("HEAD", "main"))
}

func fuzzSeeds(f *testing.F) {
	f.Helper()
	for _, seed := range [][]byte{
		z("status", "b", oidA, "u", "merge", oidB, "# branch.ab +1 -2", "1 .M N... 1 1 1 "+oidA+" "+oidA+" a", "2 R. S... 1 1 1 a b R100 x", "y", "u UU N... 1 2 3 4 a b c d", "? x", "end"),
		z("diff", "100", "10", ":100644 100644 "+oidA+" "+oidB+" R100", "a", "b", "1\t2\t", "a", "b", "", "diff --git a/a b/b\n@@ -1 +1 @@\n-a\n+b\n", "end"),
		z("diff", "9", "1", "commit", oidA, oidB, "", "n", "e", "1 +0000", "n", "e", "1 +0000", "m", "", "end"),
		z("log", oidA, oidB, oidA, "n", "e", "1 +0000", "n", "e", "1 +0000", "m", "end"),
		append(z("packed", "b", oidA, "1", oidB, "", "proofs", "1"), append([]byte(oidB+" blob 1\nx\n"), z("pack")...)...),
		z("integrated", "rebased", oidA, oidB, "1", "end"),
		z("branches", "b", oidA, oidA, "refs/heads/b", "s", "", oidA, "1\t2", "", "end"),
		z("clone", "b", oidA, "2.39", "end"), z("committed", "b", oidA, oidB, "", "end"), z("position", "b", oidA, "", "end"),
		z("fail", "d", "f", "", "end"), z("list", "a", "", "0", "end"), z("search", "a", "1", "x\n", "0", "end"),
		z("file", "100644", oidA, "3", "abc", "end"), z("fetched", "1", "end"), z("done", "end"),
	} {
		f.Add(seed)
	}
}

// fuzz checks that a parser neither panics nor reports more than it was given.
func fuzz(f *testing.F, parse func(b []byte) int) {
	f.Helper()
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := parse(b); n > len(b) {
			t.Fatalf("%d bytes out of %d", n, len(b))
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	fuzz(f, func(b []byte) (n int) {
		if s, err := ParseStatus(b); err == nil {
			for _, x := range s.Files {
				n += len(x.Path) + len(x.From)
			}
		}
		return n
	})
}

func FuzzParseDiff(f *testing.F) {
	fuzz(f, func(b []byte) (n int) {
		if d, err := ParseDiff(b); err == nil {
			n = len(d.Patch) + len(d.Files)
		}
		if s, err := ParseShown(b); err == nil {
			n = max(n, len(s.Diff.Patch)+len(s.Commit.Message))
		}
		return n
	})
}

func FuzzReadLog(f *testing.F) {
	fuzz(f, func(b []byte) (n int) {
		for c, err := range ReadLog(bytes.NewReader(b)) {
			if err == nil {
				n += len(c.Hash) + len(c.Message)
			}
		}
		return n
	})
}

func FuzzReadPack(f *testing.F) {
	fuzz(f, func(b []byte) (n int) {
		r := bufio.NewReader(bytes.NewReader(b))
		if p, err := ReadPack(r); err == nil {
			for _, o := range p.Proofs {
				n += len(o.Data)
			}
		}
		_, _ = ReadIntegrated(bufio.NewReader(bytes.NewReader(b)))
		return n
	})
}

func FuzzParseSmall(f *testing.F) {
	fuzz(f, func(b []byte) (n int) {
		if l, err := ParseBranches(b); err == nil {
			n += len(l)
		}
		if l, err := ParseListing(b); err == nil {
			n += len(l.Paths)
		}
		if m, err := ParseMatches(b); err == nil {
			n += len(m.Matches)
		}
		if x, err := ParseFile(b); err == nil {
			n += len(x.Data)
		}
		_, _ = ParseClone(b)
		_, _ = ParseCommitted(b)
		_, _ = ParsePosition(b)
		_, _ = ParseFetched(b)
		_ = ParseDone(b)
		return n
	})
}

func FuzzParseFailure(f *testing.F) {
	fuzz(f, func(b []byte) (n int) {
		for code := range 80 {
			x := ParseFailure(code, b, b)
			n = max(n, len(x.Files))
		}
		return n
	})
}

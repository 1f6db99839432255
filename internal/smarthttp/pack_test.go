package smarthttp

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A rawObject is an object of a hand-made pack.
type rawObject struct {
	kind    int
	content []byte
	size    int // in the header, where not that of the content
}

// rawPack writes a pack.
func rawPack(objects ...rawObject) []byte {
	var b bytes.Buffer
	b.WriteString("PACK")
	_ = binary.Write(&b, binary.BigEndian, []uint32{2, uint32(len(objects))})
	for _, o := range objects {
		size := len(o.content)
		if o.size != 0 {
			size = o.size
		}
		c := byte(o.kind<<4 | size&15)
		for size >>= 4; size > 0; size >>= 7 {
			b.WriteByte(c | 0x80)
			c = byte(size & 0x7f)
		}
		b.WriteByte(c)
		z := zlib.NewWriter(&b)
		_, _ = z.Write(o.content)
		_ = z.Close()
	}
	sum := sha1.Sum(b.Bytes())
	b.Write(sum[:])
	return b.Bytes()
}

// resum replaces the checksum of a pack that was changed.
func resum(pack []byte) []byte {
	body := pack[:len(pack)-20]
	sum := sha1.Sum(body)
	return append(bytes.Clone(body), sum[:]...)
}

func blob(s string) rawObject { return rawObject{kind: packBlob, content: []byte(s)} }

// entry writes an entry of a tree.
func entry(mode, name string, id oid) string { return mode + " " + name + "\x00" + string(id[:]) }

// asViolation checks the rule of a violation and returns it.
func asViolation(t *testing.T, err error, rule Rule) *Violation {
	t.Helper()
	var v *Violation
	require.ErrorAs(t, err, &v)
	assert.Equal(t, rule, v.Rule, v.Error())
	assert.NotContains(t, v.Error(), "\n")
	return v
}

func TestReadPackOfGit(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	require.NoError(t, writeNoise(r.dir+"/noise", 100_000))
	r.commit("first", map[string]string{"a": "1\n", "dir/b": "2\n"})
	head := r.commit("second", map[string]string{"a": strings.Repeat("x\n", 50_000)})
	data := r.pack(head)
	for _, in := range []io.Reader{bytes.NewReader(data), iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		pack, err := ReadPack(in, nil)
		require.NoError(t, err)
		assert.Equal(t, int64(len(data)), pack.Bytes)
		assert.Equal(t, []int{2, 3, 4}, []int{pack.Commits, pack.Trees, pack.Blobs})
		assert.Equal(t, int64(100_000+100_000+2+2), pack.Inflated-metadata(t, r))
		id, _ := parseOID(head)
		assert.Contains(t, pack.commits, id)
	}
}

// metadata adds up the sizes of commits and trees.
func metadata(t *testing.T, r *repo) int64 {
	t.Helper()
	total := int64(0)
	for line := range strings.Lines(r.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectsize)") + "\n") {
		kind, size, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind != "blob" {
			n := int64(0)
			for _, c := range size {
				n = n*10 + int64(c-'0')
			}
			total += n
		}
	}
	return total
}

func TestReadPackRefuses(t *testing.T) {
	t.Parallel()
	good := rawPack(blob("hello"))
	id := hashObject("blob", []byte("hello"))
	tree := func(entries ...string) []byte {
		return rawPack(rawObject{kind: packTree, content: []byte(strings.Join(entries, ""))})
	}
	commit := func(s string) []byte { return rawPack(rawObject{kind: packCommit, content: []byte(s)}) }
	ok := "tree " + id1 + "\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
	wrongSum := bytes.Clone(good)
	wrongSum[len(wrongSum)-1] ^= 1
	wrongData := bytes.Clone(good)
	wrongData[15] ^= 0xff
	version3 := bytes.Clone(good)
	version3[7] = 3
	many := bytes.Clone(good)
	binary.BigEndian.PutUint32(many[8:], 0xffffffff)
	for name, tc := range map[string]struct {
		pack   []byte
		rule   Rule
		detail string
	}{
		"no pack":        {[]byte("<html>hello world</html>"), RuleMalformed, "not a pack of version 2"},
		"version 3":      {resum(version3), RuleMalformed, "not a pack of version 2"},
		"checksum":       {wrongSum, RuleMalformed, "checksum of the pack is wrong"},
		"trailing":       {append(bytes.Clone(good), 'x'), RuleMalformed, "data after the pack"},
		"two packs":      {append(bytes.Clone(good), good...), RuleMalformed, "data after the pack"},
		"data":           {resum(wrongData), RuleMalformed, "compressed data: "},
		"count":          {resum(many), RuleLimit, "4294967295 objects, at most 100 are allowed"},
		"ofs delta":      {rawPack(rawObject{kind: 6, content: []byte("x")}), RuleSelfContained, "pack with a delta"},
		"ref delta":      {rawPack(rawObject{kind: 7, content: []byte("x")}), RuleSelfContained, "pack with a delta"},
		"tag":            {rawPack(rawObject{kind: 4, content: []byte("x")}), RuleMalformed, "pack with a tag object"},
		"type 0":         {rawPack(rawObject{kind: 0, content: []byte("x")}), RuleMalformed, "object of type 0"},
		"type 5":         {rawPack(rawObject{kind: 5, content: []byte("x")}), RuleMalformed, "object of type 5"},
		"shorter":        {rawPack(rawObject{packBlob, []byte("hello"), 6}), RuleMalformed, "object that is shorter than its header says"},
		"longer":         {rawPack(rawObject{packBlob, []byte("hello"), 4}), RuleMalformed, "object that is longer than its header says"},
		"bomb":           {rawPack(rawObject{packBlob, make([]byte, 4<<20), 10}), RuleMalformed, "object that is longer than its header says"},
		"large blob":     {rawPack(rawObject{packBlob, make([]byte, 70_000), 0}), RuleLimit, "object of 70000 bytes, at most 50000 are allowed"},
		"large tree":     {rawPack(rawObject{packTree, []byte("x"), 33 << 20}), RuleLimit, "object of 34603008 bytes, at most 33554432 are allowed"},
		"huge size":      {resum(append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), make([]byte, 20)...)), RuleMalformed, "size of an object"},
		"inflated":       {rawPack(blob(strings.Repeat("a", 40_000)), blob(strings.Repeat("b", 40_000)), blob(strings.Repeat("c", 40_000))), RuleLimit, "objects of more than 100000 bytes"},
		"too long":       {rawPack(rawObject{packBlob, noise(t, 30_000), 0}), RuleLimit, "pack of more than 20000 bytes"},
		"empty commit":   {commit(""), RuleMalformed, "commit without a tree"},
		"short tree":     {commit("tree 1\n"), RuleMalformed, "commit with a malformed tree line"},
		"upper case":     {commit("tree " + strings.Repeat("A", 40) + "\nauthor A\n\n"), RuleMalformed, "commit with a malformed tree line"},
		"bad parent":     {commit("tree " + id1 + "\nparent x\nauthor A\n\n"), RuleMalformed, "commit with a malformed parent line"},
		"no author":      {commit("tree " + id1 + "\ncommitter A\n\n"), RuleMalformed, "commit without an author"},
		"late parent":    {commit(ok + "parent " + id1 + "\n\n"), RuleMalformed, "commit with a second tree or a late parent"},
		"second tree":    {commit(ok + "tree " + id1 + "\n\n"), RuleMalformed, "commit with a second tree or a late parent"},
		"NUL":            {commit(ok + "x \x00\n\n"), RuleMalformed, "commit with a NUL in its header"},
		"1025 parents":   {commit("tree " + id1 + "\n" + strings.Repeat("parent "+id1+"\n", 1025) + "author A\n\n"), RuleMalformed, "commit with too many parents"},
		"cut tree":       {tree("100644 a\x00xxxx"), RuleMalformed, "tree that ends inside an entry"},
		"no NUL":         {tree("100644 a"), RuleMalformed, "tree that ends inside an entry"},
		"mode 644":       {tree(entry("644", "a", id)), RuleTree, "mode of an entry: 644"},
		"mode 040000":    {tree(entry("040000", "a", id)), RuleTree, "mode of an entry: 040000"},
		"mode setuid":    {tree(entry("104755", "a", id)), RuleTree, "mode of an entry: 104755"},
		"no mode":        {tree("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), RuleTree, "mode of an entry: aaaaaaaa"},
		"zero id":        {tree(entry("100644", "a", oid{})), RuleTree, "entry without an object"},
		"no name":        {tree(entry("100644", "", id)), RuleTree, "entry without a name"},
		"slash":          {tree(entry("100644", "a/b", id)), RuleTree, "name with a slash"},
		"dot":            {tree(entry("40000", ".", id)), RuleTree, "name of a directory itself or its parent"},
		"dot dot":        {tree(entry("40000", "..", id)), RuleTree, "name of a directory itself or its parent"},
		".git":           {tree(entry("40000", ".git", id)), RuleTree, "name of the git directory"},
		".GiT":           {tree(entry("100644", ".GiT", id)), RuleTree, "name of the git directory"},
		"hfs":            {tree(entry("40000", ".g\u200cit", id)), RuleTree, "name of the git directory"},
		"hfs 2":          {tree(entry("40000", "\ufeff.Git", id)), RuleTree, "name of the git directory"},
		"dotless":        {tree(entry("40000", ".git.", id)), RuleTree, "name of the git directory"},
		"space":          {tree(entry("40000", ".git . ", id)), RuleTree, "name of the git directory"},
		"stream":         {tree(entry("40000", ".git::$INDEX_ALLOCATION", id)), RuleTree, "name of the git directory"},
		"short name":     {tree(entry("40000", "GIT~1", id)), RuleTree, "name of the git directory"},
		"backslash":      {tree(entry("100644", `a\.git\config`, id)), RuleTree, "name of the git directory"},
		"dots, stream":   {tree(entry("40000", "..:x", id)), RuleTree, "name that leaves its directory"},
		"dots, space":    {tree(entry("40000", ".. ", id)), RuleTree, "name that leaves its directory"},
		"backslash 2":    {tree(entry("100644", `a\..\..\b`, id)), RuleTree, "name that leaves its directory"},
		"order":          {tree(entry("100644", "b", id), entry("100644", "a", id)), RuleTree, "entries are not in order"},
		"twice":          {tree(entry("100644", "a", id), entry("100644", "a", id)), RuleTree, "entries are not in order"},
		"file, tree":     {tree(entry("100644", "a", id), entry("40000", "a", id)), RuleTree, "entries are not in order"},
		"file, x, tree":  {tree(entry("100644", "a", id), entry("100644", "a.b", id), entry("40000", "a", id)), RuleTree, "two entries of one name"},
		"tree as a file": {tree(entry("100644", "a0", id), entry("40000", "a", id)), RuleTree, "entries are not in order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := PackLimits{MaxObjects: 100, MaxObject: 50_000, MaxInflated: 100_000, MaxBytes: 20_000}
			if name == "1025 parents" {
				limits.MaxBytes = 0
			}
			_, err := ReadPack(bytes.NewReader(tc.pack), &PackOptions{Limits: limits})
			v := asViolation(t, err, tc.rule)
			assert.True(t, strings.HasPrefix(v.Detail, tc.detail), v.Detail)
		})
	}
}

func noise(t *testing.T, n int64) []byte {
	t.Helper()
	name := t.TempDir() + "/noise"
	require.NoError(t, writeNoise(name, n))
	return readFile(t, name)
}

func TestNamesThatAreAllowed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		".gitignore", ".github", "git", ".git2", ".gitmodules", "a b", "ä", "a..b", "...", "git~2", "con", "-x", `a\b`, "\xff", "a:b", strings.Repeat("x", 255),
	} {
		assert.NoError(t, checkName([]byte(name)), name)
	}
}

func TestReadPackBoundsWhatItKeeps(t *testing.T) {
	t.Parallel()
	var objects []rawObject
	for i := range 200 {
		content := "tree " + id1 + "\n" + strings.Repeat("parent "+id1+"\n", 100) + "author A\n\n" + string(rune(i+100))
		objects = append(objects, rawObject{kind: packCommit, content: []byte(content)})
	}
	_, err := ReadPack(bytes.NewReader(rawPack(objects...)), &PackOptions{Limits: PackLimits{MaxKept: 100_000}})
	v := asViolation(t, err, RuleLimit)
	assert.Equal(t, "commits and trees take more than 100000 bytes of memory", v.Detail)
	_, err = ReadPack(bytes.NewReader(rawPack(objects...)), nil)
	require.NoError(t, err)
}

func TestReadPackCutAnywhere(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	data := r.pack(r.commit("first", map[string]string{"a": "1\n", "dir/b": "2\n"}))
	broken := errors.New("connection reset")
	for at := range data {
		_, err := ReadPack(bytes.NewReader(data[:at]), nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d of %d", at, len(data))
		_, err = ReadPack(io.MultiReader(bytes.NewReader(data[:at]), iotest.ErrReader(broken)), nil)
		require.ErrorIs(t, err, broken, "cut at %d of %d", at, len(data))
	}
}

// TestReadPackTakesLittleMemory reads blobs that inflate to 32 MB. It is
// not parallel, since it measures the heap.
//
//nolint:paralleltest // see above
func TestReadPackTakesLittleMemory(t *testing.T) {
	data := rawPack(rawObject{kind: packBlob, content: make([]byte, 16<<20)}, blob(strings.Repeat("x", 16<<20)))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pack, err := ReadPack(bytes.NewReader(data), nil)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	assert.Equal(t, int64(32<<20), pack.Inflated)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func FuzzReadPack(f *testing.F) {
	f.Add(rawPack(blob("hello"), rawObject{kind: packTree, content: []byte(entry("100644", "a", oid{1}))}))
	f.Add(rawPack(rawObject{kind: packCommit, content: []byte("tree " + id1 + "\nparent " + id2 + "\nauthor A\n\nx")}))
	f.Add(rawPack())
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := PackLimits{MaxBytes: 1 << 20, MaxInflated: 1 << 20, MaxObject: 1 << 16}
		for _, data := range [][]byte{data, resum(append(bytes.Clone(data), make([]byte, 20)...))} {
			pack, err := ReadPack(bytes.NewReader(data), &PackOptions{Limits: limits})
			if err != nil {
				continue
			}
			assert.Equal(t, int64(len(data)), pack.Bytes)
			assert.LessOrEqual(t, pack.Inflated, int64(1<<20))
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte("tree " + id1 + "\nparent " + id2 + "\nauthor A\n\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCommit(b)
		if err != nil {
			return
		}
		header, _, _ := bytes.Cut(b, []byte("\n\n"))
		assert.Equal(t, len(c.parents), bytes.Count(append([]byte("\n"), header...), []byte("\nparent ")))
		assert.Contains(t, string(header), "tree "+c.tree.String())
	})
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte(entry("100644", "a", oid{1}) + entry("40000", "b", oid{2})))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rebuilt []byte
		names := make(map[string]bool)
		err := parseTree(b, func(mode, name []byte, id oid) error {
			assert.False(t, names[string(name)], "%q twice", name)
			names[string(name)] = true
			assert.False(t, bytes.ContainsRune(name, '/'))
			assert.NotEqual(t, ".git", strings.ToLower(string(name)))
			rebuilt = append(rebuilt, entry(string(mode), string(name), id)...)
			return nil
		})
		if err == nil {
			assert.Equal(t, string(b), string(rebuilt))
		}
	})
}

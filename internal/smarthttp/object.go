package smarthttp

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // git's object IDs are SHA-1; see hashObject
	"encoding/hex"
	"fmt"
)

// An oid is an object ID.
type oid [sha1.Size]byte

func (o oid) String() string { return hex.EncodeToString(o[:]) }

// parseOID reads an object ID as git prints it.
func parseOID(s string) (oid, bool) {
	var o oid
	if !validID(s) {
		return o, false
	}
	_, err := hex.Decode(o[:], []byte(s))
	return o, err == nil
}

// hashObject returns the ID of an object.
//
// SHA-1 is not collision resistant any more, and need not be here. To pass
// something else for an object that others made takes a second preimage, which
// nobody can find. Two objects of one ID that an attacker made himself help
// only if the remote takes one of them, and git detects and refuses both.
func hashObject(kind string, content []byte) oid {
	h := sha1.New() //nolint:gosec // as above
	fmt.Fprintf(h, "%s %d\x00", kind, len(content))
	h.Write(content)
	return oid(h.Sum(nil))
}

// A commit is what matters of a commit.
type commit struct {
	tree    oid
	parents []oid
}

// maxParents is more than git's own tools can make.
const maxParents = 1024

// parseCommit reads a commit: "tree ID", then "parent ID" for each parent, then
// the author. A parent line after that would be one to some readers only.
func parseCommit(content []byte) (*commit, error) {
	rest, ok := bytes.CutPrefix(content, []byte("tree "))
	if !ok {
		return nil, malformed("commit without a tree")
	}
	c := new(commit)
	if c.tree, rest, ok = cutOID(rest); !ok {
		return nil, malformed("commit with a malformed tree line")
	}
	for {
		after, ok := bytes.CutPrefix(rest, []byte("parent "))
		if !ok {
			break
		}
		var parent oid
		if parent, rest, ok = cutOID(after); !ok {
			return nil, malformed("commit with a malformed parent line")
		}
		if len(c.parents) == maxParents {
			return nil, malformed("commit with too many parents")
		}
		c.parents = append(c.parents, parent)
	}
	if !bytes.HasPrefix(rest, []byte("author ")) {
		return nil, malformed("commit without an author")
	}
	header, _, ok := bytes.Cut(rest, []byte("\n\n"))
	if !ok {
		header = rest
	}
	if bytes.IndexByte(header, 0) >= 0 {
		return nil, malformed("commit with a NUL in its header")
	}
	for line := range bytes.Lines(header) {
		if bytes.HasPrefix(line, []byte("tree ")) || bytes.HasPrefix(line, []byte("parent ")) {
			return nil, malformed("commit with a second tree or a late parent")
		}
	}
	return c, nil
}

// cutOID cuts an object ID and a line end off b.
func cutOID(b []byte) (oid, []byte, bool) {
	if len(b) < 41 || b[40] != '\n' {
		return oid{}, b, false
	}
	o, ok := parseOID(string(b[:40]))
	return o, b[41:], ok
}

// A treeEntry is an entry of a tree.
type treeEntry struct {
	mode string
	name string
	id   oid
}

// The modes of entries.
const (
	modeTree    = "40000"
	modeSymlink = "120000"
	modeGitlink = "160000"
)

func validMode(s string) bool {
	switch s {
	// 100664 is what very old versions of git wrote.
	case "100644", "100755", "100664", modeTree, modeSymlink, modeGitlink:
		return true
	}
	return false
}

// parseTree reads a tree, checks each entry, and calls visit with it. The mode
// and name share memory with content.
func parseTree(content []byte, visit func(mode, name []byte, id oid) error) error {
	var last []byte
	lastTree := false
	// A file and a directory of one name need not be neighbours. These are the
	// files whose names the names that follow begin with.
	var files [][]byte
	for len(content) > 0 {
		mode, _, ok := bytes.Cut(content[:min(len(content), 8)], []byte{' '})
		if !ok || !validMode(string(mode)) {
			return unsafeEntry("", "mode of an entry: "+quote(string(mode)))
		}
		name, rest, ok := bytes.Cut(content[len(mode)+1:], []byte{0})
		if !ok || len(rest) < sha1.Size {
			return malformed("tree that ends inside an entry")
		}
		if err := checkName(name); err != nil {
			return err
		}
		isTree := string(mode) == modeTree
		// The order makes sure that no name comes twice, of which readers
		// could take one or the other.
		if last != nil && compareNames(last, lastTree, name, isTree) >= 0 {
			return unsafeEntry(string(name), "entries are not in order")
		}
		last, lastTree = name, isTree
		for len(files) > 0 && !bytes.HasPrefix(name, files[len(files)-1]) {
			files = files[:len(files)-1]
		}
		switch {
		case !isTree:
			files = append(files, name)
		case len(files) > 0 && len(files[len(files)-1]) == len(name):
			return unsafeEntry(string(name), "two entries of one name")
		}
		id := oid(rest[:sha1.Size])
		if id == (oid{}) {
			return unsafeEntry(string(name), "entry without an object")
		}
		if err := visit(mode, name, id); err != nil {
			return err
		}
		content = rest[sha1.Size:]
	}
	return nil
}

// compareNames orders entries as git does: a tree as if its name ended in a
// slash. Entries of the same name are equal whatever they are.
func compareNames(a []byte, aTree bool, b []byte, bTree bool) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 || len(a) == len(b) {
		return c
	}
	end := func(s []byte, isTree bool) byte {
		switch {
		case len(s) > n:
			return s[n]
		case isTree:
			return '/'
		}
		return 0
	}
	return int(end(a, aTree)) - int(end(b, bTree))
}

// checkName refuses the name of an entry that would leave the directory, or
// enter the git directory, when it is checked out on any file system.
func checkName(name []byte) error {
	switch {
	case len(name) == 0:
		return unsafeEntry("", "entry without a name")
	case len(name) > 4096:
		return unsafeEntry(string(name), "name is too long")
	case bytes.IndexByte(name, '/') >= 0:
		return unsafeEntry(string(name), "name with a slash")
	case string(name) == "." || string(name) == "..":
		return unsafeEntry(string(name), "name of a directory itself or its parent")
	}
	// Windows takes a backslash for a slash.
	for part := range bytes.SplitSeq(name, []byte{'\\'}) {
		stem, _, _ := bytes.Cut(part, []byte{':'})
		if string(bytes.TrimRight(stem, " ")) == ".." {
			return unsafeEntry(string(name), "name that leaves its directory")
		}
		if folded := fold(string(part)); folded == ".git" || folded == "git~1" {
			return unsafeEntry(string(name), "name of the git directory")
		}
	}
	return nil
}

func malformed(detail string) *Violation { return &Violation{Rule: RuleMalformed, Detail: detail} }

func unsafeEntry(name, detail string) *Violation {
	return &Violation{Rule: RuleTree, Path: name, Detail: detail}
}

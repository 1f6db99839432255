package smarthttp

import (
	"maps"
	"slices"
	"strings"
)

// DefaultProtectedPaths returns the paths that decide what runs or who must
// review on the common forges.
func DefaultProtectedPaths() []string {
	return []string{
		".github/workflows", ".github/actions", ".github/CODEOWNERS", ".gitlab-ci.yml",
		"CODEOWNERS", "docs/CODEOWNERS", ".gitmodules",
	}
}

// Protected is the state of the protected paths in one commit. It can be kept
// as JSON.
type Protected struct {
	// Commit is the commit.
	Commit string `json:"commit"`

	// Paths are the paths that are protected, as CheckProof or ReadPack got
	// them, in canonical form and order.
	Paths []string `json:"paths"`

	// Tree is the root tree of the commit.
	Tree string `json:"tree"`

	// Entries are what the commit has at protected paths and on the way to
	// them, by path, in the spelling of the commit.
	Entries map[string]Entry `json:"entries"`
}

// An Entry is an entry of a tree.
type Entry struct {
	Mode string `json:"mode"` // as git writes it: "100644", "40000"
	ID   string `json:"id"`
}

// A matcher says which paths are protected, and which lead to those.
type matcher struct {
	paths []string
	parts [][]string // of each path, folded
}

// maxProtected bounds the protected paths, maxPathParts the parts of one.
const (
	maxProtected = 256
	maxPathParts = 16
)

// CheckProtectedPaths reports why paths cannot be protected, or nil.
func CheckProtectedPaths(paths []string) error {
	_, err := newMatcher(paths)
	return err
}

// newMatcher checks the protected paths. They are relative, and those of
// directories may end in a slash.
func newMatcher(protected []string) (*matcher, error) {
	if protected == nil {
		protected = DefaultProtectedPaths()
	}
	if len(protected) > maxProtected {
		return nil, invalid("too many protected paths")
	}
	set := make(map[string]bool)
	for _, path := range protected {
		var folded []string
		for part := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
			f := fold(part)
			if f == "" || checkName([]byte(part)) != nil {
				return nil, invalid("protected path " + quote(path))
			}
			folded = append(folded, f)
		}
		if len(folded) > maxPathParts {
			return nil, invalid("protected path " + quote(path) + " is too deep")
		}
		set[strings.Join(folded, "/")] = true
	}
	m := &matcher{paths: slices.Sorted(maps.Keys(set))}
	for _, path := range m.paths {
		m.parts = append(m.parts, strings.Split(path, "/"))
	}
	return m, nil
}

// A match is how an entry of a tree concerns protected paths.
type match int

const (
	matchNone match = iota

	// matchLeaf: the entry must be the same as in a base.
	matchLeaf

	// matchWay: the entry is a directory in which entries matter.
	matchWay
)

// look tells how an entry in the directory with the given path concerns
// protected paths. The path is as look itself returned it, or empty.
//
// A directory on the way whose name is unusual is a leaf: it may or may not be
// taken for the one that is meant. So is what is no directory but leads to one.
func (m *matcher) look(dir []string, mode, name string) (match, []string) {
	lower, folded := asciiLower(name), fold(name)
	result := matchNone
	for _, parts := range m.parts {
		depth := len(dir)
		if len(parts) <= depth || !slices.Equal(parts[:depth], dir) {
			continue
		}
		part := parts[depth]
		if folded != part && !shortName(folded, part) {
			continue
		}
		switch last := depth == len(parts)-1; {
		case last, mode == modeSymlink, mode == modeGitlink, mode == modeTree && lower != part:
			return matchLeaf, nil
		case mode == modeTree:
			result = matchWay
		}
	}
	if result == matchWay {
		return matchWay, append(slices.Clip(dir), lower)
	}
	return matchNone, nil
}

// concerns reports whether a name can matter at some depth.
func (m *matcher) concerns(name string) bool {
	folded := fold(name)
	for _, parts := range m.parts {
		for _, part := range parts {
			if folded == part || shortName(folded, part) {
				return true
			}
		}
	}
	return false
}

// maxEntries bounds the entries of a Protected: each is a spelling of a
// protected path.
const maxEntries = 4096

// collect finds the protected entries of the commit with the given root tree.
// Tree returns the entries of a tree that concern the matcher.
func (m *matcher) collect(commit string, root oid, tree func(id oid, dir string) ([]treeEntry, error)) (*Protected, error) {
	p := &Protected{Commit: commit, Paths: m.paths, Tree: root.String(), Entries: make(map[string]Entry)}
	var walk func(id oid, at string, dir []string) error
	walk = func(id oid, at string, dir []string) error {
		entries, err := tree(id, at)
		if err != nil {
			return err
		}
		for _, e := range entries {
			how, below := m.look(dir, e.mode, e.name)
			if how == matchNone {
				continue
			}
			if len(p.Entries) == maxEntries {
				return &Violation{Rule: RuleLimit, Commit: commit, Detail: "too many entries at protected paths"}
			}
			path := at + e.name
			p.Entries[path] = Entry{Mode: e.mode, ID: e.id.String()}
			if how == matchWay {
				if err := walk(e.id, path+"/", below); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if len(m.parts) == 0 {
		return p, nil
	}
	if err := walk(root, "", nil); err != nil {
		return nil, err
	}
	return p, nil
}

// leaves returns the entries that must not change.
func (m *matcher) leaves(p *Protected) map[string]Entry {
	leaves := make(map[string]Entry, len(p.Entries))
	for path, e := range p.Entries {
		if e.Mode == modeTree && m.onWay(path) {
			continue
		}
		leaves[path] = e
	}
	return leaves
}

// onWay reports whether a directory at path is one that collect looked into.
func (m *matcher) onWay(path string) bool {
	var dir []string
	for name := range strings.SplitSeq(path, "/") {
		how, below := m.look(dir, modeTree, name)
		if how != matchWay {
			return false
		}
		dir = below
	}
	return true
}

// validate checks a Protected that was kept somewhere.
func (p *Protected) validate(m *matcher) error {
	if p == nil || !validID(p.Commit) || !validID(p.Tree) || len(p.Entries) > maxEntries {
		return invalid("malformed base")
	}
	if !slices.Equal(p.Paths, m.paths) {
		return invalid("base " + quote(p.Commit) + " is of other protected paths")
	}
	for path, e := range p.Entries {
		if path == "" || !validID(e.ID) || !validMode(e.Mode) {
			return invalid("malformed entry in base " + quote(p.Commit))
		}
	}
	return nil
}

package smarthttp

// An Object is a commit or tree as the sandbox sent it.
type Object struct {
	Type string // "commit" or "tree"
	Data []byte // the content, without git's header
}

const (
	maxProofObjects = 1024
	maxProofBytes   = 64 << 20
)

// CheckProof derives the state of the protected paths in a commit from objects
// of untrusted origin. The commit ID is trusted; each object counts only for
// the ID that is its hash, so that nothing but the true objects of the commit
// leads to a result.
//
// The objects are, in any order: the commit, its root tree, and each subtree
// whose path is a proper prefix of a protected path when ASCII letters are
// compared without case. Protected nil means [DefaultProtectedPaths]. Objects
// that are missing or malformed are a [*Violation]; those that lead nowhere are
// not used.
func CheckProof(commit string, objects []Object, protected []string) (*Protected, error) {
	bad := func(detail string) (*Protected, error) {
		return nil, &Violation{Rule: RuleProof, Commit: commit, Detail: detail}
	}
	tip, ok := parseOID(commit)
	if !ok {
		return nil, invalid("commit " + quote(commit))
	}
	m, err := newMatcher(protected)
	if err != nil {
		return nil, err
	}
	if len(objects) > maxProofObjects {
		return bad("too many objects")
	}
	size := 0
	contents := make(map[oid]Object, len(objects))
	for _, o := range objects {
		if size += len(o.Data); size > maxProofBytes {
			return bad("too many bytes")
		}
		if o.Type != "commit" && o.Type != "tree" {
			return bad("object of type " + quote(o.Type))
		}
		contents[hashObject(o.Type, o.Data)] = o
	}

	object, ok := contents[tip]
	if !ok || object.Type != "commit" {
		return bad("the commit is missing")
	}
	c, err := parseCommit(object.Data)
	if err != nil {
		return nil, err
	}
	return m.collect(commit, c.tree, func(id oid, dir string) ([]treeEntry, error) {
		object, ok := contents[id]
		if !ok || object.Type != "tree" {
			return nil, &Violation{Rule: RuleProof, Commit: commit, Path: dir, Detail: "tree " + id.String() + " is missing"}
		}
		var entries []treeEntry
		err := parseTree(object.Data, func(mode, name []byte, id oid) error {
			if m.concerns(string(name)) {
				entries = append(entries, treeEntry{mode: string(mode), name: string(name), id: id})
			}
			return nil
		})
		return entries, err
	})
}

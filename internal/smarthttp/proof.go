package smarthttp

import "errors"

// An Object is a commit or tree as the sandbox sent it.
type Object struct {
	Type string // "commit" or "tree"
	Data []byte // the content, without git's header
}

// CheckProof derives the state of the protected paths in a commit from objects
// of untrusted origin. The commit ID is trusted; each object counts only for
// the ID that is its hash, so that nothing but the true objects of the commit
// leads to a result.
//
// The objects are, in any order: the commit, its root tree, and each subtree
// whose path is a proper prefix of a protected path when ASCII letters are
// compared without case. Protected nil means [DefaultProtectedPaths]. Objects
// that are missing, malformed or beside the way are a [*Violation].
func CheckProof(commit string, objects []Object, protected []string) (*Protected, error) {
	return nil, errors.ErrUnsupported
}

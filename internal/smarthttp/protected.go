package smarthttp

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

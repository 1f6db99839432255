package gitcmd

import "strings"

// A Clone is the outcome of [Repo.Clone].
type Clone struct {
	Branch     string // the agent branch, checked out
	Head       string // empty where the remote has no commits
	GitVersion string // such as 2.39.5
}

// A Status is the outcome of [Repo.Status].
type Status struct {
	Branch string // empty: HEAD is detached
	Head   string // empty: the branch has no commits yet

	// Upstream is the full name of the upstream ref, empty where the clone
	// does not have it. Ahead and Behind count the commits that only one
	// side has.
	Upstream      string
	Ahead, Behind int

	// Operation is what was begun in the clone and not ended: "merge",
	// "rebase", "cherry-pick", "revert" or empty. MergeHead is the commit
	// that is being merged.
	Operation string
	MergeHead string

	Files []FileStatus
}

// A FileStatus is the state of one file. Index and Worktree are git's letters:
// '.' unmodified, 'M', 'T', 'A', 'D', 'R', 'C', 'U'; both are '?' for an
// untracked file. With Unmerged they are one of the seven unmerged states: DD AU
// UD UA DU AA UU.
type FileStatus struct {
	Path, From      string // From: where it was renamed or copied from
	Index, Worktree byte
	Unmerged        bool
	Submodule       bool
}

// A Diff is the outcome of [Repo.Diff].
type Diff struct {
	Files []FileDiff
	Patch []byte

	// Truncated says that the patch was cut, at the end of a hunk.
	// FilesTruncated says that there were too many files to list.
	Truncated, FilesTruncated bool
}

// A FileDiff is what a diff did to one file.
type FileDiff struct {
	Path, From           string // From: where it was renamed or copied from
	Status               byte   // 'A', 'C', 'D', 'M', 'R', 'T', 'U'
	OldMode, NewMode     string // octal; 000000 where there is none
	OldOID, NewOID       string // all zeros: none, or not hashed yet
	Additions, Deletions int
	Binary               bool
}

// A Commit is a commit as the sandbox tells it.
type Commit struct {
	Hash, Tree        string
	Parents           []string
	Author, Committer Signature
	Message           string
}

// Subject returns the first paragraph of the message, on one line.
func (c *Commit) Subject() string {
	head, _, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n\n")
	return strings.Join(strings.Fields(head), " ")
}

// Body returns the message without its first paragraph.
func (c *Commit) Body() string {
	_, body, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n\n")
	return strings.Trim(body, "\n")
}

// A Committed is the outcome of [Repo.Commit].
type Committed struct {
	Branch string // empty: HEAD is detached
	Commit string
	Tree   string
	Parent string // empty: the first commit
}

// An Object is a git object.
type Object struct {
	OID, Type string
	Data      []byte
}

// A Packed is what a step says before the pack.
type Packed struct {
	Branch    string
	Head      string // empty: the branch has no commits
	Committed bool   // the step made a commit, which is Head
	Tree      string // of the new commit
	Parent    string // of the new commit
	Proofs    []Object
	HasPack   bool // a pack follows; otherwise Head is known already
}

// An Integrated is the outcome of [Repo.Integrate] and [Repo.Continue].
type Integrated struct {
	How           How
	Before, After string
	Replayed      int // commits that a rebase replayed
}

// A Fetched is the outcome of [Repo.Fetch].
type Fetched struct {
	Shallow bool // the clone's history is cut
}

// A Position is where HEAD is after a step that moved it.
type Position struct {
	Branch string // empty: HEAD is detached
	Head   string // empty: the branch has no commits
	Before string // where it was
}

// A Branch is a branch of the clone.
type Branch struct {
	Name, OID     string
	Current       bool
	Subject       string
	Ahead, Behind int // against the upstream of Repo
	HasUpstream   bool
}

// A File is the content of a file at a revision.
type File struct {
	Mode, OID string
	Size      int64
	Data      []byte
	Truncated bool
}

// A Shown is a commit with what it changed against its first parent.
type Shown struct {
	Commit *Commit
	Diff   *Diff
}

// A Match is a line that a search found.
type Match struct {
	Path string
	Line int
	Text string
}

// Matches is the outcome of [Repo.Search].
type Matches struct {
	Matches   []Match
	Truncated bool
}

// A Listing is the outcome of [Repo.List].
type Listing struct {
	Paths     []string
	Truncated bool
}

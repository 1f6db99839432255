package gitcmd

import "cmp"

// CloneArgs are the arguments of [Repo.Clone].
type CloneArgs struct {
	// URL is what the clone records as the URL of its remote, without
	// credentials.
	URL string

	// Base is the base branch, and Branch the agent branch to be on.
	Base, Branch string

	// Head is the commit to check out: the tip of the agent branch where the
	// remote has it, otherwise of the base branch. Empty means that the
	// remote has no commits.
	Head string

	// Fetch is how the objects get there.
	Fetch Fetch
}

// StatusArgs are the arguments of [Repo.Status].
type StatusArgs struct {
	Untracked Untracked // default UntrackedAll
	Unlocked  bool      // see [Repo.CanReadUnlocked]
}

// DiffArgs are the arguments of [Repo.Diff]. The zero value compares the files
// in the work tree with HEAD.
type DiffArgs struct {
	// From and To are the revisions to compare. An empty From stands for
	// HEAD, an empty To for the work tree, or for the index where Staged is
	// set.
	From, To string

	// MergeBase compares with the merge base of From and the other side.
	MergeBase bool

	// Staged compares the index instead of the work tree.
	Staged bool

	// Untracked includes untracked files, as added ones.
	Untracked bool

	// Paths limits the comparison to these files and directories.
	Paths []string

	// Context is how many lines of context a hunk has. Nil means 3.
	Context *int

	// NoPatch leaves the patch out.
	NoPatch bool

	// MaxBytes is where the patch is cut, at the end of a hunk. Default
	// DefaultMaxPatch.
	MaxBytes int

	// Unlocked is as [Repo.CanReadUnlocked] says. It goes without Untracked
	// and without revisions that are names of refs. The output is not cut in
	// the sandbox: its reader stops at [DiffArgs.Limit].
	Unlocked bool
}

// CanReadUnlocked reports whether the comparison can be read without the lock.
func (a *DiffArgs) CanReadUnlocked() bool { return !a.Untracked && needRefs(a.From, a.To) == "" }

// Limit is how many bytes the output of a comparison has at most.
func (a *DiffArgs) Limit() int { return cmp.Or(a.MaxBytes, DefaultMaxPatch) + maxSummary }

// DefaultMaxPatch is where a patch is cut unless the arguments say otherwise.
const DefaultMaxPatch = 4 << 20

// LogArgs are the arguments of [Repo.Log].
type LogArgs struct {
	Rev     string   // where to begin; default HEAD
	Exclude []string // what is reachable from these is left out
	Paths   []string // only commits that change these
	Max     int      // at most so many commits; 0 means all
	Skip    int      // leave out the first so many
}

// CommitArgs are the arguments of [Repo.Commit].
type CommitArgs struct {
	// Message is the commit message. MessageUpload names an upload that
	// holds it instead.
	Message       string
	MessageUpload string

	// Paths are the files and directories to stage, removed ones too. None
	// means all. What the agent has staged is committed with them.
	Paths []string

	// AllowEmpty makes a commit even where nothing has changed.
	AllowEmpty bool
}

// PackArgs are the arguments of [Repo.Pack].
type PackArgs struct {
	// Commit stages and commits first. Where there is nothing to commit the
	// head is packed as it is. Nil means no commit. It is not used by a
	// PackArgs that is part of another step's arguments.
	Commit *CommitArgs

	// Known are commits that the receiver has. Those that the clone has not
	// are passed over.
	Known []string

	// Since is a commit that the head is to be shown to descend from, also
	// where the head is known: the pack then holds the commits in between, and
	// nothing else. Empty means none.
	Since string

	// Proofs are commits whose root tree, and trees on the way to the
	// Protected paths, are printed. Names of trees are compared without
	// regard to the case of ASCII letters.
	Proofs    []string
	Protected []string
}

// IntegrateArgs are the arguments of [Repo.Integrate].
type IntegrateArgs struct {
	Mode Mode   // default Rebase
	Onto string // the commit to integrate

	// Label names Onto in conflict markers. Default: the upstream's name.
	Label string

	// Fetch is how the objects of Onto get there.
	Fetch Fetch

	// KeepConflicts leaves a merge with conflict markers in the work tree
	// where Onto does not integrate without conflict, whatever the Mode.
	// The failure is then a [Conflict] whose Detail is "kept " and the head, our
	// side of the merge.
	KeepConflicts bool

	// Message is the message of a merge commit.
	Message string

	// Then prints a pack of the new head, unless it is nil.
	Then *PackArgs
}

// ContinueArgs are the arguments of [Repo.Continue].
type ContinueArgs struct {
	Ours, Theirs string // the two parents, as the integration reported them
	Message      string
	Then         *PackArgs
}

// BranchArgs are the arguments of [Repo.CreateBranch].
type BranchArgs struct {
	Name     string
	Start    string // a revision; default HEAD
	Checkout bool   // and check it out
}

// ShowArgs are the arguments of [Repo.ShowFile].
type ShowArgs struct {
	Rev      string // default HEAD
	Path     string
	MaxBytes int // where the content is cut; default 16 MiB
}

// RestoreArgs are the arguments of [Repo.Restore].
type RestoreArgs struct {
	Paths    []string // none means all
	Source   string   // a revision; default the index, or HEAD with Staged
	Staged   bool     // restore the index
	Worktree bool     // restore the files; the default where Staged is not set
}

// ResetArgs are the arguments of [Repo.Reset].
type ResetArgs struct {
	Rev   string    // default HEAD
	Mode  ResetMode // default ResetMixed
	Paths []string  // only the index of these; no Mode
}

// SearchArgs are the arguments of [Repo.Search].
type SearchArgs struct {
	Pattern    string
	Regexp     bool // Pattern is a POSIX extended regular expression, not a string
	IgnoreCase bool
	Paths      []string
	MaxBytes   int // where the output is cut; default 1 MiB
}

// ListArgs are the arguments of [Repo.List].
type ListArgs struct {
	Paths    []string
	MaxBytes int // where the output is cut; default 4 MiB
}

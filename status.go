package gitsandbox

import (
	"context"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// Change is what happened to a file, in git's letters.
type Change byte

// The changes.
const (
	Unmodified  Change = '.'
	Modified    Change = 'M'
	TypeChanged Change = 'T'
	Added       Change = 'A'
	Deleted     Change = 'D'
	Renamed     Change = 'R'
	Copied      Change = 'C'
	Unmerged    Change = 'U'
	Untracked   Change = '?'
	Ignored     Change = '!'
)

// String returns the word for the change, such as "modified".
func (c Change) String() string {
	switch c {
	case Unmodified:
		return "unmodified"
	case Modified:
		return "modified"
	case TypeChanged:
		return "type changed"
	case Added:
		return "added"
	case Deleted:
		return "deleted"
	case Renamed:
		return "renamed"
	case Copied:
		return "copied"
	case Unmerged:
		return "unmerged"
	case Untracked:
		return "untracked"
	case Ignored:
		return "ignored"
	default:
		return "unknown"
	}
}

// MarshalText returns the word for the change.
func (c Change) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// A Status is the state of a clone.
type Status struct {
	// Branch is the branch that is checked out, or "" where HEAD is detached.
	Branch string

	// Head is the current commit, or "" on a branch without commits.
	Head Hash

	// Upstream is the remote branch that the work is compared with, such as
	// "origin/main": the agent branch where the remote has it, else the base
	// branch, both as last seen. Ahead and Behind count the commits that only
	// one side has.
	Upstream      string
	Ahead, Behind int

	// Operation is what was begun in the clone and not ended: "merge",
	// "rebase", "cherry-pick", "revert", or "".
	Operation string

	// Files are the files that are not as in the current commit.
	Files []FileStatus
}

// Clean reports whether there is nothing to commit.
func (s *Status) Clean() bool { return len(s.Files) == 0 }

// HasConflicts reports whether a file is unmerged.
func (s *Status) HasConflicts() bool {
	return slices.ContainsFunc(s.Files, func(f FileStatus) bool { return f.Conflict })
}

// A FileStatus is the state of one file. Paths are bytes: git knows no
// encoding.
type FileStatus struct {
	Path string
	From string // where it was renamed or copied from

	// Index is the change from the commit to the index, Worktree that from
	// the index to the file.
	Index, Worktree Change

	// Conflict says that the file is unmerged. Index and Worktree then tell
	// what our side and their side did, as "git status" does.
	Conflict bool

	// Submodule says that the path is a submodule.
	Submodule bool
}

// StatusOptions are the options of [Sandbox.Status].
type StatusOptions struct {
	// Untracked says how to list files that git does not track. Default
	// [UntrackedAll].
	Untracked UntrackedMode
}

// UntrackedMode is a way to list untracked files.
type UntrackedMode string

// The ways to list untracked files.
const (
	UntrackedAll    UntrackedMode = "all"    // each file
	UntrackedNormal UntrackedMode = "normal" // a directory of them as one
	UntrackedNone   UntrackedMode = "no"
)

// Status returns the state of the clone. Ignored files are not listed.
func (s *Sandbox) Status(ctx context.Context, opts *StatusOptions) (*Status, error) {
	var o StatusOptions
	if opts != nil {
		o = *opts
	}
	switch o.Untracked {
	case "", UntrackedAll, UntrackedNormal, UntrackedNone:
	default:
		return nil, s.refuse("status", invalid("Untracked: %q", o.Untracked))
	}
	return use(ctx, s, "status", false, func(ctx context.Context, _ *operation) (*Status, error) {
		return s.status(ctx, &o)
	})
}

func (s *Sandbox) status(ctx context.Context, o *StatusOptions) (*Status, error) {
	rec := s.live.snapshot()
	repo := rec.repo("")
	out, err := s.read(ctx, "status", repo.CanReadUnlocked(), maxStepOutput, func(unlocked bool) []string {
		return repo.Status(&gitcmd.StatusArgs{Untracked: gitcmd.Untracked(o.Untracked), Unlocked: unlocked})
	})
	if err != nil {
		return nil, err
	}
	st, err := gitcmd.ParseStatus(out)
	if st, err = parsed("status", st, err); err != nil {
		return nil, err
	}
	status := &Status{
		Branch: st.Branch, Head: Hash(st.Head), Upstream: strings.TrimPrefix(st.Upstream, "refs/remotes/"),
		Ahead: st.Ahead, Behind: st.Behind, Operation: st.Operation,
		Files: make([]FileStatus, len(st.Files)),
	}
	for i, f := range st.Files {
		status.Files[i] = FileStatus{
			Path: f.Path, From: f.From, Index: Change(f.Index), Worktree: Change(f.Worktree),
			Conflict: f.Unmerged, Submodule: f.Submodule,
		}
	}
	return status, nil
}

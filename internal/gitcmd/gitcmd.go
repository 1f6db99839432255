// Package gitcmd builds the shell steps that run git inside a sandbox, and
// parses what they print. It does no I/O.
//
// A step is one process: the methods of [Repo] return its whole argv, which the
// caller starts in the home directory of the sandbox's user. The clone is the
// directory [Dir] in it, and what a step is given as a file, such as a pack, is
// uploaded to [UploadDir] first. The step removes what it has used.
//
//	repo := &gitcmd.Repo{Tracking: tracking, Upstream: "refs/remotes/origin/main"}
//	result, err := sandbox.Exec(ctx, &e2b.Command{Args: repo.Status(nil)})
//	if err != nil {
//		return err
//	}
//	if result.ExitCode != 0 {
//		return gitcmd.ParseFailure(result.ExitCode, result.Stdout, result.Stderr)
//	}
//	status, err := gitcmd.ParseStatus(result.Stdout)
//
// # What a step relies on
//
// The clone belongs to the agent, and all that is in it may be hostile. git
// runs in a quarantine: a fresh git directory with a config of our own that
// borrows nothing from the clone but its objects, its index and its files.
// Scripts are constants. What varies reaches them as arguments and as
// environment variables, and is never read as code.
//
// # What a parser relies on
//
// Nothing. Output is what the sandbox chose to print: parsers check every field
// and allocate in proportion to their input only. An answer that was cut has no
// end record, and is an error.
//
// # Arguments
//
// Arguments are taken as they are: the caller has validated names, paths and
// object IDs. One argument can hold at most 128 KiB, and no NUL.
package gitcmd

import (
	"strings"
	"time"
)

const (
	// Dir is the directory of the clone, in the home directory.
	Dir = "repo"

	// UploadDir is the directory of uploads, in the home directory.
	UploadDir = ".gitsandbox"

	// MaxMessage is the longest commit message that travels as an argument.
	// A longer one is uploaded, and named by a MessageUpload field.
	MaxMessage = 64 << 10
)

// A Repo is what the host knows of a clone, and what all steps have in common.
// The zero Repo is valid.
type Repo struct {
	// OpID names the operation of a step that has an effect. The outcome of
	// the last one is kept in the clone, and a step that is sent again with
	// the same OpID prints that outcome and does nothing. It is made of
	// letters, digits, '-' and '_'. Empty means that nothing is kept.
	OpID string

	// Tracking are the remote-tracking refs that the host knows. Each step
	// puts them in place first, those whose objects the clone has.
	Tracking []Ref

	// Upstream is the full name of the ref that the current branch is
	// compared with. Empty means none.
	Upstream string

	// Author and Committer are the identity of new commits.
	Author, Committer Signature

	// Sparse are the directories of a sparse checkout, in cone mode. None
	// means that all files are checked out.
	Sparse []string

	// Promisor is the URL of the remote of a partial clone, from which
	// missing objects are fetched when they are needed. Empty means that the
	// clone is whole, and a step has no network.
	Promisor string

	// LockWait is how long a step waits for its turn. Default 60 seconds.
	LockWait time.Duration
}

// A Ref is a ref and the object it points at.
type Ref struct {
	Name string // full: refs/remotes/origin/main
	OID  string
}

// A Signature is who made a commit, and when. A zero Time stands for the time at
// which the step runs.
type Signature struct {
	Name, Email string
	Time        time.Time
}

// A Fetch says how objects reach the clone: by an upload, from a remote that
// needs no credential, or, when it is zero, not at all.
type Fetch struct {
	// Pack is the name of an uploaded pack in [UploadDir].
	Pack string

	// Shallow are the commits at which history is now cut, and Unshallow
	// those at which it no longer is. They go with Pack.
	Shallow, Unshallow []string

	// ShallowFile names an upload with further Shallow, one to a line: an
	// argument holds about 3,000 of them.
	ShallowFile string

	// URL is the remote to fetch the objects OIDs from, with the Depth and
	// the object Filter given; 0 and empty mean all. Its ":" and "/" are git's
	// own syntax for http and https.
	URL    string
	OIDs   []string
	Depth  int
	Filter string
}

// Mode is a way to integrate another commit into the current branch.
type Mode string

// The ways to integrate.
const (
	Auto     Mode = "auto"    // rebase, or merge where the branch has merges of its own
	Rebase   Mode = "rebase"  // replay the branch's own commits onto it
	Merge    Mode = "merge"   // make a merge commit
	FastOnly Mode = "ff-only" // only where the branch has no commits of its own
)

// How is what an integration did.
type How string

// The outcomes of an integration.
const (
	UpToDate    How = "up-to-date"   // the branch had it already
	FastForward How = "fast-forward" // the branch had nothing of its own
	Rebased     How = "rebased"      // the branch's commits were replayed
	Merged      How = "merged"       // a merge commit was made
)

// ResetMode is how much a reset changes.
type ResetMode string

// The modes of a reset, as git names them.
const (
	ResetSoft  ResetMode = "soft"  // the branch
	ResetMixed ResetMode = "mixed" // and the index
	ResetHard  ResetMode = "hard"  // and the files: uncommitted changes are lost
	ResetMerge ResetMode = "merge" // as hard, and keeps files with unstaged changes
	ResetKeep  ResetMode = "keep"  // as hard, and refuses to lose changes
)

// Untracked says which untracked files a status lists.
type Untracked string

// The ways to list untracked files.
const (
	UntrackedAll    Untracked = "all"    // every file
	UntrackedNormal Untracked = "normal" // a directory of them as one
	UntrackedNone   Untracked = "no"
)

func lines(list []string) string { return strings.Join(list, "\n") }

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}

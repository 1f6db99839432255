package gitsandbox

import (
	"context"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// DefaultMaxDiff is where the patch of a [Diff] is cut unless
// [DiffOptions].MaxBytes says otherwise.
const DefaultMaxDiff = 4 << 20

const (
	maxContext = 1_000_000
	maxDiff    = 32 << 20
)

// A Diff is what differs between two states of a repository.
type Diff struct {
	// Files are all files that differ, also those whose patch was cut.
	Files []FileDiff

	// Patch is a patch as "git diff" prints it, with the prefixes a/ and b/.
	Patch []byte

	// Truncated says that the Patch was cut, at the end of a hunk.
	Truncated bool

	// FilesTruncated says that there were too many files to list.
	FilesTruncated bool
}

// A FileDiff is what differs in one file.
type FileDiff struct {
	Path string
	From string // where it was renamed or copied from

	Change    Change // [Added], [Copied], [Deleted], [Modified], [Renamed], [TypeChanged] or [Unmerged]
	Additions int    // lines
	Deletions int    // lines
	Binary    bool   // no lines are counted

	OldMode, NewMode string // octal as git writes it, "000000" where there is no file
}

// DiffOptions are the options of [Sandbox.Diff]. The zero value compares the
// files in the clone with the current commit.
type DiffOptions struct {
	// From and To are revisions, such as "HEAD~2" or "origin/main". Default:
	// From is HEAD, To is the files.
	From, To string

	// MergeBase compares with where the two sides parted, instead of with
	// From: what To has added since.
	MergeBase bool

	// Staged compares the index with From instead of the files.
	Staged bool

	// Untracked includes files that git does not track, as added ones.
	Untracked bool

	// Paths limits the diff to these files and directories.
	Paths []string

	// Context is how many lines to show around a change. Default 3; a
	// negative one means none; at most a million.
	Context int

	// NoPatch leaves the patch out.
	NoPatch bool

	// MaxBytes is where the patch is cut, at the end of a hunk. Default
	// [DefaultMaxDiff], at most 32 MiB.
	MaxBytes int
}

// Diff compares two states of the clone. It returns [ErrRefNotFound] for a
// revision that does not exist.
func (s *Sandbox) Diff(ctx context.Context, opts *DiffOptions) (*Diff, error) {
	args, err := opts.args()
	if err != nil {
		return nil, s.refuse("diff", err)
	}
	return use(ctx, s, "diff", false, func(ctx context.Context, _ *operation) (*Diff, error) {
		rec := s.live.snapshot()
		repo := rec.repo("")
		can := repo.CanReadUnlocked() && args.CanReadUnlocked()
		out, err := s.read(ctx, "diff", can, args.Limit()+maxStepHeader, func(unlocked bool) []string {
			a := *args
			a.Unlocked = unlocked
			return repo.Diff(&a)
		})
		if err != nil {
			return nil, err
		}
		d, err := gitcmd.ParseDiff(out)
		if d, err = parsed("diff", d, err); err != nil {
			return nil, err
		}
		return newDiff(d), nil
	})
}

func (o *DiffOptions) args() (*gitcmd.DiffArgs, error) {
	a := &gitcmd.DiffArgs{}
	if o == nil {
		return a, nil
	}
	for field, rev := range map[string]string{"From": o.From, "To": o.To} {
		if rev == "" {
			continue
		}
		if err := checkRevision(field, rev); err != nil {
			return nil, err
		}
	}
	paths, err := checkPaths("Paths", o.Paths)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Staged && o.To != "":
		return nil, invalid("Staged: goes without To")
	case o.Untracked && (o.To != "" || o.Staged):
		return nil, invalid("Untracked: goes without To and Staged")
	case o.Context > maxContext:
		return nil, invalid("Context: %d is more than %d", o.Context, maxContext)
	case o.MaxBytes < 0 || o.MaxBytes > maxDiff:
		return nil, invalid("MaxBytes: %d is not between 0 and %d", o.MaxBytes, maxDiff)
	}
	*a = gitcmd.DiffArgs{
		From: o.From, To: o.To, MergeBase: o.MergeBase, Staged: o.Staged, Untracked: o.Untracked,
		Paths: paths, NoPatch: o.NoPatch, MaxBytes: o.MaxBytes,
	}
	if o.Context != 0 {
		lines := max(o.Context, 0)
		a.Context = &lines
	}
	return a, nil
}

func newDiff(d *gitcmd.Diff) *Diff {
	out := &Diff{
		Patch: d.Patch, Truncated: d.Truncated, FilesTruncated: d.FilesTruncated,
		Files: make([]FileDiff, len(d.Files)),
	}
	for i, f := range d.Files {
		out.Files[i] = FileDiff{
			Path: f.Path, From: f.From, Change: Change(f.Status), Additions: f.Additions, Deletions: f.Deletions,
			Binary: f.Binary, OldMode: f.OldMode, NewMode: f.NewMode,
		}
	}
	return out
}

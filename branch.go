package gitsandbox

import (
	"context"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// A Branch is a branch of the clone. A branch that an agent makes stays in the
// sandbox: only [Sandbox.Push] publishes, and only the current commit.
type Branch struct {
	Name    string
	Head    Hash
	Current bool
	Subject string // of its last commit

	// Ahead and Behind count the commits that only one side has, against the
	// upstream that [Status] names. HasUpstream says that there is one.
	Ahead, Behind int
	HasUpstream   bool
}

// Branches returns the branches of the clone, sorted by name.
func (s *Sandbox) Branches(ctx context.Context) ([]Branch, error) {
	return use(ctx, s, "branches", false, func(ctx context.Context, _ *operation) ([]Branch, error) {
		rec := s.live.snapshot()
		out, err := s.step(ctx, "branches", rec.repo("").Branches())
		if err != nil {
			return nil, err
		}
		list, err := gitcmd.ParseBranches(out)
		if list, err = parsed("branches", list, err); err != nil {
			return nil, err
		}
		branches := make([]Branch, len(list))
		for i, b := range list {
			branches[i] = Branch{
				Name: b.Name, Head: Hash(b.OID), Current: b.Current, Subject: b.Subject,
				Ahead: b.Ahead, Behind: b.Behind, HasUpstream: b.HasUpstream,
			}
		}
		return branches, nil
	})
}

// CreateBranchOptions are the options of [Sandbox.CreateBranch].
type CreateBranchOptions struct {
	// Start is the revision that the branch begins at. Default HEAD.
	Start string

	// Checkout checks the branch out, as [Sandbox.Checkout] does.
	Checkout bool
}

// CreateBranch makes a branch in the clone. It returns [ErrExists] where there
// is one of that name, and [ErrRefNotFound] where Start does not exist.
func (s *Sandbox) CreateBranch(ctx context.Context, name string, opts *CreateBranchOptions) error {
	var o CreateBranchOptions
	if opts != nil {
		o = *opts
	}
	err := checkBranch("name", name)
	if err == nil && o.Start != "" {
		err = checkRevision("Start", o.Start)
	}
	if err != nil {
		return s.refuse("create_branch", err)
	}
	args := &gitcmd.BranchArgs{Name: name, Start: o.Start, Checkout: o.Checkout}
	return s.move(ctx, "create_branch", func(repo *gitcmd.Repo) []string { return repo.CreateBranch(args) })
}

// Checkout switches to a branch of the clone. At first there is the agent branch
// alone; CreateBranch with the Start "origin/main" makes one of the base branch.
// Push publishes the branch that is checked out. Uncommitted changes stay where
// they do not overlap; where they do, it returns [ErrUncommittedChanges] and
// changes nothing. It returns [ErrRefNotFound] where there is no such branch.
func (s *Sandbox) Checkout(ctx context.Context, name string) error {
	if err := checkBranch("name", name); err != nil {
		return s.refuse("checkout", err)
	}
	return s.move(ctx, "checkout", func(repo *gitcmd.Repo) []string { return repo.Checkout(name) })
}

// DeleteBranchOptions are the options of [Sandbox.DeleteBranch].
type DeleteBranchOptions struct {
	// Force deletes a branch whose commits are on no other branch.
	Force bool
}

// DeleteBranch deletes a branch of the clone, not of the remote. It returns
// [ErrNotFastForward] where commits would be lost, [ErrRefNotFound] where
// there is no such branch, and [ErrInvalidArgument] for the current one.
func (s *Sandbox) DeleteBranch(ctx context.Context, name string, opts *DeleteBranchOptions) error {
	if err := checkBranch("name", name); err != nil {
		return s.refuse("delete_branch", err)
	}
	force := opts != nil && opts.Force
	return s.move(ctx, "delete_branch", func(repo *gitcmd.Repo) []string { return repo.DeleteBranch(name, force) })
}

// ResetMode is how much a [Sandbox.Reset] changes, as git names it.
type ResetMode string

// The modes of a reset.
const (
	ResetSoft  ResetMode = "soft"  // the branch
	ResetMixed ResetMode = "mixed" // and the index; the default
	ResetHard  ResetMode = "hard"  // and the files: uncommitted changes are lost
	ResetMerge ResetMode = "merge" // as hard, but files with unstaged changes are kept
	ResetKeep  ResetMode = "keep"  // as hard, but it refuses to lose changes
)

// ResetOptions are the options of [Sandbox.Reset].
type ResetOptions struct {
	// Rev is the commit to go to. Default HEAD.
	Rev string

	// Mode is how much to change. Default [ResetMixed].
	Mode ResetMode

	// Paths, where there are some, are unstaged, and the branch stays where it
	// is. They go without a Mode.
	Paths []string
}

// Reset moves the current branch to a commit, or unstages files. It returns
// [ErrRefNotFound] where the commit does not exist.
func (s *Sandbox) Reset(ctx context.Context, opts *ResetOptions) error {
	var o ResetOptions
	if opts != nil {
		o = *opts
	}
	paths, err := checkPaths("Paths", o.Paths)
	if err == nil && o.Rev != "" {
		err = checkRevision("Rev", o.Rev)
	}
	switch o.Mode {
	case "":
	case ResetSoft, ResetMixed, ResetHard, ResetMerge, ResetKeep:
		if len(paths) > 0 && err == nil {
			err = invalid("Paths: go without a Mode")
		}
	default:
		err = invalid("Mode: %q", o.Mode)
	}
	if err != nil {
		return s.refuse("reset", err)
	}
	args := &gitcmd.ResetArgs{Rev: o.Rev, Mode: gitcmd.ResetMode(o.Mode), Paths: paths}
	return s.move(ctx, "reset", func(repo *gitcmd.Repo) []string { return repo.Reset(args) })
}

// RestoreOptions are the options of [Sandbox.Restore].
type RestoreOptions struct {
	// Source is the revision to take the files from. Default: the index, or
	// HEAD where Staged is set.
	Source string

	// Staged restores the index, Worktree the files. Default: the files.
	Staged, Worktree bool
}

// Restore gives files the content that they have in the index or in a commit:
// changes to them are lost. Without paths it restores all files. It returns
// [ErrFileNotFound] for a path that the source does not have.
func (s *Sandbox) Restore(ctx context.Context, paths []string, opts *RestoreOptions) error {
	var o RestoreOptions
	if opts != nil {
		o = *opts
	}
	clean, err := checkPaths("paths", paths)
	if err == nil && o.Source != "" {
		err = checkRevision("Source", o.Source)
	}
	if err != nil {
		return s.refuse("restore", err)
	}
	args := &gitcmd.RestoreArgs{Paths: clean, Source: o.Source, Staged: o.Staged, Worktree: o.Worktree}
	return s.change(ctx, "restore", func(repo *gitcmd.Repo) []string { return repo.Restore(args) })
}

// change runs a step that changes the clone and says no more than that it
// did.
func (s *Sandbox) change(ctx context.Context, name string, args func(*gitcmd.Repo) []string) error {
	opID := randomID()
	_, err := use(ctx, s, name, true, func(ctx context.Context, _ *operation) (struct{}, error) {
		rec := s.live.snapshot()
		out, err := s.step(ctx, name, args(rec.repo(opID)))
		if err != nil {
			return struct{}{}, err
		}
		_, err = parsed(name, struct{}{}, gitcmd.ParseDone(out))
		return struct{}{}, err
	})
	return err
}

// move runs a step that may move HEAD. What was integrated may not be in the
// new HEAD, so the next pull looks.
func (s *Sandbox) move(ctx context.Context, name string, args func(*gitcmd.Repo) []string) error {
	opID := randomID()
	_, err := use(ctx, s, name, true, func(ctx context.Context, _ *operation) (struct{}, error) {
		rec := s.live.snapshot()
		if rec.Conflict != nil {
			return struct{}{}, &cause{kind: ErrUnfinished, err: errKept}
		}
		out, err := s.step(ctx, name, args(rec.repo(opID)))
		if err != nil {
			return struct{}{}, err
		}
		p, err := gitcmd.ParsePosition(out)
		if p, err = parsed(name, p, err); err != nil {
			return struct{}{}, err
		}
		if p.Head != p.Before {
			s.live.update(func(r *record) { r.Integrated = "" })
		}
		return struct{}{}, nil
	})
	return err
}

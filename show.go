package gitsandbox

import (
	"context"
	"fmt"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// A Shown is a commit and what it changed.
type Shown struct {
	Commit *Commit
	Diff   *Diff // against its first parent
}

// ShowOptions are the options of [Sandbox.Show].
type ShowOptions struct {
	// Paths, NoPatch and MaxBytes are those of [DiffOptions].
	Paths    []string
	NoPatch  bool
	MaxBytes int
}

// Show returns a commit and what it changed. It returns [ErrRefNotFound] where
// the revision does not exist.
func (s *Sandbox) Show(ctx context.Context, rev string, opts *ShowOptions) (*Shown, error) {
	var o ShowOptions
	if opts != nil {
		o = *opts
	}
	err := checkRevision("rev", rev)
	diff := (*gitcmd.DiffArgs)(nil)
	if err == nil {
		diff, err = (&DiffOptions{Paths: o.Paths, NoPatch: o.NoPatch, MaxBytes: o.MaxBytes}).args()
	}
	if err != nil {
		return nil, s.refuse("show", err)
	}
	return use(ctx, s, "show", false, func(ctx context.Context, _ *operation) (*Shown, error) {
		rec := s.live.snapshot()
		out, err := s.stepUpTo(ctx, "show", rec.repo("").ShowCommit(rev, diff), maxDiff+maxStepOutput)
		if err != nil {
			return nil, err
		}
		shown, err := gitcmd.ParseShown(out)
		if shown, err = parsed("show", shown, err); err != nil {
			return nil, err
		}
		return &Shown{Commit: newCommit(shown.Commit), Diff: newDiff(shown.Diff)}, nil
	})
}

// ShowFile returns the content of a file at a revision. Errors:
// [ErrRefNotFound], [ErrFileNotFound], [ErrTooLarge] above [MaxReadFile]
// bytes.
func (s *Sandbox) ShowFile(ctx context.Context, rev, name string) ([]byte, error) {
	err := checkRevision("rev", rev)
	clean := ""
	if err == nil {
		clean, err = checkPath("name", name)
	}
	if err != nil {
		return nil, s.refuse("show", err)
	}
	return use(ctx, s, "show", false, func(ctx context.Context, _ *operation) ([]byte, error) {
		rec := s.live.snapshot()
		args := &gitcmd.ShowArgs{Rev: rev, Path: clean, MaxBytes: MaxReadFile}
		out, err := s.stepUpTo(ctx, "show", rec.repo("").ShowFile(args), MaxReadFile+4096)
		if err != nil {
			return nil, err
		}
		f, err := gitcmd.ParseFile(out)
		if f, err = parsed("show", f, err); err != nil {
			return nil, err
		}
		if f.Truncated {
			return nil, &cause{kind: ErrTooLarge, err: fmt.Errorf("%q has %d bytes", clean, f.Size)}
		}
		return f.Data, nil
	})
}

// A FetchResult is what [Sandbox.Fetch] saw.
type FetchResult struct {
	// Base is the tip of the base branch, Branch that of the agent branch, ""
	// where the remote does not have it.
	Base, Branch Hash
}

// Fetch gets what is new on the base branch and on the agent branch of the
// remote into the clone, as origin/..., and changes nothing else.
func (s *Sandbox) Fetch(ctx context.Context) (*FetchResult, error) {
	opID := randomID()
	return use(ctx, s, "fetch", true, func(ctx context.Context, _ *operation) (*FetchResult, error) {
		rec := s.live.snapshot()
		r, err := s.c.remote(ctx, s.credentials, rec.URL)
		if err != nil {
			return nil, err
		}
		if err := s.see(ctx, r, &rec); err != nil {
			return nil, err
		}
		result := &FetchResult{Base: rec.Remote[rec.Base], Branch: rec.Remote[rec.Branch]}
		var wants []Hash
		for _, tip := range rec.remoteTips() {
			if !rec.knows(Hash(tip)) {
				wants = append(wants, Hash(tip))
			}
		}
		if len(wants) == 0 {
			return result, nil
		}
		got, err := s.get(ctx, r, &rec, wants...)
		if err != nil {
			return nil, err
		}
		out, err := s.step(ctx, "fetch", rec.repo(opID).Fetch(&got.fetch))
		if err != nil {
			return nil, err
		}
		f, err := gitcmd.ParseFetched(out)
		if _, err = parsed("fetch", f, err); err != nil {
			return nil, err
		}
		s.live.update(func(r *record) {
			r.know(wants...)
			r.Shallow = got.shallow(r.Shallow)
		})
		return result, nil
	})
}

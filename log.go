package gitsandbox

import (
	"bytes"
	"context"
	"iter"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// A Commit is a commit as the sandbox tells it.
type Commit struct {
	Hash    Hash
	Parents []Hash

	Author    Signature
	Authored  time.Time
	Committer Signature
	Committed time.Time

	// Subject is the first paragraph of the message on one line, Body the
	// rest. They are bytes; git knows no encoding.
	Subject, Body string
}

func newCommit(c *gitcmd.Commit) *Commit {
	out := &Commit{
		Hash:   Hash(c.Hash),
		Author: Signature{c.Author.Name, c.Author.Email}, Authored: c.Author.Time,
		Committer: Signature{c.Committer.Name, c.Committer.Email}, Committed: c.Committer.Time,
		Subject: c.Subject(), Body: c.Body(),
	}
	for _, p := range c.Parents {
		out.Parents = append(out.Parents, Hash(p))
	}
	return out
}

// LogOptions are the options of [Sandbox.Log].
type LogOptions struct {
	// Rev is the revision to begin with. Default HEAD.
	Rev string

	// Exclude leaves out what these revisions reach, such as "origin/main"
	// for the commits of the agent alone.
	Exclude []string

	// Paths limits the log to commits that change these files and
	// directories.
	Paths []string

	// Max is how many commits to yield. Default all.
	Max int

	// Skip leaves out the first so many.
	Skip int
}

// logPage is how many commits one request gets.
const logPage = 1000

// Log yields commits, newest first. It gets a thousand at a time, the next ones
// when the loop gets there, all as seen from where the first page began. The loop
// may use the sandbox, and end early. After Log has yielded an error it ends. It
// returns [ErrRefNotFound] for a revision that does not exist.
func (s *Sandbox) Log(ctx context.Context, opts *LogOptions) iter.Seq2[*Commit, error] {
	return func(yield func(*Commit, error) bool) {
		args, err := opts.args()
		if err != nil {
			yield(nil, s.refuse("log", err))
			return
		}
		limit := args.Max
		for {
			args.Max = logPage
			if limit > 0 {
				args.Max = min(limit, logPage)
			}
			page, err := s.logPage(ctx, args, limit == 0 || limit > logPage)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, c := range page {
				if !yield(newCommit(c), nil) {
					return
				}
			}
			limit -= len(page)
			if len(page) < args.Max || limit == 0 {
				return
			}
			args.Skip += len(page)
		}
	}
}

// logPage gets the next commits. Where there may be more, it makes the revision
// one that does not move.
func (s *Sandbox) logPage(ctx context.Context, args *gitcmd.LogArgs, more bool) ([]*gitcmd.Commit, error) {
	return use(ctx, s, "log", false, func(ctx context.Context, _ *operation) ([]*gitcmd.Commit, error) {
		fixed := Hash(args.Rev).valid()
		// The first commit of the log is the revision itself, unless some are
		// left out.
		if partial := args.Skip > 0 || len(args.Paths) > 0; !fixed && more && partial {
			tip, err := s.readLog(ctx, &gitcmd.LogArgs{Rev: args.Rev, Max: 1})
			if err != nil || len(tip) == 0 {
				return nil, err
			}
			args.Rev, fixed = tip[0].Hash, true
		}
		page, err := s.readLog(ctx, args)
		if !fixed && len(page) > 0 {
			args.Rev = page[0].Hash
		}
		return page, err
	})
}

func (s *Sandbox) readLog(ctx context.Context, args *gitcmd.LogArgs) ([]*gitcmd.Commit, error) {
	rec := s.live.snapshot()
	out, err := s.step(ctx, "log", rec.repo("").Log(args))
	if err != nil {
		return nil, err
	}
	var page []*gitcmd.Commit
	for c, err := range gitcmd.ReadLog(bytes.NewReader(out)) {
		if err != nil {
			return parsed("log", page, err)
		}
		page = append(page, c)
	}
	return page, nil
}

func (o *LogOptions) args() (*gitcmd.LogArgs, error) {
	a := &gitcmd.LogArgs{}
	if o == nil {
		return a, nil
	}
	if o.Rev != "" {
		if err := checkRevision("Rev", o.Rev); err != nil {
			return nil, err
		}
	}
	for _, rev := range o.Exclude {
		if err := checkRevision("Exclude", rev); err != nil {
			return nil, err
		}
	}
	paths, err := checkPaths("Paths", o.Paths)
	if err != nil {
		return nil, err
	}
	if o.Max < 0 || o.Skip < 0 {
		return nil, invalid("Max, Skip: negative")
	}
	*a = gitcmd.LogArgs{Rev: o.Rev, Exclude: o.Exclude, Paths: paths, Max: o.Max, Skip: o.Skip}
	return a, nil
}

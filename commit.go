package gitsandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

// maxMessage bounds a commit message.
const maxMessage = 16 << 20

// CommitOptions are the options of [Sandbox.Commit].
type CommitOptions struct {
	// Paths are the files and directories to stage, removed ones too. What is
	// staged already is committed with them. Default: everything that is not
	// ignored.
	Paths []string

	// AllowEmpty makes a commit even where nothing has changed.
	AllowEmpty bool

	// Author is who wrote the change. Default: the identity of the clone,
	// which is always the committer.
	Author Signature
}

// Commit stages and commits in the clone, on the branch that is checked out.
// It runs no hook and signs nothing. A Commit whose reply was lost is found
// again, not made twice. Errors: [ErrNothingToCommit], [ErrFileNotFound] for one
// of Paths that neither the clone nor the last commit has, [ErrUnfinished] where
// a kept conflict waits, [ErrConflict] where files are unmerged, and those of
// every operation.
func (s *Sandbox) Commit(ctx context.Context, message string, opts *CommitOptions) (*Commit, error) {
	p, err := s.planCommit(message, opts)
	if err != nil {
		return nil, s.refuse("commit", err)
	}
	return use(ctx, s, "commit", true, func(ctx context.Context, _ *operation) (*Commit, error) {
		if err := p.send(ctx); err != nil {
			return nil, err
		}
		repo := p.repo()
		out, err := s.step(ctx, "commit", repo.Commit(&p.args))
		if err != nil {
			return nil, err
		}
		c, err := gitcmd.ParseCommitted(out)
		if c, err = parsed("commit", c, err); err != nil {
			return nil, err
		}
		made := &gitcmd.Commit{
			Hash: c.Commit, Author: repo.Author, Committer: repo.Committer, Message: message,
		}
		if c.Parent != "" {
			made.Parents = []string{c.Parent}
		}
		return newCommit(made), nil
	})
}

// commitPlan is a Commit whose arguments were checked. Its operation ID and
// its time stay the same for all attempts, so that they make the same commit.
type commitPlan struct {
	s       *Sandbox
	opID    string
	time    time.Time
	author  Signature
	message string
	args    gitcmd.CommitArgs
}

func (s *Sandbox) planCommit(message string, opts *CommitOptions) (*commitPlan, error) {
	var o CommitOptions
	if opts != nil {
		o = *opts
	}
	if strings.TrimSpace(message) == "" || strings.ContainsRune(message, 0) || !utf8.ValidString(message) {
		return nil, invalid("message: empty, not UTF-8 or with a NUL")
	}
	if len(message) > maxMessage {
		return nil, invalid("message: more than %d bytes", maxMessage)
	}
	paths, err := checkPaths("Paths", o.Paths)
	if err != nil {
		return nil, err
	}
	rec := s.live.snapshot()
	author, err := o.Author.normalise("Author", rec.Identity)
	if err != nil {
		return nil, err
	}
	p := &commitPlan{
		s: s, opID: randomID(), time: time.Now().Truncate(time.Second), author: author, message: message,
		args: gitcmd.CommitArgs{Message: message, Paths: paths, AllowEmpty: o.AllowEmpty},
	}
	if len(message) > gitcmd.MaxMessage {
		p.args.Message, p.args.MessageUpload = "", p.opID+".message"
	}
	return p, nil
}

// send uploads a message that is too long for an argument.
func (p *commitPlan) send(ctx context.Context) error {
	if p.args.MessageUpload == "" {
		return nil
	}
	return p.s.upload(ctx, gitcmd.UploadDir+"/"+p.args.MessageUpload, strings.NewReader(p.message))
}

// repo describes the clone to the step that commits.
func (p *commitPlan) repo() *gitcmd.Repo {
	rec := p.s.live.snapshot()
	repo := rec.repo(p.opID)
	repo.Author = gitcmd.Signature{Name: p.author.Name, Email: p.author.Email, Time: p.time}
	repo.Committer.Time = p.time
	return repo
}

// Continue commits a merge whose conflicts were kept, with all that is in the
// working tree. It returns a [*ConflictError] while files have conflict
// markers, and [ErrUnfinished] where no conflict was kept.
func (s *Sandbox) Continue(ctx context.Context, message string) (*Commit, error) {
	if message != "" {
		if strings.ContainsRune(message, 0) || !utf8.ValidString(message) || len(message) > gitcmd.MaxMessage {
			return nil, s.refuse("continue", invalid("message: not UTF-8, with a NUL, or more than %d bytes", gitcmd.MaxMessage))
		}
	}
	opID, now := randomID(), time.Now().Truncate(time.Second)
	return use(ctx, s, "continue", true, func(ctx context.Context, _ *operation) (*Commit, error) {
		rec := s.live.snapshot()
		kept := rec.Conflict
		if kept == nil {
			return nil, &cause{kind: ErrUnfinished, err: errNothingKept}
		}
		text := message
		if text == "" {
			text = fmt.Sprintf("Merge branch '%s'", kept.Branch)
		}
		repo := rec.repo(opID)
		repo.Author.Time, repo.Committer.Time = now, now
		out, err := s.step(ctx, "continue", repo.Continue(&gitcmd.ContinueArgs{
			Ours: string(kept.Ours), Theirs: string(kept.Theirs), Message: text,
		}))
		if err != nil {
			return nil, err
		}
		done, err := parseIntegrated(out)
		if done, err = parsed("continue", done, err); err != nil {
			return nil, err
		}
		s.live.update(func(r *record) {
			r.Conflict = nil
			if kept.Branch == r.Base {
				r.Integrated = kept.Theirs
			}
		})
		return newCommit(&gitcmd.Commit{
			Hash: done.After, Parents: []string{string(kept.Ours), string(kept.Theirs)},
			Author: repo.Author, Committer: repo.Committer, Message: text,
		}), nil
	})
}

// Abort gives up a merge whose conflicts were kept: the files that it touched are
// as they were before. Where the agent has ended the merge by its own means, the
// clone is left as it is. It returns [ErrUnfinished] where no conflict was kept.
func (s *Sandbox) Abort(ctx context.Context) error {
	opID := randomID()
	_, err := use(ctx, s, "abort", true, func(ctx context.Context, _ *operation) (struct{}, error) {
		rec := s.live.snapshot()
		if rec.Conflict == nil {
			return struct{}{}, &cause{kind: ErrUnfinished, err: errNothingKept}
		}
		_, err := s.step(ctx, "abort", rec.repo(opID).Abort(string(rec.Conflict.Ours)))
		// Where the merge is gone there is nothing to abort: the agent has
		// ended it, or an earlier attempt whose reply was lost.
		if err != nil && !errors.Is(err, errMergeGone) {
			return struct{}{}, err
		}
		s.live.update(func(r *record) { r.Conflict = nil })
		return struct{}{}, nil
	})
	return err
}

var (
	errNothingKept = errors.New("no conflict was kept")
	errMergeGone   = errors.New("the merge is not there any more, or HEAD has moved; Abort gives it up")
)

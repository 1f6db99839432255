package gitsandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
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

// Log yields commits, newest first, as they come. When the loop ends early,
// the command in the sandbox is ended. After it has yielded an error it ends.
// It returns [ErrRefNotFound] for a revision that does not exist.
func (s *Sandbox) Log(ctx context.Context, opts *LogOptions) iter.Seq2[*Commit, error] {
	return func(yield func(*Commit, error) bool) {
		args, err := opts.args()
		if err != nil {
			yield(nil, s.refuse("log", err))
			return
		}
		ctx, o, err := s.c.begin(ctx, s.operation("log"))
		if err != nil {
			yield(nil, err)
			return
		}
		o.attempts = 1
		stopped := false
		if err = s.enter(ctx, false); err == nil {
			stopped, err = s.log(ctx, args, yield)
			s.leave(ctx, false, err)
		}
		if err = o.end(ctx, err); err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// log streams the commits. Stopped says that the loop wants no more.
func (s *Sandbox) log(ctx context.Context, args *gitcmd.LogArgs, yield func(*Commit, error) bool) (stopped bool, err error) {
	rec := s.live.snapshot()
	st := s.stream(ctx, rec.repo("").Log(args))
	defer st.close()
	for c, err := range gitcmd.ReadLog(st) {
		if err != nil {
			if stepErr := st.wait("log"); stepErr != nil {
				return false, stepErr
			}
			_, err = parsed("log", c, err)
			return false, err
		}
		if !yield(newCommit(c), nil) {
			return true, nil
		}
	}
	return false, st.wait("log")
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

// stream is a step whose output is read as it comes.
type stream struct {
	*io.PipeReader
	s      *Sandbox
	cancel context.CancelFunc
	head   *headWriter
	done   chan struct{}
	res    *e2b.ExecResult
	err    error
}

// stream starts a step. The caller reads it, and closes it.
func (s *Sandbox) stream(ctx context.Context, args []string) *stream {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	st := &stream{PipeReader: r, s: s, cancel: cancel, head: &headWriter{w: w}, done: make(chan struct{})}
	go func() {
		defer close(st.done)
		st.res, st.err = s.exec(ctx, &e2b.Command{Args: args, Stdout: st.head, MaxOutput: maxHead, Timeout: within(ctx, 0)})
		if st.err != nil {
			w.CloseWithError(st.err)
			return
		}
		w.Close()
	}()
	return st
}

// wait drains the rest of the output and returns why the step failed, or nil.
func (st *stream) wait(name string) error {
	_, _ = io.Copy(io.Discard, st.PipeReader)
	<-st.done
	if st.err != nil {
		return again(st.err)
	}
	return st.s.stepError(name, st.res, st.head.head.Bytes())
}

// close ends the step, if it still runs, and waits for its end.
func (st *stream) close() {
	st.cancel()
	_ = st.CloseWithError(errStreamClosed)
	<-st.done
}

var errStreamClosed = errors.New("not read to the end")

// headWriter passes output on and keeps the beginning of it, which is where a
// step that fails says why.
type headWriter struct {
	w    io.Writer
	head bytes.Buffer
}

const maxHead = 1 << 20

func (h *headWriter) Write(p []byte) (int, error) {
	if room := maxHead - h.head.Len(); room > 0 {
		h.head.Write(p[:min(room, len(p))])
	}
	return h.w.Write(p)
}

package gitsandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// MaxReadFile is how many bytes [Sandbox.ReadFile] reads at the most.
const MaxReadFile = 64 << 20

// A Sandbox is a handle of a git clone in an E2B sandbox. Any number of
// goroutines may use it; operations that change the clone take turns, also
// with those of other processes. See [Client.Clone] and [Client.Open].
type Sandbox struct {
	c           *Client
	live        *live
	credentials CredentialSource
}

// ID returns the sandbox ID, with which [Client.Open] finds the sandbox again.
func (s *Sandbox) ID() string { return s.live.id }

// Branch returns the agent branch: the one that Push publishes to.
func (s *Sandbox) Branch() string { r := s.live.snapshot(); return r.Branch }

// BaseBranch returns the branch that the agent branch was made from.
func (s *Sandbox) BaseBranch() string { r := s.live.snapshot(); return r.Base }

// RepoURL returns the URL of the repository.
func (s *Sandbox) RepoURL() string { r := s.live.snapshot(); return r.URL }

// AgentID returns the agent that the sandbox was made for.
func (s *Sandbox) AgentID() string { r := s.live.snapshot(); return r.AgentID }

// TaskID returns the task that the sandbox was made for.
func (s *Sandbox) TaskID() string { r := s.live.snapshot(); return r.TaskID }

// Owner returns whom the sandbox was made for, as CloneOptions.Owner said.
func (s *Sandbox) Owner() string { r := s.live.snapshot(); return r.Owner }

// Route returns how the sandbox reaches the remote.
func (s *Sandbox) Route() Route { r := s.live.snapshot(); return r.Route }

// Exec runs a command in the clone. A relative Dir starts there. Git commands
// that it runs have no credential. A non-zero exit code is no error, nor is a
// program that does not exist: that is exit code 127. A Command.Timeout that is
// over is no error either, see [e2b.ExecResult].Ended. The command is ended with
// its context, and after Options.Timeout, however long Command.Timeout is; that
// is an [ErrTimeout]. It is never tried again, since it may have run. Beside the
// errors of every operation, those of cmd's readers and writers are returned.
func (s *Sandbox) Exec(ctx context.Context, cmd *e2b.Command) (*e2b.ExecResult, error) {
	if err := checkCommand(cmd); err != nil {
		return nil, s.refuse("exec", err)
	}
	run := *cmd
	if !path.IsAbs(run.Dir) && !strings.HasPrefix(run.Dir, "~") {
		run.Dir = path.Join(cloneDir, run.Dir)
	}
	return use(ctx, s, "exec", false, func(ctx context.Context, _ *operation) (*e2b.ExecResult, error) {
		run.Timeout = within(ctx, run.Timeout)
		res, err := s.exec(ctx, &run)
		if err != nil {
			// It may have run: whether to run it again is the caller's to say.
			return nil, once(err)
		}
		return res, nil
	})
}

// checkCommand refuses what no process can be started with.
func checkCommand(cmd *e2b.Command) error {
	if cmd == nil || len(cmd.Args) == 0 || cmd.Args[0] == "" {
		return invalid("Args: no program")
	}
	for _, a := range cmd.Args {
		if strings.ContainsRune(a, 0) || !utf8.ValidString(a) {
			return invalid("Args: %q is not UTF-8 or has a NUL", a)
		}
	}
	if strings.ContainsRune(cmd.Dir, 0) || !utf8.ValidString(cmd.Dir) {
		return invalid("Dir: %q is not UTF-8 or has a NUL", cmd.Dir)
	}
	if cmd.Timeout < 0 || cmd.MaxOutput < 0 {
		return invalid("Timeout, MaxOutput: negative")
	}
	return checkEnv("Env", cmd.Env)
}

// ReadFile returns the content of a file of the clone, [ErrFileNotFound]
// where there is none, and [ErrTooLarge] above [MaxReadFile] bytes. The name
// is relative to the clone and uses slashes.
func (s *Sandbox) ReadFile(ctx context.Context, name string) ([]byte, error) {
	clean, err := checkPath("name", name)
	if err != nil {
		return nil, s.refuse("read_file", err)
	}
	return use(ctx, s, "read_file", false, func(ctx context.Context, _ *operation) ([]byte, error) {
		return s.request(ctx, "download", func(ctx context.Context) ([]byte, error) {
			f, err := s.live.sandbox.ReadFile(ctx, path.Join(cloneDir, clean))
			if err != nil {
				return nil, err
			}
			defer f.Close()
			data, err := io.ReadAll(io.LimitReader(f, MaxReadFile+1))
			if err != nil {
				return nil, err
			}
			if len(data) > MaxReadFile {
				return nil, &cause{kind: ErrTooLarge, err: fmt.Errorf("%q has more than %d bytes", clean, MaxReadFile)}
			}
			return data, nil
		})
	})
}

// WriteFile writes a file of the clone and makes the directories that it
// needs. The name is relative to the clone and uses slashes. A perm of 0 or
// 0644 gives a new file mode 0644 and leaves the mode of an existing one;
// every other perm is set, with one request more.
func (s *Sandbox) WriteFile(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	clean, err := checkPath("name", name)
	if err != nil {
		return s.refuse("write_file", err)
	}
	if clean == "." {
		return s.refuse("write_file", invalid("name: %q is the clone itself", name))
	}
	if perm&^fs.ModePerm != 0 {
		return s.refuse("write_file", invalid("perm: %v has more than permission bits", perm))
	}
	target := path.Join(cloneDir, clean)
	_, err = use(ctx, s, "write_file", false, func(ctx context.Context, _ *operation) (struct{}, error) {
		if err := s.upload(ctx, target, strings.NewReader(string(data))); err != nil {
			return struct{}{}, err
		}
		if perm == 0 || perm == 0o644 {
			return struct{}{}, nil
		}
		res, err := s.exec(ctx, &e2b.Command{
			Args:    []string{"/bin/chmod", fmt.Sprintf("%04o", perm), "--", target},
			Timeout: within(ctx, 0),
		})
		if err != nil {
			return struct{}{}, again(err)
		}
		return struct{}{}, s.commandError("chmod", res)
	})
	return err
}

// Kill ends the sandbox and all that is in it. Work that was not pushed is
// lost. A sandbox that has ended already is no error.
func (s *Sandbox) Kill(ctx context.Context) error {
	_, err := operate(ctx, s.c, s.operation("kill"), func(ctx context.Context, _ *operation) (struct{}, error) {
		err := s.c.control(ctx, "kill", s.ID(), func(ctx context.Context) error { return s.live.sandbox.Kill(ctx) })
		if err != nil && !errors.Is(err, ErrSandboxNotFound) {
			return struct{}{}, again(err)
		}
		s.c.forget(ctx, s.live)
		return struct{}{}, nil
	})
	return err
}

// operation describes an operation on the sandbox.
func (s *Sandbox) operation(name string) OperationInfo {
	return OperationInfo{Operation: name, SandboxID: s.ID(), URL: s.RepoURL()}
}

// refuse makes the error of an operation that did not begin.
func (s *Sandbox) refuse(name string, err error) error {
	return &Error{Op: name, SandboxID: s.ID(), URL: s.RepoURL(), Err: err}
}

// use runs fn as an operation on the sandbox, alone among those of this
// process where it writes. It reads the sandbox's record from the cache before
// and writes it after, which is also what extends the sandbox's life.
func use[T any](ctx context.Context, s *Sandbox, name string, writes bool, fn func(ctx context.Context, o *operation) (T, error)) (T, error) {
	var result, zero T
	ctx, o, err := s.c.begin(ctx, s.operation(name))
	if err != nil {
		return zero, err
	}
	defer o.release() // also where fn panics
	err = s.within(ctx, writes, func() error {
		return o.retry(ctx, func(ctx context.Context) error {
			var err error
			result, err = fn(ctx, o)
			return err
		})
	})
	if err = o.end(ctx, err); err != nil {
		return zero, err
	}
	return result, nil
}

// within runs fn between enter and leave, also where fn panics.
func (s *Sandbox) within(ctx context.Context, writes bool, fn func() error) (err error) {
	if err := s.enter(ctx, writes); err != nil {
		return err
	}
	defer func() { s.leave(ctx, writes, err) }()
	return fn()
}

func (s *Sandbox) enter(ctx context.Context, writes bool) error {
	l := s.live
	if writes {
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	ended := l.ended
	if !ended {
		l.uses++
	}
	l.mu.Unlock()
	if ended {
		if writes {
			<-l.turn
		}
		return &cause{kind: ErrSandboxNotFound}
	}
	l.adopt(s.c.load(ctx, l.id))
	return nil
}

func (s *Sandbox) leave(ctx context.Context, writes bool, err error) {
	l := s.live
	l.mu.Lock()
	l.uses--
	l.mu.Unlock()
	if errors.Is(err, ErrSandboxNotFound) {
		s.c.forget(ctx, l)
	} else {
		s.c.store(ctx, l)
	}
	if writes {
		<-l.turn
	}
}

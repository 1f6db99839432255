package gitsandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

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

// Route returns how the sandbox reaches the remote.
func (s *Sandbox) Route() Route { r := s.live.snapshot(); return r.Route }

// Exec runs a command in the clone. A relative Dir starts there. Git commands
// that it runs have no credential. A non-zero exit code is no error; otherwise
// it is as [e2b.Sandbox].Exec says. The deadline is the Client's Timeout, and
// the command is ended with it. It is not tried again.
func (s *Sandbox) Exec(ctx context.Context, cmd *e2b.Command) (*e2b.ExecResult, error) {
	if cmd == nil || len(cmd.Args) == 0 {
		return nil, s.refuse("exec", invalid("Args: empty"))
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
	if err = s.enter(ctx, writes); err == nil {
		err = o.retry(ctx, func(ctx context.Context) error {
			var err error
			result, err = fn(ctx, o)
			return err
		})
		s.leave(ctx, writes, err)
	}
	if err = o.end(ctx, err); err != nil {
		return zero, err
	}
	return result, nil
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
	if rec := s.c.load(ctx, l.id); rec != nil {
		l.mu.Lock()
		if rec.Seq > l.rec.Seq {
			l.rec = *rec
		}
		l.mu.Unlock()
	}
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

// cacheTimeout bounds one request to the cache.
const cacheTimeout = 5 * time.Second

// load returns the record of a sandbox from the cache, or nil. A cache that
// fails is as good as one that holds nothing.
func (c *Client) load(ctx context.Context, id string) *record {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	data, err := c.cache.Get(ctx, sandboxKey(id))
	var rec *record
	if err == nil {
		rec, err = parseRecord(data, id)
	}
	if err != nil && !errors.Is(err, ErrCacheMiss) {
		c.cacheFailed(ctx, id, err)
	}
	c.metrics.cacheLookup(rec != nil)
	return rec
}

// store puts the record of a sandbox into the cache and extends its life. It
// is done also when the operation's context has ended.
func (c *Client) store(ctx context.Context, l *live) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cacheTimeout)
	defer cancel()
	ttl := c.ttl
	l.mu.Lock()
	rec := l.rec.clone()
	if left := time.Until(l.endAt); l.capped && left < ttl {
		ttl = max(left, time.Second)
	}
	ended := l.ended
	l.mu.Unlock()
	if ended {
		return
	}
	data, err := json.Marshal(&rec)
	if err == nil {
		err = c.cache.Put(ctx, sandboxKey(l.id), data, ttl)
	}
	if err == nil && rec.Key != "" {
		err = c.cache.Put(ctx, rec.Key, []byte(l.id), ttl)
	}
	if err != nil {
		c.cacheFailed(ctx, l.id, err)
	}
	l.mu.Lock()
	l.expiry = time.Now().Add(ttl + expirySlack)
	l.mu.Unlock()
	c.fleet.poke()
}

// forget drops a sandbox that has ended.
func (c *Client) forget(ctx context.Context, l *live) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cacheTimeout)
	defer cancel()
	keys := []string{sandboxKey(l.id)}
	// The key of the Clone may lead to a newer sandbox by now.
	if key := l.snapshot().Key; key != "" {
		if id, err := c.cache.Get(ctx, key); err == nil && string(id) == l.id {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if err := c.cache.Delete(ctx, key); err != nil {
			c.cacheFailed(ctx, l.id, err)
		}
	}
	c.fleet.remove(l)
}

func (c *Client) cacheFailed(ctx context.Context, id string, err error) {
	c.log.LogAttrs(ctx, slog.LevelWarn, "cache failed",
		slog.String("sandbox_id", id), slog.String("error", c.redact.String(err.Error())))
}

// control makes one request about a sandbox to E2B's control plane.
func (c *Client) control(ctx context.Context, kind, id string, fn func(context.Context) error) error {
	_, err := request(ctx, c.traces, RequestInfo{Target: "control", Kind: kind, SandboxID: id},
		func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return fromE2B(err)
}

// request makes one request to the sandbox.
func (s *Sandbox) request(ctx context.Context, kind string, fn func(context.Context) ([]byte, error)) ([]byte, error) {
	data, err := request(ctx, s.c.traces, RequestInfo{Target: "sandbox", Kind: kind, SandboxID: s.ID()}, fn)
	return data, fromE2B(err)
}

// upload writes a file of the sandbox. It can be repeated if data can.
func (s *Sandbox) upload(ctx context.Context, name string, data io.Reader) error {
	_, err := s.request(ctx, "upload", func(ctx context.Context) ([]byte, error) {
		return nil, s.live.sandbox.WriteFile(ctx, name, data)
	})
	return again(err)
}

// exec runs one command in the sandbox.
func (s *Sandbox) exec(ctx context.Context, cmd *e2b.Command) (*e2b.ExecResult, error) {
	res, err := request(ctx, s.c.traces, RequestInfo{Target: "sandbox", Kind: "exec", SandboxID: s.ID()},
		func(ctx context.Context) (*e2b.ExecResult, error) { return s.live.sandbox.Exec(ctx, cmd) })
	return res, fromE2B(err)
}

// within returns the shorter of d, if there is one, and what is left of ctx
// with a little more: the caller gives up first, and the command ends also
// where the caller has died.
func within(ctx context.Context, d time.Duration) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return d
	}
	left := max(time.Until(end), 0) + 2*time.Second
	if d <= 0 || left < d {
		return left
	}
	return d
}

// again marks a network error as safe to repeat, for requests that have the
// same effect the second time.
func again(err error) error {
	if c, ok := errors.AsType[*cause](err); ok && errors.Is(c.kind, ErrNetwork) && !c.retryable {
		r := *c
		r.retryable = true
		return &r
	}
	return err
}

// once marks an error as not to be retried, whatever it is.
func once(err error) error {
	if c, ok := errors.AsType[*cause](err); ok && c.retryable {
		r := *c
		r.retryable = false
		return &r
	}
	return err
}

// commandError returns the error of a plain command that failed, or nil.
func (s *Sandbox) commandError(name string, res *e2b.ExecResult) error {
	if res.Ended == e2b.EndedByItself && res.ExitCode == 0 {
		return nil
	}
	return &CommandError{Args: []string{name}, ExitCode: res.ExitCode, Stderr: s.c.printable(res.Stderr)}
}

// sortedStrings returns a sorted copy.
func sortedStrings(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return out
}

package gitsandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

// quiet runs fn and checks that nothing was asked of E2B or of the remote.
func (w *world) quiet(name string, fn func() error) error {
	w.t.Helper()
	w.sandboxes.ResetCalls()
	w.remote.ResetRequests()
	err := fn()
	for _, c := range w.sandboxes.Calls() {
		w.t.Errorf("%s: call of E2B: %s", name, c.Op)
	}
	for _, r := range w.remote.Requests() {
		w.t.Errorf("%s: request to the remote: %s", name, r.Operation)
	}
	return err
}

// refused runs fn and checks that it was refused, before any I/O, with an
// error of one line that names the field.
func (w *world) refused(name, field string, fn func() error) {
	w.t.Helper()
	err := w.quiet(name, fn)
	if !errors.Is(err, gitsandbox.ErrInvalidArgument) {
		w.t.Errorf("%s: %.200v", name, err)
		return
	}
	if text := err.Error(); !strings.Contains(text, field+":") || strings.Contains(text, "\n") {
		w.t.Errorf("%s: %.200q", name, text)
	}
	assert.LessOrEqual(w.t, len(err.Error()), 8<<10, "%s: length of the error", name)
	_, wrapped := errors.AsType[*gitsandbox.Error](err)
	assert.True(w.t, wrapped, "%s: %T", name, err)
}

var (
	hostileBranches = []string{
		"-", "-x", "--upload-pack=sh", "a\x00b", "a\nb", "a\n", "/etc/passwd", "../x", "a/../b", "..", "a/..",
		".git", ".git/config", "a/.git", "refs/heads/x", "HEAD", "a/HEAD", "a.lock", "a.lock/b", "a//b", "a/", "a.",
		"a b", "a:b", "+a", "a~1", "a^", "a@{0}", "@", "a*", "a?", "a[", "a\\b", "a\xffb", "\xff", "ä", "a\u202eb", "a\x1b[2J",
		"$(id)", "`id`", "a;id", strings.Repeat("a", 4096), strings.Repeat("a", 8<<20),
	}
	hostileRevs = []string{
		"-", "-p", "--all", "--output=/tmp/x", "a\x00b", "a\nb", "a\n--all", "../x", "a..b", "a...b", "..", "/x", ":/x", ":x", "HEAD:x",
		"HEAD^{/x}", "@{u}", "a b", "^a", "a\xff", "$(id)", strings.Repeat("a", 4096),
	}
	hostilePaths = []string{
		"\x00", "a\x00b", "/", "/etc/passwd", "..", "../x", "a/../../x", "./../x",
		".git", ".git/config", "a/.git/hooks/x", ".GIT/config", ".Git", ".git.", ".git ", ".git. . ", ".git::$INDEX_ALLOCATION",
		"git~1", "GIT~1/config", ".g\u200cit/config", ".git\\config", "a/b/.gIt", "a\xff", "\xfe/x", strings.Repeat("a/", 4096),
	}
	hostileNames = []string{
		"-", "-x", "a/b", "../x", "..", ".", "a\x00b", "a\nb", "a b", "a\xff", ".git", "a.lock", "a.", strings.Repeat("a", 65), strings.Repeat("a", 1<<20),
	}
)

func TestHostileArgumentsAreRefusedBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	ctx := t.Context()
	clone := func(o gitsandbox.CloneOptions) func() error {
		return func() error {
			_, err := w.client.Clone(ctx, w.url, &o)
			return err
		}
	}

	for _, v := range hostileBranches {
		q := fmt.Sprintf("%.40q", v)
		w.refused("Clone Branch "+q, "Branch", clone(gitsandbox.CloneOptions{Branch: v}))
		w.refused("Clone AgentBranch "+q, "AgentBranch", clone(gitsandbox.CloneOptions{AgentBranch: v}))
		w.refused("CreateBranch "+q, "name", func() error { return s.CreateBranch(ctx, v, nil) })
		w.refused("Checkout "+q, "name", func() error { return s.Checkout(ctx, v) })
		w.refused("DeleteBranch "+q, "name", func() error { return s.DeleteBranch(ctx, v, nil) })
		w.refused("Push Branch "+q, "Branch", func() error {
			_, err := s.Push(ctx, &gitsandbox.PushOptions{Branch: v})
			return err
		})
		_, err := gitsandbox.New(w.sandboxes, &gitsandbox.Options{DefaultBranch: v})
		require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument, q)
		_, err = gitsandbox.New(w.sandboxes, &gitsandbox.Options{Policy: &gitsandbox.PushPolicy{AllowRefs: []string{"refs/heads/" + v}}})
		require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument, q)
	}
	for _, v := range hostileRevs {
		q := fmt.Sprintf("%.40q", v)
		w.refused("CreateBranch Start "+q, "Start", func() error {
			return s.CreateBranch(ctx, "x", &gitsandbox.CreateBranchOptions{Start: v})
		})
		w.refused("Reset "+q, "Rev", func() error { return s.Reset(ctx, &gitsandbox.ResetOptions{Rev: v}) })
		w.refused("Restore "+q, "Source", func() error {
			return s.Restore(ctx, nil, &gitsandbox.RestoreOptions{Source: v})
		})
		w.refused("Show "+q, "rev", func() error { _, err := s.Show(ctx, v, nil); return err })
		w.refused("ShowFile "+q, "rev", func() error { _, err := s.ShowFile(ctx, v, "a"); return err })
		w.refused("Diff From "+q, "From", func() error { _, err := s.Diff(ctx, &gitsandbox.DiffOptions{From: v}); return err })
		w.refused("Diff To "+q, "To", func() error { _, err := s.Diff(ctx, &gitsandbox.DiffOptions{To: v}); return err })
		w.refused("Log Rev "+q, "Rev", func() error { return logAll(ctx, s, &gitsandbox.LogOptions{Rev: v}) })
		w.refused("Log Exclude "+q, "Exclude", func() error {
			return logAll(ctx, s, &gitsandbox.LogOptions{Exclude: []string{"HEAD", v}})
		})
	}
	for _, v := range append(hostilePaths, "") {
		q := fmt.Sprintf("%.40q", v)
		list := []string{"ok", v}
		w.refused("Clone Sparse "+q, "Sparse", clone(gitsandbox.CloneOptions{Sparse: list}))
		w.refused("ReadFile "+q, "name", func() error { _, err := s.ReadFile(ctx, v); return err })
		w.refused("WriteFile "+q, "name", func() error { return s.WriteFile(ctx, v, nil, 0) })
		w.refused("ShowFile "+q, "name", func() error { _, err := s.ShowFile(ctx, "HEAD", v); return err })
		w.refused("Commit "+q, "Paths", func() error {
			_, err := s.Commit(ctx, "m", &gitsandbox.CommitOptions{Paths: list})
			return err
		})
		w.refused("Push "+q, "Paths", func() error {
			_, err := s.Push(ctx, &gitsandbox.PushOptions{Message: "m", Paths: list})
			return err
		})
		w.refused("Diff "+q, "Paths", func() error { _, err := s.Diff(ctx, &gitsandbox.DiffOptions{Paths: list}); return err })
		w.refused("Show "+q, "Paths", func() error {
			_, err := s.Show(ctx, "HEAD", &gitsandbox.ShowOptions{Paths: list})
			return err
		})
		w.refused("Log "+q, "Paths", func() error { return logAll(ctx, s, &gitsandbox.LogOptions{Paths: list}) })
		w.refused("Restore "+q, "paths", func() error { return s.Restore(ctx, list, nil) })
		w.refused("Reset "+q, "Paths", func() error { return s.Reset(ctx, &gitsandbox.ResetOptions{Paths: list}) })
		_, err := gitsandbox.New(w.sandboxes, &gitsandbox.Options{Policy: &gitsandbox.PushPolicy{ProtectedPaths: list}})
		require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument, q)
	}
	for _, v := range hostileNames {
		q := fmt.Sprintf("%.40q", v)
		w.refused("Clone AgentID "+q, "AgentID", clone(gitsandbox.CloneOptions{AgentID: v}))
		w.refused("Clone TaskID "+q, "TaskID", clone(gitsandbox.CloneOptions{TaskID: v}))
	}
	for _, v := range []string{
		"", "-", "../x", "a/b", "A", "a b", "a\x00", "a\n", "i\xff", "a-b-c", "-a", "a-", strings.Repeat("a", 200), "i/../../sandboxes", "i?x=1", "i#x",
	} {
		w.refused(fmt.Sprintf("Open %.40q", v), "sandboxID", func() error { _, err := w.client.Open(ctx, v); return err })
	}
	for _, v := range []string{
		"", "x", "/etc", "file:///etc", "ext::sh -c id", "ssh://h/r", "git@h:o/r", "http://example.com/r", "https://u@h/r",
		"https://u:" + token + "@h/r", "https://h/../r", "https://h/-r", "https://h/r?x", "https://h/r#x", "https://h/r\x00", "https://h/r\n",
		"https://h/\xff", "https://\xff/r", "https://h h/r", "https://h/r%2e%2e", "https://h:99999999/r", "https://h/" + strings.Repeat("a", 1<<20),
		"https://" + strings.Repeat("a", 1<<20) + "/r",
	} {
		w.refused(fmt.Sprintf("Clone %.40q", v), "repoURL", func() error {
			_, err := w.client.Clone(ctx, v, nil)
			if err != nil {
				w.noToken(fmt.Sprintf("%v %+v %#v", err, err, err))
			}
			return err
		})
	}
	for _, v := range []string{"", " ", "\n\t\n", "a\x00b", strings.Repeat("x", 16<<20+1)} {
		w.refused(fmt.Sprintf("Commit %.20q", v), "message", func() error { _, err := s.Commit(ctx, v, nil); return err })
	}
	for _, v := range []string{"a\x00b", strings.Repeat("x", 1<<20)} {
		w.refused(fmt.Sprintf("Continue %.20q", v), "message", func() error { _, err := s.Continue(ctx, v); return err })
		w.refused(fmt.Sprintf("Push %.20q", v), "essage", func() error {
			_, err := s.Push(ctx, &gitsandbox.PushOptions{Message: v + "\x00"})
			return err
		})
	}
	for _, v := range []gitsandbox.Signature{
		{Name: "a"},
		{Email: "a"},
		{Name: "a\nb", Email: "e"},
		{Name: "a", Email: "e>\ncommitter x"},
		{Name: "a<", Email: "e"},
		{Name: " ", Email: "e"},
		{Name: "a\x00", Email: "e"},
		{Name: strings.Repeat("a", 1<<20), Email: "e"},
	} {
		q := fmt.Sprintf("%.40q", v)
		w.refused("Commit Author "+q, "Author", func() error {
			_, err := s.Commit(ctx, "m", &gitsandbox.CommitOptions{Author: v})
			return fieldless(err, "Author")
		})
		w.refused("Clone Identity "+q, "Identity", func() error {
			_, err := w.client.Clone(ctx, w.url, &gitsandbox.CloneOptions{Identity: v})
			return fieldless(err, "Identity")
		})
	}
	for field, fn := range map[string]func() error{
		"Depth":     clone(gitsandbox.CloneOptions{Depth: -1}),
		"Depth ":    clone(gitsandbox.CloneOptions{Depth: math.MaxInt}),
		"Route":     clone(gitsandbox.CloneOptions{Route: "exposed"}),
		"Filter":    clone(gitsandbox.CloneOptions{Filter: "blob:none"}),
		"Filter ":   clone(gitsandbox.CloneOptions{Filter: "combine:\x00", Route: gitsandbox.RouteDirect}),
		"Env":       clone(gitsandbox.CloneOptions{Env: map[string]string{"A=B": "x"}}),
		"Env ":      clone(gitsandbox.CloneOptions{Env: map[string]string{"A": "x\x00y"}}),
		"Template":  clone(gitsandbox.CloneOptions{Template: "a\x00b"}),
		"Sparse":    clone(gitsandbox.CloneOptions{Sparse: []string{"a\n/*"}}),
		"Untracked": func() error { _, err := s.Status(ctx, &gitsandbox.StatusOptions{Untracked: "all\x00"}); return err },
		"Mode":      func() error { _, err := s.Pull(ctx, &gitsandbox.PullOptions{Mode: "--force"}); return err },
		"Mode ":     func() error { return s.Reset(ctx, &gitsandbox.ResetOptions{Mode: "--hard"}) },
		"MaxBytes":  func() error { _, err := s.Diff(ctx, &gitsandbox.DiffOptions{MaxBytes: -1}); return err },
		"MaxBytes ": func() error { _, err := s.Diff(ctx, &gitsandbox.DiffOptions{MaxBytes: math.MaxInt}); return err },
		"Context":   func() error { _, err := s.Diff(ctx, &gitsandbox.DiffOptions{Context: math.MaxInt}); return err },
		"Max, Skip": func() error { return logAll(ctx, s, &gitsandbox.LogOptions{Max: -1}) },
		"perm":      func() error { return s.WriteFile(ctx, "a", nil, fs.ModeSetuid|0o755) },
		"Args":      func() error { _, err := s.Exec(ctx, nil); return err },
		"Args ":     func() error { _, err := s.Exec(ctx, &e2b.Command{}); return err },
		"Args  ":    func() error { _, err := s.Exec(ctx, &e2b.Command{Args: []string{"echo", "a\x00b"}}); return err },
	} {
		field = strings.TrimSpace(field)
		w.refused("field "+field, field, fn)
	}
}

// fieldless shortens "Author.Name:" to "Author:", as the parts of a signature
// are fields of their own.
func fieldless(err error, field string) error {
	if err == nil {
		return nil
	}
	for _, part := range []string{".Name:", ".Email:"} {
		if strings.Contains(err.Error(), field+part) {
			return &shorter{err, strings.Replace(err.Error(), field+part, field+":", 1)}
		}
	}
	return err
}

type shorter struct {
	error
	text string
}

func (s *shorter) Error() string { return s.text }
func (s *shorter) Unwrap() error { return s.error }

func logAll(ctx context.Context, s *gitsandbox.Sandbox, o *gitsandbox.LogOptions) error {
	for _, err := range s.Log(ctx, o) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Paths that are many, or that have bytes that no shell likes, are arguments
// like any other.
func TestManyAndStrangePathsAreCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	strange := []string{"-rf", "--", "a b", "a\nb", "a\tb", "*", "[a]", "?", ":(top)x", "!x", "#x", "\u202e", "\ufeff", "$(id)", "`id`", "'", "\"", "\\", "~"}
	for _, name := range strange {
		require.NoError(t, s.WriteFile(t.Context(), name, []byte("x\n"), 0), "%q", name)
	}
	w.write(s, "left.txt", "x\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Strange", Paths: strange})
	require.NoError(t, err)
	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, st.Files, 1, "a path is a name and no pattern")
	assert.Equal(t, "left.txt", st.Files[0].Path)
	for _, name := range strange {
		data, err := s.ShowFile(t.Context(), "HEAD", name)
		require.NoError(t, err, "%q", name)
		assert.Equal(t, "x\n", string(data))
	}
}

// More paths than one process can be given are an error that says so.
func TestMorePathsThanAProcessTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	paths := make([]string, 2000)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s/%d", strings.Repeat("d", 2000), i)
	}
	w.refused("Commit", "Paths", func() error {
		_, err := s.Commit(t.Context(), "m", &gitsandbox.CommitOptions{Paths: paths})
		return err
	})
	w.write(s, "a.txt", "a\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
}

// What New accepts, a push can be checked against.
func TestAPolicyThatIsAcceptedCanBeApplied(t *testing.T) {
	t.Parallel()
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("p%d", i)
	}
	for name, paths := range map[string][]string{
		"many":           many,
		"deep":           {strings.Repeat("d/", 30) + "x"},
		"dots":           {"..."},
		"line feed":      {"a\nb/c"},
		"only invisible": {"\u200c"},
		"colon":          {":x"},
		"trailing slash": {".github/workflows/"},
		"not UTF-8":      {"\xff/x"},
		"patterns":       {"*/[a]?/x"},
		"other case":     {".GitHub/Workflows"},
		"twice":          {"a/b", "A/B", "a/b/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			c, err := gitsandbox.New(w.sandboxes, &gitsandbox.Options{
				Policy: &gitsandbox.PushPolicy{ProtectedPaths: paths}, Credentials: gitsandbox.StaticToken(w.remote.Host(), token),
				Retry: gitsandbox.Backoff{Base: 1, Max: 1},
			})
			if err != nil {
				require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
				return
			}
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			s, err := c.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
			require.NoError(t, err)
			w.write(s, "free.txt", "x\n")
			_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Free"})
			require.NoError(t, err)
		})
	}
}

// allOperations are all methods that do I/O, with arguments that are right.
func allOperations(w *world, c *gitsandbox.Client, s *gitsandbox.Sandbox) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Clone": func(ctx context.Context) error {
			_, err := c.Clone(ctx, w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
			return err
		},
		"Clone new": func(ctx context.Context) error { _, err := c.Clone(ctx, w.url, nil); return err },
		"Open":      func(ctx context.Context) error { _, err := c.Open(ctx, s.ID()); return err },
		"Status":    func(ctx context.Context) error { _, err := s.Status(ctx, nil); return err },
		"Diff":      func(ctx context.Context) error { _, err := s.Diff(ctx, nil); return err },
		"Log":       func(ctx context.Context) error { return logAll(ctx, s, nil) },
		"Show":      func(ctx context.Context) error { _, err := s.Show(ctx, "HEAD", nil); return err },
		"ShowFile":  func(ctx context.Context) error { _, err := s.ShowFile(ctx, "HEAD", "README.md"); return err },
		"Pull":      func(ctx context.Context) error { _, err := s.Pull(ctx, nil); return err },
		"Fetch":     func(ctx context.Context) error { _, err := s.Fetch(ctx); return err },
		"Commit":    func(ctx context.Context) error { _, err := s.Commit(ctx, "m", nil); return err },
		"Push":      func(ctx context.Context) error { _, err := s.Push(ctx, nil); return err },
		"Push message": func(ctx context.Context) error {
			_, err := s.Push(ctx, &gitsandbox.PushOptions{Message: "m"})
			return err
		},
		"Continue":     func(ctx context.Context) error { _, err := s.Continue(ctx, "m"); return err },
		"Abort":        func(ctx context.Context) error { return s.Abort(ctx) },
		"Branches":     func(ctx context.Context) error { _, err := s.Branches(ctx); return err },
		"CreateBranch": func(ctx context.Context) error { return s.CreateBranch(ctx, "x", nil) },
		"Checkout":     func(ctx context.Context) error { return s.Checkout(ctx, s.Branch()) },
		"DeleteBranch": func(ctx context.Context) error { return s.DeleteBranch(ctx, "x", nil) },
		"Restore":      func(ctx context.Context) error { return s.Restore(ctx, nil, nil) },
		"Reset":        func(ctx context.Context) error { return s.Reset(ctx, nil) },
		"Exec": func(ctx context.Context) error {
			_, err := s.Exec(ctx, &e2b.Command{Args: []string{"true"}})
			return err
		},
		"ReadFile":  func(ctx context.Context) error { _, err := s.ReadFile(ctx, "README.md"); return err },
		"WriteFile": func(ctx context.Context) error { return s.WriteFile(ctx, "a", []byte("a"), 0) },
		"Kill":      func(ctx context.Context) error { return s.Kill(ctx) },
	}
}

func TestAContextThatHasEndedStopsEveryOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, run := range allOperations(w, w.client, s) {
		if name == "Continue" || name == "Abort" {
			continue // they fail for another reason first: nothing was kept
		}
		err := w.quiet(name, func() error { return run(cancelled) })
		require.ErrorIs(t, err, context.Canceled, name)
		assert.NotErrorIs(t, err, gitsandbox.ErrTimeout, name)
		assert.False(t, gitsandbox.Retryable(err), name)
		assert.NotContains(t, err.Error(), "\n", "%s: %q", name, err.Error())

		err = w.quiet(name, func() error { return run(expired) })
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.ErrorIs(t, err, gitsandbox.ErrTimeout, name)
		assert.Equal(t, "timeout", gitsandbox.ErrorType(err), name)
		assert.NotContains(t, err.Error(), "\n", "%s: %q", name, err.Error())
	}
	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.True(t, st.Clean())
}

func TestAClosedClientRefusesEveryOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := w.newClient(&gitsandbox.Options{})
	s, err := c.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	for name, run := range allOperations(w, c, s) {
		err := w.quiet(name, func() error { return run(t.Context()) })
		require.ErrorIs(t, err, gitsandbox.ErrClosed, name)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.NoError(t, c.Close()) })
	}
	wg.Wait()
	assert.Equal(t, 1, running(t, w), "the sandbox lives on")
	o, err := w.client.Open(t.Context(), s.ID())
	require.NoError(t, err)
	_, err = o.Status(t.Context(), nil)
	require.NoError(t, err)
}

func TestCloseEndsWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := w.newClient(&gitsandbox.Options{})
	s, err := c.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	begun := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		_, err := s.Exec(t.Context(), &e2b.Command{
			Args: []string{"sh", "-c", "echo begun; exec sleep 600"}, Stdout: writerFunc(func(p []byte) (int, error) {
				close(begun)
				return len(p), nil
			}),
		})
		failed <- err
	}()
	<-begun
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-failed, gitsandbox.ErrClosed)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNilOptionsAreTheDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s, err := w.client.Clone(t.Context(), w.url, nil)
	require.NoError(t, err)
	w.write(s, "a.txt", "a\n")
	ctx := t.Context()
	_, err = s.Status(ctx, nil)
	require.NoError(t, err)
	_, err = s.Diff(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, logAll(ctx, s, nil))
	_, err = s.Commit(ctx, "m", nil)
	require.NoError(t, err)
	_, err = s.Show(ctx, "HEAD", nil)
	require.NoError(t, err)
	_, err = s.Pull(ctx, nil)
	require.NoError(t, err)
	_, err = s.Push(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, s.CreateBranch(ctx, "x", nil))
	require.NoError(t, s.DeleteBranch(ctx, "x", nil))
	require.NoError(t, s.Reset(ctx, nil))
	require.NoError(t, s.Restore(ctx, nil, nil))

	_, err = gitsandbox.New(nil, nil)
	require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
	c, err := gitsandbox.New(w.sandboxes, nil)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	assert.NotNil(t, gitsandbox.NewMetrics(nil))
	assert.Zero(t, gitsandbox.NewMemoryCache(nil).Len())
}

// A nil where there may be functions is none, or is refused.
func TestNilElementsOfOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, err := gitsandbox.New(w.sandboxes, &gitsandbox.Options{
		Trace: []*gitsandbox.Trace{nil, {}}, Credentials: gitsandbox.StaticToken(w.remote.Host(), token),
	})
	if err != nil {
		require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
		return
	}
	require.NotPanics(t, func() { _, err = c.Clone(t.Context(), w.url, nil) })
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// unclosed returns a Client that only a test that succeeds closes: after a
// panic in an operation, Close would wait for it.
func (w *world) unclosed(cache gitsandbox.Cache) *gitsandbox.Client {
	w.t.Helper()
	c, err := gitsandbox.New(w.sandboxes, &gitsandbox.Options{
		Cache: cache, Credentials: gitsandbox.StaticToken(w.remote.Host(), token), Retry: gitsandbox.Backoff{Base: 1, Max: 1},
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		if !w.t.Failed() {
			require.NoError(w.t, c.Close())
		}
	})
	return c
}

func TestASandboxWithoutACloneIsNotOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good := map[string]string{
		"gitsandbox.url": w.url, "gitsandbox.route": "relay", "gitsandbox.base": "main", "gitsandbox.branch": "agent-a-t",
	}
	for name, change := range map[string]map[string]string{
		"nothing of ours": {"gitsandbox.url": "", "gitsandbox.route": "", "gitsandbox.base": "", "gitsandbox.branch": ""},
		"other scheme":    {"gitsandbox.url": "ext::sh -c id"},
		"other host":      {"gitsandbox.url": "http://example.com/r"},
		"userinfo":        {"gitsandbox.url": "https://u:p@h/r"},
		"route":           {"gitsandbox.route": "exposed"},
		"base":            {"gitsandbox.base": "--upload-pack=sh"},
		"branch":          {"gitsandbox.branch": "../x"},
		"sparse":          {"gitsandbox.sparse": "a\n../.."},
	} {
		meta := map[string]string{"other": "x"}
		maps.Copy(meta, good)
		for k, v := range change {
			if v == "" {
				delete(meta, k)
			} else {
				meta[k] = v
			}
		}
		sb, err := w.sandboxes.Create(t.Context(), &e2b.CreateOptions{Metadata: meta})
		require.NoError(t, err)
		_, err = w.client.Open(t.Context(), sb.Info().SandboxID)
		require.ErrorIs(t, err, gitsandbox.ErrSandboxNotFound, name)
		assert.NotContains(t, err.Error(), "\n", name)
		_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
		require.NoError(t, err, "%s: the sandbox of somebody else is left alone", name)
	}

	// The metadata are right, and there is nothing in the sandbox.
	good["gitsandbox.base_tip"] = strings.Repeat("a", 40)
	sb, err := w.sandboxes.Create(t.Context(), &e2b.CreateOptions{Metadata: good})
	require.NoError(t, err)
	s, err := w.client.Open(t.Context(), sb.Info().SandboxID)
	require.NoError(t, err)
	_, err = s.Status(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrBrokenClone)
	_, err = s.Push(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrBrokenClone)

	_, err = w.client.Open(t.Context(), "i00000000000000000000")
	require.ErrorIs(t, err, gitsandbox.ErrSandboxNotFound)
}

// Two processes share a cache, and the second one pushes first.
func TestPushByASecondProcessWithASharedCache(t *testing.T) {
	t.Parallel()
	cache := gitsandbox.NewMemoryCache(nil)
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Cache: cache}})
	s := w.clone("a", "t")
	o, err := w.unclosed(cache).Open(t.Context(), s.ID())
	require.NoError(t, err)
	w.write(o, "a.txt", "a\n")
	require.NotPanics(t, func() {
		_, err = o.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
		require.NoError(t, err)
	})
	w.write(s, "b.txt", "b\n")
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add b"})
	require.NoError(t, err)
	assert.Equal(t, 1, res.Attempts, "what the other process learned is known here")
}

// A record of the right version and sandbox, and otherwise anything.
func TestACacheRecordThatLacksFieldsDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(r map[string]any){
		"no maps":        func(r map[string]any) { delete(r, "remote"); delete(r, "protected"); delete(r, "known") },
		"null maps":      func(r map[string]any) { r["remote"], r["protected"], r["known"] = nil, nil, nil },
		"null protected": func(r map[string]any) { r["protected"] = map[string]any{strings.Repeat("a", 40): nil} },
		"hostile url":    func(r map[string]any) { r["url"] = "ext::sh -c id" },
		"hostile branch": func(r map[string]any) { r["branch"] = "--all" },
		"hostile base":   func(r map[string]any) { r["base"] = "a\nb" },
		"hostile tips":   func(r map[string]any) { r["remote"] = map[string]any{"main": "-x\n$(id)"} },
		"hostile known":  func(r map[string]any) { r["known"] = []any{"x", "--all", ""} },
		"hostile route":  func(r map[string]any) { r["route"] = "exposed" },
		"no identity":    func(r map[string]any) { r["identity"] = map[string]any{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := gitsandbox.NewMemoryCache(nil)
			w := newWorld(t, &worldOptions{client: gitsandbox.Options{Cache: cache}})
			s := w.clone("a", "t")
			w.write(s, "a.txt", "a\n")
			key := "gitsandbox:sandbox:" + s.ID()
			data, err := cache.Get(t.Context(), key)
			require.NoError(t, err)
			var record map[string]any
			require.NoError(t, json.Unmarshal(data, &record))
			spoil(record)
			record["seq"] = 1_000_000
			data, err = json.Marshal(record)
			require.NoError(t, err)
			require.NoError(t, cache.Put(t.Context(), key, data, time.Hour))
			o, err := w.unclosed(cache).Open(t.Context(), s.ID())
			require.NoError(t, err, "E2B knows the sandbox")
			require.NotPanics(t, func() {
				_, err = o.Status(t.Context(), nil)
				assert.NoError(t, err)
				_, err = o.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
				assert.NoError(t, err)
				_, err = o.Pull(t.Context(), nil)
				assert.NoError(t, err)
			})
		})
	}
}

// A loop over the log may use the sandbox: nothing waits for the loop.
func TestTheSandboxCanBeUsedInsideOfALogLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Timeout: 20 * time.Second, Retry: gitsandbox.Backoff{MaxAttempts: 1}}})
	s := w.clone("a", "t")
	res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", `
		body=$(head -c 100000 /dev/zero | tr '\0' x)
		for i in 1 2 3 4 5 6 7 8; do git commit -q --allow-empty -m "$i $body" || exit; done`}})
	require.NoError(t, err)
	require.Zero(t, res.ExitCode, "%s", res.Stderr)
	n := 0
	for c, err := range s.Log(t.Context(), nil) {
		require.NoError(t, err)
		if n++; n == 1 {
			assert.Len(t, c.Parents, 1)
			_, err := s.Status(t.Context(), nil)
			require.NoError(t, err)
			w.write(s, "a.txt", "a\n")
			_, err = s.Commit(t.Context(), "Inside", nil)
			require.NoError(t, err)
		}
	}
	assert.Equal(t, 9, n)
}

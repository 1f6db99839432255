package fake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func TestFaultsStrikeTheNthMatchingCall(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	a, b := create(t, tr, nil), create(t, tr, nil)
	struck := func(f Fault, calls int) []int {
		remove := tr.engine.Inject(f)
		defer remove()
		var hit []int
		for i := range calls {
			_ = a.SetTimeout(t.Context(), time.Minute) // another operation
			_ = b.WriteFile(t.Context(), "other", strings.NewReader(""))
			if err := a.WriteFile(t.Context(), "f", strings.NewReader("")); err != nil {
				hit = append(hit, i+1)
			}
		}
		return hit
	}
	f := Fault{Op: OpWriteFile, SandboxID: a.id}
	assert.Equal(t, []int{1, 2, 3, 4}, struck(f, 4))
	f.Nth = 2
	assert.Equal(t, []int{2}, struck(f, 4))
	f.Times = 2
	assert.Equal(t, []int{2, 3}, struck(f, 4))
	f.Nth = 0
	assert.Equal(t, []int{1, 2}, struck(f, 4))
	f = Fault{Match: func(c *Call) bool { return c.SandboxID == a.id && len(c.Args) == 1 && c.Args[0] == "f" }, Nth: 3}
	assert.Equal(t, []int{3}, struck(f, 4))
	assert.Empty(t, struck(Fault{Op: OpKill}, 2))
}

func TestCallsAreRecordedAndBounded(t *testing.T) {
	t.Parallel()
	clock := NewManualClock(time.Time{})
	tr := newTransport(t, &Options{Clock: clock})
	sb := create(t, tr, nil)
	output(t, sb, "true")
	assert.Equal(t, []Call{
		{Op: OpCreate, Args: []string{"base"}, Time: clock.Now()},
		{Op: OpExec, SandboxID: sb.id, Args: []string{"/bin/sh", "-c", "true"}, Time: clock.Now()},
	}, tr.engine.Calls())
	for range maxCalls + 1 {
		_, _ = tr.Get(t.Context(), sb.id)
	}
	assert.LessOrEqual(t, len(tr.engine.Calls()), maxCalls)
	calls := tr.engine.Calls()
	assert.Equal(t, OpGet, calls[len(calls)-1].Op)
	long := strings.Repeat("x", 1<<20)
	for range 40 {
		_ = sb.WriteFile(t.Context(), long, strings.NewReader(""))
	}
	calls = tr.engine.Calls()
	assert.LessOrEqual(t, len(calls), 32)
	assert.Greater(t, len(calls), 20)
	tr.engine.ResetCalls()
	assert.Empty(t, tr.engine.Calls())
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	for _, tc := range []struct {
		op        string
		status    int
		kind      error
		retryable bool
		do        func() error
	}{
		{OpCreate, 503, e2b.ErrUnavailable, true, func() error { _, err := tr.Create(t.Context(), nil); return err }},
		{OpCreate, 404, e2b.ErrTemplateNotFound, false, func() error { _, err := tr.Create(t.Context(), nil); return err }},
		{OpCreate, 401, e2b.ErrAuth, false, func() error { _, err := tr.Create(t.Context(), nil); return err }},
		{OpConnect, 404, e2b.ErrSandboxNotFound, false, func() error { _, err := tr.Connect(t.Context(), sb.id, nil); return err }},
		{OpGet, 403, e2b.ErrForbidden, false, func() error { _, err := tr.Get(t.Context(), sb.id); return err }},
		{OpSetTimeout, 409, e2b.ErrConflict, false, func() error { return sb.SetTimeout(t.Context(), time.Hour) }},
		{OpExec, 502, e2b.ErrSandboxNotFound, false, func() error { _, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}}); return err }},
		{OpReadFile, 404, e2b.ErrFileNotFound, false, func() error { _, err := sb.ReadFile(t.Context(), "f"); return err }},
		{OpWriteFile, 507, e2b.ErrNoSpace, false, func() error { return sb.WriteFile(t.Context(), "f", strings.NewReader("")) }},
		{OpKill, 400, e2b.ErrInvalidArgument, false, func() error { return sb.Kill(t.Context()) }},
		{OpSignal, 404, e2b.ErrProcessNotFound, false, func() error { return sb.Signal(t.Context(), 1, e2b.SIGKILL) }},
		{OpList, 504, e2b.ErrUnavailable, false, func() error {
			for _, err := range tr.List(t.Context(), nil) {
				return err
			}
			return nil
		}},
	} {
		remove := tr.engine.Inject(Fault{Op: tc.op, Status: tc.status, Message: "no", Code: "slug"})
		err := tc.do()
		remove()
		require.ErrorIs(t, err, tc.kind, tc.op)
		e, ok := errors.AsType[*e2b.Error](err)
		require.True(t, ok)
		assert.Equal(t, tc.op, e.Op)
		assert.Equal(t, tc.status, e.Status)
		assert.Equal(t, "no", e.Message)
		assert.Equal(t, "slug", e.Code)
		assert.Equal(t, tc.retryable, e.Retryable)
	}
	output(t, sb, "true") // nothing has happened to it
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	tr.engine.Inject(Fault{Op: OpCreate, Kind: RateLimit, RetryAfter: 1500 * time.Millisecond, Times: 1})
	_, err := tr.Create(t.Context(), nil)
	require.ErrorIs(t, err, e2b.ErrRateLimited)
	e, ok := errors.AsType[*e2b.Error](err)
	require.True(t, ok)
	assert.Equal(t, 2*time.Second, e.RetryAfter)
	assert.True(t, e.Retryable)
	create(t, tr, nil)
}

func TestDelayEndsWithTheContext(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	remove := tr.engine.Inject(Fault{Op: OpCreate, Kind: Delay, Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := tr.Create(ctx, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	remove()
	tr.engine.Inject(Fault{Op: OpCreate, Kind: Delay, Delay: 20 * time.Millisecond})
	start := time.Now()
	create(t, tr, nil)
	assert.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
}

func TestLoseReply(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	tr.engine.Inject(Fault{Kind: LoseReply})
	lost := func(err error, retryable bool) {
		t.Helper()
		require.ErrorIs(t, err, e2b.ErrNetwork)
		assert.Equal(t, retryable, e2b.Retryable(err))
	}
	_, err := tr.Create(t.Context(), nil)
	lost(err, false)
	assert.Len(t, tr.engine.List(), 2, "it was created")
	lost(sb.WriteFile(t.Context(), "f", strings.NewReader("x")), false)
	assert.FileExists(t, dirOf(t, sb)+"/home/user/f")
	_, err = sb.ReadFile(t.Context(), "f")
	lost(err, true)
	_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "echo $$ >pid"}})
	lost(err, false)
	readPID(t, dirOf(t, sb)+"/home/user/pid")
	lost(sb.Kill(t.Context()), true)
	assert.Len(t, tr.engine.List(), 1)
}

func TestDropStreamOfACommand(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	// Each block is written when the one before has arrived.
	script := "printf 12345; while ! [ -e go ]; do sleep 0.01; done; printf rest; exit 7"
	run := func(f ...Fault) (*e2b.ExecResult, string, error) {
		for _, f := range f {
			defer tr.engine.Inject(f)()
		}
		require.NoError(t, removeAll(dirOf(t, sb)+"/home/user/go"))
		var out bytes.Buffer
		r, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", script}, Stdout: writerFunc(func(b []byte) (int, error) {
			assert.NoError(t, sb.WriteFile(context.WithoutCancel(t.Context()), "go", strings.NewReader("")))
			return out.Write(b)
		})})
		return r, out.String(), err
	}
	r, out, err := run(Fault{Op: OpExec, Kind: DropStream, After: 3})
	require.NoError(t, err, "it was joined again")
	assert.True(t, r.Incomplete)
	assert.Equal(t, 7, r.ExitCode)
	assert.Equal(t, "123rest", out)

	_, out, err = run(Fault{Op: OpExec, Kind: DropStream, After: 4}, Fault{Op: OpConnectProcess})
	require.ErrorIs(t, err, e2b.ErrNetwork)
	assert.False(t, e2b.Retryable(err))
	assert.Equal(t, "1234", out)

	_, _, err = run(Fault{Op: OpExec, Kind: DropStream, After: 4}, Fault{Op: OpConnectProcess, Kind: KillSandbox})
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
}

func TestStreamThatIsCutAgainAndAgain(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	tr.engine.Inject(Fault{Kind: DropStream, Match: func(c *Call) bool { return c.Op == OpExec || c.Op == OpConnectProcess }})
	_, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"cat", "/dev/zero"}, Stdout: io.Discard})
	require.ErrorIs(t, err, e2b.ErrNetwork)
	assert.False(t, e2b.Retryable(err))
	joins := 0
	for _, c := range tr.engine.Calls() {
		if c.Op == OpConnectProcess {
			joins++
		}
	}
	assert.Equal(t, maxJoins, joins)

	sb = create(t, tr, nil)
	_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
	require.ErrorIs(t, err, e2b.ErrNetwork, "also where there is no output")
}

func TestDropStreamOfFiles(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	require.NoError(t, sb.WriteFile(t.Context(), "f", strings.NewReader("0123456789")))
	tr.engine.Inject(Fault{Kind: DropStream, After: 4})
	rc, err := sb.ReadFile(t.Context(), "f")
	require.NoError(t, err)
	b, err := io.ReadAll(rc)
	require.ErrorIs(t, err, e2b.ErrNetwork)
	assert.Equal(t, "0123", string(b))
	require.NoError(t, rc.Close())
	require.ErrorIs(t, sb.WriteFile(t.Context(), "g", strings.NewReader("0123456789")), e2b.ErrNetwork)
	assert.Equal(t, "0123", output(t, sb, "exec cat g"))
}

func TestKillSandboxBeforeAndInTheMiddle(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	tr.engine.Inject(Fault{Op: OpExec, SandboxID: sb.id, Kind: KillSandbox})
	_, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	assert.Empty(t, tr.engine.List())

	sb = create(t, tr, nil)
	tr.engine.Inject(Fault{Op: OpExec, SandboxID: sb.id, Kind: KillSandbox, After: 100_000})
	var out bytes.Buffer
	_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"cat", "/dev/zero"}, Stdout: &out})
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	assert.Equal(t, 100_000, out.Len())
	assert.Empty(t, tr.engine.List())

	sb = create(t, tr, nil)
	require.NoError(t, sb.WriteFile(t.Context(), "f", strings.NewReader("0123456789")))
	tr.engine.Inject(Fault{Op: OpReadFile, SandboxID: sb.id, Kind: KillSandbox, After: 5})
	rc, err := sb.ReadFile(t.Context(), "f")
	require.NoError(t, err)
	b, err := io.ReadAll(rc)
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	assert.Equal(t, "01234", string(b))
	require.NoError(t, rc.Close())
	assert.Empty(t, tr.engine.List())

	sb = create(t, tr, nil)
	tr.engine.Inject(Fault{Op: OpWriteFile, SandboxID: sb.id, Kind: KillSandbox, After: 5})
	require.ErrorIs(t, sb.WriteFile(t.Context(), "f", strings.NewReader("0123456789")), e2b.ErrSandboxNotFound)
}

func TestExpireToken(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	tr.engine.Inject(Fault{Op: OpReadFile, Kind: ExpireToken, Times: 1})
	for range 2 {
		_, err := sb.ReadFile(t.Context(), "f")
		require.ErrorIs(t, err, e2b.ErrAuth)
	}
	_, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
	require.ErrorIs(t, err, e2b.ErrAuth)
	again, err := tr.Connect(t.Context(), sb.id, nil)
	require.NoError(t, err)
	output(t, again, "true")
}

func TestAttachNeedsTheToken(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	info := create(t, tr, nil).Info()
	sb, err := tr.Attach(info)
	require.NoError(t, err)
	output(t, sb, "true")
	info.AccessToken = "wrong"
	sb, err = tr.Attach(info)
	require.NoError(t, err, "no I/O")
	_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
	require.ErrorIs(t, err, e2b.ErrAuth)
	require.ErrorIs(t, sb.WriteFile(t.Context(), "f", strings.NewReader("")), e2b.ErrAuth)
	info.AccessToken = ""
	_, err = tr.Attach(info)
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	_, err = tr.Attach(nil)
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	tr.engine.Inject(Fault{Op: OpWriteFile, Kind: FullDisk, After: 3, Times: 1})
	require.ErrorIs(t, sb.WriteFile(t.Context(), "f", strings.NewReader("12345")), e2b.ErrNoSpace)
	assert.Equal(t, "123", read(t, sb, "f"))
	require.NoError(t, sb.WriteFile(t.Context(), "f", strings.NewReader("12345")))
}

func TestStdinFaultsEndTheCommand(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	for kind, want := range map[FaultKind]error{Refuse: e2b.ErrUnavailable, DropStream: e2b.ErrNetwork, LoseReply: e2b.ErrNetwork} {
		remove := tr.engine.Inject(Fault{Op: OpStdin, Kind: kind, After: 2})
		_, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "cat; sleep 1000"}, Stdin: strings.NewReader("12345")})
		remove()
		require.ErrorIs(t, err, want)
	}
}

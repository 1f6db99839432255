package gitsandbox

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// stubE2B is an E2B whose sandboxes do nothing, for tests of time.
type stubE2B struct {
	mu     sync.Mutex
	ends   map[string]time.Time
	calls  []string
	broken bool // every request to the control plane fails
}

func newStubE2B(ids ...string) *stubE2B {
	s := &stubE2B{ends: map[string]time.Time{}}
	for _, id := range ids {
		s.ends[id] = time.Now().Add(5 * time.Minute)
	}
	return s
}

func (s *stubE2B) call(name string) error {
	s.calls = append(s.calls, name)
	if s.broken {
		return &e2b.Error{Op: name, Kind: e2b.ErrUnavailable}
	}
	return nil
}

func (s *stubE2B) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (s *stubE2B) alive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.ends[id]
	return ok && time.Now().Before(end)
}

func (s *stubE2B) Create(context.Context, *e2b.CreateOptions) (e2b.Sandbox, error) {
	return nil, errors.ErrUnsupported
}

func (s *stubE2B) List(context.Context, *e2b.ListOptions) iter.Seq2[*e2b.SandboxInfo, error] {
	return func(func(*e2b.SandboxInfo, error) bool) {}
}

func (s *stubE2B) Kill(context.Context, string) error { return nil }

func (s *stubE2B) Connect(_ context.Context, id string, opts *e2b.ConnectOptions) (e2b.Sandbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call("connect"); err != nil {
		return nil, err
	}
	if _, ok := s.ends[id]; !ok {
		return nil, &e2b.Error{Op: "connect", Kind: e2b.ErrSandboxNotFound}
	}
	s.ends[id] = time.Now().Add(opts.Timeout)
	return &stubSandbox{s, id}, nil
}

func (s *stubE2B) Attach(info *e2b.SandboxInfo) (e2b.Sandbox, error) {
	return &stubSandbox{s, info.SandboxID}, nil
}

type stubSandbox struct {
	s  *stubE2B
	id string
}

func (b *stubSandbox) Info() *e2b.SandboxInfo {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return &e2b.SandboxInfo{
		SandboxID: b.id, EndAt: b.s.ends[b.id],
		Metadata: map[string]string{
			metaURL: "https://example.com/r", metaRoute: "relay", metaBase: "main", metaBranch: "agent-a-t",
			metaBaseTip: strings.Repeat("a", 40),
		},
	}
}

func (b *stubSandbox) Exec(ctx context.Context, _ *e2b.Command) (*e2b.ExecResult, error) {
	if !b.s.alive(b.id) {
		return nil, &e2b.Error{Op: "exec", Kind: e2b.ErrSandboxNotFound}
	}
	return &e2b.ExecResult{Ended: e2b.EndedByItself}, ctx.Err()
}

func (b *stubSandbox) ReadFile(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

func (b *stubSandbox) WriteFile(context.Context, string, io.Reader) error { return nil }

func (b *stubSandbox) SetTimeout(_ context.Context, d time.Duration) error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if err := b.s.call("set_timeout"); err != nil {
		return err
	}
	b.s.ends[b.id] = time.Now().Add(d)
	return nil
}

func (b *stubSandbox) Kill(context.Context) error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if err := b.s.call("kill"); err != nil {
		return err
	}
	delete(b.s.ends, b.id)
	return nil
}

// advance moves the clock of synctest, and waits until all has happened that
// follows from it.
func advance(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // no time passes
	synctest.Wait()
}

func open(t *testing.T, s *stubE2B, opts *Options, id string) (*Client, *Sandbox) {
	t.Helper()
	c, err := New(s, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	sb, err := c.Open(t.Context(), id)
	require.NoError(t, err)
	return c, sb
}

func TestASandboxThatNobodyUsesIsEndedAndItsHoursCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(nil)
		stub := newStubE2B("i1")
		_, s := open(t, stub, &Options{Metrics: m}, "i1")
		advance(time.Hour - time.Second)
		assert.True(t, stub.alive("i1"))
		advance(3 * time.Second)
		assert.False(t, stub.alive("i1"))
		active, hours := m.accounts.read()
		assert.Zero(t, active)
		assert.InDelta(t, 1, hours, 0.001)
		_, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
		require.ErrorIs(t, err, ErrSandboxNotFound)
	})
}

func TestAUseKeepsTheSandboxAndItsLifetimeAheadWithoutARequestEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := newStubE2B("i1")
		_, s := open(t, stub, nil, "i1")
		for range 10 * 12 { // ten hours, every five minutes
			advance(5 * time.Minute)
			_, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
			require.NoError(t, err)
			synctest.Wait()
		}
		renewals := stub.count("set_timeout")
		assert.LessOrEqual(t, renewals, 10*4+1, "four an hour with a TTL of one hour")
		assert.GreaterOrEqual(t, renewals, 10)
		assert.Zero(t, stub.count("kill"))
	})
}

func TestARecordThatAnotherProcessRenewedKeepsTheSandbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub, shared := newStubE2B("i1"), NewMemoryCache(nil)
		m1, m2 := NewMetrics(nil), NewMetrics(nil)
		_, _ = open(t, stub, &Options{Cache: shared, Metrics: m1}, "i1")
		_, second := open(t, stub, &Options{Cache: shared, Metrics: m2}, "i1")
		assert.Equal(t, 1, stub.count("connect"), "the second process found the record")
		active, _ := m2.accounts.read()
		assert.Zero(t, active, "the first process counts it")
		for range 3 {
			advance(50 * time.Minute)
			_, err := second.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
			require.NoError(t, err)
			synctest.Wait()
		}
		assert.True(t, stub.alive("i1"))
		advance(3 * time.Hour)
		assert.False(t, stub.alive("i1"))
		active, hours := m1.accounts.read()
		assert.Zero(t, active)
		assert.Greater(t, hours, 3.0)
	})
}

func TestUpkeepTriesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := newStubE2B("i1")
		_, _ = open(t, stub, nil, "i1")
		stub.mu.Lock()
		stub.broken = true
		stub.mu.Unlock()
		advance(time.Hour + 10*time.Minute)
		tries := stub.count("kill")
		assert.Greater(t, tries, 2)
		assert.Less(t, tries, 30, "not in a hurry")
		stub.mu.Lock()
		stub.broken = false
		stub.mu.Unlock()
		advance(time.Minute)
		assert.False(t, stub.alive("i1"))
	})
}

func TestMaxSandboxes(t *testing.T) {
	t.Parallel()
	f := newFleet(&Client{ttl: time.Hour}, 2)
	release, err := f.reserve()
	require.NoError(t, err)
	_, err = f.reserve()
	require.NoError(t, err)
	_, err = f.reserve()
	require.ErrorIs(t, err, ErrBudgetExceeded)
	release()
	release()
	_, err = f.reserve()
	require.NoError(t, err)
	_, err = f.reserve()
	require.ErrorIs(t, err, ErrBudgetExceeded)
}

func TestCloseStopsTheUpkeepAndRefusesOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := newStubE2B("i1")
		c, s := open(t, stub, nil, "i1")
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
		_, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
		require.ErrorIs(t, err, ErrClosed)
		_, err = c.Open(t.Context(), "i1")
		require.ErrorIs(t, err, ErrClosed)
		advance(2 * time.Hour)
		assert.Zero(t, stub.count("kill"), "the sandboxes live on")
	})
}

func TestOpenRefusesWhatHoldsNoClone(t *testing.T) {
	t.Parallel()
	c, err := New(newStubE2B(), nil)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Open(t.Context(), "../etc")
	require.ErrorIs(t, err, ErrInvalidArgument)
	_, err = c.Open(t.Context(), "i2")
	require.ErrorIs(t, err, ErrSandboxNotFound)
}

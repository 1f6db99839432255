package gitsandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func running(t *testing.T, w *world) int {
	t.Helper()
	n := 0
	for _, err := range w.sandboxes.List(t.Context(), nil) {
		require.NoError(t, err)
		n++
	}
	return n
}

func TestAFailedCloneEndsItsSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Refuse, Status: 400})
	_, err := w.client.Clone(t.Context(), w.url, nil)
	require.Error(t, err)
	assert.Zero(t, running(t, w))
}

func TestACloneThatIsCancelledEndsItsSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.sandboxes.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Delay, Delay: time.Minute,
		Match: func(*gitsandboxtest.Call) bool { cancel(); return true },
	})
	_, err := w.client.Clone(ctx, w.url, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, running(t, w))
}

func TestACloneThatIsCancelledWhileItsSandboxStartsEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.sandboxes.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpCreate, Kind: gitsandboxtest.LoseReply,
		Match: func(*gitsandboxtest.Call) bool { cancel(); return true },
	})
	_, err := w.client.Clone(ctx, w.url, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, running(t, w))
}

func TestAFailedCloneEndsItsSandboxAtTheSecondTry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Refuse, Status: 400})
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpKill, Nth: 1, Kind: gitsandboxtest.Refuse})
	_, err := w.client.Clone(t.Context(), w.url, nil)
	require.Error(t, err)
	assert.Zero(t, running(t, w))
}

func TestACreateWhoseReplyWasLostLeavesNoSecondSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpCreate, Nth: 1, Kind: gitsandboxtest.LoseReply})
	s := w.clone("a", "t")
	assert.Equal(t, 1, running(t, w))
	_, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
}

func TestCloneGoesOnAfterATransientFailure(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]gitsandboxtest.Fault{
		"create refused":      {Op: gitsandboxtest.OpCreate, Nth: 1, Kind: gitsandboxtest.Refuse, Status: 503},
		"create rate limited": {Op: gitsandboxtest.OpCreate, Nth: 1, Kind: gitsandboxtest.RateLimit},
		"upload lost":         {Op: gitsandboxtest.OpWriteFile, Nth: 1, Kind: gitsandboxtest.LoseReply},
		"exec lost":           {Op: gitsandboxtest.OpExec, Nth: 1, Kind: gitsandboxtest.LoseReply},
		"sandbox died":        {Op: gitsandboxtest.OpExec, Nth: 1, Kind: gitsandboxtest.KillSandbox},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.sandboxes.Inject(fault)
			s := w.clone("a", "t")
			st, err := s.Status(t.Context(), nil)
			require.NoError(t, err)
			assert.True(t, st.Clean())
			assert.Equal(t, 1, running(t, w))
		})
	}
}

func TestACommitWhoseReplyWasLostIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Nth: 1, Kind: gitsandboxtest.LoseReply})
	c, err := s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	st, err := s.Status(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, 1, st.Ahead)
	assert.Equal(t, c.Hash, st.Head)
}

func TestAPushWhoseStepWasLostCommitsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Nth: 1, Kind: gitsandboxtest.LoseReply})
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	assert.True(t, res.Committed)
	log, err := w.remote.Log("shop", "refs/heads/agent-a-t")
	require.NoError(t, err)
	assert.Len(t, log, 2, "the first commit of the repository, and one more")
}

func TestAPublicationWhoseReplyWasLostIsFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, LoseReply: true})
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	assert.Equal(t, w.tip("agent-a-t"), res.Commit)
	assert.Equal(t, gitsandbox.PushPublished, res.Outcome)
}

func TestAPullWhoseReplyWasLostHappensOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	_, err := s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	w.commit("main", "News", map[string]string{"news.txt": "news\n"})
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Nth: 1, Kind: gitsandboxtest.LoseReply})
	res, err := s.Pull(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PullRebased, res.Outcome, "the outcome of the first time, not that of a second")
}

// The branch moves after the sandbox has packed and before the host
// publishes: the compare-and-swap catches it.
func TestABranchThatMovesInTheLastMomentIsNotOverwritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	w.write(s, "b.txt", "b\n")
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Before: func(gitsandboxtest.RemoteRequest) {
		_, err := w.remote.Commit("shop", "agent-a-t", "Theirs", map[string]string{"theirs.txt": "theirs\n"})
		assert.NoError(t, err)
	}})
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add b"})
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushRebased, res.Outcome)
	assert.Equal(t, 2, res.Attempts)
	assert.Equal(t, "theirs\n", w.file("agent-a-t", "theirs.txt"))
	assert.Equal(t, "b\n", w.file("agent-a-t", "b.txt"))
}

func TestPushGivesUpAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	m := gitsandbox.NewMetrics(nil)
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Metrics: m}})
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	n := 0
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Before: func(gitsandboxtest.RemoteRequest) {
		n++
		_, err := w.remote.Commit("shop", "agent-a-t", "Theirs", map[string]string{fmt.Sprintf("%d.txt", n): "x\n"})
		assert.NoError(t, err)
	}})
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.ErrorIs(t, err, gitsandbox.ErrPushRejected)
	assert.Equal(t, 3, n)
	r := prometheus.NewRegistry()
	require.NoError(t, r.Register(m))
	got, err := testutil.GatherAndCount(r, "git_push_retry_count_total")
	require.NoError(t, err)
	assert.Equal(t, 10, got)
	assert.InDelta(t, 2, sum(t, r, "git_operation_total", "push", "retry"), 0)
	assert.InDelta(t, 1, sum(t, r, "git_operation_total", "push", "failure"), 0)
	assert.InDelta(t, 1, sum(t, r, "git_errors_total", "push", "conflict"), 0)
}

// sum adds up the samples of a counter whose labels have all the values.
func sum(t *testing.T, g prometheus.Gatherer, name string, values ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			found := 0
			for _, l := range m.GetLabel() {
				for _, v := range values {
					if l.GetValue() == v {
						found++
					}
				}
			}
			if found == len(values) {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

func TestADeadSandboxIsToldAsSuch(t *testing.T) {
	t.Parallel()
	m := gitsandbox.NewMetrics(nil)
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Metrics: m}})
	s := w.clone("a", "t")
	require.NoError(t, w.sandboxes.Kill(t.Context(), s.ID()))
	_, err := s.Status(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrSandboxNotFound)
	assert.Equal(t, "sandbox_not_found", gitsandbox.ErrorType(err))
	require.NoError(t, s.Kill(t.Context()), "a sandbox that has ended already is no error")
	_, err = w.client.Open(t.Context(), s.ID())
	require.ErrorIs(t, err, gitsandbox.ErrSandboxNotFound)

	again := w.clone("a", "t")
	assert.NotEqual(t, s.ID(), again.ID())
}

func TestADestroyedCloneIsToldAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	_, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"rm", "-rf", ".git"}})
	require.NoError(t, err)
	_, err = s.Status(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrBrokenClone)
	_, err = s.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
	require.NoError(t, err, "the sandbox lives")
}

func TestOpenInAnotherProcess(t *testing.T) {
	t.Parallel()
	shared := gitsandbox.NewMemoryCache(nil)
	for name, caches := range map[string][2]gitsandbox.Cache{
		"shared cache": {shared, shared},
		"no cache":     {gitsandbox.NewMemoryCache(nil), gitsandbox.NewMemoryCache(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &worldOptions{client: gitsandbox.Options{Cache: caches[0]}})
			s := w.clone("a", "t")
			w.write(s, "a.txt", "a\n")
			_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
			require.NoError(t, err)
			w.commit("main", "News", map[string]string{"news.txt": "news\n"})
			_, err = s.Pull(t.Context(), nil)
			require.NoError(t, err)

			other := w.newClient(&gitsandbox.Options{Cache: caches[1]})
			o, err := other.Open(t.Context(), s.ID())
			require.NoError(t, err)
			assert.Equal(t, s.Branch(), o.Branch())
			assert.Equal(t, s.RepoURL(), o.RepoURL())
			assert.Equal(t, gitsandbox.RouteRelay, o.Route())
			w.write(o, "b.txt", "b\n")
			res, err := o.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add b"})
			require.NoError(t, err)
			assert.Equal(t, w.tip("agent-a-t"), res.Commit)
			assert.Equal(t, "news\n", w.file("agent-a-t", "news.txt"))
		})
	}
}

func TestACacheThatFailsIsNoReasonToFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Cache: brokenCache{}}})
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	_, err = w.client.Open(t.Context(), s.ID())
	require.NoError(t, err)
}

type brokenCache struct{}

var errCacheDown = errors.New("the cache is down")

func (brokenCache) Get(context.Context, string) ([]byte, error)              { return nil, errCacheDown }
func (brokenCache) Put(context.Context, string, []byte, time.Duration) error { return errCacheDown }
func (brokenCache) Delete(context.Context, string) error                     { return errCacheDown }

func TestACacheThatLiesIsNotBelieved(t *testing.T) {
	t.Parallel()
	cache := gitsandbox.NewMemoryCache(nil)
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Cache: cache}})
	s := w.clone("a", "t")
	other := w.newClient(&gitsandbox.Options{Cache: cache})
	for _, junk := range []string{"", "junk", "{}", `{"version":99}`, `{"version":1,"sandbox":{"sandbox_id":"iother"}}`} {
		require.NoError(t, cache.Put(t.Context(), "gitsandbox:sandbox:"+s.ID(), []byte(junk), time.Hour))
		o, err := other.Open(t.Context(), s.ID())
		require.NoError(t, err, junk)
		_, err = o.Status(t.Context(), nil)
		require.NoError(t, err)
	}
}

func TestManyGoroutinesOnOneSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			w.write(s, fmt.Sprintf("%d.txt", i), "x\n")
			_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add", Paths: []string{fmt.Sprintf("%d.txt", i)}})
			assert.NoError(t, err)
			_, err = s.Status(t.Context(), nil)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	log, err := w.remote.Log("shop", "refs/heads/agent-a-t")
	require.NoError(t, err)
	assert.Len(t, log, 7)
}

func TestManyAgentsOnOneRepository(t *testing.T) {
	t.Parallel()
	m := gitsandbox.NewMetrics(nil)
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Metrics: m}})
	r := prometheus.NewRegistry()
	require.NoError(t, r.Register(m))
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			s, err := w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: fmt.Sprintf("a%d", i), TaskID: "t"})
			if !assert.NoError(t, err) {
				return
			}
			assert.NoError(t, s.WriteFile(t.Context(), "mine.txt", []byte("x\n"), 0))
			_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Mine"})
			assert.NoError(t, err)
			assert.NoError(t, s.Kill(t.Context()))
		})
	}
	wg.Wait()
	for _, op := range []string{"clone", "push"} {
		assert.InDelta(t, 5, sum(t, r, "git_operation_total", op, "started"), 0)
		assert.InDelta(t, 5, sum(t, r, "git_operation_total", op, "success"), 0)
	}
	n, err := testutil.GatherAndCount(r, "active_sandboxes_total")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	branches, err := w.remote.Branches("shop")
	require.NoError(t, err)
	assert.Len(t, branches, 6)
}

func TestClonesOfOneKeyAtOnceShareOneSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ids := make([]string, 4)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			s, err := w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
			if assert.NoError(t, err) {
				ids[i] = s.ID()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, []string{ids[0], ids[0], ids[0], ids[0]}, ids)
	assert.Equal(t, 1, running(t, w))
}

func TestMaxSandboxesBoundsClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{MaxSandboxes: 1}})
	s := w.clone("a", "t")
	_, err := w.client.Clone(t.Context(), w.url, nil)
	require.ErrorIs(t, err, gitsandbox.ErrBudgetExceeded)
	require.NoError(t, s.Kill(t.Context()))
	_, err = w.client.Clone(t.Context(), w.url, nil)
	require.NoError(t, err)
}

func TestCloneRefusesALiveSandboxThatIsNotWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commit("dev", "Dev", map[string]string{"dev.txt": "dev\n"})
	s := w.clone("a", "t")
	opts := gitsandbox.CloneOptions{AgentID: "a", TaskID: "t", Branch: "main"}
	again, err := w.client.Clone(t.Context(), w.url, &opts)
	require.NoError(t, err)
	assert.Equal(t, s.ID(), again.ID(), "the base branch by its name is the same")
	opts.Branch = "dev"
	_, err = w.client.Clone(t.Context(), w.url, &opts)
	require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
	require.ErrorContains(t, err, `based on "main"`)
	opts.Branch, opts.Route = "", gitsandbox.RouteDirect
	_, err = w.client.Clone(t.Context(), w.url, &opts)
	require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
}

func TestABranchThatMovesAndThenGoesIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.txt", "a\n")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	w.commit("agent-a-t", "Theirs", map[string]string{"theirs.txt": "theirs\n"})
	_, err = w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err, "it sees where the branch is")
	w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "advertisement", Nth: 2, Before: func(gitsandboxtest.RemoteRequest) {
		assert.NoError(t, w.remote.DeleteBranch("shop", "agent-a-t"))
	}})
	w.write(s, "b.txt", "b\n")
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add b"})
	require.NoError(t, err)
	assert.Empty(t, res.Previous)
	assert.Equal(t, "b\n", w.file("agent-a-t", "b.txt"))
}

func TestOpenDoesNotOverwriteANewerRecord(t *testing.T) {
	t.Parallel()
	cache := gitsandbox.NewMemoryCache(nil)
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Cache: cache}})
	s := w.clone("a", "t")
	other, err := w.newClient(&gitsandbox.Options{Cache: cache}).Open(t.Context(), s.ID())
	require.NoError(t, err)
	w.write(other, "a.txt", "a\n")
	_, err = other.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	key := "gitsandbox:sandbox:" + s.ID()
	newer, err := cache.Get(t.Context(), key)
	require.NoError(t, err)
	_, err = w.client.Open(t.Context(), s.ID())
	require.NoError(t, err)
	kept, err := cache.Get(t.Context(), key)
	require.NoError(t, err)
	assert.JSONEq(t, string(newer), string(kept))
}

// A step that reads without the lock is sent again with it where it finds that
// another one has written.
func TestReadingIsSentAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	var steps atomic.Int32
	count := &gitsandbox.Trace{RequestDone: func(_ context.Context, info gitsandbox.RequestInfo, _ time.Duration, _ error) {
		if info.Kind == "exec" {
			steps.Add(1)
		}
	}}
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{Trace: []*gitsandbox.Trace{count}}})
	s := w.clone("a", "t")
	w.write(s, "new.txt", "x\n")
	w.write(s, "README.md", strings.Repeat("longer than what is asked for\n", 200_000))
	for _, dead := range []bool{false, true, false} {
		if dead {
			_, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"/bin/sh", "-c", "echo busy 9 >.git/gitsandbox/turn"}})
			require.NoError(t, err)
		}
		steps.Store(0)
		st, err := s.Status(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, st.Files, 2)
		want := int32(1)
		if dead {
			want = 2
		}
		require.Equal(t, want, steps.Load(), "steps of a status, dead writer: %v", dead)
	}
	steps.Store(0)
	d, err := s.Diff(t.Context(), &gitsandbox.DiffOptions{MaxBytes: 1})
	require.NoError(t, err)
	require.True(t, d.Truncated)
	require.Equal(t, int32(2), steps.Load(), "more output than asked for ends the first")
}

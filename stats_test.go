package gitsandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// patient is a Client without Metrics, whose operations take as long as told.
func patient(t *testing.T, opts *Options, ids ...string) *Client {
	t.Helper()
	c, err := New(newStubE2B(ids...), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// run runs an operation that takes d and ends with err.
func (c *Client) run(ctx context.Context, name string, d time.Duration, err error) {
	_, _ = operate(ctx, c, OperationInfo{Operation: name}, func(context.Context, *operation) (int, error) {
		advance(d)
		return 0, err
	})
}

func TestStatsOfANewClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := patient(t, nil)
		assert.Equal(t, Stats{
			Since: time.Now(),
			ErrorsByType: map[string]int64{
				"timeout": 0, "auth": 0, "network": 0, "conflict": 0, "sandbox_not_found": 0, "other": 0,
			},
			ByOperation: map[string]OperationStats{},
		}, c.Stats())
	})
}

func TestStatsCountOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := patient(t, &Options{Retry: Backoff{Base: time.Second, Jitter: -1}})
		for range 3 {
			c.run(t.Context(), "status", 100*time.Millisecond, nil)
		}
		c.run(t.Context(), "status", time.Second, ErrAuth)
		c.run(t.Context(), "pull", time.Second, &ConflictError{Files: []string{"a"}})
		// Three attempts of a second, with waits of one and two.
		c.run(t.Context(), "push", time.Second, &cause{kind: ErrNetwork, retryable: true})
		c.run(t.Context(), "exec", time.Second, ErrNetwork) // none of git's

		s := c.Stats()
		assert.Equal(t, map[string]OperationStats{
			"status": {Done: 4, Errors: 1, Recent: 4, P95: time.Second, ErrorRate: 0.25},
			"pull":   {Done: 1, Errors: 1, Conflicts: 1, Recent: 1, P95: time.Second, ErrorRate: 1},
			"push":   {Done: 1, Errors: 1, Retries: 2, Recent: 1, P95: 6 * time.Second, ErrorRate: 1},
		}, s.ByOperation)
		assert.Equal(t, []int64{6, 3, 2, 1}, []int64{s.Operations, s.Errors, s.Retries, s.Conflicts})
		assert.Equal(t, map[string]int64{
			"timeout": 0, "auth": 1, "network": 1, "conflict": 1, "sandbox_not_found": 0, "other": 0,
		}, s.ErrorsByType)
	})
}

func TestStatsCountWhatRuns(t *testing.T) {
	t.Parallel()
	c := patient(t, nil)
	_, err := operate(t.Context(), c, OperationInfo{Operation: "status"}, func(context.Context, *operation) (int, error) {
		s := c.Stats()
		assert.Equal(t, 1, s.RunningOperations)
		assert.Equal(t, OperationStats{Running: 1}, s.ByOperation["status"])
		return 0, nil
	})
	require.NoError(t, err)
	assert.Zero(t, c.Stats().RunningOperations)

	assert.Panics(t, func() {
		_, _ = operate(t.Context(), c, OperationInfo{Operation: "status"}, func(context.Context, *operation) (int, error) {
			panic("of the caller's")
		})
	})
	assert.Zero(t, c.Stats().RunningOperations)
}

func TestStatsOfSandboxes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := NewMemoryCache(nil)
		stub := newStubE2B("i1", "i2")
		c, _ := open(t, stub, &Options{Cache: shared}, "i1")
		_, err := c.Open(t.Context(), "i2")
		require.NoError(t, err)
		second, _ := open(t, stub, &Options{Cache: shared}, "i1")

		advance(30 * time.Minute)
		s := c.Stats()
		assert.Equal(t, 2, s.ActiveSandboxes)
		assert.InDelta(t, 1, s.SandboxHours, 1e-9)
		assert.InDelta(t, 0.03, s.HourlyCost, 1e-9)
		assert.InDelta(t, 0.72, s.DailyCost, 1e-9)
		assert.InDelta(t, 21.9, s.MonthlyCost, 1e-9)
		assert.Equal(t, []int64{0, 0, 2}, []int64{s.Created, s.FromCache, s.FromE2B})
		assert.Equal(t, []int64{0, 2}, []int64{s.CacheHits, s.CacheMisses})
		assert.Equal(t, []int64{2, 0}, []int64{s.Requests, s.RequestErrors})

		// The one that made a sandbox pays for it.
		o := second.Stats()
		assert.Zero(t, o.ActiveSandboxes)
		assert.Zero(t, o.MonthlyCost)
		assert.Equal(t, []int64{0, 1, 0}, []int64{o.Created, o.FromCache, o.FromE2B})

		require.NoError(t, c.Close())
		s = c.Stats()
		assert.Zero(t, s.ActiveSandboxes)
		assert.Zero(t, s.MonthlyCost)
		assert.InDelta(t, 1, s.SandboxHours, 1e-9, "what ran stays")
	})
}

// A stub has no size, so it is priced at the assumed one.
func TestStatsHaveThePricesOfTheMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics(&MetricsOptions{CostPerVCPUSecond: 0.000014, CostPerGiBSecond: 0.0000045})
	c, _ := open(t, newStubE2B("i1"), &Options{Metrics: m}, "i1")
	s := c.Stats()
	assert.InDelta(t, 0.1089, s.HourlyCost, 1e-12)
	assert.Equal(t, 1, s.AssumedSizes)
}

// states are the states of the advice about a criterion, by operation.
func states(all []Advice, about Criterion) map[string]AdviceState {
	out := map[string]AdviceState{}
	for _, a := range all {
		if a.Criterion == about {
			out[a.Operation] = a.State
		}
	}
	return out
}

func TestAdviceAboutNothingSaysSo(t *testing.T) {
	t.Parallel()
	var text []string
	for _, a := range patient(t, nil).Advise(nil) {
		assert.Equal(t, AdviceUnknown, a.State)
		assert.Zero(t, a.Seen)
		text = append(text, string(a.Criterion)+" "+a.String())
	}
	assert.Equal(t, []string{
		"p95 unknown: no operation has ended yet",
		"error_rate unknown: no operation has ended yet",
		"monthly_cost unknown: no sandbox has run yet",
		"active_sandboxes unknown: no sandbox has run yet",
		"cache_miss_ratio unknown: nothing was looked up in the cache yet",
	}, text)
}

func TestAdviceAboutLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := patient(t, nil)
		for i := range 20 {
			slow := time.Second
			if i < 2 { // the 95th percentile of 20 is the second of the slowest
				slow = 6 * time.Second
			}
			c.run(t.Context(), "clone", slow, nil)
			c.run(t.Context(), "status", 5*time.Second, nil)
			if i < 9 {
				c.run(t.Context(), "push", time.Minute, nil)
			}
		}
		advice := c.Advise(nil)
		assert.Equal(t, map[string]AdviceState{
			"clone": AdviceOver, "status": AdviceFine, "push": AdviceUnknown,
		}, states(advice, CriterionP95))
		assert.Equal(t, Advice{
			Criterion: CriterionP95, Operation: "clone", Value: 6, Threshold: 5, Seen: 20, State: AdviceOver,
			Text: "95 % of clone took up to 6s, limit 5s; clone with Depth or Sparse, give the same agent and task its sandbox again, or prepare a template",
		}, advice[0])
		assert.Equal(t, "95 % of push took up to 1m0s, limit 5s (9 seen, too few to judge)", advice[2].Text)
		assert.Equal(t, AdviceFine, states(c.Advise(&AdviseOptions{P95: 6 * time.Second}), CriterionP95)["clone"])
	})
}

func TestAdviceAboutErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := patient(t, nil)
		for i := range 10 {
			c.run(t.Context(), "push", time.Second, map[bool]error{true: ErrAuth}[i < 2])
			c.run(t.Context(), "pull", time.Second, map[bool]error{true: ErrAuth}[i < 1])
		}
		advice := c.Advise(nil)
		assert.Equal(t, map[string]AdviceState{"push": AdviceOver, "pull": AdviceFine}, states(advice, CriterionErrorRate))
		i := slices.IndexFunc(advice, func(a Advice) bool { return a.Criterion == CriterionErrorRate && a.Operation == "push" })
		assert.InDelta(t, 0.2, advice[i].Value, 1e-12)
		assert.Contains(t, advice[i].Text, "20 % of push failed, limit 10 %; ")
		assert.Equal(t, AdviceOver, states(c.Advise(&AdviseOptions{ErrorRate: 0.05}), CriterionErrorRate)["pull"])

		// What failed long ago does not count for ever.
		for range windowSize {
			c.run(t.Context(), "push", time.Second, nil)
		}
		assert.Equal(t, AdviceFine, states(c.Advise(nil), CriterionErrorRate)["push"])
		assert.EqualValues(t, 2, c.Stats().ByOperation["push"].Errors)
	})
}

func TestAdviceAboutSandboxesCostAndCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		for i := range 11 {
			ids = append(ids, fmt.Sprint("i", i))
		}
		c := patient(t, nil, ids...)
		var opened []*Sandbox
		want := map[int]string{
			1: "fine fine unknown", 6: "fine fine unknown", // 6 * 0.015 * 730 is 65.70
			7: "over fine unknown", // 76.65
			9: "over fine unknown", 10: "over fine over",
			11: "over over over",
		}
		check := func(n int, want string) {
			t.Helper()
			advice := c.Advise(nil)
			assert.Equal(t, want, fmt.Sprint(
				states(advice, CriterionMonthlyCost)[""], " ", states(advice, CriterionActiveSandboxes)[""], " ",
				states(advice, CriterionCacheMissRatio)[""]), "%d sandboxes", n)
		}
		for i, id := range ids {
			// Each is looked for in the cache, which does not have it.
			s, err := c.Open(t.Context(), id)
			require.NoError(t, err)
			opened = append(opened, s)
			if w := want[i+1]; w != "" {
				check(i+1, w)
			}
		}
		advice := c.Advise(nil)
		last := advice[len(advice)-3:]
		assert.Equal(t, "over: what runs now costs $120.45 a month, limit $75.00 of a budget of $100.00; "+
			"end sandboxes when their task is done, shorten CacheTTL, or raise the budget", last[0].String())
		assert.Equal(t, "over: sandboxes that run: 11, limit 10; "+
			"see that E2B's plan allows more, share the work among processes, or bound it with MaxSandboxes", last[1].String())
		assert.Equal(t, "over: 100 % of the lookups in the cache missed, limit 50 %; "+
			"share one Cache among the processes, lengthen CacheTTL, or use AgentID and TaskID again", last[2].String())

		// A budget of $200 and a share of one's own, and as many hits as misses.
		assert.Equal(t, AdviceFine, states(c.Advise(&AdviseOptions{MonthlyBudget: 200}), CriterionMonthlyCost)[""])
		assert.Equal(t, AdviceOver, states(c.Advise(&AdviseOptions{MonthlyBudget: 200, MonthlyCost: 120}), CriterionMonthlyCost)[""])
		assert.Equal(t, AdviceFine, states(c.Advise(&AdviseOptions{ActiveSandboxes: 11}), CriterionActiveSandboxes)[""])
		for _, s := range opened {
			_, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
			require.NoError(t, err)
		}
		check(11, "over over fine")
		for _, s := range opened {
			require.NoError(t, s.Kill(t.Context()))
		}
		check(0, "fine fine fine")
	})
}

func TestRecordingForStatsDoesNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not
	c := patient(t, &Options{Metrics: NewMetrics(nil)})
	ctx, failure := t.Context(), errors.New("failure")
	for name, record := range map[string]func(){
		"operation": func() {
			o := c.meter.operation("push")
			o.start(ctx)
			o.again(ctx, 1)
			o.conflict(ctx)
			o.finish(ctx, time.Second, 2, failure)
			o.leave()
		},
		"request": func() { c.meter.requested("sandbox", "exec", "") },
		"relay":   func() { c.meter.relayed(relayFetch, 1) },
		"lookup":  func() { c.meter.cacheLookup(true) },
	} {
		assert.Zero(t, testing.AllocsPerRun(100, record), name)
	}
}

// What recording an operation costs in all: under a microsecond, without an
// allocation.
func BenchmarkRecordOperation(b *testing.B) {
	for _, metrics := range []*Metrics{nil, NewMetrics(nil)} {
		b.Run(fmt.Sprintf("metrics=%v", metrics != nil), func(b *testing.B) {
			c, err := New(newStubE2B(), &Options{Metrics: metrics})
			require.NoError(b, err)
			defer c.Close()
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				o := c.meter.operation("status")
				o.start(ctx)
				c.meter.requested("sandbox", "exec", "")
				o.finish(ctx, time.Millisecond, 1, nil)
				o.leave()
			}
		})
	}
}

func BenchmarkStats(b *testing.B) {
	c, err := New(newStubE2B(), nil)
	require.NoError(b, err)
	defer c.Close()
	for _, op := range gitOperations {
		for i := range 2 * windowSize {
			c.meter.operation(op).finish(b.Context(), time.Duration(i*7919%1000)*time.Millisecond, 1, nil)
		}
	}
	for b.Loop() {
		_ = c.Stats()
	}
}

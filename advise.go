package gitsandbox

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Defaults of [AdviseOptions].
const (
	DefaultAdviseP95       = 5 * time.Second
	DefaultAdviseErrorRate = 0.1
	DefaultAdviseBudget    = 100 // US dollars a month
	DefaultAdviseSandboxes = 10
	DefaultAdviseMissRatio = 0.5
	DefaultAdviseMinSeen   = 10
)

// AdviseOptions are the thresholds of [Client.Advise]. The zero value of each
// field is its default. A value that is equal to its threshold is not over it.
type AdviseOptions struct {
	// P95 is for the duration of each operation, its attempts and waits
	// included. Default [DefaultAdviseP95].
	P95 time.Duration

	// ErrorRate is for the part of each operation that failed, 0 to 1. Default
	// [DefaultAdviseErrorRate].
	ErrorRate float64

	// MonthlyBudget is in US dollars. Default [DefaultAdviseBudget].
	MonthlyBudget float64

	// MonthlyCost is for the projection of a month, in US dollars. Default three
	// quarters of MonthlyBudget.
	MonthlyCost float64

	// ActiveSandboxes is for the number of sandboxes. Default
	// [DefaultAdviseSandboxes].
	ActiveSandboxes int

	// CacheMissRatio is for the part of the lookups that found no record, 0 to
	// 1. Default [DefaultAdviseMissRatio].
	CacheMissRatio float64

	// MinSeen is how many operations or lookups it takes to judge. Default
	// [DefaultAdviseMinSeen].
	MinSeen int
}

func (o *AdviseOptions) withDefaults() AdviseOptions {
	var d AdviseOptions
	if o != nil {
		d = *o
	}
	d.P95 = cmp.Or(d.P95, DefaultAdviseP95)
	d.ErrorRate = cmp.Or(d.ErrorRate, DefaultAdviseErrorRate)
	d.MonthlyBudget = cmp.Or(d.MonthlyBudget, DefaultAdviseBudget)
	d.MonthlyCost = cmp.Or(d.MonthlyCost, d.MonthlyBudget*3/4)
	d.ActiveSandboxes = cmp.Or(d.ActiveSandboxes, DefaultAdviseSandboxes)
	d.CacheMissRatio = cmp.Or(d.CacheMissRatio, DefaultAdviseMissRatio)
	d.MinSeen = cmp.Or(d.MinSeen, DefaultAdviseMinSeen)
	return d
}

// Criterion is what an [Advice] is about.
type Criterion string

// The criteria, in the order of [Client.Advise].
const (
	CriterionP95             Criterion = "p95"              // in seconds
	CriterionErrorRate       Criterion = "error_rate"       // 0 to 1
	CriterionMonthlyCost     Criterion = "monthly_cost"     // in US dollars
	CriterionActiveSandboxes Criterion = "active_sandboxes" // a number
	CriterionCacheMissRatio  Criterion = "cache_miss_ratio" // 0 to 1
)

// AdviceState is what a value is by its threshold.
type AdviceState string

// The states of an [Advice].
const (
	AdviceUnknown AdviceState = "unknown" // too little was seen to judge
	AdviceFine    AdviceState = "fine"
	AdviceOver    AdviceState = "over" // above the threshold
)

// An Advice is one criterion by which to decide whether to scale up.
type Advice struct {
	Criterion Criterion

	// Operation is the operation that it is about. It is empty for the criteria of
	// the whole Client, and where no operation was seen.
	Operation string

	// Value and Threshold are in the unit of the Criterion. The Value of what
	// was not Seen is 0 and means nothing.
	Value, Threshold float64

	// Seen is how many operations, sandboxes or lookups the Value is about.
	Seen int

	// State says whether the Value is above the Threshold, or not known.
	State AdviceState

	// Text says in one line what was seen, and what to do where that is too
	// much.
	Text string
}

// String returns the state and the text.
func (a Advice) String() string { return string(a.State) + ": " + a.Text }

// Advise judges what this Client saw by the thresholds of opts: the 95th percentile of the
// duration and the error rate, of each operation that ran and over its last 512 runs; the
// projected cost of a month and the number of sandboxes, of now; and the misses among the
// last 512 lookups in the Cache. There is an Advice for each criterion also where
// nothing was seen. Nil opts mean the defaults. Other processes are not in it: the
// metrics are for them.
func (c *Client) Advise(opts *AdviseOptions) []Advice {
	o := opts.withDefaults()
	s := c.Stats()
	var latency, failures []Advice
	for _, name := range gitOperations {
		if op := s.ByOperation[name]; op.Recent > 0 {
			latency = append(latency, o.p95(name, op))
			failures = append(failures, o.errorRate(name, op))
		}
	}
	if len(latency) == 0 {
		latency = []Advice{o.p95("", OperationStats{})}
		failures = []Advice{o.errorRate("", OperationStats{})}
	}
	ran := int(c.meter.counted.Load())
	return slices.Concat(latency, failures, []Advice{
		o.monthlyCost(&s, ran), o.sandboxes(&s, ran), o.missRatio(c.meter.lookups.read()),
	})
}

// judge sets the state and the text of an Advice that takes so many seen.
func (a Advice) judge(least int, what, remedy string) Advice {
	switch {
	case a.Seen == 0:
		a.State = AdviceUnknown
	case a.Seen < least:
		a.State = AdviceUnknown
		what += fmt.Sprintf(" (%d seen, too few to judge)", a.Seen)
	case a.Value > a.Threshold:
		a.State = AdviceOver
		what += "; " + remedy
	default:
		a.State = AdviceFine
	}
	a.Text = what
	return a
}

func (o *AdviseOptions) p95(name string, op OperationStats) Advice {
	a := Advice{
		Criterion: CriterionP95, Operation: name, Value: op.P95.Seconds(), Threshold: o.P95.Seconds(), Seen: op.Recent,
	}
	what := fmt.Sprintf("95 %% of %s took up to %v, limit %v", name, shortly(op.P95), o.P95)
	if a.Seen == 0 {
		what = "no operation has ended yet"
	}
	remedy := "see in a trace which request takes the time; retries, a large repository and a busy clone do"
	if name == "clone" {
		remedy = "clone with Depth or Sparse, give the same agent and task its sandbox again, or prepare a template"
	}
	return a.judge(o.MinSeen, what, remedy)
}

func (o *AdviseOptions) errorRate(name string, op OperationStats) Advice {
	a := Advice{
		Criterion: CriterionErrorRate, Operation: name, Value: op.ErrorRate, Threshold: o.ErrorRate, Seen: op.Recent,
	}
	what := fmt.Sprintf("%s of %s failed, limit %s", percent(op.ErrorRate), name, percent(o.ErrorRate))
	if a.Seen == 0 {
		what = "no operation has ended yet"
	}
	return a.judge(o.MinSeen, what, "ErrorsByType of Stats tells where to look: the credential, the network, E2B's limits or conflicts")
}

func (o *AdviseOptions) monthlyCost(s *Stats, ran int) Advice {
	a := Advice{Criterion: CriterionMonthlyCost, Value: s.MonthlyCost, Threshold: o.MonthlyCost, Seen: ran}
	what := fmt.Sprintf("what runs now costs $%.2f a month, limit $%.2f of a budget of $%.2f", s.MonthlyCost, o.MonthlyCost, o.MonthlyBudget)
	if ran == 0 {
		what = "no sandbox has run yet"
	}
	return a.judge(1, what, "end sandboxes when their task is done, shorten CacheTTL, or raise the budget")
}

func (o *AdviseOptions) sandboxes(s *Stats, ran int) Advice {
	a := Advice{
		Criterion: CriterionActiveSandboxes, Value: float64(s.ActiveSandboxes), Threshold: float64(o.ActiveSandboxes), Seen: ran,
	}
	what := fmt.Sprintf("sandboxes that run: %d, limit %d", s.ActiveSandboxes, o.ActiveSandboxes)
	if ran == 0 {
		what = "no sandbox has run yet"
	}
	return a.judge(1, what, "see that E2B's plan allows more, share the work among processes, or bound it with MaxSandboxes")
}

func (o *AdviseOptions) missRatio(r recent) Advice {
	a := Advice{Criterion: CriterionCacheMissRatio, Value: r.badRatio(), Threshold: o.CacheMissRatio, Seen: r.n}
	what := fmt.Sprintf("%s of the lookups in the cache missed, limit %s", percent(r.badRatio()), percent(o.CacheMissRatio))
	if r.n == 0 {
		what = "nothing was looked up in the cache yet"
	}
	return a.judge(o.MinSeen, what, "share one Cache among the processes, lengthen CacheTTL, or use AgentID and TaskID again")
}

// shortly rounds a duration to what matters of it.
func shortly(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

func percent(ratio float64) string { return fmt.Sprintf("%.3g %%", 100*ratio) }

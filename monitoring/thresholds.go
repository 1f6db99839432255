package monitoring

import (
	"time"

	"github.com/gitsandbox/gitsandbox"
)

// The thresholds of alerts and panels. The five criteria for scaling up are those
// of Client.Advise; this is the only other place that has thresholds.
const (
	// LatencySeconds is the P95 of an operation above which it is slow.
	LatencySeconds = float64(gitsandbox.DefaultAdviseP95) / float64(time.Second)

	// ErrorRatio is the share of an operation's runs that may fail.
	ErrorRatio = gitsandbox.DefaultAdviseErrorRate

	// ActiveSandboxes is how many sandboxes one service may keep at once.
	ActiveSandboxes = gitsandbox.DefaultAdviseSandboxes

	// MonthlyBudgetDollars is the budget of a month, MonthlyCostDollars the
	// projection at which somebody is told.
	MonthlyBudgetDollars = gitsandbox.DefaultAdviseBudget
	MonthlyCostDollars   = MonthlyBudgetDollars * 3 / 4

	// CacheMissRatio is the share of cache look-ups that may miss.
	CacheMissRatio = gitsandbox.DefaultAdviseMissRatio

	// CreationSeconds is the P95 of the start of a sandbox above which it is
	// slow.
	CreationSeconds = 10

	// RetryRatio is how many further attempts there may be per push, and
	// ConflictRatio how many conflicts per operation that integrates. An alert
	// fires where the last half hour is above it, has RisingEvents of them, and
	// is above RisingFactor times the six hours before.
	RetryRatio    = 0.10
	ConflictRatio = 0.05
	RisingFactor  = 2
	RisingEvents  = 5

	// PackRefusalRatio is the share of packs that may be refused within a
	// quarter of an hour. A pack that a rebase mends counts, so it is not 0.
	PackRefusalRatio = 0.20

	// RefusalEvents is how many packs, or pushes by one rule of the policy, are
	// refused within a quarter of an hour before an alert fires.
	RefusalEvents = 3

	// SuccessObjective is the share of operations that do not fail, conflicts
	// apart, over 30 days. The burn-rate alerts guard it, once there are
	// BurnEvents failures.
	SuccessObjective = 0.99
	BurnEvents       = 5
)

package gitsandbox

import "time"

// Stats is what a [Client] did since [New] and does now. The operations in it
// are those of the metrics: git's, not Exec, ReadFile, WriteFile and Kill.
type Stats struct {
	// Since is when New made the Client.
	Since time.Time

	// ActiveSandboxes is how many sandboxes run that this Client made or took
	// over.
	ActiveSandboxes int

	// Created are the sandboxes that Clone created, also where it then failed.
	// FromCache and FromE2B are those that were taken up: from a record of the
	// Cache without a request, and through E2B.
	Created, FromCache, FromE2B int64

	// SandboxHours is the running time of the sandboxes that this Client made or
	// took over, in hours.
	SandboxHours float64

	// HourlyCost, DailyCost and MonthlyCost are what an hour, a day (24 h) and a
	// month (730 h) cost if the sandboxes that run now ran all of it, in US
	// dollars. The prices are those of Options.Metrics, or without it
	// [DefaultCostPerSandboxHour].
	HourlyCost, DailyCost, MonthlyCost float64

	// AssumedSizes is how many of the active sandboxes are priced at the size
	// that [MetricsOptions] assume, since E2B did not tell theirs. It is 0 at a
	// flat rate, which no size changes.
	AssumedSizes int

	// RunningOperations is how many operations run.
	RunningOperations int

	// Operations are the ones that have ended, Errors those of them that
	// failed, and ErrorsByType the same by [ErrorType], every type among them.
	Operations, Errors int64
	ErrorsByType       map[string]int64

	// Retries are the further attempts, and Conflicts the conflicts, kept and
	// undone ones.
	Retries, Conflicts int64

	// ByOperation has the operations that ran or run, by name.
	ByOperation map[string]OperationStats

	// CacheHits and CacheMisses are the records that the Cache had and had not.
	CacheHits, CacheMisses int64

	// Requests are the requests as in [RequestInfo], RequestErrors those of them
	// that failed.
	Requests, RequestErrors int64

	// FetchedBytes are those of the packs that went through this process into
	// a sandbox, PushedBytes those of the packs that it published.
	FetchedBytes, PushedBytes int64

	// PacksPassed and PacksRefused are the packs that were checked before they
	// were published. PolicyRefusals are what the [PushPolicy] refused, also
	// before there was a pack.
	PacksPassed, PacksRefused, PolicyRefusals int64
}

// OperationStats are the runs of one operation.
type OperationStats struct {
	// Running is how many run.
	Running int

	// Done are the ones that have ended, Errors those of them that failed.
	Done, Errors int64

	// Retries are the further attempts, and Conflicts the conflicts, kept and
	// undone ones.
	Retries, Conflicts int64

	// Recent is how many of the last runs P95 and ErrorRate are about: all of
	// them, up to 512.
	Recent int

	// P95 is the duration, with all attempts, that 95 % of the recent runs did
	// not exceed. It is 0 where there are none.
	P95 time.Duration

	// ErrorRate is the part of the recent runs that failed, 0 to 1. It is 0
	// where there are none.
	ErrorRate float64
}

// Stats returns what the Client did and does. Figures that change meanwhile may
// not be of the same instant. It works also after Close, when no sandbox is
// active.
func (c *Client) Stats() Stats {
	m := c.meter
	b := m.accounts.balance()
	s := Stats{
		Since:           m.accounts.epoch,
		ActiveSandboxes: b.active, AssumedSizes: b.assumed, SandboxHours: b.hours,
		HourlyCost: b.hourly, DailyCost: b.hourly * hoursPerDay, MonthlyCost: b.hourly * hoursPerMonth,
		Created: m.created.Load(), FromCache: m.attached.Load(), FromE2B: m.found.Load(),
		ErrorsByType: map[string]int64{}, ByOperation: map[string]OperationStats{},
		CacheHits: m.hits.Load(), CacheMisses: m.misses.Load(),
		Requests: m.requests.Load(), RequestErrors: m.requestErrors.Load(),
		FetchedBytes: m.fetched.Load(), PushedBytes: m.pushed.Load(),
		PacksPassed: m.passed.Load(), PacksRefused: m.refusedPacks.Load(), PolicyRefusals: m.refusals.Load(),
	}
	for t, n := range m.errors {
		s.ErrorsByType[t] = n.Load()
	}
	for name, o := range m.operations {
		op := o.stats()
		if op.Running == 0 && op.Done == 0 {
			continue
		}
		s.ByOperation[name] = op
		s.RunningOperations += op.Running
		s.Operations += op.Done
		s.Errors += op.Errors
		s.Retries += op.Retries
		s.Conflicts += op.Conflicts
	}
	return s
}

func (o *operationMeter) stats() OperationStats {
	r := o.outcomes.read()
	return OperationStats{
		Running: int(o.running.Load()), Done: o.done.Load(), Errors: o.failed.Load(),
		Retries: o.retries.Load(), Conflicts: o.conflicting.Load(),
		Recent: r.n, P95: r.p95, ErrorRate: r.badRatio(),
	}
}

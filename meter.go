package gitsandbox

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// meter records what a Client does: for its Stats, and for the Metrics of its
// Options where there are any. It is of constant size, and recording does not
// allocate.
type meter struct {
	metrics  *Metrics
	accounts accounts

	operations map[string]*operationMeter
	errors     map[string]*atomic.Int64 // by type

	hits, misses             atomic.Int64
	lookups                  window
	requests, requestErrors  atomic.Int64
	created, attached, found atomic.Int64
	counted                  atomic.Int64 // sandboxes in the accounts, ended ones too
	fetched, pushed          atomic.Int64
	passed, refusedPacks     atomic.Int64
	refusals                 atomic.Int64
}

// operationMeter records the runs of one operation. A nil one drops what it is
// told.
type operationMeter struct {
	m       *meter
	metrics *operationMetrics

	running                            atomic.Int64
	done, failed, retries, conflicting atomic.Int64
	outcomes                           window
}

func newMeter(metrics *Metrics) *meter {
	m := &meter{metrics: metrics, operations: map[string]*operationMeter{}, errors: map[string]*atomic.Int64{}}
	if metrics != nil {
		m.accounts.open(metrics.accounts.prices)
	} else {
		m.accounts.open(newPrices(&MetricsOptions{}))
	}
	for _, op := range gitOperations {
		m.operations[op] = &operationMeter{m: m, metrics: metrics.operation(op)}
	}
	for _, t := range errorTypes {
		m.errors[t] = new(atomic.Int64)
	}
	return m
}

// operation returns the meter of an operation, nil where it is not git's.
func (m *meter) operation(op string) *operationMeter { return m.operations[op] }

func (o *operationMeter) start(ctx context.Context) {
	if o == nil {
		return
	}
	o.running.Add(1)
	o.metrics.start(ctx)
}

// again counts the attempt that failed as number n.
func (o *operationMeter) again(ctx context.Context, n int) {
	if o == nil {
		return
	}
	o.retries.Add(1)
	o.metrics.again(ctx)
	if o == o.m.operations["push"] {
		o.m.metrics.pushRetry(ctx, n)
	}
}

func (o *operationMeter) conflict(ctx context.Context) {
	if o == nil {
		return
	}
	o.conflicting.Add(1)
	o.metrics.conflict(ctx)
}

func (o *operationMeter) finish(ctx context.Context, d time.Duration, attempts int, err error) {
	if o == nil {
		return
	}
	o.done.Add(1)
	if err != nil {
		o.failed.Add(1)
		o.m.errors[ErrorType(err)].Add(1)
	}
	o.outcomes.record(d, err != nil)
	o.metrics.done(ctx, d, attempts, err)
}

// leave is called once for each start, also where the operation panicked.
func (o *operationMeter) leave() {
	if o != nil {
		o.running.Add(-1)
	}
}

func (m *meter) creation(d time.Duration) { m.metrics.created(d) }

func (m *meter) started(source string) {
	switch source {
	case startCreated:
		m.created.Add(1)
	case startCache:
		m.attached.Add(1)
	case startE2B:
		m.found.Add(1)
	}
	m.metrics.started(source)
}

func (m *meter) cacheLookup(hit bool) {
	if hit {
		m.hits.Add(1)
	} else {
		m.misses.Add(1)
	}
	m.lookups.record(0, !hit)
	m.metrics.cacheLookup(hit)
}

func (m *meter) requested(target, kind, errorType string) {
	m.requests.Add(1)
	if errorType != "" {
		m.requestErrors.Add(1)
	}
	m.metrics.requested(target, kind, errorType)
}

func (m *meter) relayed(direction string, n int64) {
	if direction == relayFetch {
		m.fetched.Add(n)
	} else {
		m.pushed.Add(n)
	}
	m.metrics.relayed(direction, n)
}

func (m *meter) packChecked(result string) {
	if result == checkPassed {
		m.passed.Add(1)
	} else {
		m.refusedPacks.Add(1)
	}
	m.metrics.packChecked(result)
}

func (m *meter) refused(rule string) {
	m.refusals.Add(1)
	m.metrics.refused(rule)
}

// begin counts a sandbox that has run for age already, and returns what ends
// the count. Calling that twice is harmless.
func (m *meter) begin(age time.Duration, info *e2b.SandboxInfo) (end func()) {
	m.counted.Add(1)
	own, shared := m.accounts.begin(age, info), m.metrics.begin(age, info)
	return func() { own(); shared() }
}

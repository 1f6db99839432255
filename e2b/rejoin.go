package e2b

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

const (
	// maxRejoins is how often a command is tried to be joined again without a
	// stream that held in between.
	maxRejoins = 3

	// steadyStream is the age at which a stream counts as one that held.
	steadyStream = time.Minute

	// rejoinWait is the time before the second try; each further one doubles
	// it.
	rejoinWait = 500 * time.Millisecond
)

var (
	errLost      = errors.New("the connection broke, and how the command ended is not known")
	errStartLost = errors.New("the connection broke, and it is not known whether the command ran")
	errReused    = errors.New("the connection broke, and another command has the process ID now")
)

// A rejoinBudget bounds how often a command is joined again.
type rejoinBudget struct{ tries int }

func newRejoinBudget() *rejoinBudget { return &rejoinBudget{} }

// steadied gives the tries back after a stream that held.
func (b *rejoinBudget) steadied(age time.Duration) {
	if age >= steadyStream {
		b.tries = 0
	}
}

// take waits before a further try, and reports whether there is one.
func (b *rejoinBudget) take(ctx context.Context) bool {
	if b.tries == maxRejoins || ctx.Err() != nil {
		return false
	}
	b.tries++
	if b.tries == 1 {
		return true
	}
	timer := time.NewTimer(rejoinWait << (b.tries - 2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lost returns the error for an outcome that cannot be known. A repeat could
// run the command twice.
func (p *process) lost(err error) *Error {
	return &Error{Op: p.op.name, SandboxID: p.op.sandboxID, Kind: ErrNetwork, Err: err}
}

func (p *process) gone() *Error {
	return &Error{Op: p.op.name, SandboxID: p.op.sandboxID, Kind: ErrSandboxNotFound}
}

// rejoin opens a stream of the process after one broke: the sandbox has to be
// alive, and the process has to be the same. One that has ended meanwhile can
// be joined too, for 30 seconds, and tells its end.
func (p *process) rejoin(ctx context.Context, budget *rejoinBudget) (*events, error) {
	for budget.take(ctx) {
		switch p.box.probe(ctx) {
		case healthGone:
			return nil, p.gone()
		case healthUnknown:
			continue
		case healthAlive:
		}
		running, err := p.box.list(ctx)
		if err != nil {
			continue
		}
		for _, r := range running {
			if r.GetPid() == p.pid && r.GetTag() != p.tag {
				return nil, p.lost(errReused)
			}
		}
		stream, err := p.open(ctx, ctx, p.join)
		if err == nil {
			return stream, nil
		}
		if connect.CodeOf(err) == connect.CodeNotFound {
			return nil, p.lost(errLost)
		}
	}
	return nil, p.lost(errLost)
}

// join opens a stream of the process by its ID.
func (p *process) join(ctx context.Context) (*events, error) {
	req := connect.NewRequest(&processpb.ConnectRequest{Process: selectPID(p.pid)})
	p.box.setUser(req.Header(), "")
	req.Header().Set("Keepalive-Ping-Interval", p.box.client.keepaliveSeconds())
	return newEvents(p.box.procs.Connect(ctx, req))
}

// startLost looks into a start that failed. Where the answer says so the
// command has not run. Where there was none, the command is looked for by its
// tag and joined, or ended if the caller's context has.
func (p *process) startLost(life, caller context.Context, cause error) (*events, error) {
	if !isLostReply(cause) {
		if caller.Err() != nil {
			return nil, p.op.fromFailure(caller, cause)
		}
		return nil, p.box.failed(life, &p.op, cause)
	}
	p.find(life)
	if caller.Err() != nil {
		e := p.op.fromFailure(caller, cause)
		if p.pid != 0 {
			_ = p.sendTerm(life)
		}
		return nil, e
	}
	if p.pid != 0 {
		if stream, err := p.rejoin(life, newRejoinBudget()); err == nil {
			p.incomplete = true
			return stream, nil
		}
		_ = p.sendTerm(life)
	}
	if p.box.probe(life) == healthGone {
		return nil, p.gone()
	}
	return nil, p.lost(errStartLost)
}

// isLostReply reports whether err leaves open whether a start took place.
func isLostReply(err error) bool {
	if _, ok := errors.AsType[*Error](err); ok {
		return false
	}
	return !connect.IsWireError(err) && !neverSent(err)
}

// find sets the process ID of a process whose start event did not come.
func (p *process) find(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, errNoReply)
	defer cancel()
	running, err := p.box.list(ctx)
	if err != nil {
		return
	}
	for _, r := range running {
		if r.GetTag() == p.tag {
			p.pid = r.GetPid()
		}
	}
}

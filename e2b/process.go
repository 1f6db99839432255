package e2b

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

const (
	// signalTimeout bounds how long a command is tried to be ended.
	signalTimeout = 5 * time.Second

	// endWait is how long the end of a command is waited for that was told to
	// end. Whoever ends it wants to go on.
	endWait = 2 * time.Second

	// settleTime is the age that a command has before it is signalled. SIGTERM in
	// the moment in which timeout(1) starts the command ends timeout alone, and
	// leaves the command without anything that ends it.
	settleTime = 100 * time.Millisecond
)

// process is a command that runs, and the one goroutine that follows it.
type process struct {
	box    *sandbox
	op     operation
	user   string        // or empty
	tag    string        // tells it from a later process with the same ID
	limit  time.Duration // of timeout(1), or 0
	joined bool          // not started here, so that its age is not known
	sent   time.Time     // before it can have begun
	began  time.Time
	stdout *output
	stderr *output
	cancel context.CancelFunc // cuts the stream
	done   chan struct{}      // closed when all below stands and no writer is used

	pid        uint32 // set before the goroutine starts
	incomplete bool   // only the goroutine's

	mu      sync.Mutex
	ended   bool
	failure *Error // why the command was ended from here
	result  *ExecResult
	err     error
}

var _ Process = (*process)(nil)

// run follows the process.
func (p *process) run(ctx context.Context, stream *events, stdin io.Reader) {
	p.began = time.Now()
	if stdin != nil {
		go p.feed(ctx, stdin)
	}
	go p.follow(ctx, stream)
}

// Format writes the name of the type and the IDs for every verb.
func (p *process) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "e2b.Process(%s %d)", p.box.id, p.pid) }

// PID returns the process ID in the sandbox.
func (p *process) PID() int { return int(p.pid) }

// Wait waits for the end of the command.
func (p *process) Wait(ctx context.Context) (*ExecResult, error) {
	select {
	case <-p.done:
		return p.outcome()
	default:
	}
	select {
	case <-p.done:
		return p.outcome()
	case <-ctx.Done():
		op := p.box.op("wait", true)
		return nil, op.fromFailure(ctx, ctx.Err())
	}
}

// Stop ends the process group of the command.
func (p *process) Stop(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.settle(ctx); err != nil {
		op := p.box.op("stop", true)
		return op.fromFailure(ctx, err)
	}
	err := p.box.signal(ctx, "stop", p.pid, SIGTERM)
	if errors.Is(err, ErrProcessNotFound) {
		return nil
	}
	return err
}

// settle waits until the command is old enough to be signalled, or has ended.
func (p *process) settle(ctx context.Context) error {
	timer := time.NewTimer(settleTime - time.Since(p.began))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close leaves the command alone and ends the connection to it.
func (p *process) Close() error {
	p.setFailure(&Error{Op: p.op.name, SandboxID: p.op.sandboxID, Kind: ErrClosed})
	p.cancel()
	return nil
}

// outcome returns what Wait and Exec return. It needs done to be closed.
func (p *process) outcome() (*ExecResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil {
		return nil, p.failure
	}
	if p.err != nil {
		return nil, p.err
	}
	result := *p.result
	return &result, nil
}

// broken returns the failure that a cause on this side is. It is of no kind,
// and hides from [Retryable] what the cause says of itself.
func (p *process) broken(err error) *Error {
	return &Error{Op: p.op.name, SandboxID: p.op.sandboxID, Err: err}
}

// follow delivers the output until the command ends, and joins it again when
// the stream breaks.
func (p *process) follow(ctx context.Context, stream *events) {
	defer close(p.done)
	defer p.cancel()
	budget := newRejoinBudget()
	for {
		opened := time.Now()
		end, err := p.read(ctx, stream)
		stream.end(end != nil)
		if end != nil {
			p.finish(p.resultOf(end), nil)
			return
		}
		if ctx.Err() != nil || p.failed() {
			p.finish(nil, p.op.fromFailure(ctx, err))
			return
		}
		p.box.client.log.WarnContext(ctx, "connection to a command broke", "sandbox", p.box.id, "pid", p.pid, "age", time.Since(opened))
		if errTooLarge(err) {
			p.setFailure(p.op.fromFailure(ctx, err))
			p.finish(nil, errors.Join(err, p.sendTerm(ctx)))
			return
		}
		budget.steadied(time.Since(opened))
		if stream, err = p.rejoin(ctx, budget); err != nil {
			p.finish(nil, err)
			return
		}
		p.incomplete = true
	}
}

// errTooLarge reports whether err is a message beyond what envd sends, which
// the next stream would hold again.
func errTooLarge(err error) bool {
	return connect.CodeOf(err) == connect.CodeResourceExhausted && !connect.IsWireError(err)
}

// read delivers the output of one stream, up to the end event.
func (p *process) read(ctx context.Context, stream *events) (*processpb.ProcessEvent_EndEvent, error) {
	for {
		event, err := stream.next(p.box.client.silence)
		if err != nil {
			return nil, err
		}
		if end := event.GetEnd(); end != nil {
			return end, nil
		}
		if p.failed() {
			continue // read on, to learn of the end
		}
		data := event.GetData()
		if err := p.stdout.write(data.GetStdout()); err != nil {
			p.failLater(ctx, p.broken(fmt.Errorf("standard output: %w", err)))
			continue
		}
		if err := p.stderr.write(data.GetStderr()); err != nil {
			p.failLater(ctx, p.broken(fmt.Errorf("standard error: %w", err)))
		}
	}
}

func (p *process) resultOf(end *processpb.ProcessEvent_EndEvent) *ExecResult {
	elapsed := time.Since(p.sent)
	if p.joined && end.GetExited() {
		elapsed = p.limit // its age is not known, so the exit code has to tell
	}
	r := resultOf(end, p.limit, elapsed)
	r.Stdout, r.Stderr = p.stdout.collected, p.stderr.collected
	r.Truncated = p.stdout.truncated || p.stderr.truncated
	r.Incomplete = p.incomplete
	r.Duration = time.Since(p.began)
	return r
}

// finish sets the outcome.
func (p *process) finish(r *ExecResult, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.result, p.err = true, r, err
}

// setFailure makes err the outcome, unless there is one.
func (p *process) setFailure(err *Error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.failure != nil {
		return false
	}
	p.failure = err
	return true
}

func (p *process) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure != nil
}

// fail makes err the outcome, ends the command, and waits a while for that.
func (p *process) fail(ctx context.Context, err *Error) {
	if p.setFailure(err) {
		p.terminate(ctx)
	}
}

// failLater is fail for the goroutine that has to see the end of the command.
func (p *process) failLater(ctx context.Context, err *Error) {
	if p.setFailure(err) {
		go p.terminate(ctx)
	}
}

// terminate ends the process group, waits for the end event, and cuts the
// stream where that does not come. It takes some seconds at the most, and does
// not end with ctx.
func (p *process) terminate(ctx context.Context) {
	defer p.cancel()
	ctx = context.WithoutCancel(ctx)
	if err := p.sendTerm(ctx); err != nil {
		if !errors.Is(err, ErrSandboxNotFound) {
			p.annotate(fmt.Errorf("the command may still run: %w", err))
		}
		return
	}
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.reap(ctx)
	}
}

// annotate adds what else went wrong to the failure.
func (p *process) annotate(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil || p.ended {
		return
	}
	failure := *p.failure
	if failure.Err != nil {
		err = fmt.Errorf("%w; %w", failure.Err, err)
	}
	failure.Err = err
	p.failure = &failure
}

// sendTerm sends SIGTERM, once more where the first may have been lost. A
// process that has ended is no error.
//
// Where it fails no SIGKILL is tried: that would end timeout(1) alone, and
// leave its group without anything that ends it.
func (p *process) sendTerm(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, signalTimeout, errNoReply)
	defer cancel()
	_ = p.settle(ctx) // its deadline is too far away to matter
	op := p.box.op("stop", true)
	op.notFound = ErrProcessNotFound
	for try := 1; ; try++ {
		err := p.box.sendSignal(ctx, p.pid, SIGTERM)
		if err == nil {
			return nil
		}
		e := op.fromFailure(ctx, err)
		if errors.Is(e, ErrProcessNotFound) {
			return nil
		}
		if try == 2 || !e.Retryable {
			return e
		}
	}
}

// reapScript ends the process group $1, when timeout(1) had its time for it.
// Of the ways to name a group this is the one that dash and bash share.
const reapScript = `sleep 4; kill -s KILL -- "-$1"`

// reap leaves a process in the sandbox that ends what of the group is still
// there after the grace time. It is for a member that ignores SIGTERM and has
// outlived the command, with which timeout(1) ended too.
func (p *process) reap(ctx context.Context) {
	// A deadline would be passed on, and end the process.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(signalTimeout, cancel).Stop()
	req := connect.NewRequest(&processpb.StartRequest{
		Process: &processpb.ProcessConfig{
			Cmd:  "/bin/sh",
			Args: []string{"-c", reapScript, "sh", strconv.FormatUint(uint64(p.pid), 10)},
		},
		Stdin: new(false),
	})
	p.box.setUser(req.Header(), p.user)
	req.Header().Set("Keepalive-Ping-Interval", p.box.client.keepaliveSeconds())
	stream, err := newEvents(p.box.procs.Start(ctx, req))
	if err != nil {
		return
	}
	_, _ = stream.recv() // it runs, and goes on without this stream
	cancel()
	_ = stream.close()
}

package fake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"syscall"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

const (
	// endWait is how long Exec waits for the end of a command that it has
	// told to stop. One that takes longer is killed without being waited for.
	endWait = time.Second

	// maxJoins is how often a cut stream is joined again.
	maxJoins = 3
)

// Exec runs a command and waits for its end.
func (h *handle) Exec(ctx context.Context, cmd *e2b.Command) (*e2b.ExecResult, error) {
	p, err := h.start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.over:
		return p.outcome()
	case <-ctx.Done():
	}
	select {
	case <-p.over: // both: the end was first
		return p.outcome()
	default:
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
	defer cancel()
	if p.Stop(stopCtx) != nil {
		_ = p.Stop(stopCtx) // a client tries again, too: the command is to end
	}
	select {
	case <-p.over:
	case <-stopCtx.Done():
		_ = p.Close()
		// The caller's Writers are not written to after this, unless one
		// blocks.
		t := time.NewTimer(endWait)
		defer t.Stop()
		select {
		case <-p.over:
		case <-t.C:
		}
	}
	return nil, &e2b.Error{Op: OpExec, SandboxID: h.id, Err: ctx.Err()}
}

// Start runs a command in the background.
func (h *handle) Start(ctx context.Context, cmd *e2b.Command) (e2b.Process, error) {
	p, err := h.start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (h *handle) start(ctx context.Context, cmd *e2b.Command) (*remoteProcess, error) {
	sp, err := spec(cmd)
	if err != nil {
		return nil, opError(OpExec, h.id, err)
	}
	c, s, err := h.reach(ctx, false, OpExec, cmd.Args...)
	if err != nil {
		return nil, err
	}
	proc, sub, err := s.Start(sp)
	if err != nil {
		return nil, opError(OpExec, h.id, err)
	}
	if c.LoseReply {
		sub.Close() // the command goes on
		return nil, c.lost()
	}
	ctx = context.WithoutCancel(ctx) // it bounds the start
	p := h.follow(ctx, proc, sub, c, cmd)
	if cmd.Timeout > 0 {
		go p.limit(wholeSeconds(cmd.Timeout))
	}
	if cmd.Stdin != nil {
		go p.feed(ctx, cmd.Stdin)
	}
	return p, nil
}

// ConnectProcess joins a running command.
func (h *handle) ConnectProcess(ctx context.Context, pid int, stdout, stderr io.Writer) (e2b.Process, error) {
	c, s, err := h.reach(ctx, true, OpConnectProcess)
	if err != nil {
		return nil, err
	}
	proc, err := s.Process(pid)
	if err := c.end(err); err != nil {
		return nil, err
	}
	cmd := &e2b.Command{Stdout: cmp.Or(stdout, io.Discard), Stderr: cmp.Or(stderr, io.Discard)}
	return h.follow(context.WithoutCancel(ctx), proc, proc.Subscribe(), c, cmd), nil
}

// ListProcesses lists the commands that run.
func (h *handle) ListProcesses(ctx context.Context) ([]*e2b.ProcessInfo, error) {
	c, s, err := h.reach(ctx, true, OpListProcesses)
	if err != nil {
		return nil, err
	}
	var list []*e2b.ProcessInfo
	for _, p := range s.Processes() {
		sp := p.Spec()
		list = append(list, &e2b.ProcessInfo{
			PID: p.PID(), Args: append([]string{sp.Cmd}, sp.Args...), Env: maps.Clone(sp.Env), Dir: sp.Dir,
		})
	}
	return list, c.end(nil)
}

// Signal signals a process.
func (h *handle) Signal(ctx context.Context, pid int, sig e2b.Signal) error {
	if sig != e2b.SIGKILL && sig != e2b.SIGTERM {
		return opError(OpSignal, h.id, errInvalid("signal %d is not SIGKILL or SIGTERM", sig))
	}
	c, s, err := h.reach(ctx, false, OpSignal)
	if err != nil {
		return err
	}
	p, err := s.Process(pid)
	if err == nil {
		err = p.Signal(syscall.Signal(sig))
	}
	return c.end(err)
}

// A remoteProcess is an [e2b.Process]: a process as a client sees it.
type remoteProcess struct {
	h     *handle
	proc  *Process
	call  *call
	start time.Time

	stdout, stderr sink

	timedOut chan struct{} // closed when the time of the command was over
	stopping sync.Once

	subMu  sync.Mutex
	sub    *Subscription
	closed bool

	over   chan struct{} // closed when result and err are set
	result *e2b.ExecResult
	err    error
}

// follow delivers the output of a process.
func (h *handle) follow(ctx context.Context, proc *Process, sub *Subscription, c *call, cmd *e2b.Command) *remoteProcess {
	limit := cmp.Or(cmd.MaxOutput, e2b.DefaultMaxOutput)
	p := &remoteProcess{
		h: h, proc: proc, call: c, start: time.Now(), sub: sub,
		stdout: sink{w: cmd.Stdout, left: limit}, stderr: sink{w: cmd.Stderr, left: limit},
		timedOut: make(chan struct{}), over: make(chan struct{}),
	}
	go p.run(ctx)
	return p
}

// A sink is where one stream goes.
type sink struct {
	w         io.Writer // or nil: it is collected
	buf       bytes.Buffer
	left      int64
	truncated bool
}

func (s *sink) write(b []byte) error {
	if s.w != nil {
		_, err := s.w.Write(b)
		return err
	}
	if int64(len(b)) > s.left {
		s.truncated = true
		b = b[:s.left]
	}
	s.left -= int64(len(b))
	s.buf.Write(b)
	return nil
}

// collected is never nil where there is no writer.
func (s *sink) collected() []byte {
	if s.w != nil {
		return nil
	}
	return append([]byte{}, s.buf.Bytes()...)
}

// run takes the events until the end.
func (p *remoteProcess) run(ctx context.Context) {
	defer close(p.over)
	result := &e2b.ExecResult{}
	for joins := 0; ; {
		ev, err := p.sub.Next(ctx)
		if err != nil {
			p.err = opError(OpExec, p.h.id, err)
			return
		}
		keep, cut := p.call.Pass(len(ev.Data))
		if !cut && ev.Kind == End {
			p.finish(result, ev.Exit)
			return
		}
		if err := p.deliver(ev.Kind, ev.Data[:keep]); err != nil {
			p.sub.Close()
			_ = p.terminate()
			p.err = &e2b.Error{Op: OpExec, SandboxID: p.h.id, Err: err}
			return
		}
		if !cut {
			continue
		}
		result.Incomplete = true
		if joins++; joins > maxJoins {
			p.sub.Close()
			p.err = p.cutOff(nil)
			return
		}
		if !p.join(ctx) {
			return
		}
	}
}

func (p *remoteProcess) deliver(kind EventKind, data []byte) error {
	switch {
	case len(data) == 0:
		return nil
	case kind == Stderr:
		return p.stderr.write(data)
	default:
		return p.stdout.write(data)
	}
}

// join does what a client does when the stream was cut: it connects to the
// process again. Where that fails it sets the error.
func (p *remoteProcess) join(ctx context.Context) bool {
	p.sub.Close()
	c, s, err := p.h.reach(ctx, true, OpConnectProcess)
	if err == nil {
		_, err = s.Process(p.proc.pid)
	}
	if errors.Is(err, e2b.ErrSandboxNotFound) {
		p.err = opError(OpExec, p.h.id, errEdge(p.h.id))
		return false
	}
	if err != nil || c.LoseReply {
		p.err = p.cutOff(err)
		return false
	}
	p.call = c
	p.subMu.Lock()
	defer p.subMu.Unlock()
	p.sub = p.proc.Subscribe()
	if p.closed {
		p.sub.Close()
	}
	return true
}

// cutOff is the error of a stream that could not be restored.
func (p *remoteProcess) cutOff(cause error) error {
	err := errors.New("stream cut, outcome unknown")
	if cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &e2b.Error{Op: OpExec, SandboxID: p.h.id, Kind: e2b.ErrNetwork, Err: err}
}

func (p *remoteProcess) finish(r *e2b.ExecResult, exit *Exit) {
	r.ExitCode, r.Ended, r.Duration = exit.Code, e2b.EndedByItself, time.Since(p.start)
	r.Stdout, r.Stderr = p.stdout.collected(), p.stderr.collected()
	r.Truncated = p.stdout.truncated || p.stderr.truncated
	select {
	case <-p.timedOut:
		r.ExitCode, r.Ended = -1, e2b.EndedByTimeout
	default:
		if !exit.Exited {
			r.ExitCode, r.Ended, r.Signal = -1, e2b.EndedBySignal, exit.Signal
		}
	}
	p.result = r
}

// limit ends the process group when the time of the command is over.
func (p *remoteProcess) limit(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		select {
		case <-p.proc.exited:
			return // what it has left behind has no limit, as with timeout(1)
		default:
		}
		close(p.timedOut)
		_ = p.terminate()
	case <-p.proc.done:
	}
}

// terminate sends SIGTERM to the process group, and SIGKILL after the grace
// time.
func (p *remoteProcess) terminate() error {
	err := p.proc.SignalGroup(syscall.SIGTERM)
	if err == nil {
		p.stopping.Do(func() { go p.killLater() })
	}
	return err
}

func (p *remoteProcess) killLater() {
	t := time.NewTimer(p.h.t.engine.opts.KillGrace)
	defer t.Stop()
	select {
	case <-t.C:
		_ = p.proc.SignalGroup(syscall.SIGKILL)
	case <-p.proc.done:
	}
}

// feed copies stdin to the process, as one StreamInput call. A command that
// did not get all of its input must not pass for one that did, so a failure
// ends it; that it does not want to read on is none.
func (p *remoteProcess) feed(ctx context.Context, r io.Reader) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.proc.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, _, err := p.h.reach(ctx, false, OpStdin)
	if err != nil {
		p.abandon(err)
		return
	}
	body := c.Body(r)
	buf := make([]byte, maxChunk)
	for {
		n, err := body.Read(buf)
		if n > 0 && p.proc.WriteStdin(ctx, buf[:n]) != nil {
			return
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.abandon(opError(OpStdin, p.h.id, err))
			return
		}
	}
	_ = p.proc.CloseStdin()
	if c.LoseReply {
		p.abandon(c.lost())
	}
}

// abandon ends the command with an error.
func (p *remoteProcess) abandon(err error) {
	p.subMu.Lock()
	defer p.subMu.Unlock()
	_ = p.terminate()
	p.sub.fail(err)
}

// PID is the process ID.
func (p *remoteProcess) PID() int { return p.proc.pid }

// Wait waits for the end.
func (p *remoteProcess) Wait(ctx context.Context) (*e2b.ExecResult, error) {
	select {
	case <-p.over:
		return p.outcome()
	default:
	}
	select {
	case <-p.over:
		return p.outcome()
	case <-ctx.Done():
		return nil, &e2b.Error{Op: OpExec, SandboxID: p.h.id, Err: ctx.Err()}
	}
}

func (p *remoteProcess) outcome() (*e2b.ExecResult, error) {
	if p.err != nil {
		return nil, p.err
	}
	r := *p.result
	return &r, nil
}

// Stop ends the process group and does not wait for its end. It does nothing
// when the process has ended.
func (p *remoteProcess) Stop(ctx context.Context) error {
	select {
	case <-p.proc.done:
		return nil
	default:
	}
	c, _, err := p.h.reach(ctx, true, OpSignal)
	if err != nil {
		return err
	}
	err = p.terminate()
	if errors.Is(err, e2b.ErrProcessNotFound) {
		err = nil // it ended meanwhile
	}
	return c.end(err)
}

// Close leaves the command alone.
func (p *remoteProcess) Close() error {
	p.subMu.Lock()
	defer p.subMu.Unlock()
	p.closed = true
	p.sub.Close()
	return nil
}

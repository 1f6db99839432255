package e2b

import (
	"context"
	"io"
	"maps"
	"math"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

// ConnectProcess joins a command that runs. See [ProcessConnector].
//
// The age of a command that was not started by this handle is not known: its
// result says EndedByTimeout for an exit with 124 of a command that has a
// Timeout, and EndedBySignal where it had to be killed.
func (s *sandbox) ConnectProcess(ctx context.Context, pid int, stdout, stderr io.Writer) (Process, error) {
	op := s.op("connect process", true)
	op.notFound = ErrProcessNotFound
	if pid < 1 || pid > math.MaxInt32 {
		return nil, op.invalid("%d is not a process ID", pid)
	}
	running, err := s.list(ctx)
	if err != nil {
		return nil, s.failed(ctx, &op, err)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &process{
		box:    s,
		op:     op,
		joined: true,
		pid:    uint32(pid),
		stdout: newOutput(orDiscard(stdout), 0),
		stderr: newOutput(orDiscard(stderr), 0),
		sent:   time.Now(),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	for _, r := range running {
		if r.GetPid() == p.pid {
			p.tag = r.GetTag()
			_, p.limit = unwrap(r.GetConfig())
		}
	}
	stream, err := p.open(life, ctx, p.join)
	if err != nil {
		defer cancel()
		if ctx.Err() != nil {
			return nil, op.fromFailure(ctx, err)
		}
		return nil, s.failed(life, &op, err)
	}
	p.run(life, stream, nil)
	return p, nil
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// ListProcesses lists the commands that run. See [ProcessLister].
func (s *sandbox) ListProcesses(ctx context.Context) ([]*ProcessInfo, error) {
	op := s.op("list processes", true)
	running, err := s.list(ctx)
	if err != nil {
		return nil, s.failed(ctx, &op, err)
	}
	infos := make([]*ProcessInfo, 0, len(running))
	for _, r := range running {
		args, _ := unwrap(r.GetConfig())
		infos = append(infos, &ProcessInfo{
			PID:  int(r.GetPid()),
			Args: args,
			Env:  maps.Clone(r.GetConfig().GetEnvs()),
			Dir:  r.GetConfig().GetCwd(),
		})
	}
	return infos, nil
}

// list asks envd for the processes that it started.
func (s *sandbox) list(ctx context.Context) ([]*processpb.ProcessInfo, error) {
	res, err := unary(ctx, s, &processpb.ListRequest{}, s.procs.List)
	return res.GetProcesses(), err
}

// Signal sends a signal to one process. See [Signaler].
func (s *sandbox) Signal(ctx context.Context, pid int, sig Signal) error {
	op := s.op("signal", false)
	switch {
	case pid < 1 || pid > math.MaxInt32:
		return op.invalid("%d is not a process ID", pid)
	case sig != SIGKILL && sig != SIGTERM:
		return op.invalid("envd does not know signal %d", sig)
	}
	return s.signal(ctx, op.name, uint32(pid), sig)
}

func (s *sandbox) signal(ctx context.Context, name string, pid uint32, sig Signal) error {
	op := s.op(name, true)
	op.notFound = ErrProcessNotFound
	if err := s.sendSignal(ctx, pid, sig); err != nil {
		return s.failed(ctx, &op, err)
	}
	return nil
}

func (s *sandbox) sendSignal(ctx context.Context, pid uint32, sig Signal) error {
	wire := processpb.Signal_SIGNAL_SIGTERM
	if sig == SIGKILL {
		wire = processpb.Signal_SIGNAL_SIGKILL
	}
	_, err := unary(ctx, s, &processpb.SendSignalRequest{Process: selectPID(pid), Signal: wire}, s.procs.SendSignal)
	return err
}

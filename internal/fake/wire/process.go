package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// processes is envd's process service.
type processes struct{ server *Server }

var _ processpbconnect.ProcessHandler = (*processes)(nil)

// userOf returns the user that a call is for, empty for the default one.
func userOf(h http.Header) string {
	name, _, _ := (&http.Request{Header: h}).BasicAuth()
	return name
}

// takeLimit takes the limit of a process out of a request for its start: the
// header that limits a call by Connect's rules limits the process here, whose
// stream must outlive it by the error that says so.
func takeLimit(h http.Header) time.Duration {
	ms, err := strconv.ParseInt(h.Get("Connect-Timeout-Ms"), 10, 64)
	const most = int64(1) << 40 // decades, and no overflow
	if err != nil || ms <= 0 || ms > most {
		return 0 // and the header stays, for Connect to refuse
	}
	h.Del("Connect-Timeout-Ms")
	return time.Duration(ms) * time.Millisecond
}

// Start starts a process and streams its events.
func (p *processes) Start(ctx context.Context, req *connect.Request[processpb.StartRequest], stream *connect.ServerStream[processpb.StartResponse]) error {
	x := exchangeOf(ctx)
	config := req.Msg.GetProcess()
	if config == nil {
		return connect.NewError(connect.CodeInvalidArgument, errors.New("process is missing"))
	}
	args := append([]string{config.GetCmd()}, config.GetArgs()...)
	plan, err := p.server.begin(ctx, fake.Call{Op: fake.OpExec, Args: args})
	if err != nil {
		return x.failRPC(err)
	}
	pulse, err := p.server.keepAlive(ctx, req.Header())
	if err != nil {
		return err
	}
	spec := &fake.ProcessSpec{
		Cmd: config.GetCmd(), Args: config.GetArgs(), Env: config.GetEnvs(), Dir: config.GetCwd(),
		User: userOf(req.Header()), Tag: req.Msg.GetTag(),
		Stdin:   req.Msg.Stdin == nil || req.Msg.GetStdin(),
		Timeout: x.limit,
	}
	if deadline, ok := ctx.Deadline(); ok && spec.Timeout == 0 { // of gRPC's header
		spec.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	if req.Msg.GetPty() != nil {
		spec.PTY = ptySize(req.Msg.GetPty())
	}
	process, sub, err := x.sandbox.Start(spec)
	if err != nil {
		return x.failRPC(err)
	}
	defer sub.Close()
	return p.relay(ctx, &output{process: process, sub: sub, plan: plan, pulse: pulse}, func(ev *processpb.ProcessEvent) error {
		return stream.Send(&processpb.StartResponse{Event: ev})
	})
}

// Connect streams the events of a process from now on.
func (p *processes) Connect(ctx context.Context, req *connect.Request[processpb.ConnectRequest], stream *connect.ServerStream[processpb.ConnectResponse]) error {
	x := exchangeOf(ctx)
	plan, err := p.server.begin(ctx, fake.Call{Op: fake.OpConnectProcess})
	if err != nil {
		return x.failRPC(err)
	}
	pulse, err := p.server.keepAlive(ctx, req.Header())
	if err != nil {
		return err
	}
	process, err := x.selected(req.Msg.GetProcess())
	if err != nil {
		return err
	}
	sub := process.Subscribe()
	defer sub.Close()
	return p.relay(ctx, &output{process: process, sub: sub, plan: plan, pulse: pulse}, func(ev *processpb.ProcessEvent) error {
		return stream.Send(&processpb.ConnectResponse{Event: ev})
	})
}

// output is what relay sends the events of.
type output struct {
	process *fake.Process
	sub     *fake.Subscription
	plan    *fake.Plan
	pulse   time.Duration // the longest silence
}

// relay sends the events of a process until its end.
func (p *processes) relay(ctx context.Context, o *output, send func(*processpb.ProcessEvent) error) error {
	x := exchangeOf(ctx)
	start := &processpb.ProcessEvent_StartEvent{Pid: uint32(o.process.PID())} //nolint:gosec // a PID of Linux has 22 bits
	if err := send(&processpb.ProcessEvent{Event: &processpb.ProcessEvent_Start{Start: start}}); err != nil {
		return err
	}
	for {
		ev, err := within(ctx, o.pulse, o.sub.Next)
		switch {
		case errors.Is(err, errSilence):
			err = send(&processpb.ProcessEvent{Event: &processpb.ProcessEvent_Keepalive{Keepalive: &processpb.ProcessEvent_KeepAlive{}}})
			if err != nil {
				return err
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return x.failRPC(err)
		}
		if ev.Kind == fake.End {
			if err := send(endEvent(ev.Exit)); err != nil {
				return err
			}
			continue
		}
		keep, cut := o.plan.Pass(len(ev.Data))
		if keep > 0 {
			if err := send(dataEvent(ev.Kind, ev.Data[:keep])); err != nil {
				return err
			}
		}
		if cut {
			x.cut()
			return nil
		}
	}
}

var errSilence = errors.New("nothing happened for the interval of the keepalive")

// within calls next, and returns errSilence when that takes longer than pulse.
func within[T any](ctx context.Context, pulse time.Duration, next func(context.Context) (T, error)) (T, error) {
	short, cancel := context.WithTimeoutCause(ctx, pulse, errSilence)
	defer cancel()
	v, err := next(short)
	if err != nil && errors.Is(context.Cause(short), errSilence) && errors.Is(err, context.DeadlineExceeded) {
		return v, errSilence
	}
	return v, err
}

func endEvent(exit *fake.Exit) *processpb.ProcessEvent {
	end := &processpb.ProcessEvent_EndEvent{
		ExitCode: int32(exit.Code), //nolint:gosec // -1 to 255
		Exited:   exit.Exited,
		Status:   exit.Status,
	}
	if exit.Error != "" {
		end.Error = &exit.Error
	}
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_End{End: end}}
}

func dataEvent(kind fake.EventKind, data []byte) *processpb.ProcessEvent {
	event := new(processpb.ProcessEvent_DataEvent)
	switch kind {
	case fake.Stderr:
		event.Output = &processpb.ProcessEvent_DataEvent_Stderr{Stderr: data}
	case fake.PTYOutput:
		event.Output = &processpb.ProcessEvent_DataEvent_Pty{Pty: data}
	default:
		event.Output = &processpb.ProcessEvent_DataEvent_Stdout{Stdout: data}
	}
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_Data{Data: event}}
}

// defaultPulse is how long envd is silent at most unless a client says.
const defaultPulse = 90 * time.Second

// keepAlive returns the interval that a client asks for. What is not above 0
// makes envd panic: the daemon dies, and with it every connection to it.
func (s *Server) keepAlive(ctx context.Context, h http.Header) (time.Duration, error) {
	text := h.Get("Keepalive-Ping-Interval")
	if text == "" {
		return defaultPulse, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return defaultPulse, nil //nolint:nilerr // envd falls back, too
	}
	if n <= 0 {
		s.dead.kill(exchangeOf(ctx).sandbox.ID())
		return 0, connect.NewError(connect.CodeUnavailable, errors.New("envd died"))
	}
	return time.Duration(min(n, 1<<20)) * time.Second, nil
}

// selected returns the process that a selector names, or what the handler is
// to return.
func (x *exchange) selected(sel *processpb.ProcessSelector) (*fake.Process, error) {
	var process *fake.Process
	var err error
	switch sel := sel.GetSelector().(type) {
	case *processpb.ProcessSelector_Pid:
		process, err = x.sandbox.Process(int(sel.Pid))
	case *processpb.ProcessSelector_Tag:
		process, err = x.sandbox.ProcessByTag(sel.Tag)
	default:
		return nil, connect.NewError(connect.CodeUnimplemented, errors.New("invalid input type"))
	}
	if err != nil {
		return nil, x.failRPC(err)
	}
	return process, nil
}

// List lists the processes that run.
func (p *processes) List(ctx context.Context, _ *connect.Request[processpb.ListRequest]) (*connect.Response[processpb.ListResponse], error) {
	x := exchangeOf(ctx)
	if _, err := p.server.begin(ctx, fake.Call{Op: fake.OpListProcesses}); err != nil {
		return nil, x.failRPC(err)
	}
	reply := new(processpb.ListResponse)
	for _, process := range x.sandbox.Processes() {
		spec := process.Spec()
		info := &processpb.ProcessInfo{
			Pid:    uint32(process.PID()), //nolint:gosec // a PID of Linux has 22 bits
			Config: &processpb.ProcessConfig{Cmd: spec.Cmd, Args: spec.Args, Envs: spec.Env},
		}
		if spec.Dir != "" {
			info.Config.Cwd = &spec.Dir
		}
		if spec.Tag != "" {
			info.Tag = &spec.Tag
		}
		reply.Processes = append(reply.Processes, info)
	}
	return connect.NewResponse(reply), nil
}

// SendSignal sends a signal to a process alone.
func (p *processes) SendSignal(ctx context.Context, req *connect.Request[processpb.SendSignalRequest]) (*connect.Response[processpb.SendSignalResponse], error) {
	x := exchangeOf(ctx)
	if _, err := p.server.begin(ctx, fake.Call{Op: fake.OpSignal}); err != nil {
		return nil, x.failRPC(err)
	}
	process, err := x.selected(req.Msg.GetProcess())
	if err != nil {
		return nil, err
	}
	var sig syscall.Signal
	switch req.Msg.GetSignal() {
	case processpb.Signal_SIGNAL_SIGKILL:
		sig = syscall.SIGKILL
	case processpb.Signal_SIGNAL_SIGTERM:
		sig = syscall.SIGTERM
	default:
		return nil, connect.NewError(connect.CodeUnimplemented, errors.New("invalid signal: "+req.Msg.GetSignal().String()))
	}
	if err := process.Signal(sig); err != nil {
		return nil, x.failRPC(err)
	}
	return connect.NewResponse(new(processpb.SendSignalResponse)), nil
}

// Update changes the size of a terminal.
func (p *processes) Update(ctx context.Context, req *connect.Request[processpb.UpdateRequest]) (*connect.Response[processpb.UpdateResponse], error) {
	x := exchangeOf(ctx)
	if _, err := p.server.begin(ctx, fake.Call{Op: opUpdate}); err != nil {
		return nil, x.failRPC(err)
	}
	process, err := x.selected(req.Msg.GetProcess())
	if err != nil {
		return nil, err
	}
	if pty := req.Msg.GetPty(); pty != nil {
		if err := process.Resize(*ptySize(pty)); err != nil {
			return nil, x.failRPC(err)
		}
	}
	return connect.NewResponse(new(processpb.UpdateResponse)), nil
}

// opUpdate is an operation that only this door has.
const opUpdate = "update_process"

func ptySize(pty *processpb.PTY) *fake.PTYSize {
	const most = 1<<16 - 1
	return &fake.PTYSize{
		Cols: uint16(min(pty.GetSize().GetCols(), most)), //nolint:gosec // it fits
		Rows: uint16(min(pty.GetSize().GetRows(), most)), //nolint:gosec // it fits
	}
}

// noInput is envd's answer to input of the wrong kind.
func noInput(what string) error {
	return &e2b.Error{Status: http.StatusInternalServerError, Code: "internal", Message: what + " not enabled or closed"}
}

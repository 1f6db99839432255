package wire

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// write gives input to a process. It blocks while the process does not read.
func write(ctx context.Context, process *fake.Process, plan *fake.Plan, input *processpb.ProcessInput) (cut bool, err error) {
	var data []byte
	terminal := process.Spec().PTY != nil
	switch in := input.GetInput().(type) {
	case *processpb.ProcessInput_Stdin:
		if terminal {
			return false, noInput("stdin")
		}
		data = in.Stdin
	case *processpb.ProcessInput_Pty:
		if !terminal {
			return false, noInput("pty")
		}
		data = in.Pty
	default:
		return false, connect.NewError(connect.CodeUnimplemented, errors.New("invalid input type"))
	}
	keep, cut := plan.Pass(len(data))
	return cut, process.WriteStdin(ctx, data[:keep])
}

// SendInput writes to the standard input or the terminal of a process.
func (p *processes) SendInput(ctx context.Context, req *connect.Request[processpb.SendInputRequest]) (*connect.Response[processpb.SendInputResponse], error) {
	x := exchangeOf(ctx)
	plan, err := p.server.begin(ctx, fake.Call{Op: fake.OpStdin})
	if err != nil {
		return nil, x.failRPC(err)
	}
	process, err := x.selected(req.Msg.GetProcess())
	if err != nil {
		return nil, err
	}
	cut, err := write(ctx, process, plan, req.Msg.GetInput())
	if cut {
		x.cut()
	}
	if err != nil {
		return nil, x.failRPC(err)
	}
	return connect.NewResponse(new(processpb.SendInputResponse)), nil
}

// StreamInput is SendInput for a stream of input. Its end does not close the
// standard input.
func (p *processes) StreamInput(ctx context.Context, stream *connect.ClientStream[processpb.StreamInputRequest]) (*connect.Response[processpb.StreamInputResponse], error) {
	x := exchangeOf(ctx)
	plan, err := p.server.begin(ctx, fake.Call{Op: fake.OpStdin})
	if err != nil {
		return nil, x.failRPC(err)
	}
	var process *fake.Process
	for stream.Receive() {
		switch ev := stream.Msg().GetEvent().(type) {
		case *processpb.StreamInputRequest_Start:
			if process, err = x.selected(ev.Start.GetProcess()); err != nil {
				return nil, err
			}
		case *processpb.StreamInputRequest_Data:
			if process == nil {
				return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the first message must be a start"))
			}
			cut, err := write(ctx, process, plan, ev.Data.GetInput())
			if cut {
				x.cut()
				return nil, context.Canceled
			}
			if err != nil {
				return nil, x.failRPC(err)
			}
		case *processpb.StreamInputRequest_Keepalive:
		default:
			return nil, connect.NewError(connect.CodeUnimplemented, errors.New("invalid event type"))
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	return connect.NewResponse(new(processpb.StreamInputResponse)), nil
}

// CloseStdin ends the standard input of a process.
func (p *processes) CloseStdin(ctx context.Context, req *connect.Request[processpb.CloseStdinRequest]) (*connect.Response[processpb.CloseStdinResponse], error) {
	x := exchangeOf(ctx)
	if _, err := p.server.begin(ctx, fake.Call{Op: fake.OpStdin}); err != nil {
		return nil, x.failRPC(err)
	}
	process, err := x.selected(req.Msg.GetProcess())
	if err != nil {
		return nil, err
	}
	if process.Spec().PTY != nil {
		return nil, x.failRPC(noInput("stdin"))
	}
	if err := process.CloseStdin(); err != nil {
		return nil, x.failRPC(err)
	}
	return connect.NewResponse(new(processpb.CloseStdinResponse)), nil
}

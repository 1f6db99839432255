package mcpserver

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gitsandbox/gitsandbox/tools"
)

// The values of the label status.
const (
	statusSuccess  = "success"
	statusFailure  = "failure"
	statusAsked    = "input_required"
	statusRejected = "rejected"
	statusPanic    = "panic"
)

// unknownTool stands for the names that are no tools, which are the client's to
// choose.
const unknownTool = "unknown"

type contextKey int

const (
	recordKey contextKey = iota
	lifeKey
)

// record is what is known of a call in the end.
type record struct {
	code      string
	sandboxID string
	status    string
}

func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey).(*record); ok {
		return r
	}
	return &record{}
}

// callerOf returns who sent a request: the name of the token, or the one caller
// where there are none.
func (s *Server) callerOf(req mcp.Request) string {
	if extra := req.GetExtra(); extra != nil && extra.TokenInfo != nil {
		return extra.TokenInfo.UserID
	}
	return s.caller
}

// receive is what every request goes through.
func (s *Server) receive(set *tools.Set) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			call, ok := req.GetParams().(*mcp.CallToolParamsRaw)
			if !ok || call == nil {
				return s.receiveOther(ctx, method, req, next)
			}
			tool := unknownTool
			if set.Tool(call.Name) != nil {
				tool = call.Name
			}
			r := &record{}
			start := time.Now()
			result, err := s.receiveCall(context.WithValue(ctx, recordKey, r), method, req, next)
			took := time.Since(start)
			if r.status == "" {
				r.status = statusOf(result, err)
			}
			s.metrics.observe(tool, r.status, took)
			s.log.LogAttrs(ctx, slog.LevelInfo, "tool call", slog.String("caller", s.callerOf(req)), slog.String("tool", tool),
				slog.String("sandbox_id", r.sandboxID), slog.String("status", r.status), slog.String("code", r.code), slog.Duration("duration", took))
			return result, err
		}
	}
}

// receiveCall runs a call of a tool within all its bounds.
func (s *Server) receiveCall(ctx context.Context, method string, req mcp.Request, next mcp.MethodHandler) (result mcp.Result, err error) {
	r := recordOf(ctx)
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(ctx, method, p)
			r.code, r.status = codeInternal, statusPanic
			result, err = failure(codeInternal, "the server has a bug that this call met. Call git_status to see what was done; a different call can work."), nil
		}
	}()
	if !s.enter() {
		r.code, r.status = codeShutdown, statusRejected
		return failure(codeShutdown, "the server is shutting down. Sandboxes live on: call again with the same sandbox_id when it is back."), nil
	}
	defer s.running.Done()
	if wait := s.limit.wait(s.callerOf(req), time.Now()); wait > 0 {
		r.code, r.status = codeRateLimited, statusRejected
		return failure(codeRateLimited, fmt.Sprintf("too many calls. Call again in %d s.", int(math.Ceil(wait.Seconds())))), nil
	}
	// The tools have a deadline of their own. This one bounds the rest, such as a
	// person who is asked and does not answer.
	ctx, cancel := context.WithTimeout(ctx, s.timeout+confirmWait)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)() //nolint:contextcheck // the end of the Server is another reason
	if life, ok := ctx.Value(lifeKey).(context.Context); ok {
		defer context.AfterFunc(life, cancel)() //nolint:contextcheck // that of the session
	}

	result, err = next(ctx, method, req)
	_, protocol := err.(*jsonrpc.Error) //nolint:errorlint // one in the chain is what the client said
	if err != nil && !protocol && ctx.Err() == nil {
		// It is of the bridge to clients of older revisions, which asks the person.
		r.code = codeConfirm
		return failure(codeConfirm, "a person has to agree to this, and could not be asked. Tell the user."), nil
	}
	return result, err
}

// receiveOther runs a request that is no call.
func (s *Server) receiveOther(ctx context.Context, method string, req mcp.Request, next mcp.MethodHandler) (result mcp.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(ctx, method, p)
			result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
		}
	}()
	if limited[method] && s.limit.wait(s.callerOf(req), time.Now()) > 0 {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "too many requests"}
	}
	return next(ctx, method, req)
}

// limited are the requests beside calls that cost something.
var limited = map[string]bool{"initialize": true, "server/discover": true, "tools/list": true} //nolint:gochecknoglobals // a constant table

// logPanic records a panic. The value can hold what a caller sent, so only that of
// the runtime is kept.
func (s *Server) logPanic(ctx context.Context, method string, value any) {
	text := fmt.Sprintf("%T", value)
	if e, ok := value.(runtime.Error); ok {
		text = e.Error()
	}
	s.log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("method", method), slog.String("panic", text), slog.String("stack", string(debug.Stack())))
}

func statusOf(result mcp.Result, err error) string {
	r, ok := result.(*mcp.CallToolResult)
	switch {
	case err != nil || !ok || r == nil:
		return statusRejected
	case r.InputRequests != nil:
		return statusAsked
	case r.IsError:
		return statusFailure
	}
	return statusSuccess
}

// quiet lets only warnings of the protocol's library through: at level Info it
// tells of every session, and each request of the newest revision is one. What it
// calls an error is what a client did wrong.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(quietHandler{log.Handler()}) }

type quietHandler struct{ slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = min(r.Level, slog.LevelWarn)
	return h.Handler.Handle(ctx, r)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}

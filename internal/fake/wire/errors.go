package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// apiError is the body of every error of the control plane and of envd's plain
// routes.
type apiError struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	ErrorCode string `json:"error_code,omitempty"`
}

// rpcError is the body of a failed unary Connect call.
type rpcError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who does not read it has gone
}

// bodyOf returns the status and the body that say e.
func bodyOf(e *e2b.Error) (int, apiError) {
	status := e.Status
	if status < 400 {
		status = http.StatusInternalServerError
	}
	body := apiError{Code: status, Message: e.Message, ErrorCode: e.Code}
	if body.Message == "" {
		body.Message = http.StatusText(status)
	}
	if isRPCCode(body.ErrorCode) {
		body.ErrorCode = "" // a code of Connect's, no slug of the API
	}
	return status, body
}

// writeError answers with an error of the control plane or of a plain route of
// envd.
func writeError(w http.ResponseWriter, e *e2b.Error) {
	setRetryAfter(w, e)
	status, body := bodyOf(e)
	writeJSON(w, status, body)
}

func setRetryAfter(w http.ResponseWriter, e *e2b.Error) {
	if e.RetryAfter <= 0 {
		return
	}
	seconds := strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10)
	w.Header().Set("Retry-After", seconds)
	w.Header().Set("RateLimit-Remaining", "0")
	w.Header().Set("RateLimit-Reset", seconds)
}

// edgeError returns what writes an answer of the edge.
func edgeError(to destination, status int, message string, more map[string]any) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		body := map[string]any{"sandboxId": to.id, "message": message, "code": status}
		maps.Copy(body, more)
		clear(w.Header())
		writeJSON(w, status, body)
	}
}

// fail answers a plain route of envd with err.
func (x *exchange) fail(err error) {
	e := asError(err)
	switch {
	case errors.Is(err, e2b.ErrNetwork):
		x.cut()
	case e.Status == http.StatusBadGateway && x.sandbox != nil:
		x.replace(edgeError(destination{id: x.sandboxID()}, e.Status, e.Message, nil))
	default:
		x.replace(func(w http.ResponseWriter) {
			clear(w.Header())
			writeError(w, e)
		})
	}
}

func (x *exchange) sandboxID() string {
	if x.sandbox == nil {
		return ""
	}
	return x.sandbox.ID()
}

// failRPC returns what a handler of a Connect service returns for err. What
// the edge would have said is said by the exchange, in the edge's form,
// whatever the protocol.
func (x *exchange) failRPC(err error) error {
	e, ok := errors.AsType[*e2b.Error](err)
	if !ok {
		return err // a connect.Error, or the end of a context
	}
	switch status, _ := bodyOf(e); status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusInternalServerError,
		http.StatusInsufficientStorage:
	default:
		x.fail(err)
	}
	if errors.Is(err, e2b.ErrNetwork) {
		x.cut()
	}
	return connect.NewError(codeOf(e), errors.New(e.Message))
}

// codeOf is the Connect code of an error of the engine.
func codeOf(e *e2b.Error) connect.Code {
	var code connect.Code
	if e.Code != "" && code.UnmarshalText([]byte(e.Code)) == nil {
		return code
	}
	switch e.Status {
	case http.StatusBadRequest:
		return connect.CodeInvalidArgument
	case http.StatusUnauthorized:
		return connect.CodeUnauthenticated
	case http.StatusForbidden:
		return connect.CodePermissionDenied
	case http.StatusNotFound:
		return connect.CodeNotFound
	case http.StatusConflict:
		return connect.CodeAlreadyExists
	case http.StatusInsufficientStorage:
		return connect.CodeResourceExhausted
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return connect.CodeUnavailable
	}
	return connect.CodeInternal
}

func isRPCCode(s string) bool {
	var code connect.Code
	return code.UnmarshalText([]byte(s)) == nil
}

func badRequest(format string, args ...any) *e2b.Error {
	return &e2b.Error{Kind: e2b.ErrInvalidArgument, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func unauthorized(message string) *e2b.Error {
	return &e2b.Error{Kind: e2b.ErrAuth, Status: http.StatusUnauthorized, Message: message}
}

// plainErrors serves mux and gives JSON bodies to what it does not know.
func plainErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &statusProbe{header: w.Header()} // Allow, where it is a 405
		h.ServeHTTP(probe, r)
		writeError(w, &e2b.Error{Status: probe.status, Message: "no matching operation was found"})
	})
}

// statusProbe keeps the status of a reply and drops the rest.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

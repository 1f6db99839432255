package e2b

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
)

const (
	maxErrorBody = 64 << 10
	maxMessage   = 1 << 10
	ellipsis     = "..."
)

// An errorBody is what E2B's control plane, its edge and envd say in a reply
// that is an error. The three differ in one field: the code is a number, and
// where envd speaks Connect a word.
type errorBody struct {
	message string
	slug    string // "error_code" of the control plane, or the word
	connect bool   // the code was a word
	json    bool   // it was one of the three at all
}

// parseErrorBody reads the body of an error reply, whatever it is.
func parseErrorBody(body []byte) errorBody {
	var raw struct {
		Code      json.RawMessage `json:"code"`
		Message   string          `json:"message"`
		ErrorCode string          `json:"error_code"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		text := strings.TrimSpace(string(body))
		if strings.HasPrefix(text, "<") {
			text = "" // a page for a browser
		}
		return errorBody{message: text}
	}
	b := errorBody{message: raw.Message, slug: raw.ErrorCode, json: len(raw.Code) > 0 || raw.Message != ""}
	var word string
	if json.Unmarshal(raw.Code, &word) == nil && word != "" {
		b.slug, b.connect = word, true
	}
	return b
}

// clean makes what a server said fit for an error: without the secrets, on one
// line, with every control and format character escaped, and short.
func clean(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	var b strings.Builder
	for _, r := range s {
		piece := string(r)
		if !strconv.IsPrint(r) {
			quoted := strconv.QuoteRune(r)
			piece = quoted[1 : len(quoted)-1]
		}
		if b.Len()+len(piece) > maxMessage-len(ellipsis) {
			b.WriteString(ellipsis)
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}

// A cause is an error of a library below, whose text can hold what a server
// sent.
type cause struct {
	err  error
	text string
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

// An operation is what the classification of a failure has to know.
type operation struct {
	name       string
	sandboxID  string
	notFound   error // the kind of a 404
	repeatable bool  // the effect is the same the second time
	secrets    []string
}

// fromReply returns the error that a reply with an error status is. It reads
// the body.
func (o *operation) fromReply(res *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	b := parseErrorBody(body)
	e := &Error{
		Op:         o.name,
		SandboxID:  o.sandboxID,
		Kind:       kindOfStatus(res.StatusCode, o.notFound),
		Status:     res.StatusCode,
		Code:       clean(b.slug, o.secrets...),
		Message:    clean(b.message, o.secrets...),
		RetryAfter: retryAfter(res.Header),
	}
	switch {
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		e.Retryable = true
	case res.StatusCode == http.StatusInsufficientStorage: // a repeat needs space as well
	case res.StatusCode >= 500, res.StatusCode == http.StatusRequestTimeout:
		e.Retryable = o.repeatable
	}
	return e
}

func kindOfStatus(status int, notFound error) error {
	switch status {
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return ErrInvalidArgument
	case http.StatusUnauthorized:
		return ErrAuth
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return notFound
	case http.StatusConflict:
		return ErrConflict
	case http.StatusTooManyRequests:
		return ErrRateLimited
	case http.StatusServiceUnavailable:
		return ErrUnavailable
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		return ErrNetwork
	case http.StatusInsufficientStorage:
		return ErrNoSpace
	}
	if status < 400 {
		return ErrProtocol // a redirect, or a success that the operation does not have
	}
	return nil
}

// retryAfter returns the Retry-After of a reply in whole seconds, or 0. Dates
// are not understood: E2B sends none.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// fromFailure returns the error that a request without a usable reply is.
func (o *operation) fromFailure(ctx context.Context, err error) *Error {
	e := &Error{Op: o.name, SandboxID: o.sandboxID}
	if known, ok := errors.AsType[*Error](err); ok {
		*e = *known // classified where the reply was read
		e.Op, e.SandboxID = o.name, o.sandboxID
		return e
	}
	own := errors.Is(context.Cause(ctx), errNoReply) // the end of a deadline of this package's own
	if ctx.Err() != nil && !own {
		e.Err = ctx.Err() // the caller's end: nothing is said of a repeat
		return e
	}
	if own || errors.Is(err, errNoReply) {
		e.Kind, e.Retryable, e.Err = ErrNetwork, o.repeatable, errNoReply
		return e
	}
	if wire, ok := errors.AsType[*connect.Error](err); ok {
		if connect.IsWireError(err) {
			return o.fromConnect(wire)
		}
		if wire.Code() == connect.CodeResourceExhausted || wire.Code() == connect.CodeInvalidArgument {
			e.Kind, e.Err = ErrProtocol, o.cause(err) // a message too large, or not a message
			return e
		}
	}
	e.Kind, e.Err = ErrNetwork, o.cause(err)
	e.Retryable = (o.repeatable || neverSent(err)) && !isCertificateError(err)
	return e
}

// cause bounds the text of err and takes the URL from it, which can hold a
// query.
func (o *operation) cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &cause{err: err, text: clean(err.Error(), o.secrets...)}
}

// neverSent reports whether err is from before the request was on its way.
func neverSent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// isCertificateError tells a server that is not who it has to be.
func isCertificateError(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// fromConnect returns the error for what envd itself answered.
func (o *operation) fromConnect(wire *connect.Error) *Error {
	e := &Error{
		Op:        o.name,
		SandboxID: o.sandboxID,
		Code:      wire.Code().String(),
		Message:   clean(wire.Message(), o.secrets...),
	}
	switch wire.Code() {
	case connect.CodeInvalidArgument, connect.CodeOutOfRange:
		e.Kind = ErrInvalidArgument
	case connect.CodeUnauthenticated:
		// A refused token is answered before Connect. This is an unknown user.
		e.Kind = ErrInvalidArgument
	case connect.CodePermissionDenied:
		e.Kind = ErrForbidden
	case connect.CodeNotFound:
		e.Kind = o.notFound
	case connect.CodeAlreadyExists, connect.CodeAborted, connect.CodeFailedPrecondition:
		e.Kind = ErrConflict
	case connect.CodeResourceExhausted:
		e.Kind, e.Retryable = ErrRateLimited, true
	case connect.CodeUnavailable:
		e.Kind, e.Retryable = ErrUnavailable, true
	case connect.CodeCanceled, connect.CodeDeadlineExceeded, connect.CodeDataLoss:
		e.Kind, e.Retryable = ErrNetwork, o.repeatable
	case connect.CodeUnimplemented:
		e.Kind = ErrProtocol
	case connect.CodeInternal, connect.CodeUnknown:
		e.Retryable = o.repeatable
	}
	return e
}

// invalid returns the error for an argument that is refused before any I/O.
func (o *operation) invalid(format string, args ...any) *Error {
	return &Error{Op: o.name, SandboxID: o.sandboxID, Kind: ErrInvalidArgument, Err: fmt.Errorf(format, args...)}
}

// protocol returns the error for a reply that the protocol does not allow.
func (o *operation) protocol(format string, args ...any) *Error {
	return &Error{Op: o.name, SandboxID: o.sandboxID, Kind: ErrProtocol, Err: fmt.Errorf(format, args...)}
}

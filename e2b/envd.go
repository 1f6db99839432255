package e2b

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
)

const (
	// maxMessageBytes bounds a message of envd. Output comes in 32 KiB; a
	// list of processes holds all their arguments.
	maxMessageBytes = 8 << 20

	probeTimeout = 5 * time.Second
)

// newProcessClient returns the client of envd's process service. Compression
// is not asked for: output of commands would be compressed 32 KiB at a time.
func (s *sandbox) newProcessClient() processpbconnect.ProcessClient {
	return processpbconnect.NewProcessClient(envdDoer{s}, s.base,
		connect.WithReadMaxBytes(maxMessageBytes),
		connect.WithAcceptCompression("gzip", nil, nil),
	)
}

// envdDoer sends what Connect makes, with the headers of the sandbox, and
// tells the answers of E2B's edge from those of envd.
type envdDoer struct{ s *sandbox }

// Do sends a request.
func (d envdDoer) Do(req *http.Request) (*http.Response, error) {
	d.s.setHeaders(req.Header)
	start := time.Now()
	res, err := d.s.client.transport.RoundTrip(req)
	log := d.s.client.log
	if err != nil {
		log.DebugContext(req.Context(), "envd request failed", "sandbox", d.s.id, "path", req.URL.Path, "duration", time.Since(start))
		return nil, err
	}
	log.DebugContext(req.Context(), "envd request", "sandbox", d.s.id, "path", req.URL.Path, "status", res.StatusCode, "duration", time.Since(start))
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	// envd's own answer is made an error here, since Connect reads one in a
	// body only where the call is unary.
	if b := parseErrorBody(body); b.connect {
		var code connect.Code
		if code.UnmarshalText([]byte(b.slug)) == nil {
			return nil, connect.NewWireError(code, errors.New(b.message))
		}
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	op := d.s.op("", false)
	return nil, op.fromEdge(res)
}

// setHeaders sets the headers that address and authenticate.
func (s *sandbox) setHeaders(h http.Header) {
	h.Set("E2b-Sandbox-Id", shortID(s.id))
	h.Set("E2b-Sandbox-Port", envdPort)
	h.Set("User-Agent", s.client.userAgent)
	if token := s.accessToken(); token != "" {
		h.Set("X-Access-Token", token)
	}
}

// setUser says whose the request is, in the form that envd understands.
func (s *sandbox) setUser(h http.Header, user string) {
	if user = s.user(user); user != "" {
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":")))
	}
}

// user returns the user to send. Before 0.4.0 envd had no default user.
func (s *sandbox) user(user string) string {
	if user == "" && !atLeast(s.version, 4, 0) {
		return "user"
	}
	return user
}

// fromEdge is fromReply for a reply that came from E2B's edge instead of envd,
// or from envd's plain HTTP. A 502 there means that the sandbox is gone.
func (o *operation) fromEdge(res *http.Response) *Error {
	e := o.fromReply(res)
	switch res.StatusCode {
	case http.StatusBadGateway:
		e.Kind, e.Retryable = ErrSandboxNotFound, false
		if strings.Contains(e.Message, "port is not open") {
			e.Kind, e.Retryable = ErrUnavailable, true // envd is starting
		}
	case http.StatusConflict:
		e.Retryable = true // the sandbox is on its way to another state
	}
	return e
}

// A health is what a probe of a sandbox tells.
type health int

const (
	healthUnknown health = iota
	healthAlive
	healthGone
)

// probe asks whether the sandbox lives.
func (s *sandbox) probe(ctx context.Context) health {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/health", nil)
	if err != nil {
		return healthUnknown
	}
	s.setHeaders(req.Header)
	res, err := s.client.transport.RoundTrip(req)
	if err != nil {
		return healthUnknown
	}
	defer res.Body.Close()
	op := s.op("", true)
	switch {
	case res.StatusCode >= 200 && res.StatusCode <= 299:
		return healthAlive
	case errors.Is(op.fromEdge(res), ErrSandboxNotFound):
		return healthGone
	default:
		return healthUnknown
	}
}

// failed returns the error of a request to envd that failed. Where that can
// mean that the sandbox is gone it asks.
func (s *sandbox) failed(ctx context.Context, op *operation, err error) *Error {
	e := op.fromFailure(ctx, err)
	if !errors.Is(e, ErrUnavailable) && !errors.Is(e, ErrNetwork) {
		return e
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	switch s.probe(ctx) {
	case healthGone:
		e.Kind, e.Retryable = ErrSandboxNotFound, false
	case healthUnknown:
		if e.Kind == ErrUnavailable { //nolint:errorlint // the field holds the sentinel itself
			e.Kind, e.Retryable = ErrNetwork, op.repeatable
		}
	case healthAlive:
	}
	return e
}

// unary runs a unary request to envd within the request timeout. Its error is
// still to be classified.
func unary[Req, Res any](ctx context.Context, s *sandbox, req *Req,
	send func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error),
) (*Res, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.client.requestTimeout, errNoReply)
	defer cancel()
	r := connect.NewRequest(req)
	s.setUser(r.Header(), "")
	res, err := send(ctx, r)
	if err != nil {
		if errors.Is(context.Cause(ctx), errNoReply) {
			return nil, errNoReply
		}
		return nil, err
	}
	return res.Msg, nil
}

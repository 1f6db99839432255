package smarthttp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/redact"
)

const (
	defaultUser  = "x-access-token"
	defaultAgent = "git/gitsandbox"

	// maxErrorBody is how much of a reply that is not the protocol is read.
	maxErrorBody = 4 << 10

	// maxRetryAfter bounds what a server can ask the caller to wait.
	maxRetryAfter = 24 * time.Hour
)

var (
	errIdle     = errors.New("no byte for too long")
	errTooLarge = errors.New("reply is too large")
)

func (r *Remote) username() string { return cmp.Or(r.Username, defaultUser) }

func (c *Client) agent() string { return cmp.Or(c.UserAgent, defaultAgent) }

// A call is one request to a server.
type call struct {
	op          string
	method      string
	service     string // the path below the repository, with its query
	query       string
	contentType string // of the request
	want        string // the content type of the reply
	version2    bool
	body        []byte
	stream      *upload // in place of body
	limit       int64
}

// A reply is the body of a response, bounded in bytes and in time. Its errors
// are those of [reply.fail].
type reply struct {
	call   *call
	remote *Remote
	caller context.Context //nolint:containedctx // only asked whether it ended
	ctx    context.Context //nolint:containedctx // of the request; it ends with reading the body
	cancel context.CancelCauseFunc
	idle   time.Duration
	timer  *time.Timer
	body   io.ReadCloser
	left   int64
}

// start makes the request and returns the reply, once its status and content
// type are right. The caller closes it.
func (c *Client) start(ctx context.Context, remote *Remote, k *call) (*reply, error) {
	fail := func(e *Error) (*reply, error) {
		e.Op = k.op
		return nil, e
	}
	target, err := remote.endpoint(k.service)
	if e, ok := errors.AsType[*Error](err); ok {
		return fail(e)
	}
	target.RawQuery = k.query
	limits := c.Limits.withDefaults()

	p := &reply{call: k, remote: remote, caller: ctx, idle: limits.Idle, left: k.limit}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(p.idle, func() { p.cancel(errIdle) })

	req, err := p.request(c, target)
	if err != nil {
		p.Close()
		return fail(invalid("request cannot be made"))
	}
	resp, err := c.client().Do(req) //nolint:bodyclose // reply.Close does
	p.timer.Stop()
	if err != nil {
		err = p.fail(err)
		p.Close()
		return nil, err
	}
	p.body = resp.Body
	if e := p.check(resp); e != nil {
		p.Close()
		return fail(e)
	}
	return p, nil
}

func (p *reply) request(c *Client, target *url.URL) (*http.Request, error) {
	k := p.call
	var body io.Reader
	switch {
	case k.stream != nil:
		k.stream.progress = func() { p.timer.Reset(p.idle) }
		body = k.stream
	case k.body != nil:
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(p.ctx, k.method, target.String(), body)
	if err != nil {
		return nil, err
	}
	if k.stream != nil {
		req.ContentLength = k.stream.length()
	} else {
		// An empty list is not sent. It tells the HTTP client that the request
		// may be repeated when an idle connection turns out to be dead.
		req.Header["Idempotency-Key"] = []string{}
	}
	req.Header.Set("User-Agent", c.agent())
	req.Header.Set("Accept", k.want)
	// Packs are compressed already.
	req.Header.Set("Accept-Encoding", "identity")
	if k.contentType != "" {
		req.Header.Set("Content-Type", k.contentType)
	}
	if k.version2 {
		req.Header.Set("Git-Protocol", "version=2")
	}
	if p.remote.Password != "" {
		req.SetBasicAuth(p.remote.username(), p.remote.Password)
	}
	return req, nil
}

// check turns a response that is not the protocol into an error.
func (p *reply) check(resp *http.Response) *Error {
	contentType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && contentType == p.call.want {
		return nil
	}
	e := &Error{Kind: ErrProtocol, Status: resp.StatusCode}
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		e.Status = 0
		e.Message = fmt.Sprintf("reply of type %s, not git's: %s", quote(p.remote.clean(resp.Header.Get("Content-Type"))), p.excerpt())
	case code >= 300 && code < 400:
		e.Message = "redirects are not followed"
		if u, err := resp.Location(); err == nil {
			// What is beside host and path can hold a credential.
			e.Message += ", this one leads to " + p.remote.line(u.Scheme+"://"+u.Host+u.EscapedPath())
		}
	case code == http.StatusUnauthorized:
		e.Kind, e.Message = ErrAuth, p.excerpt()
	case code == http.StatusForbidden:
		e.Kind, e.Message = ErrForbidden, p.excerpt()
	case code == http.StatusNotFound:
		e.Kind, e.Message = ErrNotFound, p.excerpt()
	case code == http.StatusTooManyRequests:
		e.Kind, e.Message = ErrRateLimited, p.excerpt()
		e.RetryAfter = retryAfter(resp.Header, time.Now())
	case code >= 500:
		e.Kind, e.Message = ErrUnavailable, p.excerpt()
		e.RetryAfter = retryAfter(resp.Header, time.Now())
	default:
		e.Message = "unexpected status: " + p.excerpt()
	}
	return e
}

// excerpt returns the beginning of the body, as a line.
func (p *reply) excerpt() string {
	p.left = maxErrorBody
	b, _ := io.ReadAll(io.LimitReader(p, maxErrorBody))
	return redact.Printable(strings.Join(strings.Fields(p.remote.clean(excerpt(b))), " "), 256)
}

// Read reads the body.
func (p *reply) Read(b []byte) (int, error) {
	if p.left <= 0 {
		// There may be nothing more, which is no error.
		var one [1]byte
		n, err := p.read(one[:])
		if n > 0 {
			return 0, errTooLarge
		}
		return 0, err
	}
	n, err := p.read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	return n, err
}

func (p *reply) read(b []byte) (int, error) {
	p.timer.Reset(p.idle)
	defer p.timer.Stop()
	n, err := p.body.Read(b)
	if err != nil && err != io.EOF && p.ctx.Err() != nil { //nolint:errorlint // only the bare one means the end
		err = context.Cause(p.ctx)
	}
	return n, err
}

// Close ends the request.
func (p *reply) Close() error {
	if p.call.stream != nil {
		_ = p.call.stream.Close()
	}
	p.cancel(context.Canceled)
	p.timer.Stop()
	if p.body == nil {
		return nil
	}
	return p.body.Close()
}

// fail makes an error of the request, or of reading or understanding its reply,
// an [*Error] of the operation.
func (p *reply) fail(err error) *Error {
	e := &Error{Op: p.call.op}
	if context.Cause(p.ctx) == errIdle { //nolint:errorlint // set bare
		err = errIdle
	}
	if known, ok := errors.AsType[*Error](err); ok {
		*e = *known
		e.Op = p.call.op
		e.Message = p.remote.line(e.Message)
		return e
	}
	if ctxErr := p.caller.Err(); ctxErr != nil {
		e.Err = ctxErr
		return e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	switch {
	case errors.Is(err, errIdle):
		e.Kind, e.Message = ErrNetwork, "the server fell silent for "+p.idle.String()
	case errors.Is(err, errTooLarge):
		e.Kind, e.Message = ErrProtocol, fmt.Sprintf("reply of more than %d bytes", p.call.limit)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Kind, e.Message = ErrNetwork, "the reply was cut short"
	default:
		e.Kind, e.Err = ErrNetwork, p.remote.cleanError(err)
	}
	return e
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

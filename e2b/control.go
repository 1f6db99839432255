package e2b

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	maxReply     = 8 << 20
	maxRateWaits = 3 // as the official SDKs

	// maxRateWait is the longest Retry-After that is waited for. A longer one
	// is for the caller to decide about.
	maxRateWait = time.Minute
)

var errNoReply = errors.New("no reply within the request timeout")

// A call is one request to the control plane.
type call struct {
	operation
	method string
	path   string // without a query
	query  url.Values
	body   any // or nil
	reply  any // or nil for none
}

// do sends a request to the control plane, and repeats it when the server says
// that it came too fast and when to come again.
func (c *Client) do(ctx context.Context, r *call) (http.Header, error) {
	r.secrets = []string{c.apiKey()}
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return nil, r.invalid("request: %w", err)
		}
	}
	for waits := 0; ; waits++ {
		header, err := c.try(ctx, r, body)
		if err == nil {
			return header, nil
		}
		if err.Status != http.StatusTooManyRequests || err.RetryAfter <= 0 || err.RetryAfter > maxRateWait || waits == maxRateWaits {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < err.RetryAfter {
			return nil, err
		}
		timer := time.NewTimer(err.RetryAfter)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, r.fromFailure(ctx, ctx.Err())
		}
	}
}

// try sends a request once.
func (c *Client) try(ctx context.Context, r *call, body []byte) (http.Header, *Error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.requestTimeout, errNoReply)
	defer cancel()
	target := c.apiURL + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var reader io.Reader
	if r.body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, reader)
	if err != nil {
		return nil, r.invalid("request: %w", r.cause(err))
	}
	req.Header.Set("X-Api-Key", c.apiKey())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	start := time.Now()
	// The transport and not a client: no redirect is followed, since it would
	// carry the key along.
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		c.log.DebugContext(ctx, "e2b request failed", "op", r.name, "method", r.method, "path", r.path, "duration", time.Since(start))
		return nil, r.fromFailure(ctx, err)
	}
	defer res.Body.Close()
	c.log.DebugContext(ctx, "e2b request", "op", r.name, "method", r.method, "path", r.path, "status", res.StatusCode, "duration", time.Since(start))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, r.fromReply(res)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return nil, r.fromFailure(ctx, err)
	}
	if len(data) > maxReply {
		return nil, r.protocol("the reply has more than %d bytes", maxReply)
	}
	if r.reply == nil {
		return res.Header, nil
	}
	if err := json.Unmarshal(data, r.reply); err != nil {
		return nil, r.protocol("reply: %w", r.cause(err))
	}
	return res.Header, nil
}

package e2b

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTemplate = "base"
	defaultLifetime = 5 * time.Minute
)

// Create starts a sandbox. See [Transport].
//
// A reply that is lost leaves a sandbox behind that nothing names: such an
// error is an [ErrNetwork] and not [Retryable], and the sandbox ends with its
// lifetime.
func (c *Client) Create(ctx context.Context, opts *CreateOptions) (Sandbox, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	op := operation{name: "create", notFound: ErrTemplateNotFound}
	lifetime := cmp.Or(opts.Timeout, defaultLifetime)
	if lifetime < 0 {
		return nil, op.invalid("the timeout is negative")
	}
	body := &newSandboxJSON{
		TemplateID: cmp.Or(opts.Template, defaultTemplate),
		Metadata:   opts.Metadata,
		EnvVars:    opts.Env,
		AutoPause:  opts.AutoPause,
		Network:    newNetworkJSON(opts.Network),
	}
	if opts.AutoResume {
		body.AutoResume = &autoResumeJSON{Enabled: true}
	}
	if opts.DenyInternetAccess {
		body.AllowInternetAccess = new(bool)
	}
	var reply sandboxJSON
	var started time.Time
	seconds, err := c.clamped(wholeSeconds(lifetime), func(seconds int64) error {
		body.Timeout = seconds
		started = time.Now()
		return c.versioned("/sandboxes", func(path string, v1 bool) error {
			body.Secure = nil
			if v1 {
				body.Secure = new(true)
			}
			_, err := c.do(ctx, &call{operation: op, method: http.MethodPost, path: path, body: body, reply: &reply})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	info, err := reply.info()
	if err != nil {
		return nil, op.protocol("reply: %w", err)
	}
	info.StartedAt, info.EndAt = started, started.Add(time.Duration(seconds)*time.Second)
	info.Metadata = maps.Clone(opts.Metadata)
	return c.newSandbox(info), nil
}

// versioned sends a request to the second version of a path, and where the
// server has no such route to the first, which it then remembers.
func (c *Client) versioned(path string, send func(path string, v1 bool) error) error {
	if c.onlyV1.Load() {
		return send(path, true)
	}
	err := send("/v2"+path, false)
	if !isUnknownRoute(err) {
		return err
	}
	if err := send(path, true); err != nil {
		return err
	}
	c.onlyV1.Store(true)
	return nil
}

// isUnknownRoute reports whether err can mean that the server does not know
// the path, rather than the sandbox or the template in the request.
func isUnknownRoute(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	if e.Status == http.StatusMethodNotAllowed {
		return true
	}
	if e.Status != http.StatusNotFound {
		return false
	}
	message := strings.ToLower(e.Message)
	for _, noun := range []string{"template", "tag '", "sandbox \"", "snapshot"} {
		if strings.Contains(message, noun) {
			return false
		}
	}
	return true
}

// clamped sends a request for a lifetime, cut to what the plan allows as far
// as that is known, and once more when the reply tells. It returns the
// lifetime that was accepted.
func (c *Client) clamped(seconds int64, send func(seconds int64) error) (int64, error) {
	if most := c.maxLifetime.Load(); most > 0 {
		seconds = min(seconds, most)
	}
	err := send(seconds)
	most, ok := lifetimeLimit(err)
	if !ok || most >= seconds {
		return seconds, err
	}
	if err := send(most); err != nil {
		return most, err
	}
	c.maxLifetime.Store(most)
	return most, nil
}

// lifetimeLimit returns the seconds in a refusal of the form "Timeout cannot be
// greater than N hours".
func lifetimeLimit(err error) (int64, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusBadRequest {
		return 0, false
	}
	_, rest, ok := strings.Cut(e.Message, "Timeout cannot be greater than ")
	if !ok {
		return 0, false
	}
	number, unit, _ := strings.Cut(rest, " ")
	hours, err := strconv.ParseUint(number, 10, 16)
	if err != nil || hours == 0 || !strings.HasPrefix(unit, "hour") {
		return 0, false
	}
	return int64(hours) * 3600, true
}

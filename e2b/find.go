package e2b

import (
	"cmp"
	"context"
	"net/http"
	"time"
)

// Connect returns the handle of a sandbox and resumes a paused one. See
// [Transport].
func (c *Client) Connect(ctx context.Context, sandboxID string, opts *ConnectOptions) (Sandbox, error) {
	if opts == nil {
		opts = &ConnectOptions{}
	}
	op := operation{name: "connect", sandboxID: sandboxID, notFound: ErrSandboxNotFound, repeatable: true}
	if err := c.validateID(&op); err != nil {
		return nil, err
	}
	lifetime := cmp.Or(opts.Timeout, defaultLifetime)
	if lifetime < 0 {
		return nil, op.invalid("the timeout is negative")
	}
	var reply sandboxJSON
	var asked time.Time
	seconds, err := c.clamped(wholeSeconds(lifetime), func(seconds int64) error {
		asked = time.Now()
		return c.versioned("/sandboxes/"+sandboxID+"/connect", func(path string, _ bool) error {
			_, err := c.do(ctx, &call{operation: op, method: http.MethodPost, path: path, body: timeoutJSON{seconds}, reply: &reply})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	info, err := reply.infoOf(&op)
	if err != nil {
		return nil, err
	}
	if info.EndAt.IsZero() {
		info.EndAt = asked.Add(time.Duration(seconds) * time.Second)
	}
	if err := c.complete(ctx, info); err != nil {
		return nil, err
	}
	return c.newSandbox(info), nil
}

// complete asks for what the reply of connect and fork does not hold.
func (c *Client) complete(ctx context.Context, info *SandboxInfo) error {
	if info.Metadata != nil {
		return nil
	}
	detail, err := c.Get(ctx, info.SandboxID)
	if err != nil {
		return err
	}
	info.Metadata = detail.Metadata
	info.StartedAt, info.EndAt = detail.StartedAt, detail.EndAt
	info.CPUCount, info.MemoryMB, info.DiskSizeMB = detail.CPUCount, detail.MemoryMB, detail.DiskSizeMB
	info.TemplateID, info.Alias = detail.TemplateID, detail.Alias
	return nil
}

// Get describes a sandbox without resuming it. See [Getter].
func (c *Client) Get(ctx context.Context, sandboxID string) (*SandboxInfo, error) {
	op := operation{name: "get", sandboxID: sandboxID, notFound: ErrSandboxNotFound, repeatable: true}
	if err := c.validateID(&op); err != nil {
		return nil, err
	}
	var reply sandboxJSON
	if _, err := c.do(ctx, &call{operation: op, method: http.MethodGet, path: "/sandboxes/" + sandboxID, reply: &reply}); err != nil {
		return nil, err
	}
	return reply.infoOf(&op)
}

// Kill ends a sandbox. See [Transport].
func (c *Client) Kill(ctx context.Context, sandboxID string) error {
	op := operation{name: "kill", sandboxID: sandboxID, notFound: ErrSandboxNotFound, repeatable: true}
	if err := c.validateID(&op); err != nil {
		return err
	}
	_, err := c.do(ctx, &call{operation: op, method: http.MethodDelete, path: "/sandboxes/" + sandboxID})
	return err
}

// Attach returns a handle from what is known of a sandbox. See [Attacher]. It
// returns an [ErrInvalidArgument] for an info that would send the access token
// to what is not a host, or that no reply can have held.
func (c *Client) Attach(info *SandboxInfo) (Sandbox, error) {
	op := operation{name: "attach"}
	if info == nil {
		return nil, op.invalid("the info is nil")
	}
	info = cloneInfo(info)
	if info.State == "" {
		info.State = StateRunning
	}
	if err := validateInfo(info); err != nil {
		return nil, op.invalid("%w", err)
	}
	return c.newSandbox(info), nil
}

// validateID refuses, before any I/O, an ID that cannot be one. The error does
// not take what was given for a sandbox.
func (c *Client) validateID(op *operation) error {
	if err := validateSandboxID(op.sandboxID); err != nil {
		return &Error{Op: op.name, Kind: ErrInvalidArgument, Err: err}
	}
	return nil
}

// infoOf is info for a reply that must be about the sandbox that was asked for.
func (j *sandboxJSON) infoOf(op *operation) (*SandboxInfo, error) {
	info, err := j.info()
	if err != nil {
		return nil, op.protocol("reply: %w", err)
	}
	if shortID(info.SandboxID) != shortID(op.sandboxID) {
		return nil, op.protocol("the reply is about sandbox %s", info.SandboxID)
	}
	return info, nil
}

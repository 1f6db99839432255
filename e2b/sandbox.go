package e2b

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
)

// sandbox is a handle that [Client] returns.
type sandbox struct {
	client *Client
	id     string
	base   string // URL of envd
	procs  processpbconnect.ProcessClient

	version      string // of envd
	accessToken  hidden
	trafficToken hidden

	mu   sync.Mutex
	info *SandboxInfo // without the tokens
}

var (
	_ Sandbox          = (*sandbox)(nil)
	_ Pauser           = (*sandbox)(nil)
	_ Forker           = (*sandbox)(nil)
	_ Snapshotter      = (*sandbox)(nil)
	_ NetworkUpdater   = (*sandbox)(nil)
	_ Starter          = (*sandbox)(nil)
	_ ProcessConnector = (*sandbox)(nil)
	_ ProcessLister    = (*sandbox)(nil)
	_ Signaler         = (*sandbox)(nil)
)

// newSandbox makes the handle of a sandbox whose info has been validated.
func (c *Client) newSandbox(info *SandboxInfo) *sandbox {
	s := &sandbox{
		client:       c,
		id:           info.SandboxID,
		base:         c.envdURL(info),
		version:      info.EnvdVersion,
		accessToken:  hide(string(info.AccessToken)),
		trafficToken: hide(string(info.TrafficAccessToken)),
		info:         info,
	}
	info.AccessToken, info.TrafficAccessToken = "", ""
	s.procs = s.newProcessClient()
	return s
}

// Info returns what is known of the sandbox.
func (s *sandbox) Info() *SandboxInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := cloneInfo(s.info)
	info.AccessToken, info.TrafficAccessToken = Secret(s.accessToken()), Secret(s.trafficToken())
	return info
}

// Format writes the name of the type and the ID for every verb.
func (s *sandbox) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "e2b.Sandbox(%s)", s.id) }

// op returns the operation name on this sandbox.
func (s *sandbox) op(name string, repeatable bool) operation {
	return operation{
		name:       name,
		sandboxID:  s.id,
		notFound:   ErrSandboxNotFound,
		repeatable: repeatable,
		secrets:    []string{s.client.apiKey(), s.accessToken(), s.trafficToken()},
	}
}

// control sends a request about the sandbox to the control plane.
func (s *sandbox) control(ctx context.Context, op operation, method, path string, body, reply any) error {
	_, err := s.client.do(ctx, &call{operation: op, method: method, path: "/sandboxes/" + s.id + path, body: body, reply: reply})
	return err
}

// Kill ends the sandbox.
func (s *sandbox) Kill(ctx context.Context) error { return s.client.Kill(ctx, s.id) }

// SetTimeout sets the end of the lifetime. E2B cuts a d beyond what the plan
// allows; Info then has a later end than the sandbox.
func (s *sandbox) SetTimeout(ctx context.Context, d time.Duration) error {
	op := s.op("set timeout", true)
	if d < 0 {
		return op.invalid("the timeout is negative")
	}
	seconds := wholeSeconds(d)
	asked := time.Now()
	if err := s.control(ctx, op, http.MethodPost, "/timeout", timeoutJSON{seconds}, nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info.EndAt = asked.Add(time.Duration(seconds) * time.Second)
	return nil
}

// Pause stops the sandbox and keeps it.
func (s *sandbox) Pause(ctx context.Context) error {
	if err := s.control(ctx, s.op("pause", false), http.MethodPost, "/pause", struct{}{}, nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info.State, s.info.EndAt = StatePaused, time.Now()
	return nil
}

// Snapshot stores the sandbox as a template.
func (s *sandbox) Snapshot(ctx context.Context, name string) (string, error) {
	op := s.op("snapshot", false)
	var reply snapshotReplyJSON
	if err := s.control(ctx, op, http.MethodPost, "/snapshots", snapshotJSON{name}, &reply); err != nil {
		return "", err
	}
	if reply.SnapshotID == "" || len(reply.SnapshotID) > maxMessage || reply.SnapshotID != clean(reply.SnapshotID) {
		return "", op.protocol("reply: no snapshot ID")
	}
	return reply.SnapshotID, nil
}

// UpdateNetwork replaces the network rules. Nil clears them. It returns an
// [ErrInvalidArgument] for a DenyPublicTraffic, which only Create can set.
func (s *sandbox) UpdateNetwork(ctx context.Context, n *Network) error {
	op := s.op("update network", true)
	if n == nil {
		n = &Network{}
	}
	if n.DenyPublicTraffic {
		return op.invalid("public traffic can be denied at creation only")
	}
	return s.control(ctx, op, http.MethodPut, "/network", newNetworkJSON(n), nil)
}

const maxForks = 100 // E2B's

// Fork makes copies of the sandbox.
func (s *sandbox) Fork(ctx context.Context, count int, opts *ForkOptions) ([]Sandbox, error) {
	if opts == nil {
		opts = &ForkOptions{}
	}
	op := s.op("fork", false)
	lifetime := cmp.Or(opts.Timeout, defaultLifetime)
	switch {
	case count < 1 || count > maxForks:
		return nil, op.invalid("a count of %d is not from 1 to %d", count, maxForks)
	case lifetime < 0:
		return nil, op.invalid("the timeout is negative")
	}
	var reply []forkedJSON
	var asked time.Time
	seconds, err := s.client.clamped(wholeSeconds(lifetime), func(seconds int64) error {
		asked = time.Now()
		return s.control(ctx, op, http.MethodPost, "/fork", forkJSON{Count: count, Timeout: seconds}, &reply)
	})
	if err != nil {
		return nil, err
	}
	return s.forks(ctx, op, reply, count, asked.Add(time.Duration(seconds)*time.Second))
}

// forks makes the handles of the copies in a reply.
func (s *sandbox) forks(ctx context.Context, op operation, reply []forkedJSON, count int, endAt time.Time) ([]Sandbox, error) {
	if len(reply) > count {
		return nil, op.protocol("reply: %d copies instead of %d", len(reply), count)
	}
	var boxes []Sandbox
	var errs []error
	for _, f := range reply {
		switch {
		case f.Sandbox != nil:
			info, err := f.Sandbox.info()
			if err != nil {
				errs = append(errs, op.protocol("reply: %w", err))
				continue
			}
			info.EndAt = endAt
			if err := s.client.complete(ctx, info); err != nil {
				errs = append(errs, err) // the copy is there all the same
			}
			boxes = append(boxes, s.client.newSandbox(info))
		case f.Error != nil:
			errs = append(errs, &Error{
				Op: op.name, SandboxID: s.id, Kind: kindOfStatus(max(f.Error.Code, 400), ErrSandboxNotFound),
				Status: f.Error.Code, Message: clean(f.Error.Message, op.secrets...),
			})
		}
	}
	if len(boxes)+len(errs) < count {
		errs = append(errs, op.protocol("reply: %d copies instead of %d", len(boxes), count))
	}
	return boxes, joinErrors(errs)
}

// joinErrors is errors.Join on one line.
func joinErrors(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	err := errs[0]
	for _, next := range errs[1:] {
		err = fmt.Errorf("%w; %w", err, next)
	}
	return err
}

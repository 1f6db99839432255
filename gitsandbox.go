package gitsandbox

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/redact"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// Defaults of [Options].
const (
	DefaultCacheTTL = time.Hour
	DefaultTimeout  = 5 * time.Minute
)

// minCacheTTL leaves time to renew the lifetime of a sandbox.
const minCacheTTL = time.Minute

// Options are the options of [New]. The zero value of each field is its
// default.
type Options struct {
	// Cache keeps what is known of the sandboxes. Default: a [MemoryCache] of
	// this Client's own. Processes that share a Cache share their sandboxes.
	Cache Cache

	// CacheTTL is how long a sandbox is kept after its last use. Then it is
	// ended. Default [DefaultCacheTTL], at least a minute.
	CacheTTL time.Duration

	// Timeout bounds each operation with all its attempts. A shorter deadline
	// of the context holds too. Default [DefaultTimeout].
	Timeout time.Duration

	// DefaultBranch is the base branch where CloneOptions name none. Default:
	// the branch that the remote's HEAD names.
	DefaultBranch string

	// Template is the E2B template of the sandboxes. It needs git 2.39 or
	// newer, and the commands of Debian's util-linux and coreutils. Default
	// "base".
	Template string

	// Retry decides about further attempts. Default: the zero [Backoff].
	Retry RetryPolicy

	// Credentials gives the credentials of git remotes. Default: none.
	Credentials CredentialSource

	// Identity is the author and committer of commits. Default
	// "gitsandbox <gitsandbox@localhost>".
	Identity Signature

	// Metrics records what happens, for Prometheus. The caller registers it.
	// Default: none; [Client.Stats] works without.
	Metrics *Metrics

	// Policy bounds what Push may publish. Default: the zero [PushPolicy].
	Policy *PushPolicy

	// Trace are called as operations go on.
	Trace []*Trace

	// Logger gets a record for each operation: at level Debug where it
	// succeeded, Warn where it failed, with the fields operation, sandbox_id,
	// url, duration, attempts, and error_type and error where it failed. An
	// attempt that is followed by another has one at level Info. The context of
	// a record is that of the operation, as Trace made it. Default: none.
	Logger *slog.Logger

	// HTTPClient speaks to git remotes. Redirects are never followed. Default:
	// one that uses no proxy.
	HTTPClient *http.Client

	// MaxSandboxes bounds how many sandboxes this Client keeps at once;
	// Clone returns [ErrBudgetExceeded] beyond. Default: no bound.
	MaxSandboxes int
}

// A Signature is a name and an e-mail address, as in a commit.
type Signature struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// A Client gives coding agents isolated clones of git repositories. Any number
// of goroutines may use it. See [New].
type Client struct {
	transport     e2b.Transport
	cache         Cache
	ttl           time.Duration
	timeout       time.Duration
	defaultBranch string
	template      string
	retry         RetryPolicy
	credentials   CredentialSource
	identity      Signature
	meter         *meter
	policy        PushPolicy
	redact        *redact.Redactor
	secrets       secrets
	traces        traces
	log           *slog.Logger
	git           *smarthttp.Client
	fleet         *fleet

	closeTransport func() error // nil where the caller passed it in

	closing context.Context //nolint:containedctx // the life of the Client, not of a call
	close   context.CancelFunc
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// New returns a Client whose sandboxes come from t. It does no I/O. Nil opts mean
// the defaults. The caller closes the Client, and t after it. It returns an
// [ErrInvalidArgument] that names the option.
func New(t e2b.Transport, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if t == nil {
		return nil, invalid("transport: nil")
	}
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	policy, err := o.Policy.normalise()
	if err != nil {
		return nil, err
	}
	closing, cancel := context.WithCancel(context.Background())
	c := &Client{
		transport: t, cache: o.Cache, ttl: o.CacheTTL, timeout: o.Timeout,
		defaultBranch: o.DefaultBranch, template: o.Template, retry: o.Retry,
		credentials: o.Credentials, identity: o.Identity, meter: newMeter(o.Metrics),
		policy: policy, traces: slices.DeleteFunc(slices.Clone(o.Trace), func(t *Trace) bool { return t == nil }), log: o.Logger,
		redact: redact.New(), git: newGitClient(o.HTTPClient),
		closing: closing, close: cancel,
	}
	c.fleet = newFleet(c, o.MaxSandboxes)
	return c, nil
}

func (o *Options) setDefaults() error {
	switch {
	case o.CacheTTL != 0 && o.CacheTTL < minCacheTTL:
		return invalid("CacheTTL: %v is below a minute", o.CacheTTL)
	case o.Timeout < 0:
		return invalid("Timeout: %v is negative", o.Timeout)
	case o.MaxSandboxes < 0:
		return invalid("MaxSandboxes: %d is negative", o.MaxSandboxes)
	}
	if o.Template != "" && !templatePattern.MatchString(o.Template) {
		return invalid("Template: %q is not the name of a template", o.Template)
	}
	if o.DefaultBranch != "" {
		if err := checkBranch("DefaultBranch", o.DefaultBranch); err != nil {
			return err
		}
	}
	if o.Cache == nil {
		o.Cache = NewMemoryCache(nil)
	}
	if o.CacheTTL == 0 {
		o.CacheTTL = DefaultCacheTTL
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Retry == nil {
		o.Retry = Backoff{}
	}
	if o.Credentials == nil {
		o.Credentials = FirstCredential()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	identity, err := o.Identity.normalise("Identity", defaultIdentity())
	o.Identity = identity
	return err
}

// Close ends the operations that are running and stops what keeps the
// sandboxes alive. The sandboxes themselves are left alone: another process
// can [Client.Open] them, and E2B ends them when their lifetime is over, which
// is up to a quarter more than CacheTTL away. Operations after it, Kill among
// them, return [ErrClosed], so a sandbox that is not needed any more is to be
// killed before. Closing twice is harmless.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.close()
	c.running.Wait()
	c.fleet.stop()
	if c.closeTransport != nil {
		return c.closeTransport()
	}
	return nil
}

// enter counts an operation, and reports false once the Client is closed.
func (c *Client) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.running.Add(1)
	return true
}

func (c *Client) leave() { c.running.Done() }

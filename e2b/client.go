package e2b

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Client is the [Transport] that speaks to E2B's cloud, or to whatever speaks
// its protocols. It holds no sandboxes: what it returns outlives it.
//
// Where the control plane answers 429 with a Retry-After, the request waits and
// is sent again, up to three times, a minute each and within the deadline of its
// context, as E2B's own SDKs do. Nothing else is repeated.
type Client struct {
	apiKey     hidden
	apiURL     string
	sandboxURL string // or empty
	domain     string
	userAgent  string
	transport  http.RoundTripper
	ownsIdle   func() // closes the idle connections of a transport made here
	log        *slog.Logger

	requestTimeout time.Duration
	keepalive      time.Duration // what envd is asked for
	silence        time.Duration // without an event after which a stream is dead

	// What the server taught: it has only the first version of the API, and
	// the longest lifetime in seconds that the plan allows.
	onlyV1      atomic.Bool
	maxLifetime atomic.Int64
}

var (
	_ Transport = (*Client)(nil)
	_ Getter    = (*Client)(nil)
	_ Attacher  = (*Client)(nil)
)

// ClientOptions are the options of [NewClient].
type ClientOptions struct {
	// Domain is the domain of the E2B deployment. Default "e2b.app".
	Domain string

	// APIURL is the base URL of the control plane: https, or http to a
	// loopback address. Default "https://api." and the domain.
	APIURL string

	// SandboxURL is the base URL of envd for every sandbox, with the same
	// rule. Default: what E2B documents for the domain of the sandbox.
	SandboxURL string

	// HTTPClient has the Transport to use. Nothing else of it is: no timeout,
	// since streams live long, no cookies and no redirects, which would
	// carry the API key elsewhere. Default: a transport of its own, without a
	// proxy, which Close closes.
	HTTPClient *http.Client

	// UserAgent is sent with each request. Default "gitsandbox-go".
	UserAgent string

	// RequestTimeout bounds a request to the control plane, a unary request
	// to a sandbox, the wait for the first event of a command, and each pause
	// in a file transfer. Default 60 seconds.
	RequestTimeout time.Duration

	// KeepaliveInterval is how often a silent command is asked to show that
	// the connection lives. A connection is given up after twice this and 5
	// seconds. Whole seconds, at least one. Default 20 seconds.
	KeepaliveInterval time.Duration

	// Logger gets a debug record of each request, without secrets, and a
	// warning when a connection to a command breaks. Default: none.
	Logger *slog.Logger
}

const (
	defaultDomain         = "e2b.app"
	defaultUserAgent      = "gitsandbox-go"
	defaultRequestTimeout = time.Minute
	defaultKeepalive      = 20 * time.Second

	// keepaliveSlack is what a keep-alive may be late by, beyond one that is
	// missing altogether.
	keepaliveSlack = 5 * time.Second

	maxSecret = 4096 // bytes in an API key or token
)

// NewClient returns a Client for the account of apiKey. It does no I/O, and
// returns an [ErrInvalidArgument] for what cannot work. Nil opts mean the
// defaults.
func NewClient(apiKey string, opts *ClientOptions) (*Client, error) {
	if opts == nil {
		opts = &ClientOptions{}
	}
	c := &Client{
		apiKey:         hide(apiKey),
		domain:         cmp.Or(opts.Domain, defaultDomain),
		userAgent:      cmp.Or(opts.UserAgent, defaultUserAgent),
		log:            opts.Logger,
		requestTimeout: cmp.Or(opts.RequestTimeout, defaultRequestTimeout),
		keepalive:      cmp.Or(opts.KeepaliveInterval, defaultKeepalive),
	}
	c.silence = 2*c.keepalive + keepaliveSlack
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := c.validate(opts); err != nil {
		return nil, &Error{Op: "new client", Kind: ErrInvalidArgument, Err: err}
	}
	if opts.HTTPClient != nil && opts.HTTPClient.Transport != nil {
		c.transport = opts.HTTPClient.Transport
	} else {
		t := newTransport()
		c.transport, c.ownsIdle = t, t.CloseIdleConnections
	}
	return c, nil
}

// validate checks the options and completes the URLs.
func (c *Client) validate(opts *ClientOptions) error {
	if c.apiKey() == "" {
		return errors.New("the API key is empty")
	}
	if !isHeaderSafe(c.apiKey()) {
		// The key itself is not shown.
		return errors.New("the API key has characters that no key has")
	}
	if !isHostName(c.domain) {
		return fmt.Errorf("domain %q is not a host name", c.domain)
	}
	if !isHeaderText(c.userAgent) {
		return errors.New("the user agent has characters that a header cannot hold")
	}
	if c.requestTimeout < 0 {
		return errors.New("the request timeout is negative")
	}
	if c.keepalive < time.Second || c.keepalive%time.Second != 0 {
		return errors.New("the keep-alive interval is not a positive number of whole seconds")
	}
	var err error
	if c.apiURL, err = baseURL(cmp.Or(opts.APIURL, "https://api."+c.domain)); err != nil {
		return fmt.Errorf("API URL: %w", err)
	}
	if opts.SandboxURL != "" {
		if c.sandboxURL, err = baseURL(opts.SandboxURL); err != nil {
			return fmt.Errorf("sandbox URL: %w", err)
		}
	}
	return nil
}

// Close closes the idle connections of the HTTP transport that [NewClient]
// made. It leaves one that the caller passed in, sandboxes, and commands that
// run. It can be called more than once.
func (c *Client) Close() error {
	if c.ownsIdle != nil {
		c.ownsIdle()
	}
	return nil
}

// Format writes the name of the type and the URL of the control plane for every
// verb, since there is nothing else to be shown.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "e2b.Client(%s)", c.apiURL) }

// newTransport returns a transport whose waits are bounded where no context
// does it. It has no ResponseHeaderTimeout: the reply to a streamed request
// begins when the stream ends.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         64 << 10,
		WriteBufferSize:        64 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}

package mcpserver

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/tools"
)

// Defaults of [Options].
const (
	DefaultRate  = 20.0
	DefaultBurst = 100
)

// confirmWait is how long a person has to answer.
const confirmWait = 5 * time.Minute

// Options are the options of [New]. The zero value of each field is its default.
type Options struct {
	// Tools says which tools there are and what bounds them. Roles can only
	// take some away.
	Tools tools.Options

	// Roles are the roles that tokens, and Role, can name. [ParseRoles] reads
	// them from YAML.
	Roles map[string]*Role

	// Role is the role where there is no token. Default: all that Tools says.
	Role string

	// Caller is who calls where there is no token. Sandboxes belong to their
	// caller, at most 128 bytes. Default "".
	Caller string

	// Tokens are those that HTTPHandler takes. [ParseTokens] reads them from
	// YAML. Default: none, and then HTTPHandler asks for none.
	Tokens []Token

	// Rate is how many requests a second each caller can make on average, and
	// Burst how many at once. Default [DefaultRate] and [DefaultBurst]. A
	// negative Rate is no limit.
	Rate  float64
	Burst int

	// StateKey is a secret of 32 bytes that seals what a client keeps for the
	// server while a person is asked. Processes behind one address need the
	// same. Default: one that this process makes up.
	StateKey []byte

	// Metrics counts the calls. Default: nothing does. The caller registers it.
	Metrics *Metrics

	// Logger gets a record for each call at level Info, with the caller, the
	// tool, the sandbox, the code and the duration, and never with arguments or
	// results. Default: none.
	Logger *slog.Logger

	// Version is what the server says that its version is. Default "dev".
	Version string
}

// A Server serves the tools of one Client. See [New].
type Server struct {
	caller  string
	role    string
	byRole  map[string]*mcp.Server
	tokens  []Token
	timeout time.Duration
	limit   *limiter
	seal    cipher.AEAD
	metrics *Metrics
	log     *slog.Logger

	closing context.Context //nolint:containedctx // the life of the Server, not of a call
	close   context.CancelFunc
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// New returns a Server of the tools of a client, which stays the caller's to close,
// after the Server. Put tools.ProgressTrace() into the options of the client, or
// there are no progress notifications. Nil opts mean the defaults. It starts nothing.
// It returns an error that names the option.
func New(client *gitsandbox.Client, opts *Options) (*Server, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if len(o.Caller) > maxName {
		return nil, fmt.Errorf("Options.Caller: longer than %d bytes", maxName)
	}
	if o.Burst < 0 {
		return nil, fmt.Errorf("Options.Burst: %d is negative", o.Burst)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	seal, err := newSeal(o.StateKey)
	if err != nil {
		return nil, err
	}
	s := &Server{
		caller: o.Caller, role: o.Role, byRole: map[string]*mcp.Server{}, tokens: slices.Clone(o.Tokens),
		timeout: o.Tools.Timeout, limit: newLimiter(o.Rate, o.Burst), seal: seal, metrics: o.Metrics, log: o.Logger,
	}
	if s.timeout == 0 {
		s.timeout = tools.DefaultTimeout
	}
	if err := s.addRoles(client, &o); err != nil {
		return nil, err
	}
	if err := checkTokens(s.tokens, s.byRole); err != nil {
		return nil, err
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// addRoles makes a server of the protocol for each role, since what a caller may
// not use is not to exist for them.
func (s *Server) addRoles(client *gitsandbox.Client, o *Options) error {
	all, err := tools.New(client, &o.Tools)
	if err != nil {
		return err
	}
	s.byRole[""] = s.newProtocolServer(all, o)
	for name, role := range o.Roles {
		set, err := role.restrict(client, &o.Tools, all)
		if err != nil {
			return fmt.Errorf("role %q: %w", name, err)
		}
		s.byRole[name] = s.newProtocolServer(set, o)
	}
	if s.byRole[s.role] == nil {
		return fmt.Errorf("Options.Role: there is no role %q", s.role)
	}
	return nil
}

func (s *Server) newProtocolServer(set *tools.Set, o *Options) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "gitsandbox", Title: "gitsandbox", Version: o.Version}, &mcp.ServerOptions{
		Instructions: instructions(set),
		Logger:       quiet(o.Logger),
		// The tools do not change, and the deprecated logging is not offered.
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
		SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) {
			c.TTLMs, c.CacheScope = int(5*time.Minute/time.Millisecond), "private"
		},
	})
	for _, t := range set.Tools() {
		server.AddTool(describe(t), s.handler(t))
	}
	server.AddReceivingMiddleware(s.receive(set))
	return server
}

// Run serves one session, such as that of an [mcp.StdioTransport], as
// Options.Caller and with Options.Role. It returns when the client ends the
// session, with nil, or when ctx ends, with its error. The calls of the session that
// are running then are cancelled.
func (s *Server) Run(ctx context.Context, t mcp.Transport) error {
	// The library keeps the values of ctx for the calls, and not its end.
	session, err := s.byRole[s.role].Connect(context.WithValue(ctx, lifeKey, ctx), t, nil)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = ctx.Err()
		_ = session.Close()
		<-ended
	case <-s.closing.Done():
		err = errClosed
		_ = session.Close()
		<-ended
	}
	return err
}

var errClosed = errors.New("the server is closed")

// InProcess returns a transport for clients in the same program. Each Connect
// starts a session as Options.Caller and with Options.Role, which ends when the
// client closes it.
//
//	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
//	session, err := client.Connect(ctx, server.InProcess(), nil)
func (s *Server) InProcess() mcp.Transport { return inProcess{s} }

type inProcess struct{ server *Server }

// Connect implements [mcp.Transport].
func (t inProcess) Connect(ctx context.Context) (mcp.Connection, error) {
	here, there := mcp.NewInMemoryTransports()
	if _, err := t.server.byRole[t.server.role].Connect(ctx, here, nil); err != nil {
		return nil, err
	}
	return there.Connect(ctx)
}

// Close cancels the calls that are running, ends all sessions and waits for both.
// Sandboxes live on, until the Client ends them. A second call does nothing.
func (s *Server) Close() error {
	s.refuse()
	s.close()
	s.closeSessions()
	s.running.Wait()
	return nil
}

// refuse makes further calls fail.
func (s *Server) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// closeSessions ends all sessions.
func (s *Server) closeSessions() {
	var sessions sync.WaitGroup
	for _, server := range s.byRole {
		for session := range server.Sessions() {
			sessions.Go(func() { _ = session.Close() })
		}
	}
	sessions.Wait()
}

// sessions counts the sessions.
func (s *Server) sessions() int {
	n := 0
	for _, server := range s.byRole {
		for range server.Sessions() {
			n++
		}
	}
	return n
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// enter counts a call, and reports false once the Server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

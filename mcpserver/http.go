package mcpserver

import (
	"io"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Defaults of [HTTPOptions].
const (
	DefaultMaxBodyBytes    = 10 << 20
	DefaultSessionTimeout  = 10 * time.Minute
	DefaultMaxSessions     = 4096
	DefaultShutdownTimeout = 15 * time.Second
)

// sessionless is the first revision without sessions.
const sessionless = "2026-07-28"

const (
	versionHeader = "Mcp-Protocol-Version"
	sessionHeader = "Mcp-Session-Id"
)

// HTTPOptions are the options of [Server.HTTPHandler] and [Server.Serve]. The zero
// value of each field is its default.
type HTTPOptions struct {
	// AllowedHosts are the names that the Host header may have, without ports.
	// "*" is any. Default: the names and addresses of the loopback interface,
	// which keeps pages that rebind their name away.
	AllowedHosts []string

	// AllowedOrigins are the origins, such as "https://app.example.com", whose
	// pages may send requests, beside that of the server itself. Default: none.
	AllowedOrigins []string

	// MaxBodyBytes bounds the body of a request. Default
	// [DefaultMaxBodyBytes].
	MaxBodyBytes int64

	// SessionTimeout is when an unused session of an older revision ends.
	// Default [DefaultSessionTimeout].
	SessionTimeout time.Duration

	// MaxSessions bounds those sessions. Default [DefaultMaxSessions].
	MaxSessions int

	// Metrics serves /metrics, without authentication, as promhttp.Handler
	// does. Default: there is no such page.
	Metrics http.Handler

	// ShutdownTimeout is how long Serve waits for what is running in the end.
	// Default [DefaultShutdownTimeout].
	ShutdownTimeout time.Duration
}

func (o *HTTPOptions) withDefaults() HTTPOptions {
	var d HTTPOptions
	if o != nil {
		d = *o
	}
	if d.MaxBodyBytes == 0 {
		d.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if d.SessionTimeout == 0 {
		d.SessionTimeout = DefaultSessionTimeout
	}
	if d.MaxSessions == 0 {
		d.MaxSessions = DefaultMaxSessions
	}
	if d.ShutdownTimeout == 0 {
		d.ShutdownTimeout = DefaultShutdownTimeout
	}
	return d
}

// HTTPHandler returns a handler of the paths /mcp, /healthz and, with
// HTTPOptions.Metrics, /metrics. Only /mcp asks for a token. Nil opts mean the
// defaults. [Server.Close] ends the sessions that it makes. Whoever serves it on
// more than the loopback interface is to give the Server tokens, and to see to TLS.
func (s *Server) HTTPHandler(opts *HTTPOptions) http.Handler {
	o := opts.withDefaults()
	log := quiet(s.log)
	// No handler of the library has both eras: without state it has no questions
	// and no cancelling for older clients, with state it has no new revision.
	modern := mcp.NewStreamableHTTPHandler(s.serverFor, &mcp.StreamableHTTPOptions{
		Stateless: true, PropagateRequestCancellation: true, MaxRequestBodyBytes: o.MaxBodyBytes, Logger: log,
		DisableLocalhostProtection: true, // the guard has it, and lets proxies be allowed
	})
	legacy := mcp.NewStreamableHTTPHandler(s.serverFor, &mcp.StreamableHTTPOptions{
		SessionTimeout: o.SessionTimeout, MaxRequestBodyBytes: o.MaxBodyBytes, Logger: log,
		DisableLocalhostProtection: true,
	})
	endpoint := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Accel-Buffering", "no") // proxies are to pass events on at once
		if r.Method == http.MethodPost && s.enter() {
			defer s.running.Done() // the end is to wait for the answer, and not for the call alone
		}
		session := r.Header.Get(sessionHeader)
		if r.Header.Get(versionHeader) >= sessionless && session == "" {
			modern.ServeHTTP(w, r)
			return
		}
		if session == "" && r.Method == http.MethodPost && s.sessions() >= o.MaxSessions {
			w.Header().Set("Retry-After", "60")
			http.Error(w, "too many sessions", http.StatusServiceUnavailable)
			return
		}
		legacy.ServeHTTP(w, r)
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", s.authenticate(endpoint))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if s.isClosed() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	return limitWaits(guard(mux, &o))
}

package wire

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// envdPort is the port of the guest on which envd listens.
const envdPort = 49983

// A destination is what a request is for: a port of a sandbox, or, when the
// ID is empty, the control plane.
type destination struct {
	id   string
	port int
}

// destination finds out what a request is for. Bad is the text of a 400.
func (s *Server) destination(r *http.Request) (to destination, bad string) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	label, _, dotted := strings.Cut(host, ".")
	if port, id, ok := strings.Cut(label, "-"); ok && dotted && isNumber(port) {
		return parseDestination(id, port)
	}
	id, port := r.Header.Get("E2b-Sandbox-Id"), r.Header.Get("E2b-Sandbox-Port")
	switch {
	case id == "" && port == "":
		if r.URL.Path == "/files" && r.URL.Query().Has("signature") {
			return destination{id: s.signedFor(r), port: envdPort}, ""
		}
		return destination{}, ""
	case id == "":
		return destination{}, "missing header E2b-Sandbox-Id"
	case port == "":
		return destination{}, "missing header E2b-Sandbox-Port"
	}
	return parseDestination(id, port)
}

func parseDestination(id, port string) (to destination, bad string) {
	if !isSandboxID(id) {
		return destination{}, "Invalid sandbox ID"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return destination{}, "Invalid port"
	}
	return destination{id: id, port: int(n)}, ""
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// sandboxIDPattern is what the edge takes for an ID.
var sandboxIDPattern = regexp.MustCompile(`^[a-z0-9]{1,64}$`)

func isSandboxID(s string) bool { return sandboxIDPattern.MatchString(s) }

// unknownSandbox stands for the sandbox of a signature that fits none.
const unknownSandbox = "unknown"

// edge does what E2B's edge does with a request for a sandbox, and hands it to
// envd.
func (s *Server) edge(x *exchange, r *http.Request, to destination, envd http.Handler) {
	refusal := s.reach(x, r, to)
	if refusal == nil {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if s.dead.enter(to.id, x, cancel) {
			defer s.dead.leave(to.id, x)
			if refusal = s.admit(x, r); refusal == nil {
				defer x.watch()()
				envd.ServeHTTP(x, r.WithContext(ctx))
				return
			}
		} else {
			refusal = portClosed(to)
		}
	}
	if r.URL.Path == "/files" {
		drain(r)
	}
	refusal(x)
}

// drain reads what is left of an upload that is refused, so that a client that
// sends it all before it reads gets the answer.
func drain(r *http.Request) {
	const most = 16 << 20
	_, _ = io.CopyN(io.Discard, r.Body, most)
}

func portClosed(to destination) func(http.ResponseWriter) {
	return edgeError(to, http.StatusBadGateway, "The sandbox is running but port is not open", map[string]any{"port": to.port})
}

// reach finds the sandbox of a request. It returns what answers the request
// instead where that does not get through the edge.
func (s *Server) reach(x *exchange, r *http.Request, to destination) (refusal func(http.ResponseWriter)) {
	notFound := edgeError(to, http.StatusBadGateway, "The sandbox was not found", nil)
	if to.id == unknownSandbox {
		return func(w http.ResponseWriter) { writeError(w, unauthorized("invalid signature")) }
	}
	info, err := s.engine.Get(to.id)
	if err != nil {
		return notFound
	}
	if to.port != envdPort {
		// Nothing listens on the other ports of the guest.
		token := string(info.TrafficAccessToken)
		if token != "" && r.Header.Get("E2b-Traffic-Access-Token") != token {
			return edgeError(to, http.StatusForbidden, "Sandbox is secured with traffic access token. Token header is missing or wrong", nil)
		}
		return portClosed(to)
	}
	switch r.URL.Path {
	case "/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade":
		return edgeError(to, http.StatusNotFound, "endpoint is reserved for the control plane", map[string]any{"path": r.URL.Path})
	}
	if info.State == e2b.StatePaused && info.AutoResume && !s.open.has(to.id) &&
		r.Header.Get("X-Access-Token") != string(info.AccessToken) {
		return edgeError(to, http.StatusForbidden, "resume denied, the access token is missing or wrong", nil)
	}
	if x.sandbox, err = s.engine.Reach(r.Context(), to.id); err != nil {
		return notFound
	}
	return nil
}

// admit does what envd does before it looks at what a request wants: it checks
// the access token and the user.
func (s *Server) admit(x *exchange, r *http.Request) (refusal func(http.ResponseWriter)) {
	sandbox, token := x.sandbox, r.Header.Get("X-Access-Token")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/health":
		return nil
	case r.URL.Path == "/files":
		x.authorize = func() error { return s.mayUseFile(sandbox, r) }
	default:
		x.authorize = func() error { return s.checkToken(sandbox, token) }
	}
	if err := x.authorize(); err != nil {
		return func(w http.ResponseWriter) { writeError(w, asError(err)) }
	}
	if name, _, ok := r.BasicAuth(); ok && r.URL.Path != "/files" && !isUser(name) {
		return func(w http.ResponseWriter) {
			writeJSON(w, http.StatusUnauthorized, rpcError{Code: "unauthenticated", Message: "invalid username: '" + name + "'"})
		}
	}
	if r.URL.Path == processpbconnect.ProcessStartProcedure {
		x.limit = takeLimit(r.Header)
	}
	return nil
}

// isUser reports whether the sandbox has a user of that name.
func isUser(name string) bool { return name == "user" || name == "root" }

// checkToken refuses a wrong access token.
func (s *Server) checkToken(sandbox *fake.Sandbox, token string) error {
	if s.open.has(sandbox.ID()) {
		return nil
	}
	return sandbox.CheckToken(token)
}

// downed are the sandboxes whose envd has died, and the requests that would
// die with one.
type downed struct {
	mu       sync.Mutex
	dead     map[string]struct{}
	requests map[string]map[*exchange]context.CancelFunc
}

// enter reports whether the envd of a sandbox lives, and registers a request
// that ends with it.
func (d *downed) enter(id string, x *exchange, cancel context.CancelFunc) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.dead[id]; ok {
		return false
	}
	if d.requests == nil {
		d.requests = make(map[string]map[*exchange]context.CancelFunc)
	}
	if d.requests[id] == nil {
		d.requests[id] = make(map[*exchange]context.CancelFunc)
	}
	d.requests[id][x] = cancel
	return true
}

func (d *downed) leave(id string, x *exchange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.requests[id], x)
	if len(d.requests[id]) == 0 {
		delete(d.requests, id)
	}
}

// kill ends the envd of a sandbox: its connections break off, and nothing
// answers any more. The processes go on.
func (d *downed) kill(id string) {
	d.mu.Lock()
	if d.dead == nil {
		d.dead = make(map[string]struct{})
	}
	d.dead[id] = struct{}{}
	requests := maps.Clone(d.requests[id])
	d.mu.Unlock()
	for x, cancel := range requests {
		x.abort()
		cancel()
	}
}

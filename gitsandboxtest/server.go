package gitsandboxtest

import "github.com/gitsandbox/gitsandbox/internal/fake/wire"

// A Server is the same fake as a [Transport] behind E2B's own HTTP protocols,
// on a loopback address, for e2b.Client and for the SDKs of E2B in any
// language. Its URL is the address of the control plane and of every sandbox:
//
//	server, err := gitsandboxtest.NewServer(nil)
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	client, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{
//		APIURL:     server.URL(),
//		SandboxURL: server.URL(),
//	})
//
// The official SDKs take the same from the environment variables E2B_API_KEY,
// E2B_API_URL and E2B_SANDBOX_URL.
//
// Where envd, the daemon in an E2B sandbox, would die of a request, the fake
// one does: it does not answer any more. A keepalive interval that is not above
// 0 is such a request.
//
// Any number of goroutines may use a Server.
type Server struct {
	wire      *wire.Server
	transport *Transport
}

// A Request is one HTTP request that a [Server] got.
type Request struct {
	// Door is what the request was for, [ControlPlane] or [Envd].
	Door string

	// Method is the HTTP method.
	Method string

	// Path is the path of the URL. The query is not kept, since it may hold a
	// signature.
	Path string

	// SandboxID is the sandbox that the request was for, or empty.
	SandboxID string
}

// The values of Door in a [Request].
const (
	// ControlPlane is the REST API that creates and finds sandboxes.
	ControlPlane = "control plane"

	// Envd is the daemon in a sandbox, which runs commands and moves files.
	Envd = "envd"
)

// NewServer starts a Server without sandboxes on a free port of 127.0.0.1. Nil
// opts mean the defaults. The caller closes it.
func NewServer(opts *Options) (*Server, error) {
	transport, err := NewTransport(opts)
	if err != nil {
		return nil, err
	}
	w, err := wire.NewServer(transport.engine)
	if err != nil {
		_ = transport.Close()
		return nil, err
	}
	return &Server{wire: w, transport: transport}, nil
}

// URL returns the base URL of the control plane and of every sandbox, without
// a slash at the end.
func (s *Server) URL() string { return s.wire.URL() }

// APIKey returns the API key that the control plane accepts. Each Server has
// its own.
func (s *Server) APIKey() string { return s.wire.APIKey() }

// Transport returns the in-process door to the same sandboxes, for faults and
// calls, and to look at what a client has done. Close of the Server closes it.
func (s *Server) Transport() *Transport { return s.transport }

// Inject adds a fault. Remove takes it away again.
func (s *Server) Inject(f Fault) (remove func()) { return s.transport.Inject(f) }

// SetV1Only makes the control plane that of an older backend, which answers
// 404 to the second version of create and connect.
func (s *Server) SetV1Only(on bool) { s.wire.SetV1Only(on) }

// Requests returns the requests since the start or the last ResetRequests,
// oldest first. Only the last 10,000 are kept.
func (s *Server) Requests() []Request {
	got := s.wire.Requests()
	requests := make([]Request, len(got))
	for i, r := range got {
		requests[i] = Request(r)
	}
	return requests
}

// ResetRequests forgets the requests.
func (s *Server) ResetRequests() { s.wire.ResetRequests() }

// Close ends all requests, kills all sandboxes and removes all that the Server
// has made. A second call does nothing.
func (s *Server) Close() error {
	err := s.wire.Close()
	if closeErr := s.transport.Close(); err == nil {
		err = closeErr
	}
	return err
}

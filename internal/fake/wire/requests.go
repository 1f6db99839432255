package wire

import (
	"net/http"
	"slices"
	"sync"
)

// The doors that a request can be for.
const (
	ControlPlane = "control plane"
	Envd         = "envd"
)

// maxRequests bounds the log of a server that runs for days.
const maxRequests = 10_000

// A Request is one HTTP request that the server got.
type Request struct {
	// Door is [ControlPlane] or [Envd].
	Door string

	// Method and Path are those of the request; the query is not kept, since
	// it may hold a signature.
	Method, Path string

	// SandboxID is the sandbox that the request is for, or empty.
	SandboxID string
}

type requestLog struct {
	mu       sync.Mutex
	requests []Request
}

func (l *requestLog) add(r *http.Request, to destination) {
	req := Request{Door: ControlPlane, Method: r.Method, Path: r.URL.Path, SandboxID: sandboxOfPath(r.URL.Path)}
	if to.id != "" {
		req.Door, req.SandboxID = Envd, to.id
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) >= maxRequests {
		l.requests = slices.Delete(l.requests, 0, maxRequests/10)
	}
	l.requests = append(l.requests, req)
}

// Requests returns the requests since the start or the last ResetRequests,
// oldest first. Only the last 10,000 are kept.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.requests)
}

// ResetRequests forgets the requests.
func (s *Server) ResetRequests() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.requests = nil
}

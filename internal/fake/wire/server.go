// Package wire serves a fake engine over E2B's own HTTP protocols, on a
// loopback address: the REST control plane, and, for every sandbox, what envd
// answers: its two Connect services and its file routes. One URL is both, so
// that a client with that URL as API URL and as sandbox URL needs nothing else.
//
// A request is for a sandbox when it has the headers E2b-Sandbox-Id and
// E2b-Sandbox-Port, or the Host PORT-ID.anything; or when it has a signed file
// URL, which names no sandbox when it is made from a sandbox URL: there the
// signature tells. Every other request is for the control plane.
package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/filesystempb/filesystempbconnect"
	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// maxMessage bounds one message to a Connect service.
const maxMessage = 64 << 20

// A Server is an HTTP server in front of an engine. Any number of goroutines
// may use it.
type Server struct {
	engine *fake.Engine
	url    string
	key    string

	log     requestLog
	dead    downed
	open    unsecured
	watches watchers
	noV2    atomic.Bool

	http   *http.Server
	cancel context.CancelFunc // ends every request

	mu      sync.Mutex
	closed  bool
	serving sync.WaitGroup // Serve, and every request

	closeOnce sync.Once
	closeErr  error
}

// NewServer starts a server on a free port of 127.0.0.1. The caller closes it;
// the engine stays the caller's.
func NewServer(e *fake.Engine) (*Server, error) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	key := make([]byte, 20)
	_, _ = rand.Read(key) // never fails
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		engine: e,
		url:    "http://" + ln.Addr().String(),
		key:    "e2b_" + hex.EncodeToString(key),
		cancel: cancel,
	}
	// The public edge speaks HTTP/2, envd itself HTTP/1.1.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:           s.handler(),
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// Connections that break off are what faults are for, and no news.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	s.serving.Go(func() { _ = s.http.Serve(ln) })
	return s, nil
}

// URL returns the base URL of the control plane and of every sandbox, without
// a slash at the end.
func (s *Server) URL() string { return s.url }

// APIKey returns the one API key that the control plane accepts.
func (s *Server) APIKey() string { return s.key }

// Engine returns the engine behind the server.
func (s *Server) Engine() *fake.Engine { return s.engine }

// SetV1Only makes the control plane that of an older backend, which answers
// 404 to the V2 forms of create and connect.
func (s *Server) SetV1Only(on bool) { s.noV2.Store(on) }

// Close ends all requests, streams included, and returns when they have ended.
// A second call returns what the first did.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.cancel()
		err := s.http.Close()
		s.serving.Wait()
		s.watches.closeAll()
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.closeErr = fmt.Errorf("wire: %w", err)
		}
	})
	return s.closeErr
}

// enter counts a request, unless the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.serving.Add(1)
	return true
}

// handler takes a request to where it belongs.
func (s *Server) handler() http.Handler {
	api := s.controlPlane()
	daemon := s.envd()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler)
		}
		defer s.serving.Done()
		x := newExchange(w)
		ctx := context.WithValue(r.Context(), exchangeKey{}, x)
		r = r.WithContext(ctx)
		to, bad := s.destination(r)
		s.log.add(r, to)
		switch {
		case bad != "":
			http.Error(x, bad, http.StatusBadRequest)
		case to.id == "":
			api.ServeHTTP(x, r)
		default:
			s.edge(x, r, to, daemon)
		}
		x.finish()
	})
}

// envd returns the handler of what is behind the edge.
func (s *Server) envd() http.Handler {
	mux := http.NewServeMux()
	limit := connect.WithReadMaxBytes(maxMessage)
	mux.Handle(processpbconnect.NewProcessHandler(&processes{server: s}, limit))
	mux.Handle(filesystempbconnect.NewFilesystemHandler(&filesystem{server: s}, limit))
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /metrics", s.envdMetrics)
	mux.HandleFunc("GET /envs", s.envs)
	mux.HandleFunc("/files", s.download)
	mux.HandleFunc("POST /files", s.upload)
	mux.HandleFunc("POST /files/compose", s.compose)
	return plainErrors(mux)
}

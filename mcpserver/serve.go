package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ErrExposed means that the server was to listen where others can reach it, without
// tokens.
var ErrExposed = errors.New("tokens are needed to listen on more than the loopback interface")

// Listen listens on a TCP address, such as "127.0.0.1:8080", for [Server.Serve].
// Without tokens it returns [ErrExposed] for an address that is not that of the
// loopback interface.
func (s *Server) Listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if len(s.tokens) == 0 && !loopback(host) {
		return nil, fmt.Errorf("%w: %s", ErrExposed, address)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

// Serve serves HTTPHandler on a listener, which it closes, until ctx ends. Then it
// takes no further requests, waits for those that run, at most for
// HTTPOptions.ShutdownTimeout, and closes the Server. Nil opts mean the defaults. It
// returns nil in the end, or why it could not serve: [ErrExposed], for one.
func (s *Server) Serve(ctx context.Context, l net.Listener, opts *HTTPOptions) error {
	if addr, ok := l.Addr().(*net.TCPAddr); len(s.tokens) == 0 && (!ok || !addr.IP.IsLoopback()) {
		_ = l.Close()
		return fmt.Errorf("%w: %s", ErrExposed, l.Addr())
	}
	o := opts.withDefaults()
	server := &http.Server{
		Handler:           s.HTTPHandler(&o),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.ShutdownTimeout)
	defer cancel()
	// A stream of an older revision stays open for as long as its session does, so
	// sessions end once the calls have.
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Shutdown(grace)
	}()
	if !s.drain(grace) {
		_ = server.Close() // some body does not come
	}
	err := s.Close()
	<-stopped
	return errors.Join(err, server.Close())
}

// drain waits for the calls that are running. When ctx ends it cancels them, and
// reports whether they end soon.
func (s *Server) drain(ctx context.Context) bool {
	s.refuse()
	idle := make(chan struct{})
	go func() {
		s.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
		s.close()
	}
	select {
	case <-idle:
		return true
	case <-time.After(cancelWait):
		return false
	}
}

// cancelWait is the time for cancelled calls to say so to their clients.
const cancelWait = 2 * time.Second

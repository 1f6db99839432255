package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// startTime bounds the start of a server, pollTime the wait between two
	// looks at whether it is ready.
	startTime = 30 * time.Second
	pollTime  = 100 * time.Millisecond

	// stopTime is how long a server has after SIGTERM.
	stopTime = 20 * time.Second

	// maxLog is how much is kept of what a server printed last.
	maxLog = 64 << 10
)

// process is a server that runs.
type process struct {
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
	err  error
}

// start starts a server and waits until ready answers 200.
func start(ctx context.Context, cmd *exec.Cmd, ready string) (*process, error) {
	p := &process{cmd: cmd, log: &tail{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	for !answers(ctx, ready) {
		select {
		case <-ticker.C:
		case <-p.done:
			return nil, fmt.Errorf("%s: %w\n%s", cmd.Path, p.err, p.log)
		case <-ctx.Done():
			_ = p.stop()
			return nil, fmt.Errorf("%s is not ready: %w\n%s", cmd.Path, ctx.Err(), p.log)
		}
	}
	return p, nil
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	res, err := client().Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// stop ends the server. What it printed is in the error, if there is one.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end:\n%s", p.cmd.Path, p.log)
	}
	// Both servers end with code 0 on SIGTERM, which is also what the end of
	// the context sends.
	if p.err != nil && !errors.Is(p.err, context.Canceled) && !errors.Is(p.err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w\n%s", p.cmd.Path, p.err, p.log)
	}
	return nil
}

// client returns an HTTP client that keeps no connection.
func client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// FreeAddr returns addr if it is free, or an error. An empty addr means any free
// port of 127.0.0.1. Somebody else can take it before it is used.
func FreeAddr(addr string) (string, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr) //nolint:noctx // local and at once
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func writeFiles(files map[string][]byte) error {
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - maxLog; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

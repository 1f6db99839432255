package fake

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// A Sandbox is a temporary directory and the processes that run in it.
type Sandbox struct {
	engine *Engine
	id     string
	dir    string // real path
	root   *os.Root
	ns     *namespace // nil where processes see the machine's own directories

	templateID, alias string
	metadata, env     map[string]string
	created           time.Time
	seq               int
	gone              chan struct{} // closed when the sandbox ends

	procs processes
	meta  fileMetadata

	// mu is held for reading by what needs the sandbox to run while it does
	// something short, such as the start of a process, and for writing by
	// what changes the state.
	mu        sync.RWMutex
	state     atomicState // changes under mu
	started   time.Time   // counts the lifetime from here
	until     time.Time   // its end, or the time of the pause
	timeout   time.Duration
	stopTimer func()

	access, traffic       string
	autoPause, autoResume bool
	network               *Network
}

type state int32

const (
	running state = iota
	paused
	ended
)

// atomicState can be read without mu, by what must not wait for a copy that is
// being made.
type atomicState struct{ v atomic.Int32 }

func (s *atomicState) Load() state   { return state(s.v.Load()) }
func (s *atomicState) Store(v state) { s.v.Store(int32(v)) }

// Info is what is known of a sandbox.
type Info struct {
	e2b.SandboxInfo

	// CreatedAt is when the sandbox was made. Seq is higher for a newer one.
	CreatedAt time.Time
	Seq       int

	// Timeout is the lifetime that was asked for last.
	Timeout time.Duration

	// Env are the environment variables of every command.
	Env map[string]string

	// AutoPause and AutoResume are as in [CreateSpec].
	AutoPause, AutoResume bool

	// Network are the stored rules, or nil.
	Network *Network
}

// ID returns the ID of the sandbox.
func (s *Sandbox) ID() string { return s.id }

// Dir returns the directory on this machine that is "/" of the sandbox.
func (s *Sandbox) Dir() string { return s.dir }

// Gone is closed when the sandbox ends.
func (s *Sandbox) Gone() <-chan struct{} { return s.gone }

// Info returns what is known of the sandbox. The caller may change the copy.
func (s *Sandbox) Info() *Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := &Info{
		SandboxInfo: e2b.SandboxInfo{
			SandboxID: s.id, TemplateID: s.templateID, Alias: s.alias,
			State: e2b.StateRunning, StartedAt: s.started, EndAt: s.until,
			CPUCount: 2, MemoryMB: 512, DiskSizeMB: 10240,
			Metadata: maps.Clone(s.metadata), EnvdVersion: EnvdVersion,
			AccessToken: e2b.Secret(s.access), TrafficAccessToken: e2b.Secret(s.traffic),
		},
		CreatedAt: s.created, Seq: s.seq, Timeout: s.timeout, Env: maps.Clone(s.env),
		AutoPause: s.autoPause, AutoResume: s.autoResume, Network: s.network.clone(),
	}
	if s.state.Load() == paused {
		i.State = e2b.StatePaused
	}
	return i
}

// AccessToken returns the token that envd asks for.
func (s *Sandbox) AccessToken() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.access
}

// CheckToken returns an [e2b.ErrAuth] unless token is the access token.
func (s *Sandbox) CheckToken(token string) error {
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.AccessToken())) != 1 {
		return errToken(s.id)
	}
	return nil
}

func (s *Sandbox) expireToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access = newToken()
}

func (s *Sandbox) setAutoPause(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.autoPause = on
}

func (s *Sandbox) setNetwork(n *Network) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != running {
		return s.conflict("is not running")
	}
	s.network = n.clone()
	return nil
}

func (s *Sandbox) conflict(what string) error {
	if s.state.Load() == ended {
		return errNoSandbox(s.id)
	}
	return errConflict(s.id, fmt.Sprintf("Sandbox %q %s", s.id, what))
}

func (s *Sandbox) running() bool { return s.state.Load() == running }

// hold returns with mu held for reading and the sandbox running, or with the
// error of the edge. The caller calls mu.RUnlock.
func (s *Sandbox) hold() error {
	s.mu.RLock()
	if s.state.Load() != running {
		s.mu.RUnlock()
		return errEdge(s.id)
	}
	return nil
}

// reach resumes the sandbox if it is paused and may be resumed by a request.
func (s *Sandbox) reach(ctx context.Context) error {
	s.mu.RLock()
	state, auto, timeout := s.state.Load(), s.autoResume, s.timeout
	s.mu.RUnlock()
	if state == running {
		return nil
	}
	if state == paused && auto {
		if _, err := s.resume(ctx, max(timeout, 5*time.Minute), true); err == nil {
			return nil
		}
	}
	return errEdge(s.id)
}

// setEnd makes the lifetime end at t. The caller holds mu.
func (s *Sandbox) setEnd(t time.Time) {
	if s.stopTimer != nil {
		s.stopTimer()
	}
	s.until = t
	s.stopTimer = s.engine.clock.AfterFunc(t.Sub(s.engine.clock.Now()), s.expire)
}

// expire is called when the lifetime may be over.
func (s *Sandbox) expire() {
	s.mu.RLock()
	due := s.state.Load() == running && !s.engine.clock.Now().Before(s.until)
	pause := s.autoPause
	s.mu.RUnlock()
	switch {
	case !due: // it was extended, paused or ended while this call was under way
	case pause:
		_ = s.pause(context.Background())
	default:
		_ = s.engine.kill(s)
	}
}

func (s *Sandbox) setTimeout(d time.Duration, onlyExtend bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != running {
		return s.conflict("is not running")
	}
	until := s.engine.clock.Now().Add(d)
	if limit := s.started.Add(s.engine.opts.MaxLifetime); until.After(limit) {
		until = limit
	}
	if onlyExtend && !until.After(s.until) {
		return nil
	}
	s.timeout = d
	s.setEnd(until)
	return nil
}

// pause stops all processes.
func (s *Sandbox) pause(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != running {
		return s.conflict("is already paused")
	}
	if s.stopTimer != nil {
		s.stopTimer()
	}
	s.state.Store(paused)
	s.until = s.engine.clock.Now()
	return s.freeze()
}

// resume lets the processes of a paused sandbox go on with a lifetime of d
// from now. A running one is extended where alsoRunning is set.
func (s *Sandbox) resume(_ context.Context, d time.Duration, alsoRunning bool) (resumed bool, err error) {
	now := s.engine.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state.Load() {
	case ended:
		return false, errNoSandbox(s.id)
	case running:
		if !alsoRunning {
			return false, s.conflict("is already running")
		}
		until := now.Add(d)
		if limit := s.started.Add(s.engine.opts.MaxLifetime); until.After(limit) {
			until = limit
		}
		if until.After(s.until) {
			s.timeout = d
			s.setEnd(until)
		}
		return false, nil
	case paused:
	}
	s.state.Store(running)
	s.started, s.timeout = now, d
	s.setEnd(now.Add(d))
	s.thaw()
	return true, nil
}

// end kills all processes and removes the directory.
func (s *Sandbox) end() error {
	s.mu.Lock()
	if s.state.Load() == ended {
		s.mu.Unlock()
		return nil
	}
	s.state.Store(ended)
	if s.stopTimer != nil {
		s.stopTimer()
	}
	s.mu.Unlock()
	close(s.gone)
	// From here on no process starts: what does so holds mu for reading and
	// looks at the state.
	err := s.killProcesses()
	s.ns.close()
	_ = s.root.Close()
	if rmErr := removeAll(s.dir); rmErr != nil && err == nil {
		err = rmErr
	}
	if err != nil {
		return &e2b.Error{SandboxID: s.id, Status: http.StatusInternalServerError, Message: "the fake could not clean up", Err: err}
	}
	return nil
}

// newID returns a sandbox ID: "i" and 20 characters of [a-z0-9].
func newID() string { return "i" + randomText(20) }

// randomText returns n random characters of [a-z0-9].
func randomText(n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		// 256 is no multiple of 36: a small bias, which does no harm to a
		// name.
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// newToken returns a secret of 256 bits.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

package fake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

const (
	// maxChunk is the most that envd puts into one message.
	maxChunk = 32 << 10

	// maxArg is what Linux allows for one argument, with its final NUL.
	maxArg = 128 << 10

	// endKept is how long the end of a process can be had after it.
	endKept = 30 * time.Second
)

// A ProcessSpec describes a process to start.
type ProcessSpec struct {
	// Cmd is the program, looked up in PATH, and Args are its arguments
	// without the program.
	Cmd  string
	Args []string

	// Env is added to the environment of the sandbox.
	Env map[string]string

	// Dir is the working directory: absolute, "~", or relative to the home
	// directory, which is the default.
	Dir string

	// User is "user", the default, or "root". It decides HOME, USER and what
	// "~" means, and nothing else.
	User string

	// Tag is a label that the caller may give.
	Tag string

	// Stdin keeps a pipe to the process open. Otherwise it reads /dev/null.
	Stdin bool

	// PTY runs the process on a pseudo terminal of this size. The output is
	// then of kind [PTYOutput], and what is written to stdin is typed.
	PTY *PTYSize

	// Timeout kills the process alone, not its children, and fails the
	// subscription that Start returned, as Connect-Timeout-Ms does. 0 means
	// none.
	Timeout time.Duration
}

// PTYSize is the size of a pseudo terminal.
type PTYSize struct{ Cols, Rows uint16 }

// EventKind is what an [Event] is of.
type EventKind int

// The kinds of events.
const (
	Stdout EventKind = iota
	Stderr
	PTYOutput
	End
)

// An Event is output of a process, or its end.
type Event struct {
	Kind EventKind
	Data []byte // at most 32 KiB
	Exit *Exit  // of an End
}

// Exit is how a process ended.
type Exit struct {
	Code   int    // -1 where a signal ended it
	Exited bool   // it ended by itself
	Signal string // such as "killed", where a signal ended it
	Status string // such as "exit status 3" or "signal: killed"
	Error  string // the status, or empty for exit code 0
}

// A Process is a process that was started in a sandbox. It ends when the
// program has exited and nobody holds its standard output and error open any
// more.
type Process struct {
	sandbox *Sandbox
	spec    ProcessSpec
	pid     int
	number  int // counts up in the sandbox
	cmd     *exec.Cmd

	outputs []*os.File // our ends of the pipes
	pty     *os.File

	stdinMu sync.Mutex // held by the one write at a time
	stdin   *os.File   // nil, or our end of the pipe or the terminal

	exited chan struct{} // closed when the program has exited
	done   chan struct{} // closed when all is over

	mu      sync.Mutex
	subs    map[*Subscription]struct{}
	lost    error // what subscribers get when the sandbox is gone
	exit    *Exit
	endedAt time.Time
}

// PID returns the process ID.
func (p *Process) PID() int { return p.pid }

// Spec returns what the process was started with.
func (p *Process) Spec() ProcessSpec { return p.spec }

// Done is closed at the end of the process.
func (p *Process) Done() <-chan struct{} { return p.done }

// A Subscription gets the events of a process from when it was made. One
// goroutine at a time uses it, but any may call Close.
type Subscription struct {
	process *Process
	events  chan Event
	closed  chan struct{}

	mu     sync.Mutex
	err    error // why it was closed
	gotEnd bool
}

// Subscribe returns a subscription for what comes from now on. A subscriber
// that does not read blocks the process and all other subscribers. It must be
// closed.
func (p *Process) Subscribe() *Subscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.subscribe()
}

func (p *Process) subscribe() *Subscription {
	sub := &Subscription{process: p, events: make(chan Event), closed: make(chan struct{})}
	if p.lost != nil {
		sub.fail(p.lost)
		return sub
	}
	p.subs[sub] = struct{}{}
	return sub
}

// Next waits for the next event. After the End it returns io.EOF. It returns
// an [e2b.ErrSandboxNotFound] when the sandbox is killed, an [e2b.ErrClosed]
// after Close, an error with the code "deadline_exceeded" at the end of
// [ProcessSpec].Timeout, and the error of ctx when that ends.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	select {
	case <-s.closed:
		return Event{}, s.failure()
	default:
	}
	select {
	case ev := <-s.events:
		return ev, nil
	case <-s.closed:
		return Event{}, s.failure()
	case <-ctx.Done():
		return Event{}, ctx.Err()
	case <-s.process.done:
	}
	// All output was taken before done was closed.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return Event{}, s.err
	}
	if s.gotEnd {
		return Event{}, io.EOF
	}
	s.gotEnd = true
	exit := *s.process.exit
	return Event{Kind: End, Exit: &exit}, nil
}

// Close ends the subscription. The process goes on.
func (s *Subscription) Close() {
	s.fail(&e2b.Error{Kind: e2b.ErrClosed})
	s.process.mu.Lock()
	delete(s.process.subs, s)
	s.process.mu.Unlock()
}

func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		close(s.closed)
	}
}

func (s *Subscription) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// publish gives an event to every subscriber and waits until each has taken
// it or closed.
func (p *Process) publish(ev Event) {
	p.mu.Lock()
	subs := make([]*Subscription, 0, len(p.subs))
	for sub := range p.subs {
		subs = append(subs, sub)
	}
	p.mu.Unlock()
	for _, sub := range subs {
		select {
		case sub.events <- ev:
		case <-sub.closed:
		}
	}
}

// lose fails all subscriptions, those to come as well.
func (p *Process) lose(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = err
	for sub := range p.subs {
		sub.fail(err)
	}
	clear(p.subs)
}

// pump publishes what the process writes to one pipe, until it is closed.
func (p *Process) pump(r *os.File, kind EventKind) {
	buf := make([]byte, maxChunk)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			p.publish(Event{Kind: kind, Data: bytes.Clone(buf[:n])})
		}
		if err != nil { // io.EOF, or EIO from a terminal whose last user is gone
			return
		}
	}
}

// WriteStdin writes to the standard input of the process, or types into its
// terminal. It blocks while the process does not read, until ctx ends.
func (p *Process) WriteStdin(ctx context.Context, data []byte) error {
	if p.stdin == nil {
		return errNoStdin()
	}
	p.stdinMu.Lock()
	defer p.stdinMu.Unlock()
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_ = p.stdin.SetWriteDeadline(time.Unix(1, 0))
	})
	_, err := p.stdin.Write(data)
	if !stop() {
		<-woken
		_ = p.stdin.SetWriteDeadline(time.Time{})
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	if err != nil {
		return errNoStdin()
	}
	return nil
}

func errNoStdin() *e2b.Error {
	return &e2b.Error{Status: http.StatusInternalServerError, Code: "internal", Message: "stdin not enabled or closed"}
}

// CloseStdin closes the standard input of the process. A second call does
// nothing. It has no effect on a terminal.
func (p *Process) CloseStdin() error {
	if p.stdin == nil || p.pty != nil {
		return nil
	}
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errInternal(err)
	}
	return nil
}

// Signal sends a signal to the process alone. It returns an
// [e2b.ErrProcessNotFound] after its end.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return errNoProcess("process with pid %d not found", p.pid)
	}
	if err != nil {
		return errInternal(err)
	}
	return nil
}

// SignalGroup sends a signal to the process group of the process, as long as
// the process has not ended.
func (p *Process) SignalGroup(sig syscall.Signal) error {
	select {
	case <-p.done:
		return errNoProcess("process with pid %d not found", p.pid)
	default:
	}
	if err := syscall.Kill(-p.pid, sig); err != nil {
		return errNoProcess("process with pid %d not found", p.pid)
	}
	return nil
}

// Resize changes the size of the terminal of the process.
func (p *Process) Resize(size PTYSize) error {
	if p.pty == nil {
		return errInvalid("process with pid %d has no terminal", p.pid)
	}
	return setPTYSize(p.pty, size)
}

// watch waits for the end of the process.
func (p *Process) watch(pumps *sync.WaitGroup) {
	_ = p.cmd.Wait() // the state tells it all
	close(p.exited)
	pumps.Wait()
	st := p.cmd.ProcessState
	exit := &Exit{Code: st.ExitCode(), Exited: st.Exited(), Status: st.String()}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		exit.Signal = ws.Signal().String()
		exit.Status = "signal: " + exit.Signal
	}
	if !exit.Exited || exit.Code != 0 {
		exit.Error = exit.Status
	}
	if p.stdin != nil {
		_ = p.stdin.Close()
	}
	for _, f := range p.outputs {
		_ = f.Close()
	}
	p.mu.Lock()
	p.exit = exit
	p.endedAt = p.sandbox.engine.clock.Now()
	p.mu.Unlock()
	p.sandbox.procs.ended(p)
	close(p.done)
}

package fake

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// The operations that calls and faults name.
const (
	OpCreate         = "create"
	OpConnect        = "connect"
	OpGet            = "get"
	OpList           = "list"
	OpKill           = "kill"
	OpPause          = "pause"
	OpResume         = "resume"
	OpSetTimeout     = "set_timeout"
	OpFork           = "fork"
	OpSnapshot       = "snapshot"
	OpDeleteSnapshot = "delete_snapshot"
	OpListSnapshots  = "list_snapshots"
	OpNetwork        = "network"
	OpHealth         = "health"
	OpExec           = "exec" // the start of a process
	OpConnectProcess = "connect_process"
	OpListProcesses  = "list_processes"
	OpStdin          = "stdin"
	OpSignal         = "signal"
	OpReadFile       = "read_file"
	OpWriteFile      = "write_file"
	OpStat           = "stat"
	OpListDir        = "list_dir"
	OpMakeDir        = "make_dir"
	OpMove           = "move"
	OpRemove         = "remove"
	OpWatch          = "watch"
)

// A Call is one call of an operation, as a door saw it.
type Call struct {
	// Op is one of the Op constants.
	Op string

	// SandboxID is the sandbox that it is for, or empty.
	SandboxID string

	// Args are the arguments of a command, the name of a file, or the name of
	// a template.
	Args []string

	// Time is when the call was made, by the clock of the engine.
	Time time.Time
}

func (c *Call) size() int {
	n := 0
	for _, a := range c.Args {
		n += len(a)
	}
	return n
}

// FaultKind is what goes wrong.
type FaultKind int

// The kinds of faults.
const (
	// Refuse answers with an error and does nothing else.
	Refuse FaultKind = iota

	// RateLimit answers with status 429 and RetryAfter.
	RateLimit

	// Delay waits before the call, or until its context ends.
	Delay

	// LoseReply does what was asked and then fails as a lost connection does.
	LoseReply

	// DropStream cuts the output of a command, a download or an upload after
	// After bytes. The command lives on. A caller that can join it again does
	// so, and misses what came in between.
	DropStream

	// KillSandbox kills the sandbox just before the call, or, where After is
	// above 0, once that many bytes of its output have come.
	KillSandbox

	// ExpireToken replaces the access token of the sandbox, so that this call
	// and all later ones with the old token are refused. Connect gives the
	// new one.
	ExpireToken

	// FullDisk lets After bytes of an upload onto the disk and fails the rest
	// with [e2b.ErrNoSpace].
	FullDisk
)

// A Fault is something that goes wrong with the calls that it matches.
type Fault struct {
	// Op is the operation to fail, one of the Op constants. Empty means any.
	Op string

	// SandboxID is the sandbox to fail. Empty means any.
	SandboxID string

	// Match further says which calls to fail. Nil means all. It is called
	// with one call at a time and must not use the engine.
	Match func(*Call) bool

	// Nth is the first of the matching calls to fail, counted from 1. 0 means
	// every matching call, as far as Times allows.
	Nth int

	// Times is how many calls to fail. 0 means one where Nth is given, and
	// no limit otherwise.
	Times int

	// Kind is what happens.
	Kind FaultKind

	// Status is the HTTP status of a Refuse. Default 503: the call had no
	// effect and can be repeated.
	Status int

	// Message and Code are the text and the error code of a Refuse.
	Message, Code string

	// RetryAfter is how long a RateLimit asks to wait, in whole seconds,
	// rounded up. 0 sends none.
	RetryAfter time.Duration

	// Delay is how long a Delay lasts. It is real time, whatever the clock.
	Delay time.Duration

	// After is the number of bytes after which a DropStream, KillSandbox or
	// FullDisk strikes.
	After int64
}

// The record of calls is bounded, since a fake may run for days.
const (
	maxCalls    = 10_000
	maxCallText = 32 << 20 // bytes of arguments
)

type faults struct {
	mu    sync.Mutex
	list  []*injected
	calls []Call
	text  int // bytes of arguments in calls
}

type injected struct {
	Fault

	seen, struck int
}

// Inject adds a fault. Remove takes it away again.
func (e *Engine) Inject(f Fault) (remove func()) {
	in := &injected{Fault: f}
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	e.faults.list = append(e.faults.list, in)
	return func() {
		e.faults.mu.Lock()
		defer e.faults.mu.Unlock()
		e.faults.list = slices.DeleteFunc(e.faults.list, func(o *injected) bool { return o == in })
	}
}

// Calls returns the calls since the start or the last ResetCalls, oldest
// first. Only the last 10,000 are kept, and fewer where their arguments are
// long.
func (e *Engine) Calls() []Call {
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	return slices.Clone(e.faults.calls)
}

// ResetCalls forgets the calls.
func (e *Engine) ResetCalls() {
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	e.faults.calls, e.faults.text = nil, 0
}

// record notes the call and returns the faults that strike it.
func (f *faults) record(c Call) []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	f.text += c.size()
	if len(f.calls) > maxCalls || f.text > maxCallText {
		// A tenth at once, so that it need not be done again at the next call.
		old := 0
		for ; old < len(f.calls) && (old < len(f.calls)/10 || f.text > maxCallText*9/10); old++ {
			f.text -= f.calls[old].size()
		}
		f.calls = slices.Delete(f.calls, 0, old)
	}
	var strike []Fault
	for _, in := range f.list {
		if in.matches(&c) {
			strike = append(strike, in.Fault)
		}
	}
	return strike
}

// matches counts the call and reports whether the fault strikes it.
func (in *injected) matches(c *Call) bool {
	if in.Op != "" && in.Op != c.Op || in.SandboxID != "" && in.SandboxID != c.SandboxID {
		return false
	}
	if in.Match != nil && !in.Match(c) {
		return false
	}
	in.seen++
	times := in.Times
	if times == 0 && in.Nth > 0 {
		times = 1
	}
	if in.seen < in.Nth || times > 0 && in.struck >= times {
		return false
	}
	in.struck++
	return true
}

// A Plan is what is still to go wrong with a call that has begun. One
// goroutine at a time uses it.
type Plan struct {
	// LoseReply says that the door does what was asked and then drops the
	// connection instead of answering.
	LoseReply bool

	engine *Engine
	about  Call
	drop   int64 // bytes until the stream is cut, or -1
	kill   bool  // the cut kills the sandbox
	disk   int64 // bytes until the disk is full, or -1
}

// Begin records a call that a door is about to carry out, and lets the faults
// strike that come before it: it waits for a Delay, kills the sandbox,
// expires its token. The error is the [*e2b.Error] to answer with, or that of
// the context when it ended during a Delay. The Plan holds what comes later.
func (e *Engine) Begin(ctx context.Context, c Call) (*Plan, error) {
	c.Time = e.clock.Now()
	p := &Plan{engine: e, about: c, drop: -1, disk: -1}
	for _, f := range e.faults.record(c) {
		switch f.Kind {
		case Refuse:
			return nil, f.refusal(&c)
		case RateLimit:
			f.Status = http.StatusTooManyRequests
			return nil, f.refusal(&c)
		case Delay:
			if err := wait(ctx, f.Delay); err != nil {
				return nil, err
			}
		case LoseReply:
			p.LoseReply = true
		case DropStream:
			p.drop, p.kill = f.After, false
		case KillSandbox:
			if f.After > 0 {
				p.drop, p.kill = f.After, true
			} else {
				e.killNow(c.SandboxID)
			}
		case ExpireToken:
			if s, err := e.Find(c.SandboxID); err == nil {
				s.expireToken()
			}
		case FullDisk:
			p.disk = f.After
		}
	}
	return p, nil
}

// Pass counts n bytes of a stream that goes to the caller. Keep is how many of
// them still get there; cut says that the stream breaks off after them. Where
// the fault is KillSandbox the sandbox is dead when Pass returns.
func (p *Plan) Pass(n int) (keep int, cut bool) {
	if p.drop < 0 {
		return n, false
	}
	if int64(n) < p.drop {
		p.drop -= int64(n)
		return n, false
	}
	keep = int(p.drop)
	p.drop = -1
	if p.kill {
		p.engine.killNow(p.about.SandboxID)
	}
	return keep, true
}

// Body wraps the body of an upload. Reading it fails with an [*e2b.Error]
// where the fault is a FullDisk, KillSandbox or DropStream; the bytes until
// then are to be written.
func (p *Plan) Body(r io.Reader) io.Reader {
	if p.disk < 0 && p.drop < 0 {
		return r
	}
	return &faultyBody{r: r, plan: p}
}

type faultyBody struct {
	r    io.Reader
	plan *Plan
	err  error
}

// Read reads up to the place of the fault, and from there on fails.
func (b *faultyBody) Read(buf []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(buf)
	if b.plan.disk >= 0 {
		if int64(n) > b.plan.disk {
			n = int(b.plan.disk)
			b.err = errFull()
			return n, b.err
		}
		b.plan.disk -= int64(n)
	}
	if keep, cut := b.plan.Pass(n); cut {
		b.err = &e2b.Error{Op: b.plan.about.Op, SandboxID: b.plan.about.SandboxID, Kind: e2b.ErrNetwork, Err: io.ErrUnexpectedEOF}
		if b.plan.kill {
			b.err = errEdge(b.plan.about.SandboxID)
		}
		return keep, b.err
	}
	return n, err
}

func errFull() *e2b.Error {
	return &e2b.Error{
		Kind: e2b.ErrNoSpace, Status: http.StatusInsufficientStorage, Code: "resource_exhausted",
		Message: "not enough disk space available",
	}
}

func (f *Fault) refusal(c *Call) *e2b.Error {
	status := cmp.Or(f.Status, http.StatusServiceUnavailable)
	after := (f.RetryAfter + time.Second - 1).Truncate(time.Second)
	err := &e2b.Error{
		Op: c.Op, SandboxID: c.SandboxID, Kind: kindOf(c.Op, status), Status: status,
		Code: f.Code, Message: cmp.Or(f.Message, "refused by the fake"), RetryAfter: after,
	}
	err.Retryable = status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	return err
}

// killNow kills the sandbox if it is there.
func (e *Engine) killNow(id string) {
	if s, err := e.Find(id); err == nil {
		_ = e.kill(s)
	}
}

// wait lasts d, or until ctx ends, whose error it then returns.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package fake

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"
)

// processes are the processes of a sandbox.
type processes struct {
	mu    sync.Mutex
	byPID map[int]*Process
	count int // of processes so far

	// sessions are the IDs of sessions that may still have members, by which
	// a process that has dropped its environment is found. The kernel does
	// not reuse an ID while it has a member.
	sessions map[int]struct{}
}

func (t *processes) add(p *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prune(p.sandbox.engine.clock.Now())
	t.count++
	p.number = t.count
	t.byPID[p.pid] = p
	t.sessions[p.pid] = struct{}{}
}

func (t *processes) ended(p *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prune(p.sandbox.engine.clock.Now())
}

// maxEnded is how many processes that have ended are kept, whatever the clock
// says.
const maxEnded = 1000

// prune forgets processes whose end is old, and sessions without members.
func (t *processes) prune(now time.Time) {
	for pid, p := range t.byPID {
		if p.forgotten(now) || p.number <= t.count-maxEnded && p.hasEnded() {
			delete(t.byPID, pid)
		}
	}
	for sid := range t.sessions {
		if errors.Is(syscall.Kill(-sid, 0), syscall.ESRCH) {
			delete(t.sessions, sid)
		}
	}
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Process) forgotten(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit != nil && now.Sub(p.endedAt) >= endKept
}

// Process returns a process that runs or has ended less than 30 seconds ago,
// by the clock of the engine, and otherwise an [e2b.ErrProcessNotFound].
func (s *Sandbox) Process(pid int) (*Process, error) {
	s.procs.mu.Lock()
	defer s.procs.mu.Unlock()
	p, ok := s.procs.byPID[pid]
	if !ok || p.forgotten(s.engine.clock.Now()) {
		return nil, errNoProcess("process with pid %d not found", pid)
	}
	return p, nil
}

// ProcessByTag is Process for the newest one with a tag.
func (s *Sandbox) ProcessByTag(tag string) (*Process, error) {
	s.procs.mu.Lock()
	defer s.procs.mu.Unlock()
	var newest *Process
	for _, p := range s.procs.byPID {
		if p.spec.Tag == tag && !p.forgotten(s.engine.clock.Now()) && (newest == nil || p.number > newest.number) {
			newest = p
		}
	}
	if newest == nil || tag == "" {
		return nil, errNoProcess("process with tag %s not found", tag)
	}
	return newest, nil
}

// Processes returns the processes that run, oldest first.
func (s *Sandbox) Processes() []*Process {
	s.procs.mu.Lock()
	defer s.procs.mu.Unlock()
	var list []*Process
	for _, p := range s.procs.byPID {
		if !p.hasEnded() {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *Process) int { return cmp.Compare(a.number, b.number) })
	return list
}

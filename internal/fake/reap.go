package fake

import (
	"errors"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// killTime is how long a sandbox may take to end all processes: long,
	// since it is only used up by processes that the kernel does not let go.
	killTime = 10 * time.Second

	// killPause is the time between two looks for processes that are left.
	killPause = time.Millisecond
)

// eachGroup calls f for the process groups that may have members.
func (s *Sandbox) eachGroup(f func(pid, pgrp int)) {
	s.procs.mu.Lock()
	s.procs.prune(s.engine.clock.Now())
	ids := slices.Collect(maps.Keys(s.procs.sessions))
	s.procs.mu.Unlock()
	for _, id := range ids {
		f(id, id)
	}
}

func (t *processes) hasSession(sid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.sessions[sid]
	return ok
}

// killProcesses kills all processes, also those that are being forked while it
// does so, and waits for their ends.
func (s *Sandbox) killProcesses() error {
	s.procs.mu.Lock()
	all := make([]*Process, 0, len(s.procs.byPID))
	for _, p := range s.procs.byPID {
		all = append(all, p)
	}
	s.procs.mu.Unlock()
	for _, p := range all {
		p.lose(errEdge(s.id))
	}

	if err := s.signalAll(syscall.SIGKILL); err != nil {
		return err
	}
	for _, p := range all {
		for _, f := range p.outputs {
			// Something outside of the sandbox may hold the other end.
			_ = f.SetReadDeadline(time.Now())
		}
		<-p.done
	}
	return nil
}

// freeze stops all processes. The caller holds mu.
func (s *Sandbox) freeze() error { return s.signalAll(syscall.SIGSTOP) }

// signalAll sends SIGKILL or SIGSTOP to each process until a look finds none
// that is left to signal. A process that is forked during a look, and whose
// parent has ended before its turn, is not seen by it; so a look counts only
// when no process at all was made meanwhile, or, on a machine too busy for
// that, after many more. A signal to a group leaves out none of its members.
func (s *Sandbox) signalAll(sig syscall.Signal) error {
	const looks = 20
	stopped := make(map[int]bool)
	deadline := time.Now().Add(killTime)
	t := time.NewTicker(killPause)
	defer t.Stop()
	for quiet := 0; quiet < looks; {
		before := lastPID()
		left := 0
		s.each(func(pid, pgrp int) {
			if sig == syscall.SIGSTOP && stopped[pid] {
				return
			}
			stopped[pid] = true
			left++
			if pgrp > 0 {
				_ = syscall.Kill(-pgrp, sig)
			}
			_ = syscall.Kill(pid, sig)
		})
		quiet++
		switch {
		case left > 0:
			quiet = 0
		case before == lastPID():
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the processes do not end")
		}
		if left == 0 {
			<-t.C
		}
	}
	return nil
}

// thaw lets all processes go on.
func (s *Sandbox) thaw() {
	s.each(func(pid, _ int) { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// removeAll removes a directory with everything in it, also where a directory
// in it was made read-only.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	for range 3 {
		if err == nil {
			return nil
		}
		if errors.Is(err, os.ErrPermission) {
			makeWritable(dir)
		}
		err = os.RemoveAll(dir)
	}
	return err
}

package fake

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// each calls f for every process of the sandbox, zombies left out: at once for
// those that show it by themselves, the newest first, since a process that
// keeps replacing itself by its child has to be overtaken, and then for those
// whose parents are the sandbox's. Pgrp is the group of the process where all
// of it belongs to the sandbox, and otherwise 0.
func (s *Sandbox) each(f func(pid, pgrp int)) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.eachGroup(f)
		return
	}
	self := os.Getpid()
	all := make(map[int]stat)
	mine := make(map[int]bool)
	pids := make([]int, 0, len(entries))
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != self && pid != 1 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range slices.Backward(pids) {
		st, ok := readStat(pid)
		if !ok || st.zombie {
			continue
		}
		all[pid] = st
		switch {
		case s.procs.hasSession(st.sid):
			mine[pid] = true
			f(pid, st.pgrp)
		case s.marked(pid, st.tty):
			mine[pid] = true
			f(pid, 0)
		}
	}
	// A child of a child is found by as many rounds as it is deep.
	for found := true; found; {
		found = false
		for pid, st := range all {
			if !mine[pid] && mine[st.ppid] {
				mine[pid], found = true, true
				f(pid, 0)
			}
		}
	}
}

// lastPID tells the process that was made last, of all on this machine.
func lastPID() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return string(b[bytes.LastIndexByte(b, ' ')+1:])
}

// marked reports whether a process shows by itself that it is the sandbox's.
// A working directory is not enough for one that has a terminal: it may be the
// shell of a developer who looks around.
func (s *Sandbox) marked(pid int, tty bool) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	if env, err := os.ReadFile(proc + "/environ"); err == nil { //nolint:gosec // of a process ID
		mark := []byte("E2B_SANDBOX_ID=" + s.id + "\x00")
		if bytes.HasPrefix(env, mark) || bytes.Contains(env, append([]byte{0}, mark...)) {
			return true
		}
	}
	if s.ns != nil {
		if ns, err := os.Readlink(proc + "/ns/mnt"); err == nil && ns == s.ns.id {
			return true
		}
	}
	if cwd, err := os.Readlink(proc + "/cwd"); err == nil && !tty {
		cwd = strings.TrimSuffix(cwd, " (deleted)")
		if _, ok := cutDir(cwd, s.dir); ok {
			return true
		}
	}
	return false
}

// stat is what is read of /proc/PID/stat.
type stat struct {
	ppid        int
	pgrp, sid   int
	tty, zombie bool
}

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	return parseStat(b)
}

func parseStat(b []byte) (stat, bool) {
	// The name of the program is in parentheses and can hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 5 { // state ppid pgrp session tty ...
		return stat{}, false
	}
	ppid, err1 := strconv.Atoi(f[1])
	pgrp, err2 := strconv.Atoi(f[2])
	sid, err3 := strconv.Atoi(f[3])
	st := stat{ppid: ppid, pgrp: pgrp, sid: sid, tty: f[4] != "0", zombie: f[0] == "Z" || f[0] == "X"}
	return st, errors.Join(err1, err2, err3) == nil
}

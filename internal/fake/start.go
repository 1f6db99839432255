package fake

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// Start starts a process and returns it with a subscription that misses
// nothing, which must be read or closed. A program that does not exist is a
// process that ends with exit code 127, as on E2B.
func (s *Sandbox) Start(spec *ProcessSpec) (*Process, *Subscription, error) {
	p := &Process{
		sandbox: s, spec: *spec, exited: make(chan struct{}), done: make(chan struct{}),
		subs: make(map[*Subscription]struct{}),
	}
	p.spec.Args, p.spec.Env = slices.Clone(spec.Args), maps.Clone(spec.Env)
	if err := checkArgs(spec); err != nil {
		return nil, nil, err
	}
	if err := checkUser(spec.User); err != nil {
		return nil, nil, err
	}
	if err := s.hold(); err != nil {
		return nil, nil, err
	}
	defer s.mu.RUnlock()
	dir, err := s.workDir(spec.Dir, spec.User)
	if err != nil {
		return nil, nil, err
	}
	env := s.environ(spec)
	argv := append([]string{spec.Cmd}, spec.Args...)
	err = p.launch(s.lookPath(spec.Cmd, env["PATH"]), argv, dir, env)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOEXEC) ||
		errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOTDIR) {
		// envd starts everything through a shell that execs it, so what
		// cannot be executed is a message and an exit code.
		err = p.launch("/bin/sh", append([]string{"sh", "-c", `exec "$@"`, "sh"}, argv...), dir, env)
	}
	switch {
	case errors.Is(err, syscall.E2BIG):
		return nil, nil, errInvalid("fork/exec %s: argument list too long", spec.Cmd)
	case err != nil:
		return nil, nil, errInternal(err)
	}
	return p, p.begin(), nil
}

// begin starts the goroutines of a process that runs.
func (p *Process) begin() *Subscription {
	p.pid = p.cmd.Process.Pid
	p.mu.Lock()
	sub := p.subscribe()
	p.mu.Unlock()
	p.sandbox.procs.add(p)
	var pumps sync.WaitGroup
	kinds := []EventKind{Stdout, Stderr}
	if p.pty != nil {
		kinds = []EventKind{PTYOutput}
	}
	for i, r := range p.outputs {
		pumps.Go(func() { p.pump(r, kinds[i]) })
	}
	go p.watch(&pumps)
	if p.spec.Timeout > 0 {
		go p.limit(sub)
	}
	return sub
}

// limit ends the process at its deadline as envd does: the top process alone,
// and the stream without an end event.
func (p *Process) limit(sub *Subscription) {
	t := time.NewTimer(p.spec.Timeout)
	defer t.Stop()
	select {
	case <-t.C:
		sub.fail(&e2b.Error{Code: "deadline_exceeded", Message: "context deadline exceeded"})
		_ = p.cmd.Process.Kill()
	case <-p.done:
	}
}

// launch starts one program.
func (p *Process) launch(path string, argv []string, dir string, env map[string]string) error {
	cmd := &exec.Cmd{Path: path, Args: argv, Dir: dir, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, k+"="+env[k])
	}
	var theirs, ours []*os.File
	var err error
	if p.spec.PTY != nil {
		theirs, ours, err = p.connectPTY(cmd)
	} else {
		theirs, ours, err = p.connectPipes(cmd)
	}
	if err == nil {
		err = p.sandbox.ns.start(cmd)
	}
	for _, f := range theirs {
		_ = f.Close()
	}
	if err != nil {
		for _, f := range ours {
			_ = f.Close()
		}
		p.outputs, p.stdin, p.pty = nil, nil, nil
		return err
	}
	p.cmd = cmd
	return nil
}

// connectPipes gives the command pipes, and returns their ends.
func (p *Process) connectPipes(cmd *exec.Cmd) (theirs, ours []*os.File, err error) {
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	outR, outW := pipe()
	errR, errW := pipe()
	var inR, inW *os.File
	if p.spec.Stdin {
		inR, inW = pipe()
	}
	for _, f := range []*os.File{outW, errW, inR} {
		if f != nil {
			theirs = append(theirs, f)
		}
	}
	for _, f := range []*os.File{outR, errR, inW} {
		if f != nil {
			ours = append(ours, f)
		}
	}
	if err != nil {
		return theirs, ours, err
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	if inR != nil {
		cmd.Stdin = inR
	}
	p.outputs, p.stdin = []*os.File{outR, errR}, inW
	return theirs, ours, nil
}

// connectPTY gives the command a terminal, and returns its two sides.
func (p *Process) connectPTY(cmd *exec.Cmd) (theirs, ours []*os.File, err error) {
	master, slave, err := openPTY(*p.spec.PTY)
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setctty = true
	p.outputs, p.stdin, p.pty = []*os.File{master}, master, master
	return []*os.File{slave}, []*os.File{master}, nil
}

// checkArgs refuses what the kernel would refuse.
func checkArgs(spec *ProcessSpec) error {
	if spec.Cmd == "" {
		return errInvalid("fork/exec: no command")
	}
	if strings.ContainsRune(spec.Cmd, 0) || strings.ContainsRune(spec.Dir, 0) {
		return errInvalid("fork/exec: invalid argument")
	}
	for _, a := range spec.Args {
		if strings.ContainsRune(a, 0) {
			return errInvalid("fork/exec %s: invalid argument", spec.Cmd)
		}
		if len(a) >= maxArg {
			return errInvalid("fork/exec %s: argument list too long", spec.Cmd)
		}
	}
	for k, v := range spec.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return errInvalid("fork/exec %s: invalid environment variable %q", spec.Cmd, k)
		}
		if len(k)+1+len(v) >= maxArg {
			return errInvalid("fork/exec %s: argument list too long", spec.Cmd)
		}
	}
	return nil
}

// checkUser refuses users that E2B's templates do not have.
func checkUser(user string) error {
	if user == "" || user == "user" || user == "root" {
		return nil
	}
	return &e2b.Error{
		Kind: e2b.ErrAuth, Status: 401, Code: "unauthenticated",
		Message: fmt.Sprintf("invalid username: '%s'", user),
	}
}

// environ is the environment of a process. Nothing of this program's own gets
// into it.
func (s *Sandbox) environ(spec *ProcessSpec) map[string]string {
	user := spec.User
	if user == "" {
		user = "user"
	}
	env := map[string]string{
		"PATH": s.inside("/usr/local/bin") + ":" + s.engine.opts.Path,
		"HOME": s.inside(home(user)), "USER": user, "LOGNAME": user,
	}
	if s.ns == nil {
		env["TMPDIR"] = s.inside("/tmp")
	}
	maps.Copy(env, s.env)
	maps.Copy(env, spec.Env)
	return env
}

// workDir is the working directory as a process sees it.
func (s *Sandbox) workDir(name, user string) (string, error) {
	if name == "" {
		name = "~"
	}
	at, err := s.locate(name, user)
	if err != nil {
		return "", err
	}
	file, err := s.walk(at.rel, true)
	if err == nil {
		var fi os.FileInfo
		if fi, err = s.root.Stat(file); err == nil && !fi.IsDir() {
			err = syscall.ENOTDIR
		}
	}
	if err != nil {
		return "", errInvalid("cwd '%s' does not exist", name)
	}
	return s.inside("/" + file), nil
}

// lookPath finds a program as execvp does with the given PATH. What it does
// not find it returns as it is.
func (s *Sandbox) lookPath(cmd, path string) string {
	if strings.Contains(cmd, "/") {
		return cmd
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // not worth the surprise: it depends on the working directory
		}
		name := filepath.Join(dir, cmd)
		if fi, err := os.Stat(s.outside(name)); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return name
		}
	}
	// A name without a slash would be looked up in the working directory.
	return filepath.Join("/nonexistent", cmd)
}

// defaultPath is E2B's PATH, and the directory of git where that is not in it.
func defaultPath() string {
	dirs := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	if git, err := exec.LookPath("git"); err == nil && filepath.IsAbs(git) && !slices.Contains(dirs, filepath.Dir(git)) {
		dirs = append(dirs, filepath.Dir(git))
	}
	return strings.Join(dirs, ":")
}

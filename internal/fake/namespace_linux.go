package fake

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A namespace starts processes that see the directories of a sandbox in their
// usual places. Mount namespaces belong to threads: one thread of this program
// enters a new one, mounts, and from then on starts the processes of the
// sandbox, which inherit it. A process costs nothing extra, a sandbox one
// thread.
type namespace struct {
	mounted []string // directories that are the sandbox's own
	id      string   // what /proc calls it
	jobs    chan func()
	closing sync.Once
}

// hidden are the directories of this machine that a namespace covers.
func hidden() []string { return []string{"/home", "/root", "/tmp"} }

// probeNamespace reports whether namespaces are to be used.
func probeNamespace(mode Namespace, path string) (bool, error) {
	if mode == NamespaceOff {
		return false, nil
	}
	err := tryNamespace(path)
	if mode == NamespaceOn && err != nil {
		return false, err
	}
	return err == nil, nil
}

func tryNamespace(path string) error {
	for _, dir := range filepath.SplitList(path) {
		for _, h := range hidden() {
			if _, ok := cutDir(filepath.Clean(dir), h); ok {
				return fmt.Errorf("PATH holds %s, which they would hide", dir)
			}
		}
	}
	dir, err := os.MkdirTemp("", "gitsandbox-probe-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, d := range layout() {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	n, err := newNamespace(dir)
	if err != nil {
		return err
	}
	defer n.close()
	cmd := exec.Command("/bin/sh", "-c", `cd /home/user && [ "$PWD" = /home/user ]`) //nolint:noctx // ends by itself
	if err := n.start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// newNamespace makes the namespace of the sandbox in dir.
func newNamespace(dir string) (*namespace, error) {
	n := &namespace{jobs: make(chan func())}
	ready := make(chan error)
	go n.run(dir, ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return n, nil
}

// run is the thread. It is never unlocked, so that it ends with the goroutine
// instead of serving others.
func (n *namespace) run(dir string, ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// /proc/self shows the main thread, which cannot end either: not this
		// one. While it is locked here, another goroutine is on another.
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.run(dir, ready)
		}()
		<-done
		runtime.UnlockOSThread()
		return
	}
	mounted, err := mountSandbox(dir)
	n.mounted = mounted
	n.id, _ = os.Readlink("/proc/thread-self/ns/mnt")
	ready <- err
	if err != nil {
		return
	}
	for job := range n.jobs {
		job()
	}
}

// start starts a command in the namespace.
func (n *namespace) start(cmd *exec.Cmd) error {
	if n == nil {
		return cmd.Start()
	}
	result := make(chan error)
	n.jobs <- func() { result <- cmd.Start() }
	return <-result
}

// close ends the thread. Nothing may be started any more.
func (n *namespace) close() {
	if n != nil {
		n.closing.Do(func() { close(n.jobs) })
	}
}

// mountSandbox gives the calling thread a mount namespace in which the
// directories of the sandbox cover the machine's. It returns which.
func mountSandbox(dir string) ([]string, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	// Nothing that is mounted here may show outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make / private: %w", err)
	}
	// The directory may itself be in one of those that are about to be
	// covered: this keeps it within reach.
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { _ = unix.Close(root) }()
	if err := unix.Mount("tmpfs", "/home", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64k"); err != nil {
		return nil, fmt.Errorf("mount /home: %w", err)
	}
	for _, d := range []string{nsRoot, "/home/user"} {
		if err := os.Mkdir(d, 0o755); err != nil { //nolint:gosec // as in a sandbox
			return nil, err
		}
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", root), nsRoot, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return nil, fmt.Errorf("bind %s: %w", nsRoot, err)
	}
	mounted := []string{}
	for _, d := range layout() {
		d = "/" + d
		if strings.HasPrefix(d, "/usr/") {
			continue // the machine's programs stay
		}
		err := unix.Mount(nsRoot+d, d, "", unix.MS_BIND|unix.MS_REC, "")
		if errors.Is(err, unix.ENOENT) {
			continue // this machine has no such directory
		}
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", d, err)
		}
		mounted = append(mounted, d)
	}
	return mounted, nil
}

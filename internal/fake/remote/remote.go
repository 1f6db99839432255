// Package remote is a git server for tests: "git http-backend" over HTTP on
// loopback, with basic authentication, protected branches and faults.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are the options of [New].
type Options struct {
	// Username and Password are what a client must send. Without a Password
	// everyone may read and write. Default Username: "x-access-token".
	Username, Password string

	// ReadOnlyPassword is a second password of the user, with which pushes
	// are forbidden. Empty means that there is none.
	ReadOnlyPassword string

	// DefaultBranch is what HEAD of a new repository stands for. Default
	// "main".
	DefaultBranch string

	// Timeout bounds one request. Default 5 minutes.
	Timeout time.Duration
}

// A Remote is a git server on loopback. Any number of goroutines may use it.
type Remote struct {
	opts   Options
	git    string
	dir    string
	server *http.Server
	addr   string
	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	served sync.WaitGroup // the goroutine of the server
	active sync.WaitGroup // requests and commands
	slots  chan struct{}

	committing sync.Mutex // each commit begins where the one before ended

	mu       sync.Mutex
	closed   bool
	password string
	expired  bool
	repos    map[string]bool
	requests []Request
	faults   []*armed
	clock    time.Time
}

// maxRunning bounds how many git processes serve at once, maxRequests how many
// requests are remembered.
const (
	maxRunning  = 32
	maxRequests = 100_000
)

// New starts a server. Close ends it.
func New(opts *Options) (*Remote, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	o.Username = cmp.Or(o.Username, "x-access-token")
	o.DefaultBranch = cmp.Or(o.DefaultBranch, "main")
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("git server: %w", err)
	}
	dir, err := os.MkdirTemp("", "gitsandbox-remote-")
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "home"), 0o700)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Remote{
		opts: o, git: git, dir: dir, addr: listener.Addr().String(), ctx: ctx, cancel: cancel,
		slots: make(chan struct{}, maxRunning), password: o.Password, repos: make(map[string]bool),
		// A clock of its own makes the IDs of commits the same in each run.
		clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	r.server = &http.Server{
		Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	r.served.Go(func() { _ = r.server.Serve(listener) })
	return r, nil
}

// Close ends the server and its processes and removes its repositories. Further
// calls do nothing.
func (r *Remote) Close() error {
	r.mu.Lock()
	done := r.closed
	r.closed = true
	r.mu.Unlock()
	if done {
		return nil
	}
	r.cancel()
	err := r.server.Close()
	r.served.Wait()
	r.active.Wait()
	return errors.Join(err, os.RemoveAll(r.dir))
}

// begin counts an activity that Close waits for.
func (r *Remote) begin() (end func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	r.active.Add(1)
	return r.active.Done, nil
}

// SetPassword replaces the password, and ends what ExpirePassword did. The old
// one is refused from now on.
func (r *Remote) SetPassword(password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.password, r.expired = password, false
}

// ExpirePassword makes the server refuse every password, until SetPassword.
func (r *Remote) ExpirePassword() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expired = true
}

// authorize returns the status for a request with these credentials, 200 where
// it is allowed.
func (r *Remote) authorize(req *http.Request, write bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.password == "" && !r.expired {
		return http.StatusOK
	}
	username, password, ok := req.BasicAuth()
	switch {
	case !ok, r.expired, username != r.opts.Username, password == "":
		return http.StatusUnauthorized
	case password == r.password:
		return http.StatusOK
	case password != r.opts.ReadOnlyPassword:
		return http.StatusUnauthorized
	case write:
		return http.StatusForbidden
	}
	return http.StatusOK
}

// A Request is a request that the server got.
type Request struct {
	// Operation is what it asks for: "ls-refs" and "fetch" of the fetch
	// service, "push", "advertisement" for what comes before a push,
	// "discovery" for what git asks before the others, or "".
	Operation string

	Method, Path, Query string

	// Repo is the repository, or empty where there is none of that name.
	Repo string

	// Username is that of the credential, or empty.
	Username string
}

// Requests returns the requests since the start or the last ResetRequests, the
// first 100000 of them.
func (r *Remote) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// ResetRequests forgets the requests.
func (r *Remote) ResetRequests() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// URL returns the URL of a repository.
func (r *Remote) URL(repo string) string { return "http://" + r.addr + "/" + repo + ".git" }

// Host returns the address of the server, as "127.0.0.1:PORT".
func (r *Remote) Host() string { return r.addr }

// Password returns the password that the server takes at the moment, or "".
func (r *Remote) Password() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.password
}

// Dir returns the directory of a repository, for what the methods do not cover.
func (r *Remote) Dir(repo string) string { return filepath.Join(r.dir, "repos", repo+".git") }

// known returns the repository that a path below the server stands for, and the
// rest of the path.
func (r *Remote) known(path string) (repo, rest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, service := range []string{"/info/refs", "/git-upload-pack", "/git-receive-pack"} {
		if name, ok := strings.CutSuffix(path, service); ok {
			name = strings.TrimSuffix(strings.TrimPrefix(name, "/"), ".git")
			if r.repos[name] {
				return name, service
			}
		}
	}
	return "", ""
}

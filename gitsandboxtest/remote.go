package gitsandboxtest

import (
	"time"

	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
)

// A Remote is a git server on a loopback address: the real git behind HTTP
// basic authentication. It allows what GitHub does, partial clones and fetches
// of commits by ID among it, and fails when it is told to, see [RemoteFault].
//
//	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
//	if err != nil {
//		return err
//	}
//	defer remote.Close()
//	err = remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"})
//
// Its methods read and write the repositories as other developers would, past
// authentication, hooks and faults. A ref that they take is a full name, such
// as "refs/heads/main", or one that git completes. What does not exist is an
// fs.ErrNotExist.
//
// Any number of goroutines may use a Remote.
type Remote struct{ server *remote.Remote }

// RemoteOptions are the options of [NewRemote]. The zero value is ready to use.
type RemoteOptions struct {
	// Username is what clients must send beside a password. Default
	// "x-access-token".
	Username string

	// Password is what clients must send. Empty means that everyone may read
	// and write.
	Password string

	// ReadOnlyPassword is a second password of the user, with which pushes are
	// forbidden. Empty means that there is none.
	ReadOnlyPassword string

	// DefaultBranch is the branch of new repositories. Default "main".
	DefaultBranch string

	// Timeout is how long a request may take. Default 5 minutes.
	Timeout time.Duration
}

// A RemoteCommit is a commit of a [Remote].
type RemoteCommit struct {
	// ID is the object ID, in hexadecimal.
	ID string

	// Parents are the IDs of the parents, the first one first.
	Parents []string

	// Author is the name of the author.
	Author string

	// AuthorEmail is the email address of the author.
	AuthorEmail string

	// Message is the whole message, without line breaks at its end.
	Message string
}

// NewRemote starts a Remote without repositories on a free port of 127.0.0.1.
// Nil opts mean the defaults. The caller closes it.
func NewRemote(opts *RemoteOptions) (*Remote, error) {
	server, err := remote.New((*remote.Options)(opts))
	if err != nil {
		return nil, err
	}
	return &Remote{server}, nil
}

// Close ends the server and removes its repositories. A second call does
// nothing.
func (r *Remote) Close() error { return r.server.Close() }

// Host returns the address, "127.0.0.1:PORT", as gitsandbox.StaticToken wants
// it.
func (r *Remote) Host() string { return r.server.Host() }

// URL returns the URL of a repository, without credentials.
func (r *Remote) URL(repo string) string { return r.server.URL(repo) }

// Dir returns the directory of a repository, for what the methods do not cover.
func (r *Remote) Dir(repo string) string { return r.server.Dir(repo) }

// Password returns the password that is valid, or an empty one.
func (r *Remote) Password() string { return r.server.Password() }

// SetPassword replaces the password and ends what ExpirePassword did.
func (r *Remote) SetPassword(password string) { r.server.SetPassword(password) }

// ExpirePassword makes every password invalid, until SetPassword.
func (r *Remote) ExpirePassword() { r.server.ExpirePassword() }

// CreateRepo makes a repository with one commit of the given files on the
// default branch, or an empty one where there are none. A name can have several
// parts, such as "owner/shop".
func (r *Remote) CreateRepo(name string, files map[string]string) error {
	return r.server.CreateRepo(name, files)
}

// Commit adds a commit to a branch and returns its ID. Files are those that
// change, by path. A branch that does not exist begins at the default branch.
func (r *Remote) Commit(repo, branch, message string, files map[string]string) (string, error) {
	return r.server.Commit(repo, branch, message, files)
}

// Remove adds a commit that removes files or directories, and returns its ID.
func (r *Remote) Remove(repo, branch, message string, paths ...string) (string, error) {
	return r.server.Remove(repo, branch, message, paths...)
}

// DeleteBranch deletes a branch.
func (r *Remote) DeleteBranch(repo, branch string) error { return r.server.DeleteBranch(repo, branch) }

// Branches returns the branches and the IDs of their commits.
func (r *Remote) Branches(repo string) (map[string]string, error) { return r.server.Branches(repo) }

// Ref returns the ID of the commit that a ref leads to.
func (r *Remote) Ref(repo, ref string) (string, error) { return r.server.Ref(repo, ref) }

// ReadFile returns a file as it is in the commit of a ref.
func (r *Remote) ReadFile(repo, ref, path string) (string, error) {
	return r.server.ReadFile(repo, ref, path)
}

// Log returns the commits that a ref leads to, newest first, at most 10,000.
func (r *Remote) Log(repo, ref string) ([]RemoteCommit, error) {
	commits, err := r.server.Log(repo, ref)
	if err != nil {
		return nil, err
	}
	log := make([]RemoteCommit, len(commits))
	for i, c := range commits {
		log[i] = RemoteCommit(c)
	}
	return log, nil
}

// ProtectBranch refuses pushes to the branches that match a pattern, such as
// "main" or "release/*", in words like GitHub's.
func (r *Remote) ProtectBranch(repo, pattern string) error {
	return r.server.ProtectBranch(repo, pattern)
}

// RefusePushes makes a hook refuse every push with a text. An empty text ends
// that.
func (r *Remote) RefusePushes(repo, text string) error { return r.server.RefusePushes(repo, text) }

// Inject adds a fault. Remove takes it away again. Of several that match a
// request the first one counts.
func (r *Remote) Inject(f RemoteFault) (remove func()) { return r.server.Inject(f.internal()) }

// Requests returns the requests since the start or the last ResetRequests,
// oldest first. Only the first 100,000 are kept.
func (r *Remote) Requests() []RemoteRequest {
	got := r.server.Requests()
	requests := make([]RemoteRequest, len(got))
	for i, req := range got {
		requests[i] = RemoteRequest(req)
	}
	return requests
}

// ResetRequests forgets the requests.
func (r *Remote) ResetRequests() { r.server.ResetRequests() }

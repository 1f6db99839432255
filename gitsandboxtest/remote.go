package gitsandboxtest

import "github.com/gitsandbox/gitsandbox/internal/fake/remote"

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

// RemoteOptions are the options of [NewRemote].
//
//   - Username, Password: what clients must send. Without a Password everyone
//     may read and write. The Username is "x-access-token" by default.
//   - ReadOnlyPassword: a second password, with which pushes are forbidden.
//   - DefaultBranch: the branch of new repositories, "main" by default.
//   - Timeout: how long a request may take, 5 minutes by default.
type RemoteOptions = remote.Options

// A RemoteFault is something that goes wrong with the requests that it matches.
//
//   - Operation, Repo: those of the [RemoteRequest]; empty means any.
//   - Nth: the first matching request to fail, counted from 1; 0 means all.
//   - Times: how many to fail; 0 means one where Nth is given, else all.
//   - Before: a func(RemoteRequest) that is called first and may use the
//     Remote, for example to move a branch.
//   - Delay: how long to hold the request back.
//   - Status: the HTTP status to answer with, without any effect.
//   - RetryAfter: answers with status 429, or Status, and that header.
//   - Redirect: the URL to redirect to.
//   - Body, ContentType: a reply of status 200 that is not git's.
//   - LoseReply: does what was asked and closes the connection.
//   - DropAfter: does so after that many bytes of the reply.
type RemoteFault = remote.Fault

// A RemoteRequest is one HTTP request that a [Remote] got.
//
//   - Operation: "ls-refs", "fetch", "advertisement" (what comes before a
//     push), "push", "discovery" (what git asks before a fetch), or empty.
//   - Method, Path, Query: those of the request.
//   - Repo: the repository, or empty where there is none.
//   - Username: the user that it named, or empty.
type RemoteRequest = remote.Request

// A RemoteCommit is a commit of a [Remote]: ID, Parents, Author, AuthorEmail and
// Message.
type RemoteCommit = remote.Commit

// NewRemote starts a Remote without repositories on a free port of 127.0.0.1.
// Nil opts mean the defaults. The caller closes it.
func NewRemote(opts *RemoteOptions) (*Remote, error) {
	server, err := remote.New(opts)
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
func (r *Remote) Log(repo, ref string) ([]RemoteCommit, error) { return r.server.Log(repo, ref) }

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
func (r *Remote) Inject(f RemoteFault) (remove func()) { return r.server.Inject(f) }

// Requests returns the requests since the start or the last ResetRequests,
// oldest first. Only the first 100,000 are kept.
func (r *Remote) Requests() []RemoteRequest { return r.server.Requests() }

// ResetRequests forgets the requests.
func (r *Remote) ResetRequests() { r.server.ResetRequests() }

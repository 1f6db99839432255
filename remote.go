package gitsandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gitsandbox/gitsandbox/internal/redact"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// newGitClient returns the client for git remotes.
func newGitClient(h *http.Client) *smarthttp.Client {
	return &smarthttp.Client{HTTP: h, UserAgent: "git/gitsandbox"}
}

// remote is the repository of an operation, with the credential for it.
type remote struct {
	c *Client
	*smarthttp.Remote
}

// remote asks for the credential of url.
func (c *Client) remote(ctx context.Context, source CredentialSource, url string) (*remote, error) {
	cred, err := source.Credential(ctx, url)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &cause{kind: ErrAuth, err: err}
	}
	r := &remote{c: c, Remote: &smarthttp.Remote{URL: url}}
	if cred.Password == "" {
		return r, nil
	}
	if cred.Username == "" {
		cred.Username = "x-access-token"
	}
	r.Username, r.Password = cred.Username, cred.Password
	c.secrets.use(c.redact, cred)
	return r, nil
}

// maxSecrets is how many credentials are known to the redactor. A source may
// mint one for each operation, and what quotes an old one can come late.
const maxSecrets = 256

// secrets are the credentials that were used last.
type secrets struct {
	mu   sync.Mutex
	list []Credential
}

// use makes cred the one that was used last.
func (s *secrets) use(r *redact.Redactor, cred Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.list, cred); i >= 0 {
		s.list = append(slices.Delete(s.list, i, i+1), cred)
		return
	}
	r.AddBasic(cred.Username, cred.Password)
	s.list = append(s.list, cred)
	if len(s.list) > maxSecrets {
		r.RemoveBasic(s.list[0].Username, s.list[0].Password)
		s.list = slices.Delete(s.list, 0, 1)
	}
}

// anonymous reports whether there is no credential.
func (r *remote) anonymous() bool { return r.Password == "" }

// refs lists HEAD and the given branches.
func (r *remote) refs(ctx context.Context, branches ...string) (*smarthttp.Refs, error) {
	var prefixes []string
	for _, b := range branches {
		prefixes = append(prefixes, branchRef(b))
	}
	return remoteRequest(ctx, r, "ls-refs", func(ctx context.Context) (*smarthttp.Refs, error) {
		return r.c.git.LsRefs(ctx, r.Remote, &smarthttp.LsRefsOptions{Prefixes: prefixes, Symrefs: true})
	})
}

func (r *remote) fetch(ctx context.Context, opts *smarthttp.FetchOptions) (*smarthttp.FetchResult, error) {
	return remoteRequest(ctx, r, "fetch", func(ctx context.Context) (*smarthttp.FetchResult, error) {
		return r.c.git.Fetch(ctx, r.Remote, opts)
	})
}

func (r *remote) advertisement(ctx context.Context, ref string) (*smarthttp.Advertisement, error) {
	return remoteRequest(ctx, r, "advertisement", func(ctx context.Context) (*smarthttp.Advertisement, error) {
		return r.c.git.Advertisement(ctx, r.Remote, []string{ref})
	})
}

func (r *remote) push(ctx context.Context, opts *smarthttp.PushOptions) (*smarthttp.PushReport, error) {
	return remoteRequest(ctx, r, "receive-pack", func(ctx context.Context) (*smarthttp.PushReport, error) {
		return r.c.git.Push(ctx, r.Remote, opts)
	})
}

func remoteRequest[T any](ctx context.Context, r *remote, kind string, fn func(context.Context) (T, error)) (T, error) {
	v, err := request(ctx, r.c, RequestInfo{Target: "remote", Kind: kind}, fn)
	err = fromRemote(err)
	if r.anonymous() && errors.Is(err, ErrAuth) {
		err = &cause{kind: ErrAuth, err: fmt.Errorf("there is no credential for this remote: %w", err)}
	}
	return v, err
}

func branchRef(branch string) string { return "refs/heads/" + branch }

func branchName(ref string) string { return strings.TrimPrefix(ref, "refs/heads/") }

// fromRemote says in this package's terms what the git remote reported. Every
// request but a push can be repeated without harm; a push is one that
// publishes against the old value, and whose lost reply its caller looks into.
func fromRemote(err error) error {
	e, ok := errors.AsType[*smarthttp.Error](err)
	if !ok {
		return err
	}
	kinds := []struct {
		from, to  error
		retryable bool
	}{
		{smarthttp.ErrInvalid, ErrInvalidArgument, false},
		{smarthttp.ErrAuth, ErrAuth, false},
		{smarthttp.ErrForbidden, ErrForbidden, false},
		{smarthttp.ErrNotFound, ErrRepoNotFound, false},
		{smarthttp.ErrRateLimited, ErrRateLimited, true},
		{smarthttp.ErrUnavailable, ErrNetwork, true},
		{smarthttp.ErrNetwork, ErrNetwork, !e.Ambiguous},
		{smarthttp.ErrStale, ErrPushRejected, true},
		{smarthttp.ErrRejected, ErrRemoteRejected, false},
		{smarthttp.ErrProtocol, ErrProtocol, false},
	}
	if errors.Is(e.Kind, smarthttp.ErrRejected) {
		err = &RejectedError{Reason: e.Message, Messages: e.Detail}
	}
	for _, k := range kinds {
		if errors.Is(e.Kind, k.from) {
			return &cause{kind: k.to, err: err, retryable: k.retryable, after: e.RetryAfter}
		}
	}
	return err
}

// ambiguous reports whether a push may have been taken although it failed.
func ambiguous(err error) bool {
	e, ok := errors.AsType[*smarthttp.Error](err)
	return ok && e.Ambiguous
}

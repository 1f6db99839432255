package smarthttp

import (
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
)

const (
	id1 = "1111111111111111111111111111111111111111"
	id2 = "2222222222222222222222222222222222222222"
)

func TestLsRefs(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1"})
	c := newClient(t)
	tip, err := server.Ref("app", "main")
	require.NoError(t, err)
	side, err := server.Commit("app", "feature/x", "x", map[string]string{"b": "1"})
	require.NoError(t, err)

	refs, err := c.LsRefs(t.Context(), r, nil)
	require.NoError(t, err)
	assert.Equal(t, &Refs{All: []Ref{
		{Name: "HEAD", ID: tip}, {Name: "refs/heads/feature/x", ID: side}, {Name: "refs/heads/main", ID: tip},
	}}, refs)

	refs, err = c.LsRefs(t.Context(), r, &LsRefsOptions{Prefixes: []string{"refs/heads/ma"}, Symrefs: true})
	require.NoError(t, err)
	assert.Equal(t, &Refs{Head: "refs/heads/main", All: []Ref{
		{Name: "HEAD", ID: tip, Target: "refs/heads/main"}, {Name: "refs/heads/main", ID: tip},
	}}, refs)
	id, ok := refs.ID("refs/heads/main")
	assert.True(t, ok)
	assert.Equal(t, tip, id)
	_, ok = refs.ID("refs/heads/feature/x")
	assert.False(t, ok)

	requests := server.Requests()
	require.Len(t, requests, 2)
	assert.Equal(t, "ls-refs", requests[0].Operation)
}

func TestLsRefsPeelsTags(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1"})
	tip, err := server.Ref("app", "main")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir", server.Dir("app"), "-c", "user.name=A", "-c", "user.email=a@b", "tag", "-a", "-m", "v1", "v1", tip)
	require.NoError(t, cmd.Run())
	refs, err := newClient(t).LsRefs(t.Context(), r, &LsRefsOptions{Prefixes: []string{"refs/tags/"}, Peel: true})
	require.NoError(t, err)
	require.Len(t, refs.All, 1)
	assert.Equal(t, tip, refs.All[0].Peeled)
	assert.NotEqual(t, tip, refs.All[0].ID)
}

func TestLsRefsOfAnEmptyRepository(t *testing.T) {
	t.Parallel()
	_, r := newServer(t, nil)
	c := newClient(t)
	refs, err := c.LsRefs(t.Context(), r, &LsRefsOptions{Symrefs: true, Prefixes: []string{"refs/heads/"}})
	require.NoError(t, err)
	assert.Equal(t, &Refs{HeadUnborn: true}, refs)
	refs, err = c.LsRefs(t.Context(), r, &LsRefsOptions{Symrefs: true, Unborn: true})
	require.NoError(t, err)
	assert.Equal(t, &Refs{HeadUnborn: true, Head: "refs/heads/main"}, refs)
}

func TestLsRefsOfASHA256Repository(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, nil)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `
		rm -rf "$1" && git init --quiet --bare --object-format=sha256 -b main "$1" && cd "$1" &&
		git config http.receivepack true &&
		id=$(git -c user.name=A -c user.email=a@b commit-tree -m x "$(git mktree </dev/null)") && git update-ref refs/heads/main "$id"`,
		"sh", server.Dir("app"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	_, err = newClient(t).LsRefs(t.Context(), r, nil)
	asError(t, err, "ls-refs", ErrProtocol)
	_, err = newClient(t).Advertisement(t.Context(), r, []string{"refs/heads/main"})
	e := asError(t, err, "advertisement", ErrProtocol)
	assert.Contains(t, e.Message, "sha256")
}

func TestStatusBecomesKind(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1"})
	c := newClient(t)
	for name, tc := range map[string]struct {
		fault remote.Fault
		kind  error
		check func(*testing.T, *Error)
	}{
		"401": {remote.Fault{Status: 401}, ErrAuth, nil},
		"403": {remote.Fault{Status: 403}, ErrForbidden, func(t *testing.T, e *Error) {
			t.Helper()
			assert.Equal(t, "ls-refs: forbidden: Forbidden. (HTTP 403)", e.Error())
		}},
		"404": {remote.Fault{Status: 404}, ErrNotFound, nil},
		"429": {remote.Fault{RetryAfter: 7 * time.Second}, ErrRateLimited, func(t *testing.T, e *Error) {
			t.Helper()
			assert.Equal(t, 7*time.Second, e.RetryAfter)
		}},
		"503": {remote.Fault{Status: 503, RetryAfter: 3 * time.Second}, ErrUnavailable, func(t *testing.T, e *Error) {
			t.Helper()
			assert.Equal(t, 3*time.Second, e.RetryAfter)
			assert.Equal(t, 503, e.Status)
		}},
		"418": {remote.Fault{Status: 418}, ErrProtocol, nil},
		"redirect": {remote.Fault{Redirect: "https://user:pw@elsewhere.example/x?token=1"}, ErrProtocol, func(t *testing.T, e *Error) {
			t.Helper()
			assert.Equal(t, "redirects are not followed, this one leads to https://elsewhere.example/x", e.Message)
		}},
		"html": {remote.Fault{Body: "<html>\n<b>Sign in</b> " + password}, ErrProtocol, func(t *testing.T, e *Error) {
			t.Helper()
			assert.Equal(t, "reply of type text/html, not git's: <html> <b>Sign in</b> [redacted]", e.Message)
		}},
		"garbage": {remote.Fault{Body: "garbage\x1b[2J", ContentType: "application/x-git-upload-pack-result"}, ErrProtocol, func(t *testing.T, e *Error) {
			t.Helper()
			assert.Equal(t, `not a pkt-line: garbage\x1b[2J`, e.Message)
		}},
		"lost": {remote.Fault{LoseReply: true}, ErrNetwork, nil},
		"cut":  {remote.Fault{DropAfter: 20}, ErrNetwork, nil},
	} {
		// One after the other: faults and requests are the server's.
		remove := server.Inject(tc.fault)
		_, err := c.LsRefs(t.Context(), r, nil)
		remove()
		require.Error(t, err, name)
		e := asError(t, err, "ls-refs", tc.kind)
		if tc.check != nil {
			tc.check(t, e)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1"})
	followed := false
	elsewhere := newFakeServer(t, func(http.ResponseWriter, *http.Request) { followed = true })
	server.Inject(remote.Fault{Redirect: elsewhere.URL})
	// A client that would follow is not allowed to.
	c := &Client{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	_, err := c.LsRefs(t.Context(), r, nil)
	asError(t, err, "ls-refs", ErrProtocol)
	_, err = c.Advertisement(t.Context(), r, nil)
	asError(t, err, "advertisement", ErrProtocol)
	assert.False(t, followed)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	_, r := newServer(t, map[string]string{"a": "1"})
	c := newClient(t)
	for _, tc := range []struct{ username, password string }{
		{"", "wrong-password-1"}, {"somebody", password}, {"", ""},
	} {
		_, err := c.LsRefs(t.Context(), &Remote{URL: r.URL, Username: tc.username, Password: tc.password}, nil)
		e := asError(t, err, "ls-refs", ErrAuth)
		assert.Equal(t, 401, e.Status)
		assert.NotContains(t, err.Error(), "wrong-password-1")
	}
	_, err := c.LsRefs(t.Context(), &Remote{URL: r.URL, Password: readOnly}, nil)
	require.NoError(t, err)
	_, err = c.Advertisement(t.Context(), &Remote{URL: r.URL, Password: readOnly}, nil)
	asError(t, err, "advertisement", ErrForbidden)
	_, err = c.LsRefs(t.Context(), &Remote{URL: strings.Replace(r.URL, "app", "none", 1), Password: password}, nil)
	asError(t, err, "ls-refs", ErrNotFound)
}

func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, url := range []string{
		"", "http://git.example/app", "https://user:hunter2-secret@git.example/app", "https://tok@git.example/app", "ftp://git.example/app",
		"git.example:app", "https:///app", "https://git.example/app?x=1", "https://git.example/app?", "https://git.example/app#x",
		"file:///etc", "ext::sh -c id", "https://git.example/%zz", "http://127.0.0.1.example/app", "://x", "https:git.example",
	} {
		_, err := c.LsRefs(t.Context(), &Remote{URL: url}, nil)
		asError(t, err, "ls-refs", ErrInvalid)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestContextEndsARequest(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	server.Inject(remote.Fault{Before: func(remote.Request) { cancel() }, Delay: time.Hour})
	_, err := newClient(t).LsRefs(ctx, r, nil)
	require.ErrorIs(t, err, context.Canceled)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.NoError(t, e.Kind)
}

func TestSilentServerEndsARequest(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1"})
	server.Inject(remote.Fault{Delay: time.Hour})
	c := &Client{Limits: Limits{Idle: 50 * time.Millisecond}}
	t.Cleanup(c.CloseIdleConnections)
	_, err := c.LsRefs(t.Context(), r, nil)
	e := asError(t, err, "ls-refs", ErrNetwork)
	assert.Equal(t, "the server fell silent for 50ms", e.Message)
	require.NotErrorIs(t, err, context.Canceled)
}

func TestServerThatStallsInTheReply(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := newFakeServer(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write(pkts(id1 + " refs/heads/main\n"))
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	c := &Client{Limits: Limits{Idle: 50 * time.Millisecond}}
	t.Cleanup(c.CloseIdleConnections)
	_, err := c.LsRefs(t.Context(), r, nil)
	close(release)
	e := asError(t, err, "ls-refs", ErrNetwork)
	assert.Equal(t, "the server fell silent for 50ms", e.Message)
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	_, err := newClient(t).LsRefs(t.Context(), &Remote{URL: "http://127.0.0.1:1/app", Password: password}, nil)
	asError(t, err, "ls-refs", ErrNetwork)
}

func TestLsRefsReplies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body []byte
		kind error
		want string
	}{
		"v0":            {pkts("# service=git-upload-pack\n", "0000"), ErrProtocol, "not a line of ls-refs: # service=git-upload-pack"},
		"v0 refs":       {pkts(id1+" HEAD\x00multi_ack\n", "0000"), ErrProtocol, "the server does not speak protocol version 2"},
		"v1":            {pkts("version 1\n"), ErrProtocol, "the server does not speak protocol version 2"},
		"sha256":        {pkts(id1+id1[:24]+" HEAD\n", "0000"), ErrProtocol, "the repository has SHA-256 objects, which are not supported"},
		"refusal":       {pkts("ERR no such thing\x1b[1m"), ErrRejected, `no such thing\x1b[1m`},
		"empty":         {nil, ErrProtocol, "empty reply: the server does not speak protocol version 2, or its objects are not SHA-1"},
		"no flush":      {pkts(id1 + " HEAD\n"), ErrNetwork, "the reply was cut short"},
		"cut line":      {pkts(id1 + " HEAD\n")[:20], ErrNetwork, "the reply was cut short"},
		"cut length":    {[]byte("00"), ErrNetwork, "the reply was cut short"},
		"delim":         {pkts("0001"), ErrProtocol, "unexpected pkt-line in the list of refs"},
		"bad name":      {pkts(id1+" refs/heads/a..b\n", "0000"), ErrProtocol, "name of a ref: refs/heads/a..b"},
		"bad name 2":    {pkts(id1+" ../../x\n", "0000"), ErrProtocol, "name of a ref: ../../x"},
		"bad target":    {pkts(id1+" HEAD symref-target:--x\n", "0000"), ErrProtocol, "target of a ref: --x"},
		"bad peeled":    {pkts(id1+" refs/tags/x peeled:zz\n", "0000"), ErrProtocol, "peeled object of a ref: zz"},
		"bad id":        {pkts("zz HEAD\n", "0000"), ErrProtocol, "not a line of ls-refs: zz HEAD"},
		"after the end": {pkts(id1+" HEAD\n", "0000", "0000"), ErrProtocol, "data after the end"},
		"length 3":      {[]byte("0003"), ErrProtocol, "pkt-line of length 3"},
		"length":        {[]byte("ffff"), ErrProtocol, "pkt-line of length 65535"},
		"too many":      {bytes.Repeat(pkts(id1+" refs/heads/x\n"), 11), ErrProtocol, "more than 10 refs"},
		"too long":      {bytes.Repeat(pkts(id1+" refs/heads/"+strings.Repeat("x", 500)+"\n"), 9), ErrProtocol, "reply of more than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Client{Limits: Limits{MaxRefs: 10, MaxRefBytes: 4096}}
			t.Cleanup(c.CloseIdleConnections)
			_, err := c.LsRefs(t.Context(), answer(t, "upload-pack-result", tc.body), nil)
			e := asError(t, err, "ls-refs", tc.kind)
			assert.Equal(t, tc.want, e.Message)
		})
	}
}

func TestLsRefsDropsWhatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	r := answer(t, "upload-pack-result", pkts(id1+" HEAD symref-target:refs/heads/x\n", id1+" refs/heads/x\n", id2+" refs/tags/y\n", "0000"))
	refs, err := newClient(t).LsRefs(t.Context(), r, &LsRefsOptions{Prefixes: []string{"refs/tags/"}})
	require.NoError(t, err)
	assert.Equal(t, &Refs{All: []Ref{{Name: "refs/tags/y", ID: id2}}}, refs)
	_, err = newClient(t).LsRefs(t.Context(), r, &LsRefsOptions{Prefixes: []string{"refs/heads/x\nwant"}})
	asError(t, err, "ls-refs", ErrInvalid)
}

func TestRefNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HEAD", "refs/heads/main", "refs/heads/a/b-c.d", "refs/heads/ü", "refs/heads/@", "refs/heads/-x"} {
		assert.True(t, validRefName(name), name)
	}
	for _, name := range []string{
		"", "main", "refs/", "refs//x", "refs/heads/", "refs/heads/.x", "refs/heads/x.lock", "refs/heads/x.lock/y", "refs/heads/x.",
		"refs/heads/a..b", "refs/heads/a b", "refs/heads/a~", "refs/heads/a^", "refs/heads/a:", "refs/heads/a?", "refs/heads/a*",
		"refs/heads/a[", `refs/heads/a\`, "refs/heads/a@{1}", "refs/heads/a\x7f", "refs/heads/a\n", "refs/" + strings.Repeat("x", 4096),
	} {
		assert.False(t, validRefName(name), name)
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "12": 12 * time.Second, "-1": 0, "x": 0, "2147483647": 24 * time.Hour, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0, "Fri, 02 Jan 2099 03:00:00 GMT": 24 * time.Hour,
	} {
		assert.Equal(t, want, retryAfter(http.Header{"Retry-After": {value}}, now), value)
	}
}

func FuzzReadRefs(f *testing.F) {
	f.Add(pkts(id1+" HEAD symref-target:refs/heads/main\n", id1+" refs/heads/main\n", "0000"))
	f.Add(pkts("unborn HEAD symref-target:refs/heads/main\n", "0000"))
	f.Add(pkts("ERR no\n"))
	f.Add([]byte("0003"))
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := readRefs(bytes.NewReader(b), 100)
		if err != nil {
			return
		}
		assert.LessOrEqual(t, len(refs.All), 100)
		for _, ref := range refs.All {
			assert.True(t, validID(ref.ID) && validRefName(ref.Name), "%+v", ref)
			assert.True(t, ref.Target == "" || validRefName(ref.Target), "%+v", ref)
		}
	})
}

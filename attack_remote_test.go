package gitsandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// front is a server before the remote, which answers some requests itself.
type front struct {
	*world
	url    string // of the repository, through the front
	client *gitsandbox.Client
	mu     sync.Mutex
	reply  func(op string, w http.ResponseWriter, r *http.Request) bool
	seen   transcript
}

// transcript collects all that a Client says: logs and traces.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *transcript) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *transcript) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// note prints a value in every way in which a caller might.
func (r *transcript) note(what string, values ...any) {
	for _, v := range values {
		fmt.Fprintf(r, "%s: %v | %+v | %#v\n", what, v, v, v)
	}
}

// trace returns hooks that print all that they get.
func (r *transcript) trace() *gitsandbox.Trace {
	return &gitsandbox.Trace{
		OperationStart: func(ctx context.Context, i gitsandbox.OperationInfo) context.Context {
			r.note("operation start", i)
			return ctx
		},
		OperationDone: func(_ context.Context, i gitsandbox.OperationInfo, res gitsandbox.OperationResult) {
			r.note("operation done", i, res, res.Err)
		},
		AttemptStart: func(ctx context.Context, i gitsandbox.OperationInfo, n int) context.Context {
			r.note("attempt start", i, n)
			return ctx
		},
		AttemptDone: func(_ context.Context, i gitsandbox.OperationInfo, n int, d time.Duration, err error) {
			r.note("attempt done", i, n, d, err)
			r.chain(err)
		},
		RequestStart: func(ctx context.Context, i gitsandbox.RequestInfo) context.Context {
			r.note("request start", i)
			return ctx
		},
		RequestDone: func(_ context.Context, i gitsandbox.RequestInfo, d time.Duration, err error) {
			r.note("request done", i, d, err)
			r.chain(err)
		},
		PushDecided: func(_ context.Context, p gitsandbox.PushAudit) { r.note("push decided", p) },
	}
}

// chain prints every error that err wraps.
func (r *transcript) chain(err error) {
	if err == nil {
		return
	}
	r.note("error", err)
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case interface{ Unwrap() error }:
		r.chain(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			r.chain(err)
		}
	}
}

func newFront(t *testing.T, password string, opts gitsandbox.Options) *front {
	t.Helper()
	f := &front{world: newWorld(t, nil)}
	target, err := url.Parse("http://" + f.remote.Host())
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := make([]byte, 32)
		n, _ := io.ReadFull(r.Body, head)
		op := map[string]string{"/shop.git/info/refs": "advertisement", "/shop.git/git-receive-pack": "push"}[r.URL.Path]
		if op == "" {
			op = "fetch"
			if bytes.Contains(head, []byte("ls-refs")) {
				op = "ls-refs"
			}
		}
		f.mu.Lock()
		reply := f.reply
		f.mu.Unlock()
		if reply != nil && reply(op, w, r) {
			return
		}
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(head[:n]), r.Body))
		r.SetBasicAuth("x-access-token", token)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL + "/shop.git"
	opts.Credentials = gitsandbox.StaticToken(strings.TrimPrefix(server.URL, "http://"), password)
	if opts.Retry == nil {
		opts.Retry = gitsandbox.Backoff{MaxAttempts: 1}
	}
	opts.Trace = []*gitsandbox.Trace{f.seen.trace()}
	opts.Logger = slog.New(slog.NewTextHandler(&f.seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := gitsandbox.New(f.sandboxes, &opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	f.client = c
	return f
}

// answer makes the front answer requests of one operation itself.
func (f *front) answer(op string, reply func(w http.ResponseWriter, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = func(got string, w http.ResponseWriter, r *http.Request) bool {
		if got != op {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		reply(w, r)
		return true
	}
}

func (f *front) honest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = nil
}

func (f *front) clone(task string) (*gitsandbox.Sandbox, error) {
	return f.client.Clone(f.t.Context(), f.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: task})
}

// requests are what reaches the remote, and the operation that gets it there.
var remoteOps = []string{"ls-refs", "fetch", "advertisement", "push"}

// reach makes an operation whose request to the remote is op.
func (f *front) reach(op, task string, s *gitsandbox.Sandbox) error {
	if op == "ls-refs" || op == "fetch" {
		_, err := f.clone(task)
		return err
	}
	_, err := s.Push(f.t.Context(), nil)
	return err
}

var contentTypes = map[string]string{
	"ls-refs": "application/x-git-upload-pack-result", "fetch": "application/x-git-upload-pack-result",
	"advertisement": "application/x-git-receive-pack-advertisement", "push": "application/x-git-receive-pack-result",
}

// saying answers with a body of git's own content type.
func saying(op, body string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentTypes[op])
		_, _ = io.WriteString(w, body)
	}
}

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	f := newFront(t, token, gitsandbox.Options{})
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	t.Cleanup(thief.Close)
	s, err := f.clone("t")
	require.NoError(t, err)
	f.write(s, "a.txt", "a\n")
	_, err = s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	for _, op := range remoteOps {
		for _, status := range []int{301, 302, 303, 307, 308} {
			f.answer(op, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", thief.URL+r.URL.Path+"?token="+token)
				w.WriteHeader(status)
			})
			err := f.reach(op, fmt.Sprintf("%s%d", op, status), s)
			require.ErrorIs(t, err, gitsandbox.ErrProtocol, "%s %d", op, status)
			assert.False(t, gitsandbox.Retryable(err))
			f.noToken(err.Error())
		}
	}
	assert.Zero(t, stolen.Load(), "a redirect was followed")
	assert.Equal(t, 1, running(t, f.world), "a clone that failed ends its sandbox")
	f.noToken(f.seen.String())
	f.honest()
	_, err = s.Push(t.Context(), nil)
	require.NoError(t, err)
}

func TestStatusesOfTheRemote(t *testing.T) {
	t.Parallel()
	f := newFront(t, token, gitsandbox.Options{})
	s, err := f.clone("t")
	require.NoError(t, err)
	f.write(s, "a.txt", "a\n")
	_, err = s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	for status, want := range map[int]error{
		401: gitsandbox.ErrAuth, 403: gitsandbox.ErrForbidden, 404: gitsandbox.ErrRepoNotFound, 429: gitsandbox.ErrRateLimited,
		500: gitsandbox.ErrNetwork, 502: gitsandbox.ErrNetwork, 503: gitsandbox.ErrNetwork, 504: gitsandbox.ErrNetwork,
		400: gitsandbox.ErrProtocol, 418: gitsandbox.ErrProtocol, 204: gitsandbox.ErrProtocol, 206: gitsandbox.ErrProtocol,
	} {
		for _, op := range remoteOps {
			f.answer(op, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", contentTypes[op])
				w.WriteHeader(status)
				if status != 204 {
					_, _ = io.WriteString(w, "\x1b[31m"+r.Header.Get("Authorization")+" "+token+"\n\nno")
				}
			})
			err := f.reach(op, fmt.Sprintf("%s%d", op, status), s)
			require.ErrorIs(t, err, want, "%s %d", op, status)
			f.seen.note("returned", err)
			f.seen.chain(err)
			assert.NotContains(t, err.Error(), "\x1b")
			assert.NotContains(t, err.Error(), "\n")
		}
	}
	for _, op := range remoteOps {
		f.answer(op, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Sign in, "+r.Header.Get("Authorization")+"</html>")
		})
		require.ErrorIs(t, f.reach(op, op+"html", s), gitsandbox.ErrProtocol, op)
	}
	assert.Equal(t, 1, running(t, f.world))
	noSecret(t, token, f.seen.String())
	f.honest()
	_, err = s.Push(t.Context(), nil)
	require.NoError(t, err)
}

func TestRepliesThatAreNotTheProtocol(t *testing.T) {
	t.Parallel()
	f := newFront(t, token, gitsandbox.Options{})
	s, err := f.clone("t")
	require.NoError(t, err)
	f.write(s, "a.txt", "a\n")
	_, err = s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	id := string(f.tip("main"))
	esc := "\x1b]0;owned\x07\u202e"
	many := strings.Repeat(pkt(id+" refs/heads/agent-a-x\n"), 400_000)
	service := pkt("# service=git-receive-pack\n") + "0000"
	caps := "\x00report-status side-band-64k ofs-delta agent=git/2"
	for name, c := range map[string]struct{ op, body string }{
		"nothing":                  {"ls-refs", ""},
		"garbage":                  {"ls-refs", "hello"},
		"garbage length":           {"ls-refs", "zzzz"},
		"length below 4":           {"ls-refs", "0003"},
		"longest":                  {"ls-refs", "ffff" + strings.Repeat("a", 65531)},
		"cut":                      {"ls-refs", pkt(id + " HEAD\n")[:20]},
		"no flush":                 {"ls-refs", pkt(id + " HEAD symref-target:refs/heads/main\n")},
		"after the flush":          {"ls-refs", pkt(id+" HEAD symref-target:refs/heads/main\n") + "0000junk"},
		"version 0":                {"ls-refs", pkt(id+" HEAD\x00multi_ack symref=HEAD:refs/heads/main agent=git/1\n") + pkt(id+" refs/heads/main\n") + "0000"},
		"version 1":                {"ls-refs", pkt("version 1\n") + "0000"},
		"SHA-256":                  {"ls-refs", pkt(strings.Repeat("a", 64)+" HEAD symref-target:refs/heads/main\n") + "0000"},
		"empty list":               {"ls-refs", "0000"},
		"HEAD on an option":        {"ls-refs", pkt(id+" HEAD symref-target:refs/heads/--upload-pack=sh\n") + "0000"},
		"HEAD outside":             {"ls-refs", pkt(id+" HEAD symref-target:refs/heads/../../config\n") + "0000"},
		"HEAD with ESC":            {"ls-refs", pkt(id+" HEAD symref-target:refs/heads/"+esc+"\n") + "0000"},
		"HEAD on a tag":            {"ls-refs", pkt(id+" HEAD symref-target:refs/tags/v1\n") + "0000"},
		"HEAD on itself":           {"ls-refs", pkt(id+" HEAD symref-target:HEAD\n") + "0000"},
		"HEAD on nothing":          {"ls-refs", pkt(id+" HEAD\n") + "0000"},
		"name with a line feed":    {"ls-refs", pkt(id+" HEAD symref-target:refs/heads/main\n") + pkt(id+" refs/heads/a\nb\n") + "0000"},
		"name with ..":             {"ls-refs", pkt(id+" HEAD symref-target:refs/heads/main\n") + pkt(id+" refs/heads/../x\n") + "0000"},
		"object ID of nonsense":    {"ls-refs", pkt("--upload-pack=sh HEAD symref-target:refs/heads/main\n") + "0000"},
		"very many refs":           {"ls-refs", many + "0000"},
		"ERR":                      {"ls-refs", pkt("ERR " + esc + strings.Repeat("x", 5000))},
		"fetch: nothing":           {"fetch", ""},
		"fetch: no pack":           {"fetch", pkt("packfile\n") + "0000"},
		"fetch: garbage pack":      {"fetch", pkt("packfile\n") + pkt("\x01"+strings.Repeat("x", 1000)) + "0000"},
		"fetch: pack cut":          {"fetch", pkt("packfile\n") + pkt("\x01PACK\x00\x00\x00\x02\x00\x00\x00\x01")},
		"fetch: empty pack":        {"fetch", pkt("packfile\n") + pkt("\x01PACK\x00\x00\x00\x02\x00\x00\x00\x00\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e") + "0000"},
		"fetch: band 3":            {"fetch", pkt("packfile\n") + pkt("\x03"+esc) + "0000"},
		"fetch: band 9":            {"fetch", pkt("packfile\n") + pkt("\x09x") + "0000"},
		"fetch: shallow nonsense":  {"fetch", pkt("shallow-info\n") + pkt("shallow $(id)\n") + "0001" + pkt("packfile\n") + "0000"},
		"fetch: ERR":               {"fetch", pkt("ERR not our ref")},
		"advert: nothing":          {"advertisement", ""},
		"advert: other service":    {"advertisement", pkt("# service=git-upload-pack\n") + "0000" + pkt(id+" refs/heads/main"+caps) + "0000"},
		"advert: cut":              {"advertisement", service + pkt(id+" refs/heads/main"+caps)},
		"advert: name":             {"advertisement", service + pkt(id+" refs/heads/"+esc+caps) + pkt("zz refs/heads/agent-a-t") + "0000"},
		"advert: SHA-256":          {"advertisement", service + pkt(strings.Repeat("a", 64)+" refs/heads/main"+caps+" object-format=sha256") + "0000"},
		"advert: no report":        {"advertisement", service + pkt(id+" refs/heads/main\x00ofs-delta") + "0000"},
		"advert: ERR":              {"advertisement", service + pkt("ERR "+esc)},
		"push: nothing":            {"push", ""},
		"push: flush":              {"push", "0000"},
		"push: other ref":          {"push", band(pkt("unpack ok\n") + pkt("ok refs/heads/main\n") + "0000")},
		"push: ok missing":         {"push", band(pkt("unpack ok\n") + "0000")},
		"push: ng of another":      {"push", band(pkt("unpack ok\n") + pkt("ng refs/heads/main hook\n") + "0000")},
		"push: two reports":        {"push", band(pkt("unpack ok\n") + pkt("ok refs/heads/agent-a-t\n") + pkt("ng refs/heads/agent-a-t no\n") + "0000")},
		"push: unpack failed":      {"push", band(pkt("unpack "+esc+"\n") + pkt("ng refs/heads/agent-a-t unpacker error\n") + "0000")},
		"push: ng":                 {"push", band(pkt("unpack ok\n") + pkt("ng refs/heads/agent-a-t "+esc+"\n") + "0000")},
		"push: report without end": {"push", pkt("\x01" + pkt("unpack ok\n"))},
		"push: band 3":             {"push", pkt("\x03" + esc)},
	} {
		f.answer(c.op, saying(c.op, c.body))
		start := time.Now()
		err := f.reach(c.op, "x", s)
		require.Error(t, err, name)
		assert.Less(t, time.Since(start), 30*time.Second, name)
		text := err.Error()
		assert.NotContains(t, text, "\x1b", name)
		assert.NotContains(t, text, "\u202e", name)
		assert.NotContains(t, text, "\n", name)
		assert.Less(t, len(text), 4000, "%s: length of the error", name)
		_, err = f.remote.Ref("shop", "refs/heads/agent-a-t")
		require.Error(t, err, "%s: nothing was published", name)
	}
	assert.Equal(t, 1, running(t, f.world), "a clone that failed ends its sandbox")
	f.honest()
	_, err = s.Push(t.Context(), nil)
	require.NoError(t, err)
}

// band puts a report into band 1.
func band(report string) string { return pkt("\x01"+report) + "0000" }

// noSecret fails where text holds the secret, or eight or more bytes of it in a
// row, which is what remains when it was cut before it was looked for.
func noSecret(t *testing.T, secret, text string) {
	t.Helper()
	for i := range len(secret) - 7 {
		part := secret[i : i+8]
		if at := strings.Index(text, part); at >= 0 {
			t.Errorf("%q of the secret is in %q", part, text[max(0, at-80):min(len(text), at+40)])
			return
		}
	}
}

// A server that has the token and says it in its replies does not get it into
// errors, logs, traces or results.
func TestATokenThatTheServerEchoes(t *testing.T) {
	t.Parallel()
	// As lower case as header values become.
	const secret = "0f3a9c5e7b1d2f4a6c8e0b3d5f7a9c1e2d4f6b8a"
	f := newFront(t, secret, gitsandbox.Options{})
	s, err := f.clone("t")
	require.NoError(t, err)
	f.write(s, "a.txt", "a\n")
	_, err = s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	id := string(f.tip("main"))
	try := func(what, op string, reply func(w http.ResponseWriter, r *http.Request)) {
		f.answer(op, reply)
		err := f.reach(op, "x", s)
		require.Error(t, err, what)
		var all transcript
		all.note("returned", err)
		all.chain(err)
		if !t.Run(what, func(t *testing.T) { noSecret(t, secret, all.String()) }) {
			return
		}
	}
	try("content type", "ls-refs", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/"+secret) })
	try("location", "ls-refs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/"+secret+"/x")
		w.WriteHeader(http.StatusFound)
	})
	try("status line", "advertisement", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 "+secret+"\r\n\r\n")
			_ = c.Close()
		}
	})
	// Each place at which a text can be cut.
	for _, pad := range []int{0, 230, 240, 250, 990, 1000, 1010, 4060, 4080} {
		filler := strings.Repeat("z ", pad/2)
		try(fmt.Sprintf("body %d", pad), "ls-refs", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, filler+secret)
		})
		try(fmt.Sprintf("garbage %d", pad), "ls-refs", saying("ls-refs", pkt(filler+secret)+"0000"))
		try(fmt.Sprintf("ERR %d", pad), "ls-refs", saying("ls-refs", pkt("ERR "+filler+secret)+"0000"))
		try(fmt.Sprintf("ref name %d", pad), "ls-refs", saying("ls-refs", pkt(id+" refs/heads/a~"+strings.ReplaceAll(filler, " ", "z")+secret)+"0000"))
		try(fmt.Sprintf("band 3 %d", pad), "fetch", saying("fetch", pkt("packfile\n")+pkt("\x03"+filler+secret)+"0000"))
		try(fmt.Sprintf("refusal %d", pad), "push", saying("push", band(pkt("unpack ok\n")+pkt("ng refs/heads/agent-a-t "+filler+secret+"\n")+"0000")))
		try(fmt.Sprintf("messages %d", pad), "push", saying("push", pkt("\x02"+filler+secret)+band(pkt("unpack ok\n")+pkt("ng refs/heads/agent-a-t no\n")+"0000")))
	}
	// Many tokens shrink when they are redacted, so that the place where the
	// text was cut comes into sight.
	try("many", "ls-refs", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, strings.Repeat(secret+" ", 200))
	})
	noSecret(t, secret, f.seen.String())

	// A push that succeeds has messages: one in pieces, and some that are cut.
	for i, messages := range []string{
		pkt("\x02hello "+secret[:20]) + pkt("\x02"+secret[20:]+" \x1b[2J bye\n"),
		pkt("\x02"+strings.Repeat("z", 1000)+secret) + pkt("\x02and more\n"),
		strings.Repeat(pkt("\x02"+strings.Repeat("z ", 400)), 20) + pkt("\x02"+secret),
		pkt("\x02" + strings.Repeat("z ", 8180) + secret),
	} {
		f.honest()
		s, err := f.clone(strconv.Itoa(i))
		require.NoError(t, err)
		f.write(s, "a.txt", "a\n")
		f.answer("push", saying("push", messages+band(pkt("unpack ok\n")+pkt("ok refs/heads/"+s.Branch()+"\n")+"0000")))
		res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
		require.NoError(t, err)
		assert.NotEmpty(t, res.Messages)
		noSecret(t, secret, fmt.Sprintf("%+v", res))
		assert.NotContains(t, res.Messages, "\x1b")
	}
	noSecret(t, secret, f.seen.String())
}

func TestAServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	f := newFront(t, token, gitsandbox.Options{Timeout: 1500 * time.Millisecond})
	s, err := f.clone("t")
	require.NoError(t, err)
	f.write(s, "a.txt", "a\n")
	_, err = s.Commit(t.Context(), "Add a", nil)
	require.NoError(t, err)
	filled := bytes.Repeat([]byte("x"), 1000)
	for name, reply := range map[string]func(w http.ResponseWriter, r *http.Request){
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"drops": func(w http.ResponseWriter, r *http.Request) {
			// One keep-alive after the other: never idle, never done.
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, pkt("\x02"+string(filled))); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		},
	} {
		for _, op := range remoteOps {
			f.answer(op, func(w http.ResponseWriter, r *http.Request) {
				if name == "drops" {
					w.Header().Set("Content-Type", contentTypes[op])
					if op == "fetch" {
						_, _ = io.WriteString(w, pkt("packfile\n"))
					}
				}
				reply(w, r)
			})
			start := time.Now()
			err := f.reach(op, name+op, s)
			require.Error(t, err, "%s %s", name, op)
			if name == "silent" {
				require.ErrorIs(t, err, gitsandbox.ErrTimeout, op)
				require.ErrorIs(t, err, context.DeadlineExceeded, op)
			}
			assert.Less(t, time.Since(start), 15*time.Second, "%s %s", name, op)
		}
	}
	f.honest()
	_, err = s.Push(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, 1, running(t, f.world), "a clone that failed ends its sandbox")
}

// A pack that does not end costs time up to the deadline, and no memory.
func TestAnEndlessPack(t *testing.T) { //nolint:paralleltest // it measures the heap
	f := newFront(t, token, gitsandbox.Options{Timeout: 1500 * time.Millisecond})
	data := pkt("\x01" + strings.Repeat("x", 60_000))
	f.answer("fetch", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentTypes["fetch"])
		_, err := io.WriteString(w, pkt("packfile\n"))
		for sent := 0; err == nil && sent < 256<<20 && r.Context().Err() == nil; sent += len(data) {
			_, err = io.WriteString(w, data)
		}
		<-r.Context().Done()
	})
	grown := peak(func() {
		_, err := f.clone("t")
		require.ErrorIs(t, err, gitsandbox.ErrTimeout)
	})
	assert.Less(t, grown, uint64(32<<20))
	assert.Zero(t, running(t, f.world))
}

// A fetch that breaks off anywhere is made again, and never half taken.
func TestAFetchThatBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commitRandom("main", 3, 3000)
	s := w.clone("a", "t")
	for _, after := range []int64{1, 4, 20, 40, 60, 100, 500, 1000, 3000, 5000} {
		number := strconv.FormatInt(after, 10)
		tip := w.commit("main", "News", map[string]string{"news.txt": strings.Repeat(number, 2000), "more.txt": number})
		w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "fetch", Nth: 1, DropAfter: after})
		res, err := s.Pull(t.Context(), nil)
		require.NoError(t, err, "after %d bytes", after)
		assert.Equal(t, tip, res.After)
		remove := w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "fetch", DropAfter: after})
		_, err = w.client.Clone(t.Context(), w.url, nil)
		require.Error(t, err, "after %d bytes", after)
		require.NotErrorIs(t, err, gitsandbox.ErrSandboxNotFound)
		remove()
	}
	assert.Equal(t, 1, running(t, w))
}

func TestRepliesThatAreLostAtEachStage(t *testing.T) {
	t.Parallel()
	for _, op := range remoteOps {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.remote.Inject(gitsandboxtest.RemoteFault{Operation: op, Nth: 1, LoseReply: true})
			w.remote.Inject(gitsandboxtest.RemoteFault{Operation: op, Nth: 4, LoseReply: true})
			s := w.clone("a", "t")
			for i := range 3 {
				w.write(s, "a.txt", fmt.Sprintf("%d\n", i))
				res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: fmt.Sprintf("Commit %d", i)})
				require.NoError(t, err)
				assert.Equal(t, w.tip("agent-a-t"), res.Commit)
			}
			log, err := w.remote.Log("shop", "refs/heads/agent-a-t")
			require.NoError(t, err)
			assert.Len(t, log, 4, "each commit once")
		})
	}
}

func TestRepositoriesThatCannotBeCloned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	require.NoError(t, w.remote.CreateRepo("empty", nil))
	_, err := w.client.Clone(t.Context(), w.remote.URL("empty"), nil)
	require.ErrorIs(t, err, gitsandbox.ErrRefNotFound)
	_, err = w.client.Clone(t.Context(), w.remote.URL("empty"), &gitsandbox.CloneOptions{Branch: "main"})
	require.ErrorIs(t, err, gitsandbox.ErrRefNotFound)
	_, err = w.client.Clone(t.Context(), w.remote.URL("none"), nil)
	require.ErrorIs(t, err, gitsandbox.ErrRepoNotFound)

	require.NoError(t, w.remote.CreateRepo("sha256", nil))
	require.NoError(t, os.RemoveAll(w.remote.Dir("sha256")))
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `
		set -e; git init -q --bare --object-format=sha256 -b main "$1"; cd "$1"
		git update-ref refs/heads/main $(git -c user.name=a -c user.email=a@x commit-tree -m x $(git mktree </dev/null))`,
		"sh", w.remote.Dir("sha256")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, err = w.client.Clone(t.Context(), w.remote.URL("sha256"), nil)
	require.ErrorIs(t, err, gitsandbox.ErrProtocol)
	assert.False(t, gitsandbox.Retryable(err))
	assert.Zero(t, running(t, w))
}

func TestTokensThatDoNotSuffice(t *testing.T) {
	t.Parallel()
	const readOnly = "r34d-0nly-Qm5tXz7LpW-token"
	w := newWorld(t, nil)
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: token, ReadOnlyPassword: readOnly})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, remote.Close()) })
	require.NoError(t, remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}))
	var current atomic.Value
	current.Store("wrong-token-entirely")
	c := w.newClient(&gitsandbox.Options{Credentials: gitsandbox.CredentialFunc(func(context.Context, string) (gitsandbox.Credential, error) {
		return gitsandbox.Credential{Password: current.Load().(string)}, nil
	})})
	requests := func() int { return len(remote.Requests()) }

	_, err = c.Clone(t.Context(), remote.URL("shop"), nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	assert.Equal(t, 1, requests(), "not tried again")
	assert.Zero(t, running(t, w))

	current.Store(readOnly)
	s, err := c.Clone(t.Context(), remote.URL("shop"), &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	w.write(s, "a.txt", "a\n")
	remote.ResetRequests()
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.ErrorIs(t, err, gitsandbox.ErrForbidden)
	assert.Equal(t, 1, requests(), "not tried again")

	current.Store(token)
	remote.ExpirePassword()
	_, err = s.Push(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	_, err = s.Pull(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	remote.SetPassword(token)
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushPublished, res.Outcome)

	failing := w.newClient(&gitsandbox.Options{Credentials: gitsandbox.CredentialFunc(func(context.Context, string) (gitsandbox.Credential, error) {
		return gitsandbox.Credential{}, errors.New("vault is sealed")
	})})
	_, err = failing.Clone(t.Context(), remote.URL("shop"), nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	assert.Contains(t, err.Error(), "vault is sealed")
}

// A history with many merges has many places where a shallow clone ends.
func TestAShallowCloneThatEndsInManyPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var in strings.Builder
	// 10 merges of 400 lines of work, each of which is cut off.
	mark := 0
	commit := func(ref, extra string) int {
		mark++
		fmt.Fprintf(&in, "commit %s\nmark :%d\ncommitter A <a@x> %d +0000\ndata 1\nx\n%s\n", ref, mark, 1700000000+mark, extra)
		return mark
	}
	root := commit("refs/heads/side", "")
	last := root
	for range 10 {
		extra := fmt.Sprintf("from :%d\n", last)
		var sides []string
		for range 400 {
			side := root
			for range 12 {
				side = commit("refs/heads/side", fmt.Sprintf("from :%d\n", side))
			}
			sides = append(sides, fmt.Sprintf("merge :%d\n", side))
		}
		last = commit("refs/heads/busy", extra+strings.Join(sides, ""))
	}
	in.WriteString("done\n")
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir="+w.remote.Dir("shop"), "fast-import", "--quiet", "--done", "--force")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	s, err := w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t", Branch: "busy", Depth: 11})
	require.NoError(t, err)
	w.write(s, "a.txt", "a\n")
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	w.commit("busy", "News", map[string]string{"news.txt": "x\n"})
	_, err = s.Pull(t.Context(), nil)
	require.NoError(t, err)
}

package gitsandbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// forms are the ways in which a token may be written: as it is, in a URL, and
// what it alone decides of a base64 text that holds it at any place.
func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret)}
	for pad := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			s := enc.EncodeToString(append(make([]byte, pad), secret...))
			// The first and the last group may hold bits of their neighbours.
			all = append(all, s[4:len(s)-4])
		}
	}
	return all
}

// absent fails where data holds the token in any form.
func absent(t *testing.T, secret, where string, data []byte) {
	t.Helper()
	for _, form := range forms(secret) {
		if i := bytes.Index(data, []byte(form)); i >= 0 {
			t.Errorf("the token, as %q, is in %s: %q", form, where, data[max(0, i-60):min(len(data), i+len(form)+20)])
		}
	}
}

func TestFormsFindTheToken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		token, "https://x:" + url.QueryEscape(token) + "@h/",
		base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token)),
		base64.StdEncoding.EncodeToString([]byte("a:" + token + "\n")),
		base64.URLEncoding.EncodeToString([]byte("ab:" + token + "tail")),
	} {
		found := false
		for _, form := range forms(token) {
			found = found || strings.Contains(text, form)
		}
		assert.True(t, found, text)
	}
}

// dump is a Cache that keeps all that was ever put into it.
type dump struct {
	*gitsandbox.MemoryCache
	out *transcript
}

func (d dump) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	fmt.Fprintf(d.out, "%s = %s\n", key, value)
	return d.MemoryCache.Put(ctx, key, value, ttl)
}

// spy is a script that records the arguments and the environment of all
// processes until it is told to stop.
const spy = `
	echo running
	while ! [ -e ~/stop ]; do
		for p in /proc/[0-9]*; do
			{ tr '\0' ' ' <$p/cmdline; echo; tr '\0' '\n' <$p/environ; } 2>/dev/null
		done >>~/spied
		n=$((${n:-0} + 1)); echo $n >~/rounds
	done`

// The whole workflow, with failures of every kind, leaves the token nowhere.
// It is not parallel: it looks at what is written to the directory of temporary
// files of the system.
func TestTheTokenIsNowhere(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	// A secret of its own: the agent may see the processes of other tests.
	secret := "s3cr3t-Hk4mWb7RzQ-" + rand.Text()
	var seen transcript
	metrics := gitsandbox.NewMetrics(nil)
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(metrics))
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{
		Metrics: metrics, Trace: []*gitsandbox.Trace{seen.trace()}, Cache: dump{gitsandbox.NewMemoryCache(nil), &seen},
		Credentials: gitsandbox.CredentialFunc(func(context.Context, string) (gitsandbox.Credential, error) {
			return gitsandbox.Credential{Password: secret}, nil
		}),
		Logger: slog.New(slog.NewJSONHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug - 4, AddSource: true})),
	}})
	w.remote.SetPassword(secret)
	urlWithSecret := strings.Replace(w.url, "://", "://x-access-token:"+secret+"@", 1)
	ctx := t.Context()

	// What is written to disk is looked at while it is there: packs and
	// uploads do not stay.
	stop := make(chan struct{})
	var watcher sync.WaitGroup
	files := 0
	watcher.Go(func() {
		for {
			_ = filepath.WalkDir(temp, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), "gitsandbox-remote-") {
					return fs.SkipDir // the remote may know it
				}
				if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "/spied") {
					return nil //nolint:nilerr // files come and go
				}
				if info, err := d.Info(); err != nil || info.Size() > 8<<20 {
					return nil //nolint:nilerr // as above
				}
				data, _ := os.ReadFile(path)
				absent(t, secret, path, data)
				absent(t, secret, "a file name", []byte(path))
				files++
				return nil
			})
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	halt := sync.OnceFunc(func() { close(stop); watcher.Wait() })
	defer halt()

	s := w.clone("a", "t")
	spying := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		_, err := s.Exec(ctx, &e2b.Command{Args: []string{"sh", "-c", spy}, Stdout: writerFunc(func(p []byte) (int, error) {
			close(began)
			return len(p), nil
		})})
		spying <- err
	}()
	<-began

	returned := func(err error) error {
		seen.note("returned", err)
		seen.chain(err)
		return err
	}
	w.commitRandom("main", 2, 2<<20) // larger than what is held in memory
	_, err := s.Pull(ctx, nil)
	require.NoError(t, returned(err))
	require.NoError(t, s.WriteFile(ctx, "large.bin", bytes.Repeat([]byte("0123456789abcdef"), 1<<18), 0))
	res, err := s.Push(ctx, &gitsandbox.PushOptions{Message: "Large"})
	require.NoError(t, returned(err))
	seen.note("push", *res)
	w.commit("main", "Theirs", map[string]string{"README.md": "# Theirs\n"})
	w.write(s, "README.md", "# Mine\n")
	_, err = s.Commit(ctx, "Mine", nil)
	require.NoError(t, returned(err))
	_, err = s.Pull(ctx, &gitsandbox.PullOptions{KeepConflicts: true})
	require.ErrorIs(t, returned(err), gitsandbox.ErrConflict)
	require.NoError(t, returned(s.Abort(ctx)))
	w.commit(s.Branch(), "Moved", map[string]string{"moved.txt": "x\n"})
	_, err = s.Push(ctx, nil)
	require.NoError(t, returned(err))
	_, err = s.Fetch(ctx)
	require.NoError(t, returned(err))

	// Failures of the remote, of the sandbox, of the policy and of the caller.
	fail := func(fault gitsandboxtest.RemoteFault) {
		remove := w.remote.Inject(fault)
		defer remove()
		_, err := s.Fetch(ctx)
		_ = returned(err)
		_, err = s.Push(ctx, &gitsandbox.PushOptions{Message: "Try"})
		_ = returned(err)
		_, err = w.client.Clone(ctx, w.url, nil)
		_ = returned(err)
	}
	for _, status := range []int{401, 403, 404, 429, 500, 503} {
		fail(gitsandboxtest.RemoteFault{Status: status})
	}
	fail(gitsandboxtest.RemoteFault{Redirect: urlWithSecret})
	fail(gitsandboxtest.RemoteFault{Body: "<html>" + secret + "</html>"})
	fail(gitsandboxtest.RemoteFault{LoseReply: true})
	fail(gitsandboxtest.RemoteFault{DropAfter: 30})
	require.NoError(t, w.remote.RefusePushes("shop", "you sent "+secret+" and "+base64.StdEncoding.EncodeToString([]byte("x-access-token:"+secret))))
	w.write(s, "refused.txt", "x\n")
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Message: "Refused"})
	require.ErrorIs(t, returned(err), gitsandbox.ErrRemoteRejected)
	require.NoError(t, w.remote.RefusePushes("shop", ""))
	w.remote.ExpirePassword()
	_, err = s.Push(ctx, nil)
	require.ErrorIs(t, returned(err), gitsandbox.ErrAuth)
	w.remote.SetPassword(secret)
	for _, kind := range []gitsandboxtest.FaultKind{gitsandboxtest.Refuse, gitsandboxtest.LoseReply, gitsandboxtest.DropStream, gitsandboxtest.RateLimit} {
		remove := w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Kind: kind, After: 10})
		_, err = s.Push(ctx, nil)
		_ = returned(err)
		_, err = w.client.Clone(ctx, w.url, nil)
		_ = returned(err)
		remove()
	}
	_, err = w.client.Clone(ctx, urlWithSecret, nil)
	require.ErrorIs(t, returned(err), gitsandbox.ErrInvalidArgument)
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Branch: "main"})
	require.ErrorIs(t, returned(err), gitsandbox.ErrPolicy)
	timeout, cancel := context.WithTimeout(ctx, time.Millisecond)
	_, err = s.Push(timeout, nil)
	cancel()
	require.Error(t, returned(err))
	_, err = s.Push(ctx, nil)
	require.NoError(t, returned(err))

	// What the agent has seen, and what E2B was told.
	plant(t, s, "touch ~/stop")
	require.NoError(t, <-spying)
	out, err := s.Exec(ctx, &e2b.Command{Args: []string{"sh", "-c", "cat ~/rounds; grep -c '' ~/spied; grep -a -c 'index-pack' ~/spied"}})
	require.NoError(t, err)
	t.Logf("rounds, lines and index-packs that the agent has seen: %q", out.Stdout)
	dir, err := w.sandboxes.Dir(s.ID())
	require.NoError(t, err)
	spied, err := filepath.Glob(filepath.Join(dir, "home/*/spied"))
	require.NoError(t, err)
	require.Len(t, spied, 1)
	data, err := os.ReadFile(spied[0])
	require.NoError(t, err)
	require.Contains(t, string(data), "GIT_CONFIG_COUNT", "the agent has seen no step: the test shows nothing")
	for line := range strings.Lines(string(data)) {
		// The test's own process holds what this file says, as does go test.
		absent(t, secret, "what the agent saw", []byte(line))
	}
	calls := w.sandboxes.Calls()
	require.NotEmpty(t, calls)
	absent(t, secret, "the calls of E2B", fmt.Appendf(nil, "%+v", calls))
	for info, err := range w.sandboxes.List(ctx, nil) {
		require.NoError(t, err)
		absent(t, secret, "the metadata", fmt.Appendf(nil, "%+v", info.Metadata))
	}
	halt()
	assert.Positive(t, files)

	families, err := registry.Gather()
	require.NoError(t, err)
	absent(t, secret, "the metrics", fmt.Appendf(nil, "%v", families))
	seen.note("client", w.client.Close(), gitsandbox.Credential{Username: "x", Password: secret}, &gitsandbox.Credential{Password: secret})
	for line := range strings.Lines(seen.String()) {
		absent(t, secret, "logs, traces, errors or the cache", []byte(line))
	}
	require.Contains(t, seen.String(), "push decided")
	require.Contains(t, seen.String(), "gitsandbox:sandbox:")
}

// The source of a credential may fail, and say more than it should.
func TestACredentialInTheErrorOfItsSource(t *testing.T) {
	t.Parallel()
	var seen transcript
	expired := false
	w := newWorld(t, nil)
	c := w.newClient(&gitsandbox.Options{
		Trace: []*gitsandbox.Trace{seen.trace()}, Logger: slog.New(slog.NewTextHandler(&seen, nil)),
		Credentials: gitsandbox.CredentialFunc(func(context.Context, string) (gitsandbox.Credential, error) {
			if expired {
				return gitsandbox.Credential{}, errors.New(token + " has expired")
			}
			return gitsandbox.Credential{Password: token}, nil
		}),
	})
	s, err := c.Clone(t.Context(), w.url, nil)
	require.NoError(t, err)
	expired = true
	_, err = s.Pull(t.Context(), nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	absent(t, token, "the error", fmt.Appendf(nil, "%v %+v %#v", err, err, err))
	absent(t, token, "logs and traces", []byte(seen.String()))
}

package wire

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	f.Engine().Inject(fake.Fault{Op: fake.OpCreate, Nth: 1, Kind: fake.Refuse, Code: "sandbox_capacity_unavailable", Message: "no capacity"})
	r := f.api(http.MethodPost, "/v2/sandboxes", `{"templateID":"base"}`)
	assert.Equal(t, 503, r.status)
	assert.Equal(t, apiError{503, "no capacity", "sandbox_capacity_unavailable"}, into[apiError](t, r))
	assert.Empty(t, f.Engine().List())
	b := f.create(`{"templateID":"base"}`)

	f.Engine().Inject(fake.Fault{Op: fake.OpExec, Nth: 1, Kind: fake.Refuse, Status: 502})
	r = b.envd(http.MethodPost, startPath, frame(0, sh("true")), "Content-Type", "application/connect+json")
	assert.Equal(t, 502, r.status, "the edge answers, in its own form")
	assert.Equal(t, b.id, into[map[string]any](t, r)["sandboxId"])
	f.Engine().Inject(fake.Fault{Op: fake.OpExec, Nth: 1, Kind: fake.Refuse, Status: 400, Message: "no"})
	assert.Equal(t, []string{`{"error":{"code":"invalid_argument","message":"no"}}`}, b.stream(startPath, sh("true")), "envd answers")
	f.Engine().Inject(fake.Fault{Op: fake.OpReadFile, Nth: 1, Kind: fake.Refuse, Status: 500, Message: "broken"})
	assert.Equal(t, apiError{Code: 500, Message: "broken"}, into[apiError](t, b.envd(http.MethodGet, "/files?path=x", "")))
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Times: 3, Kind: fake.RateLimit, RetryAfter: 1500 * time.Millisecond})
	for _, r := range []*reply{
		f.api(http.MethodGet, "/v2/sandboxes", ""),
		b.rpc("/process.Process/List", "{}"),
		b.envd(http.MethodGet, "/files?path=x", ""),
	} {
		assert.Equal(t, 429, r.status)
		assert.Equal(t, "2", r.header.Get("Retry-After"), "whole seconds, rounded up")
		assert.Equal(t, 429, into[apiError](t, r).Code)
	}
	assert.Equal(t, 200, b.rpc("/process.Process/List", "{}").status)
}

func TestDelayEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Op: fake.OpListProcesses, Kind: fake.Delay, Delay: time.Hour})
	r := b.rpc("/process.Process/List", "{}", "Connect-Timeout-Ms", "50")
	assert.Equal(t, 504, r.status)
	f.Engine().Inject(fake.Fault{Op: fake.OpGet, Nth: 1, Kind: fake.Delay, Delay: 30 * time.Millisecond})
	start := time.Now()
	assert.Equal(t, 200, f.api(http.MethodGet, "/sandboxes/"+b.id, "").status)
	assert.GreaterOrEqual(t, time.Since(start), 30*time.Millisecond)
}

func TestLoseReplyHasTheEffect(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	lost := func(method, path, body string, header ...string) {
		t.Helper()
		remove := f.Engine().Inject(fake.Fault{Times: 1, Kind: fake.LoseReply})
		defer remove()
		r, err := f.send(method, path, body, header...)
		if err == nil {
			err = r.err
		}
		require.Error(t, err)
	}
	lost(http.MethodPost, "/v2/sandboxes", `{"templateID":"base"}`, "X-API-Key", f.APIKey())
	require.Len(t, f.Engine().List(), 1)
	info := f.Engine().List()[0]
	b := &box{f: f, id: info.SandboxID, token: string(info.AccessToken)}

	lost(http.MethodPost, "/files?path=a", "written", b.headers("Content-Type", octets)...)
	assert.Equal(t, "written", b.envd(http.MethodGet, "/files?path=a", "").body)
	lost(http.MethodPost, startPath, frame(0, sh("echo done > b")), b.headers("Content-Type", "application/connect+json")...)
	assert.Equal(t, "done\n", b.envd(http.MethodGet, "/files?path=b", "").body, "it is lost when the command has ended")
	lost(http.MethodDelete, "/sandboxes/"+b.id, "", "X-API-Key", f.APIKey())
	assert.Empty(t, f.Engine().List())
}

func TestDropStream(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Op: fake.OpExec, Nth: 1, Kind: fake.DropStream, After: 4})
	r := b.envd(http.MethodPost, startPath, frame(0, sh("printf 123456; cat; echo > ended")), "Content-Type", "application/connect+json")
	require.Error(t, r.err, "the connection breaks off")
	got, ended := frames(t, r.body)
	assert.False(t, ended)
	require.Len(t, got, 2)
	assert.Equal(t, `{"event":{"data":{"stdout":"MTIzNA=="}}}`, got[1], "1234")
	assert.Eventually(t, func() bool { return b.envd(http.MethodGet, "/files?path=ended", "").status == 200 },
		5*time.Second, 5*time.Millisecond, "the process lives on")

	body := strings.Repeat("0123456789", 10_000)
	require.Equal(t, 200, b.envd(http.MethodPost, "/files?path=big", body, "Content-Type", octets).status)
	for _, encoding := range []string{"", "gzip"} {
		f.Engine().Inject(fake.Fault{Op: fake.OpReadFile, Nth: 1, Kind: fake.DropStream, After: 50_000})
		r = b.envd(http.MethodGet, "/files?path=big", "", "Accept-Encoding", encoding)
		require.Error(t, r.err, encoding)
		if encoding == "" {
			assert.Equal(t, body[:50_000], r.body)
		}
	}
	f.Engine().Inject(fake.Fault{Op: fake.OpWriteFile, Nth: 1, Kind: fake.DropStream, After: 7})
	_, err := f.send(http.MethodPost, "/files?path=part", body, b.headers("Content-Type", octets)...)
	require.Error(t, err)
	assert.Equal(t, "0123456", b.envd(http.MethodGet, "/files?path=part", "").body)
}

func TestKillSandbox(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Op: fake.OpExec, Nth: 1, Kind: fake.KillSandbox})
	r := b.envd(http.MethodPost, startPath, frame(0, sh("true")), "Content-Type", "application/connect+json")
	assert.Equal(t, 502, r.status)
	assert.JSONEq(t, `{"code":502,"message":"The sandbox was not found","sandboxId":"`+b.id+`"}`, r.body)

	b = f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Op: fake.OpExec, Nth: 1, Kind: fake.KillSandbox, After: 3})
	r = b.envd(http.MethodPost, startPath, frame(0, sh("echo 12345; sleep 100")), "Content-Type", "application/connect+json")
	require.Error(t, r.err)
	got, _ := frames(t, r.body)
	require.Len(t, got, 2)
	assert.Contains(t, got[1], "MTIz", "123")
	assert.Equal(t, 502, b.envd(http.MethodGet, "/health", "").status)
	assert.Equal(t, 404, f.api(http.MethodGet, "/sandboxes/"+b.id, "").status)
}

func TestExpireToken(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Op: fake.OpStat, Nth: 1, Kind: fake.ExpireToken})
	assert.Equal(t, 401, b.rpc("/filesystem.Filesystem/Stat", `{"path":"."}`).status)
	assert.Equal(t, 401, b.envd(http.MethodGet, "/files?path=x", "").status)
	b.token = into[sandboxJSON](t, f.api(http.MethodPost, "/v2/sandboxes/"+b.id+"/connect", "")).EnvdAccessToken
	assert.Equal(t, 200, b.rpc("/filesystem.Filesystem/Stat", `{"path":"."}`).status)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.Engine().Inject(fake.Fault{Op: fake.OpWriteFile, Times: 2, Kind: fake.FullDisk, After: 6})
	body := strings.Repeat("0123456789", 200_000)
	r := b.envd(http.MethodPost, "/files?path=a", body, "Content-Type", octets)
	assert.Equal(t, 507, r.status)
	assert.Equal(t, apiError{Code: 507, Message: "not enough disk space available"}, into[apiError](t, r))
	parts, kind := form(t, "b", body)
	assert.Equal(t, 507, b.envd(http.MethodPost, "/files?path=b", parts, "Content-Type", kind).status)
	sandbox, err := f.Engine().Reach(t.Context(), b.id)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(sandbox.Dir(), "home/user/a"))
	require.NoError(t, err)
	assert.Equal(t, "012345", string(data))
}

func TestCutsOverHTTP2(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	f.client = &http.Client{Transport: transport}
	b := f.create(`{"templateID":"base"}`)
	got := b.stream(startPath, sh("exit 3"))
	assert.Contains(t, got[1], "exit status 3")

	f.Engine().Inject(fake.Fault{Op: fake.OpExec, Nth: 1, Kind: fake.DropStream, After: 2})
	r := b.envd(http.MethodPost, startPath, frame(0, sh("echo 123; sleep 100")), "Content-Type", "application/connect+json")
	require.Error(t, r.err)
	got, _ = frames(t, r.body)
	require.Len(t, got, 2)
	assert.Equal(t, `{"event":{"data":{"stdout":"MTI="}}}`, got[1], "12")
	assert.Equal(t, 200, b.rpc("/process.Process/List", "{}").status, "the connection serves on")
}

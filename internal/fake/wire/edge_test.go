package wire

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func TestEdgeAddresses(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for name, c := range map[string]struct {
		header []string
		status int
		body   string
	}{
		"headers":             {[]string{"E2b-Sandbox-Id", b.id, "E2b-Sandbox-Port", "49983"}, 204, ""},
		"host":                {[]string{"Host", "49983-" + b.id + ".e2b.app"}, 204, ""},
		"host with port":      {[]string{"Host", "49983-" + b.id + ".localhost:8080"}, 204, ""},
		"host beats headers":  {[]string{"Host", "49983-" + b.id + ".e2b.app", "E2b-Sandbox-Id", "iother", "E2b-Sandbox-Port", "1"}, 204, ""},
		"ID without port":     {[]string{"E2b-Sandbox-Id", b.id}, 400, "missing header E2b-Sandbox-Port\n"},
		"port without ID":     {[]string{"E2b-Sandbox-Port", "49983"}, 400, "missing header E2b-Sandbox-Id\n"},
		"bad ID":              {[]string{"E2b-Sandbox-Id", "A/B", "E2b-Sandbox-Port", "49983"}, 400, "Invalid sandbox ID\n"},
		"bad port":            {[]string{"E2b-Sandbox-Id", b.id, "E2b-Sandbox-Port", "65536"}, 400, "Invalid port\n"},
		"bad ID in the host":  {[]string{"Host", "49983-A.e2b.app"}, 400, "Invalid sandbox ID\n"},
		"unknown":             {[]string{"E2b-Sandbox-Id", "iabc", "E2b-Sandbox-Port", "49983"}, 502, `{"code":502,"message":"The sandbox was not found","sandboxId":"iabc"}`},
		"unknown by the host": {[]string{"Host", "49983-iabc.e2b.app"}, 502, `{"code":502,"message":"The sandbox was not found","sandboxId":"iabc"}`},
		"another port":        {[]string{"Host", "3000-" + b.id + ".e2b.app"}, 502, `{"code":502,"message":"The sandbox is running but port is not open","port":3000,"sandboxId":"` + b.id + `"}`},
		"the control plane":   {nil, 200, "Health check successful"},
	} {
		r := f.do(http.MethodGet, "/health", "", c.header...)
		assert.Equal(t, c.status, r.status, name)
		assert.Equal(t, c.body, r.body, name)
	}
}

func TestReservedEndpoints(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	r := b.envd(http.MethodPost, "/init", "{}")
	assert.Equal(t, 404, r.status)
	assert.Equal(t, "/init", into[map[string]any](t, r)["path"])
	assert.Equal(t, 404, b.envd(http.MethodGet, "/none", "").status)
	assert.Equal(t, 405, b.envd(http.MethodPost, "/health", "").status)
}

func TestTrafficToken(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	r := f.api(http.MethodPost, "/v2/sandboxes", `{"templateID":"base","network":{"allowPublicTraffic":false}}`)
	made := into[sandboxJSON](t, r)
	require.NotNil(t, made.TrafficAccessToken, r.body)
	host := "3000-" + made.SandboxID + ".e2b.app"
	assert.Equal(t, 403, f.do(http.MethodGet, "/", "", "Host", host).status)
	assert.Equal(t, 502, f.do(http.MethodGet, "/", "", "Host", host, "E2b-Traffic-Access-Token", *made.TrafficAccessToken).status)
	assert.Equal(t, 204, f.do(http.MethodGet, "/health", "", "Host", "49983-"+made.SandboxID+".e2b.app").status, "envd has its own token")
}

func TestAccessTokenAndUser(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for _, token := range []string{"", "wrong"} {
		r := f.do(http.MethodPost, "/process.Process/List", "{}", "Content-Type", "application/json",
			"E2b-Sandbox-Id", b.id, "E2b-Sandbox-Port", "49983", "X-Access-Token", token)
		assert.Equal(t, 401, r.status)
		assert.Contains(t, into[apiError](t, r).Message, "unauthorized access, ")
	}
	assert.Equal(t, 401, f.do(http.MethodGet, "/envs", "", "Host", "49983-"+b.id+".x").status)
	r := b.rpc("/process.Process/List", "{}", "Authorization", "Basic bm9ib2R5Og==") // nobody:
	assert.Equal(t, 401, r.status)
	assert.JSONEq(t, `{"code":"unauthenticated","message":"invalid username: 'nobody'"}`, r.body)
	r = b.envd(http.MethodPost, startPath, frame(0, sh("true")), "Content-Type", "application/connect+json", "Authorization", "Basic bm9ib2R5Og==")
	assert.Equal(t, 401, r.status, "for streams, too")
	assert.Equal(t, 200, b.rpc("/process.Process/List", "{}", "Authorization", "Basic dXNlcjo=").status) // user:
}

func TestEnvs(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base","envVars":{"A":"b"}}`)
	envs := into[map[string]string](t, b.envd(http.MethodGet, "/envs", ""))
	assert.Equal(t, "b", envs["A"])
	assert.Equal(t, b.id, envs["E2B_SANDBOX_ID"])
}

func TestAutoResumeNeedsTheToken(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base","autoPause":true,"autoResume":{"enabled":true},"timeout":60}`)
	f.clock.Advance(time.Minute)
	require.Equal(t, "paused", string(into[detailJSON](t, f.api(http.MethodGet, "/sandboxes/"+b.id, "")).State))
	r := f.do(http.MethodGet, "/health", "", "E2b-Sandbox-Id", b.id, "E2b-Sandbox-Port", "49983")
	assert.Equal(t, 403, r.status)
	assert.Equal(t, 204, b.envd(http.MethodGet, "/health", "").status)
	got := into[detailJSON](t, f.api(http.MethodGet, "/sandboxes/"+b.id, ""))
	assert.Equal(t, "running", string(got.State))
	assert.Equal(t, 5*time.Minute, got.EndAt.Sub(got.StartedAt))
}

func TestKeepaliveOfZeroKillsEnvd(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b, other := f.create(`{"templateID":"base"}`), f.create(`{"templateID":"base"}`)

	// A stream that is open when the daemon dies is cut.
	open := b.open(startPath, sh("echo up; sleep 100"))
	assert.Equal(t, `{"event":{"data":{"stdout":"dXAK"}}}`, open.until("stdout"))

	_, err := f.send(http.MethodPost, startPath, frame(0, sh("true")),
		b.headers("Content-Type", "application/connect+json", "Keepalive-Ping-Interval", "0")...)
	require.Error(t, err, "the connection breaks off")
	_, err = open.next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	r := b.envd(http.MethodGet, "/health", "")
	assert.Equal(t, 502, r.status)
	assert.Contains(t, r.body, "port is not open")
	assert.Equal(t, 204, other.envd(http.MethodGet, "/health", "").status)
}

func TestSignature(t *testing.T) {
	t.Parallel()
	// From: printf %s TEXT | openssl dgst -sha256 -binary | base64
	assert.Equal(t, "v1_DN7VcUWxiawxFCZ+34tdHB6oLiRG3X7qOnPmdYeMMsU",
		signature("/home/user/a b.txt", "read", "user", "tok-123", "1767225600"))
	assert.Equal(t, "v1_0MODLw0kpgbnFkMSHnd75uyol8VFzXFvpn39rI7Voto",
		signature("n.txt", "write", "", "tok-123", ""))
}

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	f.create(`{"templateID":"base"}`)
	b := f.create(`{"templateID":"base"}`)
	sign := func(path, op, user, expiry string) string {
		q := url.Values{"path": {path}, "signature": {signature(path, op, user, b.token, expiry)}}
		if user != "" {
			q.Set("username", user)
		}
		if expiry != "" {
			q.Set("signature_expiration", expiry)
		}
		return "/files?" + q.Encode()
	}
	octets := []string{"Content-Type", "application/octet-stream"}
	// The signature alone tells which sandbox is meant.
	require.Equal(t, 200, f.do(http.MethodPost, sign("a b.txt", "write", "", ""), "hello", octets...).status)
	assert.Equal(t, "hello", f.do(http.MethodGet, sign("a b.txt", "read", "user", ""), "").body)
	host := []string{"Host", "49983-" + b.id + ".e2b.app"}
	assert.Equal(t, "hello", f.do(http.MethodGet, sign("a b.txt", "read", "", "1767225600"), "", host...).body)
	for name, c := range map[string]struct{ path, message string }{
		"for reading only": {sign("a b.txt", "write", "", ""), "invalid signature"},
		"another path":     {"/files?path=x&signature=" + url.QueryEscape(signature("a b.txt", "read", "", b.token, "")), "invalid signature"},
		"expired":          {sign("a b.txt", "read", "", "1767225599"), "signature is already expired"},
		"none":             {"/files?path=a+b.txt", "missing signature query parameter"},
	} {
		r := f.do(http.MethodGet, c.path, "", host...)
		assert.Equal(t, 401, r.status, name)
		assert.Equal(t, apiError{Code: 401, Message: c.message}, into[apiError](t, r), name)
	}
	assert.Equal(t, 401, f.do(http.MethodGet, "/files?path=x&signature=v1_x", "").status, "a signature of no sandbox")
	r := f.do(http.MethodGet, sign("a b.txt", "read", "", ""), "", append(host, "X-Access-Token", "wrong")...)
	assert.Equal(t, 401, r.status, "the token has precedence")
}

func FuzzDestination(f *testing.F) {
	f.Add("49983-iabc.e2b.app", "", "")
	f.Add("127.0.0.1:80", "iabc", "49983")
	f.Fuzz(func(t *testing.T, host, id, port string) {
		r := &http.Request{Host: host, URL: &url.URL{Path: "/"}, Header: http.Header{"E2b-Sandbox-Id": {id}, "E2b-Sandbox-Port": {port}}}
		to, bad := new(Server).destination(r)
		if bad != "" {
			assert.Empty(t, to)
		}
		if to.id != "" {
			assert.Regexp(t, `^[a-z0-9]{1,64}$`, to.id)
			assert.Positive(t, to.port)
			assert.Less(t, to.port, 1<<16)
		}
	})
}

func TestDeathOfEnvdDoesNotWaitForASlowClient(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	slow := b.open(startPath, sh("cat /dev/zero")) // and nobody reads on
	slow.pid()
	_, err := f.send(http.MethodPost, startPath, frame(0, sh("true")),
		b.headers("Content-Type", "application/connect+json", "Keepalive-Ping-Interval", "-1")...)
	require.Error(t, err)
	assert.Equal(t, 502, b.envd(http.MethodGet, "/health", "").status)
}

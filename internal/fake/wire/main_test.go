package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a server with a client of its own.
type fixture struct {
	*Server

	t      *testing.T
	clock  *fake.ManualClock
	client *http.Client
}

func setup(t *testing.T, opts fake.Options) *fixture {
	t.Helper()
	clock := fake.NewManualClock(time.Time{})
	opts.Clock, opts.Dir = clock, t.TempDir()
	engine, err := fake.New(&opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, engine.Close()) })
	server, err := NewServer(engine)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &fixture{Server: server, t: t, clock: clock, client: &http.Client{Transport: transport}}
}

// reply is a reply that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of the body
}

// do sends a request. Header pairs with an empty value are left out; "Host"
// sets the host.
func (f *fixture) do(method, path, body string, header ...string) *reply {
	f.t.Helper()
	r, err := f.send(method, path, body, header...)
	require.NoError(f.t, err)
	return r
}

func (f *fixture) send(method, path, body string, header ...string) (*reply, error) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.URL()+path, strings.NewReader(body))
	require.NoError(f.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return &reply{status: resp.StatusCode, header: resp.Header, body: string(data), err: err}, nil
}

// api sends a request to the control plane with the right key.
func (f *fixture) api(method, path, body string) *reply {
	f.t.Helper()
	return f.do(method, path, body, "X-API-Key", f.APIKey())
}

// into decodes the JSON body of a reply.
func into[T any](t *testing.T, r *reply) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(r.body))
	require.NoError(t, dec.Decode(&v), r.body)
	return v
}

// box is a sandbox as its maker sees it.
type box struct {
	f         *fixture
	id, token string
}

func (f *fixture) create(body string) *box {
	f.t.Helper()
	r := f.api(http.MethodPost, "/v2/sandboxes", body)
	require.Equal(f.t, http.StatusCreated, r.status, r.body)
	made := into[sandboxJSON](f.t, r)
	return &box{f: f, id: made.SandboxID, token: made.EnvdAccessToken}
}

// headers are those of every request to envd.
func (b *box) headers(more ...string) []string {
	return append([]string{"E2b-Sandbox-Id", b.id, "E2b-Sandbox-Port", "49983", "X-Access-Token", b.token}, more...)
}

// envd sends a request to envd.
func (b *box) envd(method, path, body string, header ...string) *reply {
	b.f.t.Helper()
	return b.f.do(method, path, body, b.headers(header...)...)
}

// rpc makes a unary call with JSON.
func (b *box) rpc(procedure, body string, header ...string) *reply {
	b.f.t.Helper()
	return b.envd(http.MethodPost, procedure, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// frame is a frame of a Connect stream.
func frame(flags byte, payload string) string {
	n := len(payload)
	return string([]byte{flags, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + payload
}

// frames takes the payloads out of a stream. The last one is the end of the
// stream, unless that was cut.
func frames(t *testing.T, body string) (payloads []string, ended bool) {
	t.Helper()
	for body != "" {
		require.GreaterOrEqual(t, len(body), 5)
		n := int(body[1])<<24 | int(body[2])<<16 | int(body[3])<<8 | int(body[4])
		require.GreaterOrEqual(t, len(body), 5+n)
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, []byte(body[5:5+n])))
		payloads = append(payloads, compact.String())
		ended = body[0] == 2
		body = body[5+n:]
	}
	return payloads, ended
}

// stream makes a streaming call with JSON and returns its messages, and the
// end of the stream as the last one.
func (b *box) stream(procedure, body string, header ...string) []string {
	b.f.t.Helper()
	r := b.envd(http.MethodPost, procedure, frame(0, body), append([]string{
		"Content-Type", "application/connect+json", "Connect-Protocol-Version", "1",
	}, header...)...)
	require.Equal(b.f.t, http.StatusOK, r.status, r.body)
	require.NoError(b.f.t, r.err)
	payloads, ended := frames(b.f.t, r.body)
	require.True(b.f.t, ended, "the stream has no end: %q", payloads)
	return payloads
}

const startPath = "/process.Process/Start"

// sh is the request to start a shell command.
func sh(script string) string {
	text, err := json.Marshal(script)
	if err != nil {
		panic(err) // a string can be marshalled
	}
	return `{"process":{"cmd":"/bin/sh","args":["-c",` + string(text) + `]},"stdin":false}`
}

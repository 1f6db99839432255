package mcpserver_test

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/mcpserver"
)

const (
	modernList = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	legacyInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
)

// A response whose body was read.
type response struct {
	*http.Response
	body string
}

// send sends a request as it is. The headers Host and Accept are those of h, where it
// has them.
func send(t *testing.T, method, url, body string, h http.Header) response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	maps.Copy(r.Header, h)
	r.Host = h.Get("Host")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return response{res, string(content)}
}

func post(t *testing.T, url, body string, h http.Header) response {
	t.Helper()
	return send(t, http.MethodPost, url, body, h)
}

// headers returns headers for a list of tools in the newest revision.
func headers(more ...string) http.Header {
	h := http.Header{"Mcp-Protocol-Version": {modern}, "Mcp-Method": {"tools/list"}}
	for i := 0; i < len(more); i += 2 {
		h.Add(more[i], more[i+1])
	}
	return h
}

func TestBothErasOnOneEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serveHTTP(w.serve(nil), nil)
	res := post(t, url, modernList, headers())
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, res.body, `"resultType":"complete"`)
	assert.Contains(t, res.body, `"ttlMs":300000,"cacheScope":"private"`)
	assert.Empty(t, res.Header.Get("Mcp-Session-Id"))
	assert.Equal(t, "no", res.Header.Get("X-Accel-Buffering"))

	res = post(t, url, legacyInitialize, nil)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, res.body, `"protocolVersion":"2025-11-25"`)
	assert.NotEmpty(t, res.Header.Get("Mcp-Session-Id"))
	assert.Equal(t, "no", res.Header.Get("X-Accel-Buffering"))

	assert.Equal(t, http.StatusMethodNotAllowed, send(t, http.MethodGet, url, "", headers()).StatusCode, "no streams without sessions")
	res = post(t, url, strings.ReplaceAll(modernList, modern, "2099-01-01"), headers("Mcp-Protocol-Version", "x"))
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
}

func TestOriginAndHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.serve(nil)
	url := w.serveHTTP(server, nil)
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp")
	_, port, err := net.SplitHostPort(host)
	require.NoError(t, err)
	open := w.serveHTTP(server, &mcpserver.HTTPOptions{AllowedHosts: []string{"MCP.example.com"}, AllowedOrigins: []string{"https://App.example.com/"}})
	anyHost := w.serveHTTP(server, &mcpserver.HTTPOptions{AllowedHosts: []string{"*"}})

	for _, c := range []struct {
		url, host, origin string
		want              int
	}{
		{url, "", "", http.StatusOK},
		{url, "localhost:" + port, "", http.StatusOK},
		{url, "[::1]:" + port, "", http.StatusOK},
		{url, "LOCALHOST", "", http.StatusOK},
		{url, "evil.example", "", http.StatusForbidden},
		{url, "127.0.0.1.evil.example:" + port, "", http.StatusForbidden},
		{url, "10.0.0.1", "", http.StatusForbidden},
		{url, "evil.example", "http://evil.example", http.StatusForbidden},
		{url, "", "http://" + host, http.StatusOK},
		{url, "", "http://evil.example", http.StatusForbidden},
		{url, "", "http://localhost:3000", http.StatusForbidden},
		{url, "", "null", http.StatusForbidden},
		{url, "", "file://", http.StatusForbidden},
		{url, "", "chrome-extension://" + host, http.StatusForbidden},
		{open, "mcp.example.com", "", http.StatusOK},
		{open, "mcp.example.com:8443", "https://app.example.com", http.StatusOK},
		{open, "mcp.example.com", "https://mcp.example.com", http.StatusOK},
		{open, "mcp.example.com", "https://app.example.com.evil.example", http.StatusForbidden},
		{open, "localhost", "", http.StatusForbidden},
		{anyHost, "whatever.example", "", http.StatusOK},
		{anyHost, "whatever.example", "https://evil.example", http.StatusForbidden},
	} {
		h := headers()
		if c.host != "" {
			h.Set("Host", c.host)
		}
		if c.origin != "" {
			h.Set("Origin", c.origin)
		}
		assert.Equal(t, c.want, post(t, c.url, modernList, h).StatusCode, "%+v", c)
		if c.want == http.StatusForbidden {
			// The stream of older revisions too, and the other pages.
			h.Del("Mcp-Protocol-Version")
			h.Set("Mcp-Session-Id", "x")
			assert.Equal(t, http.StatusForbidden, send(t, http.MethodGet, c.url, "", h).StatusCode, "GET %+v", c)
			assert.Equal(t, http.StatusForbidden, send(t, http.MethodGet, strings.TrimSuffix(c.url, "mcp")+"healthz", "", h).StatusCode, "healthz %+v", c)
		}
	}
	two := headers("Origin", "http://"+host)
	two.Add("Origin", "http://evil.example")
	assert.Equal(t, http.StatusForbidden, post(t, url, modernList, two).StatusCode)
}

func TestBearerToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serveHTTP(w.serve(&mcpserver.Options{Roles: roles(t), Tokens: tokens(t)}), nil)
	for authorization, want := range map[string]int{
		"":                                      http.StatusUnauthorized,
		"Bearer":                                http.StatusUnauthorized,
		"Bearer ":                               http.StatusUnauthorized,
		"Bearer " + aliceToken + "x":            http.StatusUnauthorized,
		"Bearer " + aliceToken[:20]:             http.StatusUnauthorized,
		"Basic " + aliceToken:                   http.StatusUnauthorized,
		aliceToken:                              http.StatusUnauthorized,
		"Bearer " + aliceToken:                  http.StatusOK,
		"bearer  " + carolToken:                 http.StatusOK,
		"Bearer a " + aliceToken:                http.StatusUnauthorized,
		"Bearer " + aliceToken + "\tx":          http.StatusUnauthorized,
		"Bearer " + tokens(t)[0].Name:           http.StatusUnauthorized,
		"Bearer " + strings.Repeat("x", 10_000): http.StatusUnauthorized,
	} {
		res := post(t, url, modernList, headers("Authorization", authorization))
		assert.Equal(t, want, res.StatusCode, authorization)
		if want == http.StatusUnauthorized {
			assert.Equal(t, `Bearer realm="gitsandbox"`, res.Header.Get("WWW-Authenticate"))
			assert.NotContains(t, res.body, aliceToken)
		} else {
			assert.Empty(t, res.Header.Get("WWW-Authenticate"))
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		assert.Equal(t, http.StatusUnauthorized, send(t, method, url, "", http.Header{"Mcp-Session-Id": {"x"}}).StatusCode)
	}
}

func TestOtherPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	metrics := mcpserver.NewMetrics()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	server := w.serve(&mcpserver.Options{Tokens: tokens(t), Roles: roles(t), Metrics: metrics})
	url := w.serveHTTP(server, &mcpserver.HTTPOptions{Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
	base := strings.TrimSuffix(url, "/mcp")
	m := connect(t, overHTTP(t, url, aliceToken), modern, nil)
	m.clone(w.url, "a", "t")
	m.fails("SANDBOX_NOT_FOUND", "git_status", args{"sandbox_id": "x"})

	res := send(t, http.MethodGet, base+"/healthz", "", nil)
	assert.Equal(t, "ok\n", res.body)
	res = send(t, http.MethodGet, base+"/metrics", "", nil)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, res.body, `gitsandbox_mcp_calls_total{status="success",tool="git_clone"} 1`)
	assert.Contains(t, res.body, `gitsandbox_mcp_calls_total{status="failure",tool="git_status"} 1`)
	assert.Contains(t, res.body, `gitsandbox_mcp_call_duration_seconds_count{tool="git_clone"} 1`)
	for _, private := range []string{"alice", aliceToken, secret, "shop"} {
		assert.NotContains(t, res.body, private)
	}
	assert.Equal(t, http.StatusNotFound, send(t, http.MethodGet, base+"/", "", nil).StatusCode)
	assert.Equal(t, http.StatusMethodNotAllowed, send(t, http.MethodPost, base+"/healthz", "", nil).StatusCode)
	require.NoError(t, server.Close())
	assert.Equal(t, http.StatusServiceUnavailable, send(t, http.MethodGet, base+"/healthz", "", nil).StatusCode)
}

func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serveHTTP(w.serve(nil), &mcpserver.HTTPOptions{MaxBodyBytes: 1000})
	assert.Equal(t, http.StatusOK, post(t, url, modernList, headers()).StatusCode)
	long := strings.Replace(modernList, `"params":{`, `"params":{"x":"`+strings.Repeat("x", 1000)+`",`, 1)
	assert.Equal(t, http.StatusRequestEntityTooLarge, post(t, url, long, headers()).StatusCode)
	assert.Equal(t, http.StatusRequestEntityTooLarge, post(t, url, long, http.Header{"Mcp-Session-Id": {connect(t, overHTTP(t, url, ""), legacy, nil).ID()}}).StatusCode)
}

func TestSessionsAreBoundedAndEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serveHTTP(w.serve(nil), &mcpserver.HTTPOptions{MaxSessions: 2, SessionTimeout: 50 * time.Millisecond})
	ids := map[string]bool{}
	for range 2 {
		res := post(t, url, legacyInitialize, nil)
		require.Equal(t, http.StatusOK, res.StatusCode)
		ids[res.Header.Get("Mcp-Session-Id")] = true
	}
	assert.Len(t, ids, 2)
	res := post(t, url, legacyInitialize, nil)
	if res.StatusCode != http.StatusOK { // or one of them has ended by now
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		assert.Equal(t, "60", res.Header.Get("Retry-After"))
	}
	assert.Equal(t, http.StatusOK, post(t, url, modernList, headers()).StatusCode, "no session is needed")
	require.Eventually(t, func() bool {
		return post(t, url, legacyInitialize, nil).StatusCode == http.StatusOK
	}, 5*time.Second, 20*time.Millisecond, "unused sessions end")
}

func TestListenNeedsTokensBeyondLoopback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.serve(nil)
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		_, err := server.Listen(t.Context(), address)
		require.ErrorIs(t, err, mcpserver.ErrExposed, address)
	}
	_, err := server.Listen(t.Context(), "127.0.0.1")
	require.Error(t, err)
	require.NotErrorIs(t, err, mcpserver.ErrExposed)
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		l, err := server.Listen(t.Context(), address)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
	// A listener from elsewhere is looked at too. It stays on loopback here.
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, server.Serve(t.Context(), elsewhere{l}, nil), mcpserver.ErrExposed)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// elsewhere says that it listens on all interfaces.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 1} }

// A call that runs is waited for, a stream that is open is not.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.serve(nil)
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l, &mcpserver.HTTPOptions{ShutdownTimeout: time.Minute}) }()
	url := "http://" + l.Addr().String() + "/mcp"
	// It has a stream for what the server sends, and tries to get it back.
	m := connect(t, &mcp.StreamableClientTransport{Endpoint: url, MaxRetries: 1, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}, legacy, nil)
	id := m.clone(w.url, "a", "t")

	type outcome struct {
		res *mcp.CallToolResult
		err error
	}
	answer := make(chan outcome, 1)
	go func() {
		res, err := m.CallTool(t.Context(), &mcp.CallToolParams{Name: "run", Arguments: args{
			"sandbox_id": id, "command": "touch started; until [ -e go ]; do sleep 0.05; done; echo done",
		}})
		answer <- outcome{res, err}
	}()
	dir, err := w.sandboxes.Dir(id)
	require.NoError(t, err)
	await(t, dir+"/home/user/repo/started")
	stop()
	require.Eventually(t, func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, 5*time.Second, 10*time.Millisecond, "no further requests are taken")
	write(t, dir+"/home/user/repo/go")
	got := <-answer
	require.NoError(t, got.err)
	assert.Contains(t, textOf(t, got.res), "\ndone\n")
	require.NoError(t, <-served)
}

// After the time for that, what still runs is cancelled.
func TestShutdownHasADeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.serve(nil)
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, l, &mcpserver.HTTPOptions{ShutdownTimeout: 100 * time.Millisecond})
	}()
	m := connect(t, overHTTP(t, "http://"+l.Addr().String()+"/mcp", ""), modern, nil)
	id := m.clone(w.url, "a", "t")
	pid := w.start(m, id)
	stop()
	require.NoError(t, <-served)
	gone(t, pid)
}

// A body that never comes does not hold a request for ever; see bodyWait for how
// long. Here only that the rest of a request has no such deadline.
func TestSlowCallOutlivesTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serveHTTP(w.serve(nil), nil)
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	half := len(modernList) / 2
	_, err = io.WriteString(conn, "POST /mcp HTTP/1.1\r\nHost: "+host+"\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"Mcp-Protocol-Version: "+modern+"\r\nMcp-Method: tools/list\r\nConnection: close\r\nContent-Length: "+itoa(len(modernList))+"\r\n\r\n"+modernList[:half])
	require.NoError(t, err)
	_, err = io.WriteString(conn, modernList[half:])
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	assert.Equal(t, http.StatusOK, res.StatusCode)
}

package e2b

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewClientDefaults(t *testing.T) {
	t.Parallel()
	c, err := NewClient(testKey, nil)
	require.NoError(t, err)
	assert.Equal(t, "https://api.e2b.app", c.apiURL)
	assert.Equal(t, time.Minute, c.requestTimeout)
	assert.Equal(t, 45*time.Second, c.silence)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key  string
		opts ClientOptions
	}{
		"no key":                {"", ClientOptions{}},
		"key with a line":       {"e2b_\nx", ClientOptions{}},
		"key too long":          {strings.Repeat("x", 5000), ClientOptions{}},
		"http":                  {testKey, ClientOptions{APIURL: "http://example.com"}},
		"http for sandboxes":    {testKey, ClientOptions{SandboxURL: "http://example.com"}},
		"userinfo":              {testKey, ClientOptions{APIURL: "https://user:pass@example.com"}},
		"query":                 {testKey, ClientOptions{APIURL: "https://example.com?x=y"}},
		"fragment":              {testKey, ClientOptions{APIURL: "https://example.com#x"}},
		"no host":               {testKey, ClientOptions{APIURL: "https:///x"}},
		"other scheme":          {testKey, ClientOptions{APIURL: "file:///etc/passwd"}},
		"loopback lookalike":    {testKey, ClientOptions{APIURL: "http://localhost.example.com"}},
		"not a URL":             {testKey, ClientOptions{APIURL: "https://[::1"}},
		"domain with a slash":   {testKey, ClientOptions{Domain: "example.com/x"}},
		"domain with a port":    {testKey, ClientOptions{Domain: "example.com:1"}},
		"user agent":            {testKey, ClientOptions{UserAgent: "a\r\nb"}},
		"request timeout":       {testKey, ClientOptions{RequestTimeout: -1}},
		"keep-alive too short":  {testKey, ClientOptions{KeepaliveInterval: time.Millisecond}},
		"keep-alive fractional": {testKey, ClientOptions{KeepaliveInterval: 1500 * time.Millisecond}},
		"keep-alive negative":   {testKey, ClientOptions{KeepaliveInterval: -time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := NewClient(test.key, &test.opts)
			require.ErrorIs(t, err, ErrInvalidArgument)
			assert.Nil(t, c)
			assert.NotContains(t, err.Error(), "pass")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestEnvdURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		opts ClientOptions
		info SandboxInfo
		want string
	}{
		{ClientOptions{}, SandboxInfo{SandboxID: "iabc"}, "https://sandbox.e2b.app"},
		{ClientOptions{}, SandboxInfo{SandboxID: "iabc", Domain: "e2b.dev"}, "https://sandbox.e2b.dev"},
		{ClientOptions{}, SandboxInfo{SandboxID: "iabc-old1", Domain: "own.example"}, "https://49983-iabc.own.example"},
		{ClientOptions{Domain: "own.example"}, SandboxInfo{SandboxID: "iabc"}, "https://49983-iabc.own.example"},
		{ClientOptions{SandboxURL: "http://127.0.0.1:9/x/"}, SandboxInfo{SandboxID: "iabc"}, "http://127.0.0.1:9/x"},
	} {
		c, err := NewClient(testKey, &test.opts)
		require.NoError(t, err)
		assert.Equal(t, test.want, c.envdURL(&test.info))
	}
}

func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	c, err := NewClient(testKey, nil)
	require.NoError(t, err)
	for name, info := range map[string]*SandboxInfo{
		"nil":         nil,
		"no ID":       {},
		"ID":          {SandboxID: "../x"},
		"long ID":     {SandboxID: strings.Repeat("a", 200)},
		"domain path": {SandboxID: "iabc", Domain: "evil.example/x"},
		"domain user": {SandboxID: "iabc", Domain: "x@evil.example"},
		"token":       {SandboxID: "iabc", AccessToken: "a\r\nX-Other: b"},
		"traffic":     {SandboxID: "iabc", TrafficAccessToken: "a b"},
		"version":     {SandboxID: "iabc", EnvdVersion: "0.6.13\n"},
		"state":       {SandboxID: "iabc", State: "dead"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, err := c.Attach(info)
			require.ErrorIs(t, err, ErrInvalidArgument)
			assert.Nil(t, box)
		})
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"0.5.7": true, "0.5.6": false, "0.4.9": false, "0.6.0": true, "1.0.0": true, "v0.5.8": true, "0.5.10": true,
		"0.5.7-dev": true, "": true, "new": true, "0.5": true, "0.x.1": true,
	} {
		assert.Equal(t, want, atLeast(version, 5, 7), version)
	}
}

// TestSecretsStayInside provokes what is printed of a client that has secrets,
// against a server that echoes them in every way it can.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	echo := func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Api-Key") + r.Header.Get("X-Access-Token")
		w.Header().Set("Location", "https://example.com/?key="+key)
		reply(w, http.StatusTeapot, map[string]any{
			"code": 418, "message": "your key is " + key, "error_code": key,
		})
	}
	s.api, s.files = echo, echo
	var log bytes.Buffer
	c := s.client(&ClientOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	box := attach(t, c, "0.6.13")

	_, createErr := c.Create(t.Context(), nil)
	_, readErr := box.ReadFile(t.Context(), "secret-name")
	_, connectErr := c.Connect(t.Context(), testID, nil)
	unreachable, err := NewClient(testKey, &ClientOptions{APIURL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	_, dialErr := unreachable.Get(t.Context(), testID)

	for _, v := range []any{
		c, box, box.Info(),
		struct{ C *Client }{c},
		struct{ C Transport }{c},
		struct{ S Sandbox }{box},
		createErr, readErr, connectErr, dialErr, errors.Unwrap(dialErr),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{testKey, testToken, fmt.Sprintf("%x", testKey), fmt.Sprintf("%x", testToken)} {
				assert.NotContains(t, text, secret, "%s of %T", verb, v)
			}
		}
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	}
	// What is in an unexported field cannot say how it is printed.
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		text := fmt.Sprintf(verb, struct {
			c Transport
			s Sandbox
		}{c, box})
		assert.NotContains(t, text, testKey)
		assert.NotContains(t, text, testToken)
	}
	assert.Equal(t, "e2b.Client("+s.url+")", fmt.Sprint(c))
	assert.Equal(t, "e2b.Sandbox("+testID+")", fmt.Sprint(box))
	require.Error(t, createErr)
	assert.ErrorContains(t, createErr, "your key is [redacted]")
	assert.Contains(t, log.String(), "path=/files")
	assert.NotContains(t, log.String(), testKey)
	assert.NotContains(t, log.String(), testToken)
	assert.NotContains(t, log.String(), "secret-name", "no query is logged")
}

func TestErrorsOfHostileReplies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		want string
	}{
		"control characters": {`{"code":418,"message":"a\u001b[31m\nb\u202ec\u2028"}`, `a\x1b[31m\nb\u202ec\u2028`},
		"a page":             {"<html><body>" + strings.Repeat("x", 100) + "</body></html>", ""},
		"text":               {"  plain text\n", "plain text"},
		"not a string":       {`{"code":418,"message":{"a":1}}`, `{"code":418,"message":{"a":1}}`},
		"nothing":            {"", ""},
		"bad UTF-8":          {"a\xffb", "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusTeapot)
				_, _ = w.Write([]byte(test.body))
			}
			_, err := s.client(nil).Get(t.Context(), testID)
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			assert.Equal(t, test.want, e.Message)
			assert.Equal(t, 418, e.Status)
			assert.NoError(t, e.Kind)
		})
	}
}

func TestErrorMessageIsBounded(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusInternalServerError, apiError(500, strings.Repeat("é", 30_000)))
	}
	_, err := s.client(nil).Get(t.Context(), testID)
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok)
	assert.Equal(t, strings.Repeat("é", 510)+"...", e.Message)

	for _, r := range []string{"x", "\u00e9", "\n", "\x00", "\u202e", "\U000e0001", "\xff"} {
		text := clean(strings.Repeat(r, 5000))
		assert.LessOrEqual(t, len(text), 1024, "%q", r)
		assert.Greater(t, len(text), 1010, "%q", r)
	}
}

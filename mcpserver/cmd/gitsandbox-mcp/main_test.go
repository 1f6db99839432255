package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/mcpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestKeyIsNeeded(t *testing.T) {
	t.Setenv("E2B_API_KEY", "")
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), nil, &stdout, &stderr)
	require.ErrorContains(t, err, "E2B_API_KEY: not set")
	require.ErrorContains(t, err, "-fake works without an account")
	assert.Empty(t, stdout.String()+stderr.String())
}

func TestEnvironmentIsChecked(t *testing.T) {
	t.Setenv("E2B_API_KEY", "e2b_0123456789abcdef")
	t.Setenv("GIT_SANDBOX_TTL", "soon")
	require.ErrorContains(t, run(t.Context(), nil, io.Discard, io.Discard), "GIT_SANDBOX_TTL")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-version"}, &stdout, io.Discard))
	assert.Regexp(t, `^gitsandbox-mcp \S+\n$`, stdout.String())
}

// file writes a file that only its owner can read, unless mode says so.
func file(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

const token = "alice-0123456789abcdef"

func TestFlagsAreChecked(t *testing.T) {
	t.Parallel()
	tokens := file(t, "tokens.yaml", "tokens: [{name: alice, token: "+token+"}]", 0o600)
	for want, args := range map[string][]string{
		`["serve"]: there are no arguments`:        {"-fake", "serve"},
		"flag provided but not defined: -api-key":  {"-api-key", "x"},
		"-tokens: only with -http":                 {"-fake", "-tokens", tokens},
		"-fake: only on the loopback interface":    {"-fake", "-http", ":0", "-tokens", tokens},
		"-roles: open":                             {"-fake", "-roles", "/no/such/file"},
		"chmod o-rwx":                              {"-fake", "-http", "127.0.0.1:0", "-tokens", file(t, "t", "x", 0o644)},
		"there are no tokens":                      {"-fake", "-http", "127.0.0.1:0", "-tokens", file(t, "t", "", 0o600)},
		"there are no roles":                       {"-fake", "-roles", file(t, "r", "", 0o644)},
		"-state-key":                               {"-fake", "-state-key", file(t, "k", "abc", 0o600)},
		`Toolsets: "x"`:                            {"-fake", "-toolsets", "x"},
		`Options.Role: there is no role "x"`:       {"-fake", "-role", "x"},
		"-http: listen":                            {"-fake", "-http", "127.0.0.1:99999"},
		`invalid value "loud" for flag -log-level`: {"-log-level", "loud"},
		"MaxTokens: 99999999 is not between":       {"-fake", "-max-tokens", "99999999"},
		`Repositories: "shop" is no URL`:           {"-fake", "-repos", "shop"},
		`Exclude: "git_fetch" is not one of`:       {"-fake", "-exclude-tools", "git_fetch"},
		`parse error`:                              {"-timeout", "soon"},
		"MaxSandboxes: -1":                         {"-fake", "-max-sandboxes", "-1"},
	} {
		err := run(t.Context(), args, io.Discard, io.Discard)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), token)
	}
}

// Without -fake it gets as far as the address. The key is never used.
func TestExposedNeedsTokens(t *testing.T) {
	t.Setenv("E2B_API_KEY", "e2b_0123456789abcdef")
	err := run(t.Context(), []string{"-http", "0.0.0.0:0"}, io.Discard, io.Discard)
	require.EqualError(t, err, "-http 0.0.0.0:0: tokens are needed to listen on more than the loopback interface: give -tokens, or listen on 127.0.0.1")
}

func TestOptionsOfFlags(t *testing.T) {
	t.Parallel()
	f, err := parseFlags([]string{
		"-toolsets", "git, files", "-tools", "run", "-exclude-tools", "git_push", "-read-only", "-owner", "o", "-role", "r",
		"-repos", "https://github.com/you/*,https://example.com/x", "-branches", "main", "-max-tokens", "500", "-timeout", "3s",
		"-rate", "-1", "-burst", "7", "-roles", file(t, "r", "roles: {r: {}}", 0o644),
		"-state-key", file(t, "k", strings.Repeat("ab", 32)+"\n", 0o600), "-log-level", "WARN", "-hosts", "a,b", "-origins", "https://x", "stdio",
	}, io.Discard)
	require.NoError(t, err)
	o, err := f.options()
	require.NoError(t, err)
	assert.Equal(t, []string{"git", "files"}, o.Tools.Toolsets)
	assert.Equal(t, []string{"run"}, o.Tools.Tools)
	assert.Equal(t, []string{"git_push"}, o.Tools.Exclude)
	assert.True(t, o.Tools.ReadOnly)
	assert.Equal(t, []string{"https://github.com/you/*", "https://example.com/x"}, o.Tools.Repositories)
	assert.Equal(t, []string{"main"}, o.Tools.Branches)
	assert.Equal(t, 500, o.Tools.MaxTokens)
	assert.Equal(t, 3*time.Second, o.Tools.Timeout)
	assert.Equal(t, "o", o.Caller)
	assert.Equal(t, "r", o.Role)
	assert.Contains(t, o.Roles, "r")
	assert.InDelta(t, -1, o.Rate, 0)
	assert.Equal(t, 7, o.Burst)
	assert.Equal(t, bytes.Repeat([]byte{0xab}, 32), o.StateKey)
	assert.Equal(t, slog.LevelWarn, f.logLevel)
	assert.Equal(t, []string{"a", "b"}, f.hosts)
	assert.Equal(t, []string{"https://x"}, f.origins)
}

func TestHostsWithTokens(t *testing.T) {
	t.Parallel()
	tokens := file(t, "tokens.yaml", "tokens: [{name: alice, token: "+token+"}]", 0o600)
	for address, want := range map[string][]string{"127.0.0.1:80": nil, "localhost:80": nil, "[::1]:80": nil, ":80": {"*"}, "192.0.2.1:80": {"*"}} {
		f, err := parseFlags([]string{"-http", address, "-tokens", tokens}, io.Discard)
		require.NoError(t, err)
		_, err = f.options()
		require.NoError(t, err)
		assert.Equal(t, want, f.hosts, address)
	}
}

// The page about the server names every flag, and no other.
func TestFlagsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/mcp.md")
	require.NoError(t, err)
	var usage bytes.Buffer
	_, err = parseFlags([]string{"-h"}, &usage)
	require.ErrorIs(t, err, flag.ErrHelp)
	names := func(pattern, text string) []string {
		var list []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			list = append(list, m[1])
		}
		slices.Sort(list)
		return list
	}
	assert.Equal(t, names("(?m)^  -([a-z-]+)", usage.String()), names("(?m)^\\| `-([a-z-]+)` \\|", string(page)))
}

// What is to be copied is well-formed.
func TestSnippetsParse(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/mcp.md")
	require.NoError(t, err)
	snippets := regexp.MustCompile("(?s)```json\n(.*?)```|add-json --scope project gitsandbox '([^']*)'").FindAllStringSubmatch(string(page), -1)
	require.Len(t, snippets, 5)
	for _, s := range snippets {
		assert.True(t, json.Valid([]byte(s[1]+s[2])), s[0])
	}
	roles, _, ok := strings.Cut(string(page)[strings.Index(string(page), "# roles.yaml"):], "```")
	require.True(t, ok)
	parsed, err := mcpserver.ParseRoles(strings.NewReader(roles))
	require.NoError(t, err)
	assert.Len(t, parsed, 2)
}

// buffer is what a test reads while the program writes it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestServesHTTPUntilItIsStopped(t *testing.T) {
	t.Parallel()
	tokens := file(t, "tokens.yaml", "tokens: [{name: alice, token: "+token+"}]", 0o600)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout bytes.Buffer
	stderr := &buffer{}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-fake", "-http", "127.0.0.1:0", "-tokens", tokens}, &stdout, stderr)
	}()
	listening := regexp.MustCompile(`url=(http://127\.0\.0\.1:\d+)/mcp`)
	require.Eventually(t, func() bool { return listening.MatchString(stderr.String()) }, 10*time.Second, 5*time.Millisecond)
	url := listening.FindStringSubmatch(stderr.String())[1]

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/mcp": http.StatusUnauthorized, "/healthz": http.StatusOK, "/metrics": http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		require.NoError(t, err)
		res, err := client.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, want, res.StatusCode, path)
		if path == "/metrics" {
			assert.Contains(t, string(body), "active_sandboxes_total 0")
			assert.Contains(t, string(body), "go_goroutines")
		}
	}
	stop()
	require.NoError(t, <-ended)
	assert.Empty(t, stdout.String(), "standard output is the protocol's")
	assert.NotContains(t, stderr.String(), token)
}

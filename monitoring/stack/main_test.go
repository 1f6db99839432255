package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what the stack prints, read while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// bin is the directory of the programs. Without it the test is skipped, unless
// GITSANDBOX_REQUIRE_PROMETHEUS is 1: it would build them for minutes.
func bin(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("GITSANDBOX_PROMETHEUS_BIN")
	if _, err := servers.Find(dir); dir == "" || err != nil {
		if os.Getenv("GITSANDBOX_REQUIRE_PROMETHEUS") == "1" {
			require.NotEmpty(t, dir)
			require.NoError(t, err)
		}
		t.Skip("GITSANDBOX_PROMETHEUS_BIN names no directory that \"go run ./stack -install -bin DIR\" filled")
	}
	return dir
}

// get returns what an address answers.
func get(url string) (string, error) {
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestStackShowsWhatItSays(t *testing.T) {
	t.Parallel()
	dir := bin(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out output
	done := make(chan error, 1)
	go func() { done <- run(ctx, &out, options{bin: dir, dur: 2 * time.Minute}) }()

	// The agents fail, and an alert says so.
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), "GitSandboxErrorRateHigh")
	}, time.Minute, 200*time.Millisecond, "%s", &out)
	urls := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) +(http://127\.0\.0\.1:\S+)$`).FindAllStringSubmatch(out.String(), -1) {
		urls[m[1]] = m[2]
	}
	for url, content := range map[string]string{
		urls["service"]: `git_operation_total{operation="push",status="started"}`,
		urls["prometheus"] + "/api/v1/query?query=up": `"1"`,
		urls["alertmanager"] + "/api/v2/alerts":       "GitSandboxErrorRateHigh",
	} {
		body, err := get(url)
		require.NoError(t, err, "%s", &out)
		assert.Contains(t, body, content, url)
	}

	// Ctrl-C ends all of it.
	interrupt()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatalf("it does not end:\n%s", &out)
	}
	for name, url := range urls {
		_, err := get(url)
		assert.Error(t, err, "%s still answers", name)
	}
}

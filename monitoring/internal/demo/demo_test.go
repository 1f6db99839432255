package demo

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startService(t *testing.T) *Service {
	t.Helper()
	s, err := Start(Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// scrape returns the metrics, by name with labels.
func scrape(t *testing.T, s *Service) map[string]float64 {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + s.Addr() + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		values[line[:i]], err = strconv.ParseFloat(line[i+1:], 64)
		require.NoError(t, err, line)
	}
	return values
}

func TestScriptDoesWhatItSays(t *testing.T) {
	t.Parallel()
	s := startService(t)
	require.NoError(t, s.Script(t.Context(), "t"))
	got := scrape(t, s)
	for name, want := range map[string]float64{
		`git_operation_total{operation="clone",status="started"}`:                  10,
		`git_operation_total{operation="clone",status="failure"}`:                  1,
		`git_operation_total{operation="push",status="started"}`:                   11,
		`git_operation_total{operation="push",status="failure"}`:                   3,
		`git_operation_total{operation="status",status="started"}`:                 4,
		`git_operation_total{operation="status",status="failure"}`:                 1,
		`git_operation_total{operation="diff",status="success"}`:                   1,
		`git_operation_total{operation="log",status="success"}`:                    1,
		`git_errors_total{error_type="other",operation="clone"}`:                   1,
		`git_errors_total{error_type="conflict",operation="push"}`:                 1,
		`git_errors_total{error_type="auth",operation="push"}`:                     1,
		`git_errors_total{error_type="other",operation="push"}`:                    1,
		`git_errors_total{error_type="sandbox_not_found",operation="status"}`:      1,
		`git_push_retry_count_total{attempt="1"}`:                                  3,
		`git_conflicts_detected_total{operation="push"}`:                           1,
		`gitsandbox_policy_refusals_total{rule="protected_path"}`:                  1,
		`sandbox_cache_hits_total`:                                                 31,
		`sandbox_cache_misses_total`:                                               8,
		`sandbox_creation_seconds_count`:                                           7,
		`active_sandboxes_total`:                                                   5,
		`gitsandbox_requests_total{kind="kill",status="success",target="control"}`: 2,
	} {
		assert.InDelta(t, want, got[name], 0, name)
	}
	assert.Greater(t, got[`sandbox_creation_seconds_sum`], SlowCreation.Seconds())
}

func TestRestartBeginsAtZero(t *testing.T) {
	t.Parallel()
	s := startService(t)
	_, err := s.clone(t.Context(), "a", "t", "")
	require.NoError(t, err)
	addr := s.Addr()
	require.NoError(t, s.Restart())
	assert.Equal(t, addr, s.Addr())
	got := scrape(t, s)
	assert.Zero(t, got[`git_operation_total{operation="clone",status="started"}`])
	assert.Zero(t, got[`active_sandboxes_total`])
}

func TestTrafficEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := startService(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Traffic(ctx) }()
	require.Eventually(t, func() bool {
		got := scrape(t, s)
		return got[`gitsandbox_policy_refusals_total{rule="protected_path"}`] > 0 && got[`git_conflicts_detected_total{operation="push"}`] > 0
	}, time.Minute, 200*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

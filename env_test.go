package gitsandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setenv sets the variables that NewFromEnv reads, the others to nothing. Tests
// that use it cannot run in parallel with others.
func setenv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, name := range []string{
		"E2B_API_KEY", "E2B_API_URL", "E2B_SANDBOX_URL", "E2B_DOMAIN", "GITHUB_TOKEN",
		"GIT_SANDBOX_TIMEOUT", "GIT_SANDBOX_MAX_RETRIES", "GIT_SANDBOX_TTL", "GITHUB_DEFAULT_BRANCH",
	} {
		t.Setenv(name, vars[name])
	}
}

func TestNewFromEnvDefaults(t *testing.T) { //nolint:paralleltest // the environment is one
	setenv(t, map[string]string{"E2B_API_KEY": "e2b_0123"})
	c, err := NewFromEnv(nil)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, 5*time.Minute, c.timeout)
	assert.Equal(t, time.Hour, c.ttl)
	assert.Equal(t, Backoff{MaxAttempts: 3}, c.retry)
	assert.Equal(t, "main", c.defaultBranch)
	cred, err := c.credentials.Credential(t.Context(), "https://github.com/o/r")
	require.NoError(t, err)
	assert.Empty(t, cred.Password)
}

func TestNewFromEnvReadsTheEnvironment(t *testing.T) { //nolint:paralleltest // the environment is one
	setenv(t, map[string]string{
		"E2B_API_KEY": "e2b_0123", "E2B_DOMAIN": "e2b.example.com", "GITHUB_TOKEN": "tok",
		"GIT_SANDBOX_TIMEOUT": "7", "GIT_SANDBOX_MAX_RETRIES": "5", "GIT_SANDBOX_TTL": "120", "GITHUB_DEFAULT_BRANCH": "trunk",
	})
	c, err := NewFromEnv(nil)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, 7*time.Second, c.timeout)
	assert.Equal(t, 2*time.Minute, c.ttl)
	assert.Equal(t, Backoff{MaxAttempts: 5}, c.retry)
	assert.Equal(t, "trunk", c.defaultBranch)
	cred, err := c.credentials.Credential(t.Context(), "https://github.com/o/r")
	require.NoError(t, err)
	assert.Equal(t, "tok", cred.Password)
	cred, err = c.credentials.Credential(t.Context(), "https://gitlab.com/o/r")
	require.NoError(t, err)
	assert.Empty(t, cred.Password, "the token is GitHub's")
}

func TestNewFromEnvOptionsWin(t *testing.T) { //nolint:paralleltest // the environment is one
	setenv(t, map[string]string{"E2B_API_KEY": "e2b_0123", "GIT_SANDBOX_TIMEOUT": "7", "GITHUB_DEFAULT_BRANCH": "trunk"})
	c, err := NewFromEnv(&Options{Timeout: time.Minute, DefaultBranch: "dev"})
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, time.Minute, c.timeout)
	assert.Equal(t, "dev", c.defaultBranch)
}

func TestNewFromEnvNamesTheVariable(t *testing.T) { //nolint:paralleltest // the environment is one
	for name, values := range map[string][]string{
		"E2B_API_KEY":             {"", "e2b_\n"},
		"E2B_API_URL":             {"http://example.com", "::", "ftp://x"},
		"E2B_SANDBOX_URL":         {"http://example.com"},
		"E2B_DOMAIN":              {"not a host"},
		"GIT_SANDBOX_TIMEOUT":     {"0", "-1", "5m", "1.5", "99999999999999999999"},
		"GIT_SANDBOX_MAX_RETRIES": {"0", "x"},
		"GIT_SANDBOX_TTL":         {"0", " 60"},
		"GITHUB_DEFAULT_BRANCH":   {"-x", "refs/heads/main", "a b"},
	} {
		for _, value := range values {
			vars := map[string]string{"E2B_API_KEY": "e2b_0123"}
			vars[name] = value
			setenv(t, vars)
			_, err := NewFromEnv(nil)
			require.ErrorIs(t, err, ErrInvalidArgument, "%s=%q", name, value)
			require.ErrorContains(t, err, "invalid argument: "+name+": ")
			assert.NotContains(t, err.Error(), "0123")
		}
	}
}

func TestNewRefusesOptionsThatCannotBeRight(t *testing.T) {
	t.Parallel()
	_, err := New(nil, nil)
	require.ErrorIs(t, err, ErrInvalidArgument)
	for field, o := range map[string]*Options{
		"CacheTTL":              {CacheTTL: time.Second},
		"Timeout":               {Timeout: -1},
		"MaxSandboxes":          {MaxSandboxes: -1},
		"DefaultBranch":         {DefaultBranch: "--upload-pack=x"},
		"Identity.Email":        {Identity: Signature{Name: "x", Email: "a\nb"}},
		"Identity.Name":         {Identity: Signature{Email: "a@b"}},
		"Policy.AllowRefs":      {Policy: &PushPolicy{AllowRefs: []string{"refs/tags/v1"}}},
		"Policy.ProtectedPaths": {Policy: &PushPolicy{ProtectedPaths: []string{"../x"}}},
		"Policy.MaxPackBytes":   {Policy: &PushPolicy{MaxPackBytes: -1}},
	} {
		_, err := New(newStubE2B(), o)
		require.ErrorIs(t, err, ErrInvalidArgument, field)
		require.ErrorContains(t, err, field)
	}
}

func TestPushPolicyAllows(t *testing.T) {
	t.Parallel()
	p, err := (&PushPolicy{AllowRefs: []string{"refs/heads/main", "refs/heads/team/a1/*"}}).normalise()
	require.NoError(t, err)
	for branch, want := range map[string]bool{
		"agent-a-t": true, "main": true, "team/a1/x": true, "team/a1/x/y": true,
		"Main": false, "main2": false, "team/a1": false, "team/a12/x": false, "team/a1x": false, "other": false,
	} {
		assert.Equal(t, want, p.allows(branch, "agent-a-t"), branch)
	}
	none, err := (*PushPolicy)(nil).normalise()
	require.NoError(t, err)
	assert.False(t, none.allows("main", "agent-a-t"))
	assert.Equal(t, DefaultProtectedPaths(), none.ProtectedPaths)
	open, err := (&PushPolicy{ProtectedPaths: []string{}}).normalise()
	require.NoError(t, err)
	assert.Empty(t, open.ProtectedPaths)
}

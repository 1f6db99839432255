package gitsandbox

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// NewFromEnv returns a Client on E2B's cloud that is configured by environment
// variables. What opts say wins over them. A value that does not parse is an
// [ErrInvalidArgument] that names the variable.
//
//	E2B_API_KEY              required
//	E2B_API_URL              base URL of the control plane
//	E2B_SANDBOX_URL          base URL of every sandbox
//	E2B_DOMAIN               default e2b.app
//	GITHUB_TOKEN             credential for github.com
//	GIT_SANDBOX_TIMEOUT      Options.Timeout in seconds, default 300
//	GIT_SANDBOX_MAX_RETRIES  attempts in all, default 3
//	GIT_SANDBOX_TTL          Options.CacheTTL in seconds, default 3600
//	GITHUB_DEFAULT_BRANCH    Options.DefaultBranch, default main
func NewFromEnv(opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.fromEnv(); err != nil {
		return nil, err
	}
	key := os.Getenv("E2B_API_KEY") //nolint:forbidigo // the one function that reads the environment
	if key == "" {
		return nil, invalid("E2B_API_KEY: not set; it is the API key of your E2B team")
	}
	t, err := clientFromEnv(key)
	if err != nil {
		return nil, err
	}
	c, err := New(t, &o)
	if err == nil {
		c.closeTransport = t.Close // made here, so closed here
	}
	return c, err
}

// clientFromEnv checks one variable at a time, so that an error names the one.
func clientFromEnv(key string) (*e2b.Client, error) {
	var all e2b.ClientOptions
	for _, v := range []struct {
		name  string
		field *string
	}{
		{"E2B_API_KEY", nil},
		{"E2B_DOMAIN", &all.Domain},
		{"E2B_API_URL", &all.APIURL},
		{"E2B_SANDBOX_URL", &all.SandboxURL},
	} {
		if v.field != nil {
			*v.field = os.Getenv(v.name) //nolint:forbidigo // as above
		}
		if _, err := e2b.NewClient(key, &all); err != nil {
			if e, ok := errors.AsType[*e2b.Error](err); ok && e.Err != nil {
				err = e.Err
			}
			return nil, invalid("%s: %v", v.name, err)
		}
	}
	return e2b.NewClient(key, &all)
}

func (o *Options) fromEnv() error {
	timeout, err := envSeconds("GIT_SANDBOX_TIMEOUT", DefaultTimeout)
	if err != nil {
		return err
	}
	ttl, err := envSeconds("GIT_SANDBOX_TTL", DefaultCacheTTL)
	if err != nil {
		return err
	}
	if ttl < minCacheTTL {
		return invalid("GIT_SANDBOX_TTL: %v is below a minute", ttl)
	}
	attempts, err := envPositive("GIT_SANDBOX_MAX_RETRIES", 3)
	if err != nil {
		return err
	}
	if o.Timeout == 0 {
		o.Timeout = timeout
	}
	if o.CacheTTL == 0 {
		o.CacheTTL = ttl
	}
	if o.Retry == nil {
		o.Retry = Backoff{MaxAttempts: attempts}
	}
	if o.DefaultBranch == "" {
		o.DefaultBranch = "main"
		if v := os.Getenv("GITHUB_DEFAULT_BRANCH"); v != "" { //nolint:forbidigo // as above
			if err := checkBranch("GITHUB_DEFAULT_BRANCH", v); err != nil {
				return err
			}
			o.DefaultBranch = v
		}
	}
	if token := os.Getenv("GITHUB_TOKEN"); token != "" && o.Credentials == nil { //nolint:forbidigo // as above
		o.Credentials = StaticToken("github.com", token)
	}
	return nil
}

func envSeconds(name string, def time.Duration) (time.Duration, error) {
	n, err := envPositive(name, int(def/time.Second))
	return time.Duration(n) * time.Second, err
}

func envPositive(name string, def int) (int, error) {
	v := os.Getenv(name) //nolint:forbidigo // as above
	if v == "" {
		return def, nil
	}
	// The bound keeps a count of seconds inside a time.Duration.
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n <= 0 {
		return 0, invalid("%s: not a whole number above 0", name)
	}
	return int(n), nil
}

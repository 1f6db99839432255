package gitsandbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// A CredentialSource gives the credential for a repository. It is asked for
// each operation that talks to the remote, so a source can mint a token that
// lives for minutes. Any number of goroutines may ask at once.
type CredentialSource interface {
	// Credential returns the credential for the repository at url, and the
	// zero Credential where it has none. An error ends the operation.
	Credential(ctx context.Context, url string) (Credential, error)
}

// CredentialFunc is a function that is a [CredentialSource].
type CredentialFunc func(ctx context.Context, url string) (Credential, error)

// Credential calls f.
func (f CredentialFunc) Credential(ctx context.Context, url string) (Credential, error) {
	return f(ctx, url)
}

// A Credential is a user name and a password or token for HTTP basic
// authentication. It prints, logs and marshals as "[redacted]". It stays in
// this process: no sandbox, argument, environment, file, log or error gets it.
type Credential struct {
	// Username is "x-access-token" for a GitHub token, "oauth2" for GitLab.
	// Default "x-access-token".
	Username string

	// Password is the password or token. An empty one means that there is no
	// credential.
	Password string
}

const redacted = "[redacted]"

// String returns "[redacted]".
func (c Credential) String() string { return redacted }

// GoString returns "[redacted]".
func (c Credential) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (c Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", which is also what encoding/json writes.
func (c Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// StaticToken returns a source with one token for one host, such as
// "github.com", or "127.0.0.1:8080" with a port: not a URL. Every other host gets
// none.
func StaticToken(host, token string) CredentialSource {
	return StaticCredential(host, "x-access-token", token)
}

// StaticCredential returns a source with one user name and password for one
// host. Every other host gets none.
func StaticCredential(host, username, password string) CredentialSource {
	return &staticCredential{strings.ToLower(host), Credential{username, password}}
}

type staticCredential struct {
	host string
	cred Credential
}

func (s *staticCredential) Credential(_ context.Context, rawURL string) (Credential, error) {
	if u, err := url.Parse(rawURL); err == nil && strings.EqualFold(u.Host, s.host) {
		return s.cred, nil
	}
	return Credential{}, nil
}

// FirstCredential returns a source that asks each of sources in turn and
// gives the first credential that is not zero.
func FirstCredential(sources ...CredentialSource) CredentialSource {
	return CredentialFunc(func(ctx context.Context, url string) (Credential, error) {
		for _, s := range sources {
			c, err := s.Credential(ctx, url)
			if err != nil || c.Password != "" {
				return c, err
			}
		}
		return Credential{}, nil
	})
}

// Package smarthttp speaks git's smart HTTP protocol as a client, and checks
// packs before they are published.
//
// A [Client] lists refs and fetches packs with protocol version 2, and
// publishes one ref at a time with receive-pack. It never looks into a pack
// that it moves, and holds no more of it in memory than a buffer.
//
// [ReadPack] and [Pack.Verify] are for packs of untrusted origin: they decide
// whether a commit may be published, from the bytes of the pack and from what
// the remote itself said.
//
// # Trust
//
// Neither the server nor the origin of a pack is trusted. Each reply is
// bounded in bytes and in time, each name and object ID is checked, text of
// the server is cut, made printable and cleared of credentials before it
// becomes part of an error. No redirect is followed.
//
// # Errors
//
// A request that fails returns an [*Error], whose kind errors.Is compares. A
// pack that may not be published is a [*Violation].
//
// # Concurrency
//
// Any number of goroutines may use a Client.
package smarthttp

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// ZeroID stands for the absence of an object: the old value of a ref that a
// push creates.
const ZeroID = "0000000000000000000000000000000000000000"

// A Client makes requests to git servers. The zero Client works.
type Client struct {
	// HTTP makes the requests. Its redirect policy and its cookies are not
	// used. Default: a client of its own, without a proxy.
	HTTP *http.Client

	// UserAgent is the User-Agent header, and the agent in a push. Servers
	// that tell clients apart look for "git/". Default "git/gitsandbox".
	UserAgent string

	// Limits bound the replies.
	Limits Limits

	own     sync.Once
	ownHTTP *http.Client
}

// Limits bound what a [Client] takes from a server. Zero fields mean their
// defaults.
type Limits struct {
	// Idle is how long the server may stay silent, and how long it may take
	// no byte of a request. git servers send a keep-alive every 5 seconds
	// while they work. Default 2 minutes.
	Idle time.Duration

	// MaxRefs is how many refs LsRefs returns at most. Default 100000.
	MaxRefs int

	// MaxRefBytes bounds the reply to LsRefs. Default 32 MiB.
	MaxRefBytes int64

	// MaxAdvertisementBytes bounds the reply to Advertisement, of which only
	// the refs asked for are kept. Default 256 MiB.
	MaxAdvertisementBytes int64

	// MaxFetchBytes bounds the reply to Fetch. Default 16 GiB.
	MaxFetchBytes int64

	// MaxReportBytes bounds the reply to Push. Default 4 MiB.
	MaxReportBytes int64
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Idle:                  cmp.Or(l.Idle, 2*time.Minute),
		MaxRefs:               cmp.Or(l.MaxRefs, 100_000),
		MaxRefBytes:           cmp.Or(l.MaxRefBytes, 32<<20),
		MaxAdvertisementBytes: cmp.Or(l.MaxAdvertisementBytes, 256<<20),
		MaxFetchBytes:         cmp.Or(l.MaxFetchBytes, 16<<30),
		MaxReportBytes:        cmp.Or(l.MaxReportBytes, 4<<20),
	}
}

// A Remote is a repository on a git server.
type Remote struct {
	// URL is the https URL of the repository, or an http URL of a loopback
	// address; without user, password, query or fragment.
	URL string

	// Username and Password are sent with each request, by HTTP basic
	// authentication, where there is a password. Default Username:
	// "x-access-token", as GitHub wants it for tokens.
	Username, Password string
}

// CloseIdleConnections closes the connections that are kept for further
// requests. It leaves those of a given HTTP client alone.
func (c *Client) CloseIdleConnections() {
	if c.HTTP == nil {
		c.client().CloseIdleConnections()
	}
}

// client returns the HTTP client to use: never one that follows redirects,
// since a redirect can carry the credential to another host.
func (c *Client) client() *http.Client {
	c.own.Do(func() {
		if c.HTTP != nil {
			c.ownHTTP = &http.Client{Transport: c.HTTP.Transport, Timeout: c.HTTP.Timeout}
		} else {
			c.ownHTTP = &http.Client{Transport: &http.Transport{
				DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
				TLSHandshakeTimeout:    30 * time.Second,
				IdleConnTimeout:        60 * time.Second,
				MaxIdleConnsPerHost:    8,
				MaxResponseHeaderBytes: 256 << 10,
				ForceAttemptHTTP2:      true,
			}}
		}
		c.ownHTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	})
	return c.ownHTTP
}

// endpoint returns the URL of a service of the repository.
func (r *Remote) endpoint(service string) (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		// The error of net/url holds the URL, which can hold a password.
		return nil, invalid("remote URL does not parse")
	}
	switch {
	case u.User != nil:
		return nil, invalid("remote URL holds a user or password")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, invalid("remote URL has no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, invalid("remote URL holds a query or fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, invalid("remote URL is plain http to another machine")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("remote URL is not https")
	}
	return u.JoinPath(service), nil
}

// loopback reports whether host is this machine. Names other than localhost
// are not looked up: what they mean can change between check and use.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

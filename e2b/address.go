package e2b

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// envdPort is the port of envd in every sandbox.
const envdPort = "49983"

const maxSandboxID = 128 // bytes; E2B's have 21

// validateSandboxID refuses what cannot be the ID of a sandbox: [a-z0-9]+, or
// that with an old "-clientID".
func validateSandboxID(id string) error {
	if len(id) > maxSandboxID {
		return errors.New("the sandbox ID is too long")
	}
	sandbox, client, old := strings.Cut(id, "-")
	if !isLowerAlnum(sandbox) || old && !isLowerAlnum(client) {
		return fmt.Errorf("%q is not a sandbox ID", id)
	}
	return nil
}

// shortID returns the ID without the old "-clientID".
func shortID(id string) string {
	short, _, _ := strings.Cut(id, "-")
	return short
}

func isLowerAlnum(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// isHostName reports whether s is a DNS name that can stand in a URL.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range strings.ToLower(label) {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
				return false
			}
		}
	}
	return true
}

// isHeaderSafe reports whether s is a token that an HTTP header can carry.
func isHeaderSafe(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return len(s) <= maxSecret
}

// isHeaderText is isHeaderSafe for text with spaces.
func isHeaderText(s string) bool {
	return isHeaderSafe(strings.ReplaceAll(s, " ", ""))
}

// baseURL checks that a secret may be sent to raw, and returns it without a
// final slash.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("not a URL") // the cause would quote it, with what it holds
	}
	switch {
	case u.User != nil:
		return "", errors.New("a URL with credentials is not accepted")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("a base URL has no query and no fragment")
	case u.Hostname() == "":
		return "", errors.New("the URL has no host")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return "", errors.New("neither https nor http to a loopback address")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// envdURL returns the base URL of envd in the sandbox.
func (c *Client) envdURL(info *SandboxInfo) string {
	if c.sandboxURL != "" {
		return c.sandboxURL
	}
	domain := info.Domain
	if domain == "" {
		domain = c.domain
	}
	switch domain {
	case "e2b.app", "e2b.dev", "e2b.pro", "e2b-staging.dev":
		// One host for all sandboxes, and so one connection.
		return "https://sandbox." + domain
	default:
		return "https://" + envdPort + "-" + shortID(info.SandboxID) + "." + domain
	}
}

package fake

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// The limits of E2B for header rules.
const (
	maxRuleHosts   = 10
	maxRuleHeaders = 20
	maxRuleHost    = 128
	maxHeaderName  = 64
	maxHeaderValue = 2048
)

// Network is what is stored of the network rules of a sandbox.
type Network struct {
	e2b.Network

	// AllowInternetAccess is the flag of that name where it was given.
	AllowInternetAccess *bool

	// AllowPublicTraffic is the flag of that name where it was given. When it
	// is false, or DenyPublicTraffic is set, the sandbox gets a traffic token.
	AllowPublicTraffic *bool

	// MaskRequestHost is the field of that name.
	MaskRequestHost string

	// Raw is the network object as a door got it, for its replies.
	Raw []byte
}

func (n *Network) clone() *Network {
	if n == nil {
		return nil
	}
	c := *n
	c.AllowOut, c.DenyOut, c.Raw = slices.Clone(n.AllowOut), slices.Clone(n.DenyOut), slices.Clone(n.Raw)
	c.Headers = maps.Clone(n.Headers)
	for host, h := range c.Headers {
		c.Headers[host] = maps.Clone(h)
	}
	return &c
}

// private reports whether the ports of the sandbox need a traffic token.
func (n *Network) private() bool {
	return n != nil && (n.DenyPublicTraffic || n.AllowPublicTraffic != nil && !*n.AllowPublicTraffic)
}

// check refuses what E2B refuses.
func (n *Network) check() error {
	if n == nil {
		return nil
	}
	for _, deny := range n.DenyOut {
		if !isAddress(deny) {
			return errRefused("invalid denied CIDR %s", deny)
		}
	}
	hosts := false
	for _, allow := range n.AllowOut {
		if allow == "" || allow == "0.0.0.0" || allow == "::" {
			return errRefused("invalid allowed address %q", allow)
		}
		hosts = hosts || !isAddress(allow)
	}
	if hosts && !slices.Contains(n.DenyOut, "0.0.0.0/0") {
		return errRefused("When specifying allowed domains in allow out, you must include '0.0.0.0/0' in deny out to block all other traffic.")
	}
	if len(n.Headers) > maxRuleHosts {
		return errRefused("network rules can have at most %d hosts", maxRuleHosts)
	}
	for host, headers := range n.Headers {
		if host == "" || len(host) > maxRuleHost {
			return errRefused("invalid host %q in network rules", host)
		}
		if len(headers) > maxRuleHeaders {
			return errRefused("the rule of host %q has more than %d headers", host, maxRuleHeaders)
		}
		for name, value := range headers {
			if name == "" || len(name) > maxHeaderName || len(value) > maxHeaderValue {
				return errRefused("invalid header in the rule of host %q", host)
			}
		}
	}
	return nil
}

// isAddress reports whether s is a CIDR or an IP address that a rule can name.
func isAddress(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && !addr.IsUnspecified()
}

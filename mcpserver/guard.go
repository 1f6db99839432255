package mcpserver

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guard refuses requests that a page in a browser made without leave: those under a
// name that is not the server's, and those of an origin that is not.
func guard(next http.Handler, o *HTTPOptions) http.Handler {
	hosts := make([]string, len(o.AllowedHosts))
	for i, h := range o.AllowedHosts {
		hosts[i] = strings.ToLower(h)
	}
	origins := make([]string, len(o.AllowedOrigins))
	for i, origin := range o.AllowedOrigins {
		origins[i] = strings.ToLower(strings.TrimSuffix(origin, "/"))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(r.Host, hosts) {
			http.Error(w, "the Host header is not one of this server", http.StatusForbidden)
			return
		}
		if !originAllowed(r, origins) {
			http.Error(w, "the Origin header is not allowed", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostAllowed(hostport string, allowed []string) bool {
	host := strings.ToLower(hostOf(hostport))
	if len(allowed) == 0 {
		return loopback(host)
	}
	return slices.Contains(allowed, host) || slices.Contains(allowed, "*")
}

func originAllowed(r *http.Request, allowed []string) bool {
	given := r.Header.Values("Origin")
	if len(given) == 0 {
		return true // no browser
	}
	if len(given) > 1 {
		return false
	}
	if slices.Contains(allowed, strings.ToLower(given[0])) {
		return true
	}
	u, err := url.Parse(given[0])
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// hostOf takes the port, and the brackets of an IPv6 address, off.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}

// loopback reports whether a name or address can only be this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

package gitsandbox

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The alphabets are narrower than git's on purpose: nothing in them means
// anything to a shell, to a refspec or to a URL, or looks like something else.
var (
	branchPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$`)
	namePattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	segmentPattern  = regexp.MustCompile(`^[A-Za-z0-9._~][A-Za-z0-9._~-]*$`)
	hostPattern     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$`)
	templatePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:-]{0,254}$`)
	sparsePattern   = regexp.MustCompile(`^[^\x00-\x1f\x7f*?\[\]\\!#]+$`)
	sandboxPattern  = regexp.MustCompile(`^[a-z0-9]{1,64}(-[a-z0-9]{1,64})?$`)
	revPattern      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/^~-]{0,250}$`)
)

// checkURL returns the URL of a repository in one spelling, or an
// ErrInvalidArgument. Only https is taken, and http to a loopback address.
func checkURL(field, raw string) (string, error) {
	if raw == "" {
		return "", invalid("%s: empty", field)
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error quotes the URL, which may hold a credential.
		return "", invalid("%s: not a URL like https://github.com/you/repo; ssh addresses are not taken", field)
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", invalid("%s: not a URL like https://github.com/you/repo: the scheme is not https, and ssh is not spoken", field)
	case u.User != nil:
		return "", invalid("%s: holds a user name; credentials come from a CredentialSource", field)
	case u.Opaque != "" || !validHost(u):
		return "", invalid("%s: no valid host", field)
	case len(raw) > 2048:
		return "", invalid("%s: more than 2048 bytes", field)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", invalid("%s: plain http is for loopback addresses only", field)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return "", invalid("%s: has a query or a fragment", field)
	case u.RawPath != "":
		return "", invalid("%s: the path has escaped characters", field)
	}
	p := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	if p == "" {
		return "", invalid("%s: no repository path", field)
	}
	for s := range strings.SplitSeq(p, "/") {
		if !segmentPattern.MatchString(s) || s == "." || s == ".." {
			return "", invalid("%s: path segment %q", field, s)
		}
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + "/" + p, nil
}

// validHost takes a name or an IP address, and a port from 1 to 65535.
func validHost(u *url.URL) bool {
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return false
	}
	return hostPattern.MatchString(u.Hostname()) || net.ParseIP(u.Hostname()) != nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// checkBranch takes a short branch name.
func checkBranch(field, name string) error {
	ok := branchPattern.MatchString(name) &&
		!strings.HasPrefix(name, "refs/") &&
		!strings.HasSuffix(name, ".") && !strings.HasSuffix(name, "/")
	for c := range strings.SplitSeq(name, "/") {
		ok = ok && c != "" && c != "HEAD" && c[0] != '.' && c[0] != '-' &&
			!strings.Contains(c, "..") && !strings.HasSuffix(c, ".lock")
	}
	if !ok {
		return invalid("%s: %q is not a branch name", field, name)
	}
	return nil
}

// checkName takes an agent or task ID.
func checkName(field, name string) error {
	if !namePattern.MatchString(name) || strings.Contains(name, "..") ||
		strings.HasSuffix(name, ".") || strings.HasSuffix(name, ".lock") {
		return invalid("%s: %q is not letters, digits, '.', '_' and '-', 64 at most", field, name)
	}
	return nil
}

// maxOwner bounds CloneOptions.Owner.
const maxOwner = 128

// validText reports whether s is UTF-8 without control characters.
func validText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// checkRevision takes what git rev-parse takes, in a narrow alphabet.
func checkRevision(field, rev string) error {
	if !revPattern.MatchString(rev) || strings.Contains(rev, "..") {
		return invalid("%s: %q is not a revision", field, rev)
	}
	return nil
}

func checkSandboxID(id string) error {
	if !sandboxPattern.MatchString(id) {
		return invalid("sandboxID: %q is not a sandbox ID", id)
	}
	return nil
}

// checkPath returns a path inside the clone in one spelling.
func checkPath(field, name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case name == "" || strings.ContainsRune(name, 0) || len(name) > 4096 || !utf8.ValidString(name):
		return "", invalid("%s: empty, too long, not UTF-8 or with a NUL", field)
	case path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../"):
		return "", invalid("%s: %q leaves the clone", field, name)
	}
	for c := range strings.SplitSeq(clean, "/") {
		if dotGit(c) {
			return "", invalid("%s: %q enters .git", field, name)
		}
	}
	return clean, nil
}

// maxPaths bounds paths together, since they are arguments of one process.
const maxPaths = 1 << 20

func checkPaths(field string, names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	size := 0
	for _, n := range names {
		// An argument costs a pointer too.
		if size += len(n) + 9; size > maxPaths {
			return nil, invalid("%s: %d paths are more than a command takes; name directories instead", field, len(names))
		}
		p, err := checkPath(field, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// checkSparse takes directories that git's patterns have no other meaning for.
func checkSparse(field string, names []string) ([]string, error) {
	out, err := checkPaths(field, names)
	for _, n := range out {
		if err == nil && (n == "." || !sparsePattern.MatchString(n)) {
			err = invalid("%s: %q is not a directory that can be checked out alone", field, n)
		}
	}
	return out, err
}

// checkEnv takes the environment of a command.
func checkEnv(field string, env map[string]string) error {
	size := 0
	for name, value := range env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) ||
			!utf8.ValidString(name) || !utf8.ValidString(value) {
			return invalid("%s: %q is not a name, or its value not UTF-8 or with a NUL", field, name)
		}
		if size += len(name) + len(value); size > maxPaths {
			return invalid("%s: more than %d bytes", field, maxPaths)
		}
	}
	return nil
}

// dotGit reports whether a file system could take the path component c for
// ".git": in any case, with what NTFS and HFS+ ignore, or as NTFS's short name.
func dotGit(c string) bool {
	c = strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1 // HFS+ ignores these
		}
		return r
	}, c)
	c, _, _ = strings.Cut(c, ":") // NTFS streams
	c, _, _ = strings.Cut(c, "\\")
	c = strings.ToLower(strings.TrimRight(c, ". "))
	return c == ".git" || c == "git~1"
}

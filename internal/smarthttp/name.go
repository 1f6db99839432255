package smarthttp

import "strings"

// maxRefName bounds the name of a ref. File systems allow less.
const maxRefName = 4096

// validID reports whether s is a SHA-1 object ID.
func validID(s string) bool { return len(s) == 40 && isHex(s) }

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// validRefName reports whether s is HEAD or a full name by the rules of
// git-check-ref-format.
func validRefName(s string) bool {
	if s == "HEAD" {
		return true
	}
	if len(s) > maxRefName || !strings.HasPrefix(s, "refs/") || strings.HasSuffix(s, ".") ||
		strings.Contains(s, "..") || strings.Contains(s, "@{") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`~^:?*[\`, c) >= 0 {
			return false
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// validPrefix reports whether s can be the beginning of a name that is sent to
// a server.
func validPrefix(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= maxRefName
}

// validFilter reports whether s is one of the filters that servers offer.
func validFilter(s string) bool {
	if limit, ok := strings.CutPrefix(s, "blob:limit="); ok {
		digits := strings.TrimRight(limit, "kmgKMG")
		return digits != "" && len(limit) < 20 && len(limit)-len(digits) <= 1 && strings.Trim(digits, "0123456789") == ""
	}
	return s == "blob:none" || s == "tree:0"
}

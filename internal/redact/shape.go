package redact

import "strings"

const (
	// minToken is how many characters must follow the prefix of a token. The
	// formats in use have 20 and more.
	minToken = 10

	// maxUserinfo bounds the part of a URL before the host.
	maxUserinfo = 4 << 10
)

// findShapes appends the places in s that look like a credential. Each shape is
// found by a literal part of it, which costs little where there is none.
func findShapes(spans []span, s string) []span {
	spans = findPrefixed(spans, s)
	spans = findJWTs(spans, s)
	spans = findUserinfo(spans, s)
	spans = findHeaders(spans, s)
	return findSchemes(spans, s)
}

// each calls f with each index of literal in s, and goes on at what f returns.
func each(s, literal string, f func(i int) (next int)) {
	for at := 0; at < len(s); {
		i := strings.Index(s[at:], literal)
		if i < 0 {
			return
		}
		at = max(f(at+i), at+i+1)
	}
}

// skip returns the end of the run of characters of a class that begins at i.
func skip(s string, i int, in func(byte) bool) int {
	for i < len(s) && in(s[i]) {
		i++
	}
	return i
}

// findPrefixed finds the tokens of GitHub and GitLab. Their length is not
// fixed: installation tokens hold a JWT by now.
func findPrefixed(spans []span, s string) []span {
	for _, prefix := range [...]string{
		"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glcbt-", "glptt-", "e2b_",
	} {
		each(s, prefix, func(i int) int {
			end := skip(s, i+len(prefix), isToken)
			if end-i-len(prefix) >= minToken {
				spans = append(spans, span{i, end})
			}
			return end
		})
	}
	return spans
}

func isToken(c byte) bool { return isAlnum(c) || c == '_' || c == '-' || c == '.' }

// findJWTs finds JSON web tokens: two or three parts of base64, of which the
// first begins with `{"`.
func findJWTs(spans []span, s string) []span {
	isPart := func(c byte) bool { return isAlnum(c) || c == '_' || c == '-' }
	each(s, "eyJ", func(i int) int {
		end := skip(s, i, isPart)
		if end-i < minToken || end == len(s) || s[end] != '.' {
			return end
		}
		payload := skip(s, end+1, isPart)
		if payload-end-1 < minToken {
			return payload
		}
		end = skip(s, payload, isToken)
		spans = append(spans, span{i, end})
		return end
	})
	return spans
}

// findUserinfo finds the user and password of a URL. A user alone can be a
// token too.
func findUserinfo(spans []span, s string) []span {
	each(s, "://", func(i int) int {
		start := i + len("://")
		rest := s[start:min(len(s), start+maxUserinfo)]
		if n := strings.IndexAny(rest, "/?#\"'<>`\\ \t\r\n"); n >= 0 {
			rest = rest[:n]
		}
		if n := strings.LastIndexByte(rest, '@'); n > 0 {
			spans = append(spans, span{start, start + n})
			return start + n
		}
		return start
	})
	return spans
}

// findHeaders finds the values of Authorization and Proxy-Authorization: up to
// the closing quote of a quoted one, else up to the end of the line.
func findHeaders(spans []span, s string) []span {
	// The first letter is left out since it comes in both cases.
	for _, literal := range [...]string{"uthorization", "UTHORIZATION"} {
		each(s, literal, func(i int) int {
			at := i + len(literal)
			at = skip(s, at, func(c byte) bool { return c == '"' || c == '\'' || c == ' ' || c == '\\' })
			if at == len(s) || s[at] != ':' && s[at] != '=' {
				return at
			}
			at = skip(s, at+1, func(c byte) bool { return c == ' ' || c == '\t' || c == '\\' })
			end := len(s)
			if at < end && (s[at] == '"' || s[at] == '\'') {
				quote := s[at]
				at++
				if n := strings.IndexByte(s[at:], quote); n >= 0 {
					end = at + n
				}
			}
			if n := strings.IndexAny(s[at:end], "\r\n"); n >= 0 {
				end = at + n
			}
			if end > at {
				spans = append(spans, span{at, end})
			}
			return end
		})
	}
	return spans
}

// findSchemes finds what follows the name of an authentication scheme, where
// it looks like a credential rather than like a word.
func findSchemes(spans []span, s string) []span {
	for _, scheme := range [...]string{
		"Basic ", "basic ", "BASIC ", "Bearer ", "bearer ", "BEARER ", "token ", "Token ", "TOKEN ",
	} {
		each(s, scheme, func(i int) int {
			start := i + len(scheme)
			end := skip(s, start, func(c byte) bool { return isBase64(c) || c == '.' || c == '~' })
			if isCredential(s[start:end]) {
				spans = append(spans, span{start, end})
			}
			return end
		})
	}
	return spans
}

// isCredential tells a token from an English word: by digits, inner capitals,
// padding or length.
func isCredential(s string) bool {
	s = strings.TrimRight(s, ".")
	switch {
	case len(s) < 8:
		return false
	case len(s) >= 20, strings.ContainsAny(s, "0123456789+/=_~"):
		return true
	}
	return strings.ContainsAny(s[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") && strings.ToUpper(s) != s
}

package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

const (
	// minAnywhere is the length from which a secret is replaced inside words,
	// minWord that from which it is replaced as a word.
	minAnywhere = 8
	minWord     = 4
)

// A secret is a value to look for. Pair marks "user:password".
type secret struct {
	value string
	pair  bool
}

func plain(values []string) []secret {
	var secrets []secret
	for _, v := range values {
		if v != "" {
			secrets = append(secrets, secret{value: v})
		}
	}
	return secrets
}

func basic(username, password string) []secret {
	if password == "" {
		return nil
	}
	return []secret{{value: password}, {value: username + ":" + password, pair: true}}
}

// A pattern is one way in which a secret is written.
type pattern struct {
	text string
	word bool // only where it stands alone
	run  bool // with all base64 characters around it
}

type patterns struct {
	all       []pattern
	longest   int
	multiline bool // one holds a line end
}

// compile lists the ways in which the secrets can be written, and returns nil
// where there are none.
func compile(secrets map[secret]int) *patterns {
	set := new(patterns)
	seen := make(map[pattern]bool)
	add := func(p pattern) {
		if p.text == "" || seen[p] {
			return
		}
		seen[p] = true
		set.all = append(set.all, p)
		set.longest = max(set.longest, len(p.text))
		set.multiline = set.multiline || strings.ContainsAny(p.text, "\r\n")
	}
	for s := range secrets {
		if s.pair {
			add(pattern{text: base64.StdEncoding.EncodeToString([]byte(s.value)), run: true})
			add(pattern{text: base64.RawURLEncoding.EncodeToString([]byte(s.value)), run: true})
			continue
		}
		if len(s.value) < minWord {
			continue
		}
		for _, v := range spellings(s.value) {
			add(pattern{text: v, word: len(s.value) < minAnywhere})
		}
		if len(s.value) >= minAnywhere {
			for _, v := range encodings(s.value) {
				add(pattern{text: v, run: true})
			}
		}
	}
	if len(set.all) == 0 {
		return nil
	}
	return set
}

// spellings returns v as it is and as URLs, JSON and Go's %q write it.
func spellings(v string) []string {
	query, path := url.QueryEscape(v), url.PathEscape(v)
	all := []string{v, query, path, lowerHex(query), lowerHex(path), unquoted(strconv.Quote(v))}
	if b, err := json.Marshal(v); err == nil {
		all = append(all, unquoted(string(b)))
	}
	return all
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// lowerHex writes the digits of percent escapes in lower case.
func lowerHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(s[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// encodings returns the characters that v alone determines in a base64 text
// that holds it, for each of the three places at which it can start in a group
// of three bytes.
func encodings(v string) []string {
	var all []string
	for offset := range 3 {
		b := append(make([]byte, offset, offset+len(v)), v...)
		start, end := (offset*8+5)/6, len(b)*8/6
		all = append(all,
			base64.RawStdEncoding.EncodeToString(b)[start:end],
			base64.RawURLEncoding.EncodeToString(b)[start:end])
	}
	return all
}

// find appends the places in s where a pattern is.
func (p *patterns) find(spans []span, s string) []span {
	for _, pat := range p.all {
		for at := 0; ; {
			i := strings.Index(s[at:], pat.text)
			if i < 0 {
				break
			}
			sp := span{at + i, at + i + len(pat.text)}
			// Occurrences can overlap one another.
			at = sp.start + 1
			switch {
			case pat.word && (sp.start > 0 && isAlnum(s[sp.start-1]) || sp.end < len(s) && isAlnum(s[sp.end])):
				continue
			case pat.run:
				for sp.start > 0 && isBase64(s[sp.start-1]) {
					sp.start--
				}
				for sp.end < len(s) && isBase64(s[sp.end]) {
					sp.end++
				}
				at = sp.end
			}
			spans = append(spans, sp)
		}
	}
	return spans
}

// begun returns how many bytes at the end of s are the beginning of a pattern,
// and not all of it.
func (p *patterns) begun(s string) int {
	most := 0
	for _, pat := range p.all {
		for n := min(len(pat.text)-1, len(s)); n > most && n >= minWord; n-- {
			if strings.HasSuffix(s, pat.text[:n]) {
				most = n
			}
		}
	}
	return most
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isBase64(c byte) bool { return isAlnum(c) || strings.IndexByte("+/=-_", c) >= 0 }

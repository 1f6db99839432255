package smarthttp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold maps a name to what file systems that take different names for one take
// it for: without case; on HFS+ without invisible characters; on NTFS without
// the name of a stream and without dots and spaces at the end.
func fold(name string) string {
	ascii := true
	for i := range len(name) {
		ascii = ascii && name[i] < utf8.RuneSelf
	}
	if !ascii {
		name = strings.Map(foldRune, name)
	}
	name = strings.ToLower(name)
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[:i]
	}
	return strings.TrimRight(name, ". ")
}

// foldRune maps the letters that differ in case only to one of them, an ASCII
// one where there is one, and drops what HFS+ ignores.
func foldRune(r rune) rune {
	switch {
	case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
		return -1
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}

// shortName reports whether a folded name is one that Windows can have made up
// as the 8.3 name of another: six of its characters, a tilde and a digit. When
// there are many alike, Windows keeps two characters and adds a hash.
func shortName(folded, of string) bool {
	stem, number, ok := strings.Cut(folded, "~")
	if !ok || stem == "" || number == "" || number[0] < '0' || number[0] > '9' {
		return false
	}
	of = strings.TrimLeft(of, ". ")
	base, _, _ := strings.Cut(strings.ReplaceAll(of, " ", ""), ".")
	return stem == base[:min(len(base), 6)] || len(stem) == 6 && stem[:2] == base[:min(len(base), 2)]
}

// asciiLower is the ASCII part of folding.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

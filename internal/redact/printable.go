package redact

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s as one line fit for a terminal and a log: control
// characters, bidirectional overrides, invisible characters and bytes that are
// not UTF-8 are escaped as Go does it, and what is beyond limit bytes is cut and
// marked with "...". Redact first.
func Printable(s string, limit int) string { return printable(s, limit, false) }

// PrintableLines is [Printable] but keeps line ends.
func PrintableLines(s string, limit int) string {
	return printable(strings.ReplaceAll(s, "\r\n", "\n"), limit, true)
}

func printable(s string, limit int, lines bool) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case r == '\n' && lines:
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case r == '\n':
			piece = `\n`
		case r == '\t':
			piece = `\t`
		case r == '\r':
			piece = `\r`
		case r < 0x80 && !unicode.IsPrint(r):
			piece = fmt.Sprintf(`\x%02x`, r)
		case !unicode.IsPrint(r) && r <= 0xffff:
			piece = fmt.Sprintf(`\u%04x`, r)
		case !unicode.IsPrint(r):
			piece = fmt.Sprintf(`\U%08x`, r)
		}
		if b.Len()+len(piece) > limit {
			return b.String() + "..."
		}
		b.WriteString(piece)
		i += size
	}
	return b.String()
}

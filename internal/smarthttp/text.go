package smarthttp

import (
	"strings"

	"github.com/gitsandbox/gitsandbox/internal/redact"
)

// maxText is how much of a server's text goes into an error.
const maxText = 1024

// quote makes a name of untrusted origin fit for a message.
func quote(s string) string { return redact.Printable(s, 256) }

// said makes a name that a server sent printable. It cuts nothing: half a
// credential would not be recognised where the error gets its operation, and is
// cut there.
func said(s string) string { return redact.Printable(s, 4*maxPayload) }

// excerpt makes the beginning of an unexpected reply fit for the end of a
// message. The credentials are taken out where the error gets its operation.
func excerpt(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), 256)]), "?")
}

// clean takes credentials out of what a server said, and what may be the
// beginning of one off its end.
func (r *Remote) clean(s string) string {
	red := new(redact.Redactor)
	red.AddBasic(r.username(), r.Password)
	return red.Cut(s)
}

// cleanError is [Remote.clean] for an error of the HTTP client.
func (r *Remote) cleanError(err error) error {
	red := new(redact.Redactor)
	red.AddBasic(r.username(), r.Password)
	return red.Error(err)
}

// line makes what a server said a line of bounded length.
func (r *Remote) line(s string) string {
	return redact.Printable(strings.TrimSpace(r.clean(s)), maxText)
}

// lines makes what a server said printable lines of bounded length.
func (r *Remote) lines(s string) string {
	return redact.PrintableLines(strings.TrimSpace(r.clean(s)), 8*maxText)
}

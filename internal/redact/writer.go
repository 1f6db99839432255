package redact

import (
	"io"
	"strings"
)

const (
	// maxHeld is how much of a line without an end is held back.
	maxHeld = 64 << 10

	// overlap is how much stays when a line is cut: a credential that has a
	// shape shows it within so many bytes.
	overlap = 2 * maxUserinfo
)

// Writer returns a writer that passes text on to w with each credential
// replaced, also one that comes in pieces. It passes on whole lines, at most
// 64 KiB of one are held back; Close passes on the rest and does not close w.
// The writer is for one goroutine at a time.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser { return &writer{r: r, w: w} }

type writer struct {
	r    *Redactor
	w    io.Writer
	held []byte

	// swallow says that the end of what was passed on was masked, and that
	// it goes on.
	swallow bool
}

func (w *writer) Write(p []byte) (int, error) {
	for at := 0; at < len(p); {
		// A piece at a time bounds what is held, however large p is.
		n := min(len(p)-at, maxHeld)
		w.held = append(w.held, p[at:at+n]...)
		if err := w.pass(false); err != nil {
			return at, err
		}
		at += n
	}
	return len(p), nil
}

func (w *writer) Close() error { return w.pass(true) }

// pass writes what cannot be part of a credential that is still to come.
func (w *writer) pass(all bool) error {
	s := string(w.held)
	if w.swallow {
		n := skip(s, 0, func(c byte) bool { return c > ' ' })
		s = s[n:]
		w.swallow = s == ""
	}
	longest, multiline := 0, false
	if set := w.r.patterns(); set != nil {
		longest, multiline = set.longest, set.multiline
	}
	cut := len(s)
	if !all {
		cut = strings.LastIndexAny(s, "\r\n") + 1
		if cut == 0 && len(s) > max(maxHeld, 2*longest) {
			cut = len(s) - max(overlap, longest)
		}
		if multiline {
			cut = min(cut, len(s)-longest+1)
		}
	}
	if cut <= 0 {
		w.held = append(w.held[:0], s...)
		return nil
	}

	var out strings.Builder
	at := 0
	for _, sp := range w.r.find(s) {
		if sp.start >= cut {
			break
		}
		out.WriteString(s[at:sp.start])
		out.WriteString(Mask)
		at = sp.end
		if sp.end > cut {
			cut = sp.end
			w.swallow = cut == len(s) && !all
		}
	}
	if at < cut {
		out.WriteString(s[at:cut])
	}
	w.held = append(w.held[:0], s[cut:]...)
	_, err := io.WriteString(w.w, out.String())
	return err
}

// Package redact takes credentials out of text that leaves the process.
//
// A [Redactor] knows credentials by their value, in the encodings in which
// they turn up in URLs, headers and logs, and by the shape of common ones. It
// replaces each by "[redacted]", and rather too much than too little.
//
// Redact before cutting: half a token is not recognised.
package redact

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Mask is what a credential is replaced with.
const Mask = "[redacted]"

// A Redactor replaces credentials in text. The zero Redactor and a nil one know
// shapes only. Any number of goroutines may use it.
type Redactor struct {
	mu      sync.Mutex
	secrets map[secret]int // how often each was added
	set     atomic.Pointer[patterns]
}

// New returns a Redactor that knows the given secrets. Empty ones are ignored.
func New(secrets ...string) *Redactor {
	r := new(Redactor)
	r.Add(secrets...)
	return r
}

// Add makes the Redactor know further secrets. A secret that is added twice
// must be removed twice.
//
// A secret of 4 to 7 characters is replaced only where it stands alone, and a
// shorter one not at all: it would tear words apart.
func (r *Redactor) Add(secrets ...string) { r.change(1, plain(secrets)...) }

// AddBasic adds a password, and the pair of user and password as HTTP basic
// authentication encodes it.
func (r *Redactor) AddBasic(username, password string) { r.change(1, basic(username, password)...) }

// Remove undoes one Add of each secret.
func (r *Redactor) Remove(secrets ...string) { r.change(-1, plain(secrets)...) }

// RemoveBasic undoes one AddBasic.
func (r *Redactor) RemoveBasic(username, password string) {
	r.change(-1, basic(username, password)...)
}

func (r *Redactor) change(n int, secrets ...secret) {
	if len(secrets) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets == nil {
		r.secrets = make(map[secret]int)
	}
	changed := false
	for _, s := range secrets {
		before := r.secrets[s]
		after := max(before+n, 0)
		if after == 0 {
			delete(r.secrets, s)
		} else {
			r.secrets[s] = after
		}
		changed = changed || (before == 0) != (after == 0)
	}
	// Operations that share a credential add and remove it all the time.
	if changed {
		r.set.Store(compile(r.secrets))
	}
}

// String returns s with each credential replaced.
func (r *Redactor) String(s string) string {
	spans := r.find(s)
	if len(spans) == 0 {
		return s
	}
	var b strings.Builder
	at := 0
	for _, sp := range spans {
		b.WriteString(s[at:sp.start])
		b.WriteString(Mask)
		at = sp.end
	}
	b.WriteString(s[at:])
	return b.String()
}

// Cut is [Redactor.String] for a text that was cut at its end: the beginning of
// a known credential there is replaced too.
func (r *Redactor) Cut(s string) string {
	if set := r.patterns(); set != nil {
		if n := set.begun(s); n > 0 {
			return r.String(s[:len(s)-n]) + Mask
		}
	}
	return r.String(s)
}

// Bytes returns b with each credential replaced: b itself where there is none.
func (r *Redactor) Bytes(b []byte) []byte {
	s := string(b)
	if t := r.String(s); t != s {
		return []byte(t)
	}
	return b
}

// Error returns err with each credential in its message replaced: err itself
// where there is none. errors.Is and errors.As see through the result;
// errors.Unwrap does not, since what is behind it is not clean.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	if clean := r.String(message); clean != message {
		return &redacted{message: clean, err: err}
	}
	return err
}

type redacted struct {
	message string
	err     error
}

func (e *redacted) Error() string        { return e.message }
func (e *redacted) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redacted) As(target any) bool   { return errors.As(e.err, target) }

// patterns returns what to look for by value; nil means nothing.
func (r *Redactor) patterns() *patterns {
	if r == nil {
		return nil
	}
	return r.set.Load()
}

// A span is a range of a text that is to be replaced.
type span struct{ start, end int }

// find returns the credentials in s, in order and not overlapping.
func (r *Redactor) find(s string) []span {
	spans := findShapes(nil, s)
	if set := r.patterns(); set != nil {
		spans = set.find(spans, s)
	}
	if len(spans) < 2 {
		return spans
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	merged := spans[:1]
	for _, sp := range spans[1:] {
		if last := &merged[len(merged)-1]; sp.start < last.end {
			last.end = max(last.end, sp.end)
		} else {
			merged = append(merged, sp)
		}
	}
	return merged
}

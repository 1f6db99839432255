package smarthttp

import (
	"bytes"
	"io"
	"strings"
)

// maxMessages is how much of what a server says to the user is read.
const maxMessages = 16 << 10

// readPushReply reads the reply to a push.
func readPushReply(r io.Reader, opts *PushOptions, remote *Remote) (*PushReport, error) {
	var messages bytes.Buffer
	pkt := newPktReader(r)
	if (&Advertisement{Capabilities: opts.Capabilities}).Supports("side-band-64k") {
		pkt = newPktReader(&sideband{pkt: pkt, progress: func(b []byte) {
			messages.Write(b[:min(len(b), maxMessages-messages.Len())])
		}})
	}
	result, err := readReport(pkt, opts.Ref)
	if err == nil {
		// The outer stream must end as it should, too.
		err = pkt.end()
	}
	detail := remote.lines(messages.String())
	if text, ok := asFatal(err); ok {
		// The server gave up, before or after the effect.
		return nil, &Error{Kind: ErrUnavailable, Message: text, Detail: detail}
	}
	if err != nil {
		return nil, cut(err)
	}
	if e := result.failure(messages.String()); e != nil {
		e.Detail = detail
		return nil, e
	}
	return &PushReport{Messages: detail}, nil
}

// A report is what receive-pack says of a push of one ref.
type report struct {
	unpack string // "ok" or what failed
	ok     bool
	reason string // of a ref that is not ok
}

func readReport(pkt *pktReader, ref string) (*report, error) {
	result := new(report)
	seen := false
	for first := true; ; first = false {
		kind, b, err := pkt.next()
		switch {
		case err == io.EOF && first: //nolint:errorlint // returned bare
			return nil, violates("the server did not say what became of the push")
		case err != nil:
			return nil, cut(err)
		case kind == packetFlush && (seen || result.unpack != "" && result.unpack != "ok"):
			return result, nil
		case kind != packetData:
			return nil, violates("incomplete report of a push")
		}
		line := strings.TrimSuffix(string(b), "\n")
		word, rest, _ := strings.Cut(line, " ")
		name, reason, _ := strings.Cut(rest, " ")
		switch {
		case first && word == "unpack" && rest != "":
			result.unpack = rest
		case !first && !seen && word == "ok" && name == ref:
			seen, result.ok = true, true
		case !first && !seen && word == "ng" && name == ref:
			seen, result.reason = true, reason
		default:
			if err := serverError(line); err != nil && first {
				return nil, err
			}
			return nil, violates("not a report of a push: " + excerpt(b))
		}
	}
}

// failure returns the error that the report amounts to, or nil. Messages are
// those of the server, where the reason says too little.
func (r *report) failure(messages string) *Error {
	if r.unpack == "ok" && r.ok {
		return nil
	}
	reason := r.reason
	if r.unpack != "ok" {
		// The reason of the ref then only repeats that unpacking failed.
		reason = "unpack: " + r.unpack
	}
	e := &Error{Kind: ErrRejected, Message: reason, reported: true}
	if r.unpack != "ok" {
		return e
	}
	switch {
	case movedReason(reason):
		e.Kind = ErrStale
	case strings.Contains(reason, "failed to update ref"), strings.Contains(reason, "transaction failed"),
		strings.Contains(reason, "failed to lock"), strings.Contains(reason, "cannot lock ref"):
		// git says why in its messages only, GitHub in the reason.
		switch text := reason + "\n" + messages; {
		case movedText(text), !strings.Contains(text, "cannot lock ref"):
			e.Kind = ErrStale
		case strings.Contains(text, ".lock': File exists"):
			e.Kind = ErrUnavailable
		}
		if line, ok := lockLine(messages); ok {
			e.Message += ": " + line
		}
	}
	return e
}

// movedReason reports whether a reason means that the ref has moved.
func movedReason(reason string) bool {
	for _, text := range []string{"non-fast-forward", "non-fast forward", "fetch first", "stale info", "reference already exists"} {
		if strings.HasPrefix(reason, text) {
			return true
		}
	}
	return false
}

// movedText reports whether what git says of a lock means that the ref does not
// have its old value: another one, none, or one where there was to be none.
func movedText(text string) bool {
	return strings.Contains(text, "cannot lock ref") &&
		(strings.Contains(text, " but expected ") || strings.Contains(text, "reference already exists") ||
			strings.Contains(text, "unable to resolve reference"))
}

// lockLine returns the line of messages that says why a ref was not locked.
func lockLine(messages string) (string, bool) {
	for line := range strings.Lines(messages) {
		if _, after, ok := strings.Cut(line, "cannot lock ref"); ok {
			return "cannot lock ref " + strings.TrimSpace(after), true
		}
	}
	return "", false
}

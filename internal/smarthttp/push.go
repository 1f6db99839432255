package smarthttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// PushOptions are what [Client.Push] publishes.
type PushOptions struct {
	// Ref is the full name of the ref to set.
	Ref string

	// Old is the value that the ref must have, or [ZeroID] where it must not
	// exist. New is the commit to set it to; a push deletes nothing.
	Old, New string

	// Pack is the pack with the objects that the remote lacks, also where it
	// lacks none. It is read once.
	Pack io.Reader

	// PackSize is the length of the pack, and 0 where it is not known.
	PackSize int64

	// Capabilities are those of the [Advertisement].
	Capabilities []string
}

// A PushReport is the reply to a push that was taken.
type PushReport struct {
	// Messages is what the server said to the user: bounded, printable but
	// for newlines.
	Messages string
}

// Push sets one ref, if it still has its old value, with one request. It
// returns an error of kind ErrStale where the ref has moved, and of kind
// ErrRejected where the server refuses. After an error that is Ambiguous the
// ref may have been set.
func (c *Client) Push(ctx context.Context, remote *Remote, opts *PushOptions) (*PushReport, error) {
	fail := func(kind error, message string, err error) error {
		return &Error{Op: "push", Kind: kind, Message: message, Err: err}
	}
	command, message := pushCommand(opts, c.agent())
	if message != "" {
		return nil, fail(ErrInvalid, message, nil)
	}
	if !(&Advertisement{Capabilities: opts.Capabilities}).Supports("report-status") {
		return nil, fail(ErrProtocol, "the server does not report the outcome of a push", nil)
	}
	u, err := newUpload(command, opts)
	if err != nil {
		return nil, fail(nil, "read the pack", err)
	}
	p, err := c.start(ctx, remote, &call{
		op: "push", method: http.MethodPost, service: "git-receive-pack",
		contentType: "application/x-git-receive-pack-request", want: "application/x-git-receive-pack-result",
		stream: u, limit: c.Limits.withDefaults().MaxReportBytes,
	})
	if err != nil {
		return nil, pushFailure(err, u)
	}
	defer p.Close()
	report, err := readPushReply(p, opts, remote)
	if err != nil {
		return nil, pushFailure(p.fail(err), u)
	}
	return report, nil
}

// pushFailure adds to an error of a push what is known of its effect. A server
// that has not got the end of the pack has done nothing.
func pushFailure(err error, u *upload) error {
	whole, readErr := u.outcome()
	if readErr != nil {
		return &Error{Op: "push", Message: "read the pack", Err: readErr}
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case nil, ErrNetwork, ErrUnavailable: //nolint:errorlint // kinds are bare
		e.Ambiguous = whole && e.Status != http.StatusServiceUnavailable && !e.reported
	case ErrProtocol:
		e.Ambiguous = whole && e.Status == 0
	}
	return e
}

// pushCommand returns the pkt-lines before the pack, or what is wrong.
func pushCommand(opts *PushOptions, agent string) (command []byte, message string) {
	switch {
	case opts == nil || opts.Pack == nil:
		return nil, "no pack"
	case !validRefName(opts.Ref) || opts.Ref == "HEAD":
		return nil, "ref " + quote(opts.Ref)
	case !validID(opts.Old):
		return nil, "old object ID " + quote(opts.Old)
	case !validID(opts.New) || opts.New == ZeroID:
		return nil, "new object ID " + quote(opts.New)
	case opts.New == opts.Old:
		return nil, "old and new object ID are the same"
	case opts.PackSize < 0:
		return nil, "negative size of the pack"
	case strings.ContainsFunc(agent, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, "user agent " + quote(agent)
	}
	offered := &Advertisement{Capabilities: opts.Capabilities}
	line := []string{opts.Old, opts.New, opts.Ref + "\x00"}
	for _, c := range []string{"report-status", "side-band-64k", "atomic", "object-format=sha1", "agent=" + agent} {
		if name, _, _ := strings.Cut(c, "="); offered.Supports(name) {
			line = append(line, c)
		}
	}
	return append(appendPkt(nil, strings.Join(line, " ")), flushPkt...), ""
}

package smarthttp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
)

// An Advertisement is what a server says before a push.
type Advertisement struct {
	// Refs are the values of the refs that were asked for and exist.
	Refs map[string]string

	// Alike are refs, at most 16, whose names differ from one that was asked
	// for in case only. Many file systems cannot hold both.
	Alike []string

	// Capabilities are what receive-pack can do, such as "atomic".
	Capabilities []string
}

// Supports reports whether the server has a capability, with or without a
// value.
func (a *Advertisement) Supports(capability string) bool {
	for _, c := range a.Capabilities {
		if name, _, _ := strings.Cut(c, "="); name == capability {
			return true
		}
	}
	return false
}

// ID returns the value of a ref that was asked for, and [ZeroID] where there
// is none: what [PushOptions] want as Old.
func (a *Advertisement) ID(ref string) string {
	if id, ok := a.Refs[ref]; ok {
		return id
	}
	return ZeroID
}

// Advertisement asks for the values of refs as the push service sees them, with
// one request. It needs the right to push. Refs that are not asked for are read
// and dropped, so the size of the repository costs time and no memory.
func (c *Client) Advertisement(ctx context.Context, remote *Remote, refs []string) (*Advertisement, error) {
	for _, ref := range refs {
		if !validRefName(ref) {
			return nil, &Error{Op: "advertisement", Kind: ErrInvalid, Message: "ref " + quote(ref)}
		}
	}
	p, err := c.start(ctx, remote, &call{
		op: "advertisement", method: http.MethodGet, service: "info/refs", query: "service=git-receive-pack",
		want:  "application/x-git-receive-pack-advertisement",
		limit: c.Limits.withDefaults().MaxAdvertisementBytes,
	})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	a, err := readAdvertisement(p, refs)
	if err != nil {
		return nil, p.fail(err)
	}
	return a, nil
}

// readAdvertisement reads the reply, of which it keeps the given refs.
func readAdvertisement(r io.Reader, refs []string) (*Advertisement, error) {
	pkt := newPktReader(r)
	kind, line, err := pkt.next()
	switch {
	case err != nil:
		return nil, cut(err)
	case kind != packetData || !strings.HasPrefix(string(line), "# service=git-receive-pack"):
		return nil, violates("not an advertisement: " + excerpt(line))
	}
	if kind, _, err = pkt.next(); err != nil {
		return nil, cut(err)
	}
	if kind != packetFlush {
		return nil, violates("unexpected pkt-line in the advertisement")
	}
	a := &Advertisement{Refs: make(map[string]string)}
	for first := true; ; first = false {
		kind, line, err := pkt.next()
		switch {
		case err != nil:
			return nil, cut(err)
		case kind == packetFlush && !first:
			return a, pkt.end()
		case kind != packetData:
			return nil, violates("unexpected pkt-line in the advertisement")
		}
		if err := a.add(line, first, refs); err != nil {
			return nil, err
		}
	}
}

// add adds a line of the reply. Only the first can have capabilities. The line
// becomes a string only where it is kept.
func (a *Advertisement) add(line []byte, first bool, refs []string) error {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if first {
		if err := serverError(string(line)); err != nil {
			return err
		}
		ref, capabilities, ok := bytes.Cut(line, []byte{0})
		if !ok {
			return violates("not an advertisement: " + excerpt(line))
		}
		line = ref
		a.Capabilities = strings.Fields(string(capabilities))
		for _, c := range a.Capabilities {
			if format, ok := strings.CutPrefix(c, "object-format="); ok && format != "sha1" {
				return violates("the repository has objects of format " + said(format) + ", which is not supported")
			}
		}
	}
	id, name, _ := bytes.Cut(line, []byte{' '})
	if len(id) != 40 {
		if string(id) == "shallow" {
			return nil
		}
		return violates("not a line of an advertisement: " + excerpt(line))
	}
	for _, ref := range refs {
		switch {
		case string(name) == ref:
			if !validID(string(id)) || string(id) == ZeroID {
				return violates("object ID: " + said(string(id)))
			}
			a.Refs[ref] = string(id)
		case len(a.Alike) < maxAlike && bytes.EqualFold(name, []byte(ref)):
			a.Alike = append(a.Alike, string(name))
		}
	}
	return nil
}

const maxAlike = 16

package smarthttp

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A Ref is a name in a repository and what it stands for.
type Ref struct {
	// Name is the full name, such as "HEAD" or "refs/heads/main".
	Name string

	// ID is the object that the ref names.
	ID string

	// Target is the ref that a symbolic ref stands for, or empty.
	Target string

	// Peeled is the object that an annotated tag leads to, or empty.
	Peeled string
}

// Refs are refs of a repository, as they were at one time.
type Refs struct {
	// All are the refs that matched, in the order of the server. HEAD is one
	// of them where it was asked for and has a commit.
	All []Ref

	// Head is the branch that HEAD stands for, such as "refs/heads/main". It
	// is empty where HEAD was not asked for or is detached, and, unless
	// LsRefsOptions.Unborn, where the branch has no commit.
	Head string

	// HeadUnborn says that HEAD was asked for and has no commit. In an empty
	// repository it is true and All is empty.
	HeadUnborn bool
}

// ID returns the object that the ref with the given full name stands for, and
// whether there is one.
func (r *Refs) ID(name string) (string, bool) {
	for _, ref := range r.All {
		if ref.Name == name {
			return ref.ID, true
		}
	}
	return "", false
}

// LsRefsOptions are the options of [Client.LsRefs].
type LsRefsOptions struct {
	// Prefixes are the beginnings of the full names to list. None means all.
	Prefixes []string

	// Symrefs asks for HEAD too, whatever the prefixes, and for the targets
	// of symbolic refs.
	Symrefs bool

	// Peel asks for the objects that annotated tags lead to.
	Peel bool

	// Unborn asks for the target of HEAD even where it has no commit yet.
	// git knows it since 2.31, JGit refuses it.
	Unborn bool
}

// LsRefs lists refs of the remote with one request of protocol version 2.
// Errors are of all kinds but ErrStale.
func (c *Client) LsRefs(ctx context.Context, remote *Remote, opts *LsRefsOptions) (*Refs, error) {
	if opts == nil {
		opts = &LsRefsOptions{}
	}
	body, err := lsRefsRequest(opts)
	if err != nil {
		return nil, err
	}
	p, err := c.start(ctx, remote, &call{
		op: "ls-refs", method: http.MethodPost, service: "git-upload-pack", version2: true,
		contentType: "application/x-git-upload-pack-request", want: "application/x-git-upload-pack-result",
		body: body, limit: c.Limits.withDefaults().MaxRefBytes,
	})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	refs, err := readRefs(p, c.Limits.withDefaults().MaxRefs)
	if err != nil {
		return nil, p.fail(err)
	}
	refs.keep(opts)
	return refs, nil
}

// lsRefsRequest returns the request. It names no object format, which means
// SHA-1, and no agent: servers refuse capabilities that they did not offer, and
// nothing was asked of this one yet.
func lsRefsRequest(opts *LsRefsOptions) ([]byte, error) {
	b := append(appendPkt(nil, "command=ls-refs\n"), delimPkt...)
	if opts.Symrefs {
		b = appendPkt(b, "symrefs\n")
	}
	if opts.Peel {
		b = appendPkt(b, "peel\n")
	}
	if opts.Unborn {
		b = appendPkt(b, "unborn\n")
	}
	for _, prefix := range opts.Prefixes {
		if !validPrefix(prefix) {
			return nil, &Error{Op: "ls-refs", Kind: ErrInvalid, Message: "ref prefix " + quote(prefix)}
		}
		b = appendPkt(b, "ref-prefix "+prefix+"\n")
	}
	if len(opts.Prefixes) > 0 && opts.Symrefs {
		b = appendPkt(b, "ref-prefix HEAD\n")
	}
	return append(b, flushPkt...), nil
}

// readRefs reads the reply to ls-refs.
func readRefs(r io.Reader, limit int) (*Refs, error) {
	refs := &Refs{HeadUnborn: true}
	pkt := newPktReader(r)
	for first := true; ; first = false {
		kind, line, err := pkt.next()
		switch {
		case err == io.EOF && first: //nolint:errorlint // returned bare
			return nil, violates("empty reply: the server does not speak protocol version 2, or its objects are not SHA-1")
		case err != nil:
			return nil, cut(err)
		case kind == packetFlush:
			return refs, pkt.end()
		case kind != packetData:
			return nil, violates("unexpected pkt-line in the list of refs")
		}
		if err := refs.add(strings.TrimSuffix(string(line), "\n")); err != nil {
			return nil, err
		}
		if len(refs.All) > limit {
			return nil, violates("more than " + strconv.Itoa(limit) + " refs")
		}
	}
}

// add adds a line of the reply.
func (r *Refs) add(line string) error {
	if err := serverError(line); err != nil {
		return err
	}
	id, rest, _ := strings.Cut(line, " ")
	name, attributes, _ := strings.Cut(rest, " ")
	switch {
	case id == "unborn":
	case len(id) == 64 && isHex(id):
		return violates("the repository has SHA-256 objects, which are not supported")
	case strings.HasPrefix(line, "version 1"), strings.Contains(line, "\x00"):
		return violates("the server does not speak protocol version 2")
	case !validID(id):
		return violates("not a line of ls-refs: " + excerpt([]byte(line)))
	}
	if !validRefName(name) {
		return violates("name of a ref: " + said(name))
	}
	ref := Ref{Name: name, ID: id}
	for attribute := range strings.FieldsSeq(attributes) {
		if target, ok := strings.CutPrefix(attribute, "symref-target:"); ok {
			if !validRefName(target) {
				return violates("target of a ref: " + said(target))
			}
			ref.Target = target
		} else if peeled, ok := strings.CutPrefix(attribute, "peeled:"); ok {
			if !validID(peeled) {
				return violates("peeled object of a ref: " + said(peeled))
			}
			ref.Peeled = peeled
		}
	}
	if name == "HEAD" {
		r.Head = ref.Target
		r.HeadUnborn = id == "unborn"
	}
	if id != "unborn" {
		r.All = append(r.All, ref)
	}
	return nil
}

// keep drops what was not asked for: to a server a prefix is a hint.
func (r *Refs) keep(opts *LsRefsOptions) {
	asked := func(name string) bool {
		return len(opts.Prefixes) == 0 || name == "HEAD" && opts.Symrefs ||
			slices.ContainsFunc(opts.Prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}
	r.All = slices.DeleteFunc(r.All, func(ref Ref) bool { return !asked(ref.Name) })
	if !asked("HEAD") {
		r.Head, r.HeadUnborn = "", false
	}
}

// serverError returns the refusal that a line of a reply can be.
func serverError(line string) error {
	if text, ok := strings.CutPrefix(line, "ERR "); ok {
		return &Error{Kind: ErrRejected, Message: text}
	}
	return nil
}

package smarthttp

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// FetchOptions are the options of [Client.Fetch].
type FetchOptions struct {
	// Wants are the object IDs to fetch with all that they need. They come
	// from LsRefs: a server may give any object that is asked for by ID.
	Wants []string

	// Haves are commits that the receiver of the pack has, with all that they
	// need.
	Haves []string

	// Shallow are the commits whose parents the receiver does not have.
	Shallow []string

	// Depth limits the history to so many commits. 0 means all of it.
	Depth int

	// Filter leaves objects out: "blob:none", "blob:limit=N" or "tree:0".
	Filter string

	// ThinPack allows deltas against objects of the haves, which
	// "index-pack --fix-thin" completes.
	ThinPack bool
}

// A FetchResult is the reply to a fetch.
type FetchResult struct {
	// Shallow are commits whose parents are not in the pack, Unshallow those
	// whose parents now are.
	Shallow, Unshallow []string

	// Pack is the pack, as it comes. It ends with io.EOF only when the server
	// has said that it is whole; any other error is an [*Error]. The caller
	// reads it while the context of Fetch lives, and closes it.
	Pack io.ReadCloser
}

// Fetch asks for a pack with one request of protocol version 2 and returns when
// the pack begins. Errors are of all kinds but ErrStale.
func (c *Client) Fetch(ctx context.Context, remote *Remote, opts *FetchOptions) (*FetchResult, error) {
	body, err := fetchRequest(opts)
	if err != nil {
		return nil, err
	}
	p, err := c.start(ctx, remote, &call{
		op: "fetch", method: http.MethodPost, service: "git-upload-pack", version2: true,
		contentType: "application/x-git-upload-pack-request", want: "application/x-git-upload-pack-result",
		body: body, limit: c.Limits.withDefaults().MaxFetchBytes,
	})
	if err != nil {
		return nil, err
	}
	result := new(FetchResult)
	pkt := newPktReader(p)
	if err := result.readSections(pkt); err != nil {
		p.Close()
		return nil, p.fail(err)
	}
	result.Pack = &packReader{reply: p, band: &sideband{pkt: pkt}}
	return result, nil
}

func fetchRequest(opts *FetchOptions) ([]byte, error) {
	bad := func(what string) ([]byte, error) {
		return nil, &Error{Op: "fetch", Kind: ErrInvalid, Message: what}
	}
	switch {
	case opts == nil || len(opts.Wants) == 0:
		return bad("nothing to fetch")
	case opts.Depth < 0:
		return bad("negative depth")
	case opts.Filter != "" && !validFilter(opts.Filter):
		return bad("filter " + quote(opts.Filter))
	}
	b := append(appendPkt(nil, "command=fetch\n"), delimPkt...)
	if opts.ThinPack {
		b = appendPkt(b, "thin-pack\n")
	}
	b = appendPkt(b, "no-progress\n")
	b = appendPkt(b, "ofs-delta\n")
	for _, list := range []struct {
		word string
		ids  []string
	}{{"shallow", opts.Shallow}, {"want", opts.Wants}, {"have", opts.Haves}} {
		for _, id := range list.ids {
			if !validID(id) || id == ZeroID {
				return bad(list.word + " " + quote(id))
			}
			b = appendPkt(b, list.word+" "+id+"\n")
		}
	}
	if opts.Depth > 0 {
		b = appendPkt(b, "deepen "+strconv.Itoa(opts.Depth)+"\n")
	}
	if opts.Filter != "" {
		b = appendPkt(b, "filter "+opts.Filter+"\n")
	}
	return append(appendPkt(b, "done\n"), flushPkt...), nil
}

// maxShallow bounds how many commits a server can name as shallow.
const maxShallow = 1_000_000

// readSections reads what comes before the pack.
func (f *FetchResult) readSections(pkt *pktReader) error {
	for first := true; ; first = false {
		kind, line, err := pkt.next()
		switch {
		case err == io.EOF && first: //nolint:errorlint // returned bare
			return violates("empty reply: the server does not speak protocol version 2, or its objects are not SHA-1")
		case err != nil:
			return cut(err)
		case kind != packetData:
			return violates("unexpected pkt-line in place of a section")
		}
		switch section := strings.TrimSuffix(string(line), "\n"); section {
		case "packfile":
			return nil
		case "shallow-info":
			if err := f.readShallow(pkt); err != nil {
				return err
			}
		default:
			if err := serverError(section); err != nil {
				return err
			}
			return violates("unexpected section: " + excerpt(line))
		}
	}
}

func (f *FetchResult) readShallow(pkt *pktReader) error {
	for {
		kind, line, err := pkt.next()
		switch {
		case err != nil:
			return cut(err)
		case kind == packetDelim:
			return nil
		case kind != packetData:
			return violates("unexpected pkt-line among shallow commits")
		}
		word, id, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		switch {
		case len(f.Shallow)+len(f.Unshallow) == maxShallow:
			return violates("too many shallow commits")
		case word == "shallow" && validID(id):
			f.Shallow = append(f.Shallow, id)
		case word == "unshallow" && validID(id):
			f.Unshallow = append(f.Unshallow, id)
		default:
			return violates("not a shallow commit: " + excerpt(line))
		}
	}
}

// A packReader is the Pack of a [FetchResult].
type packReader struct {
	reply *reply
	band  *sideband
	err   error
}

func (r *packReader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.band.Read(b)
	if err == nil || err == io.EOF { //nolint:errorlint // the end is bare
		return n, err
	}
	if text, ok := asFatal(err); ok {
		err = &Error{Kind: ErrUnavailable, Message: text}
	}
	r.err = r.reply.fail(err)
	return n, r.err
}

func (r *packReader) Close() error { return r.reply.Close() }

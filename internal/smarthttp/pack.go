package smarthttp

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // git's checksums are SHA-1; see hashObject
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// PackLimits bound a pack that [ReadPack] reads. Zero fields mean their
// defaults.
type PackLimits struct {
	MaxBytes    int64 // the pack as it is. Default 1 GiB
	MaxInflated int64 // all objects together. Default 4 GiB
	MaxObject   int64 // one blob. Default 1 GiB. A commit or tree is at most 32 MiB
	MaxObjects  int   // Default 1 million
	MaxKept     int64 // memory for what is kept of commits and trees. Default 64 MiB
}

func (l PackLimits) withDefaults() PackLimits {
	return PackLimits{
		MaxBytes:    cmp.Or(l.MaxBytes, 1<<30),
		MaxInflated: cmp.Or(l.MaxInflated, 4<<30),
		MaxObject:   cmp.Or(l.MaxObject, 1<<30),
		MaxObjects:  cmp.Or(l.MaxObjects, 1_000_000),
		MaxKept:     cmp.Or(l.MaxKept, 64<<20),
	}
}

// PackOptions are the options of [ReadPack].
type PackOptions struct {
	Limits PackLimits

	// Protected are the paths that Verify will be asked about. Of a tree only
	// the entries that lead to them are kept. Nil means
	// [DefaultProtectedPaths], an empty slice none.
	Protected []string
}

// A Pack is what [ReadPack] keeps of a pack: its commits, and the entries of its
// trees that matter to protected paths.
type Pack struct {
	// Bytes is the length of the pack, Inflated that of its objects.
	Bytes, Inflated int64

	// Commits, Trees and Blobs count the objects.
	Commits, Trees, Blobs int

	matcher *matcher
	commits map[oid]*commit
	trees   map[oid][]treeEntry
}

// maxMetadata bounds one commit or tree, which is held in memory.
const maxMetadata = 32 << 20

// The types of objects in a pack.
const (
	packCommit = 1
	packTree   = 2
	packBlob   = 3
)

// ReadPack reads a pack of untrusted origin to its end. Every object is
// inflated, hashed and checked, so that what the Pack says of an object ID is
// true. A pack that breaks a rule is a [*Violation]; a reader that fails is the
// reader's error, and one that ends early io.ErrUnexpectedEOF.
func ReadPack(r io.Reader, opts *PackOptions) (*Pack, error) {
	if opts == nil {
		opts = &PackOptions{}
	}
	m, err := newMatcher(opts.Protected)
	if err != nil {
		return nil, err
	}
	limits := opts.Limits.withDefaults()
	in := &packInput{r: r, max: limits.MaxBytes, sum: sha1.New()} //nolint:gosec // as above
	p := &packParser{
		in: in, limits: limits,
		pack: &Pack{matcher: m, commits: make(map[oid]*commit), trees: make(map[oid][]treeEntry)},
	}
	if err := p.parse(); err != nil {
		if err == io.EOF { //nolint:errorlint // only the bare one means the end
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	p.pack.Bytes = in.total
	return p.pack, nil
}

type packParser struct {
	in      *packInput
	limits  PackLimits
	pack    *Pack
	kept    int64
	inflate io.ReadCloser
	buf     [32 << 10]byte
	content bytes.Buffer
}

func (p *packParser) parse() error {
	var header [12]byte
	if _, err := io.ReadFull(p.in, header[:]); err != nil {
		return cut(err)
	}
	if string(header[:4]) != "PACK" || binary.BigEndian.Uint32(header[4:]) != 2 {
		return malformed("not a pack of version 2")
	}
	count := binary.BigEndian.Uint32(header[8:])
	if int64(count) > int64(p.limits.MaxObjects) {
		return overLimit("%d objects, at most %d are allowed", count, p.limits.MaxObjects)
	}
	for range count {
		if err := p.object(); err != nil {
			return err
		}
	}
	return p.in.trailer()
}

// object reads one object.
func (p *packParser) object() error {
	kind, size, err := p.objectHeader()
	if err != nil {
		return cut(err)
	}
	switch kind {
	case packCommit, packTree, packBlob:
	case 4:
		return malformed("pack with a tag object")
	case 6, 7:
		return &Violation{Rule: RuleSelfContained, Detail: "pack with a delta"}
	default:
		return malformed(fmt.Sprintf("object of type %d", kind))
	}
	limit := p.limits.MaxObject
	if kind != packBlob {
		limit = maxMetadata
	}
	if size > limit {
		return overLimit("object of %d bytes, at most %d are allowed", size, limit)
	}
	if p.pack.Inflated += size; p.pack.Inflated > p.limits.MaxInflated {
		return overLimit("objects of more than %d bytes", p.limits.MaxInflated)
	}

	h := sha1.New() //nolint:gosec // as above
	p.content.Reset()
	var sink io.Writer = h
	name := "blob"
	switch kind {
	case packCommit:
		name, sink = "commit", io.MultiWriter(h, &p.content)
	case packTree:
		name, sink = "tree", io.MultiWriter(h, &p.content)
	}
	fmt.Fprintf(h, "%s %d\x00", name, size)
	if err := p.inflateTo(sink, size); err != nil {
		return err
	}
	id := oid(h.Sum(nil))
	switch kind {
	case packCommit:
		return p.addCommit(id)
	case packTree:
		return p.addTree(id)
	}
	p.pack.Blobs++
	return nil
}

// objectHeader reads the type and size of an object.
func (p *packParser) objectHeader() (kind int, size int64, err error) {
	b, err := p.in.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	kind, size = int(b>>4&7), int64(b&15)
	for shift := 4; b&0x80 != 0; shift += 7 {
		if shift > 53 {
			return 0, 0, malformed("size of an object")
		}
		if b, err = p.in.ReadByte(); err != nil {
			return 0, 0, err
		}
		size |= int64(b&0x7f) << shift
	}
	return kind, size, nil
}

// inflateTo copies the content of an object, which must be exactly of the size
// that its header says: a stream that holds more is never inflated further.
func (p *packParser) inflateTo(w io.Writer, size int64) error {
	var err error
	if p.inflate == nil {
		p.inflate, err = zlib.NewReader(p.in)
	} else {
		err = p.inflate.(zlib.Resetter).Reset(p.in, nil) //nolint:errcheck,forcetypeassert // promised by zlib.NewReader
	}
	if err != nil {
		return p.inflateError(err)
	}
	n, err := io.CopyBuffer(w, io.LimitReader(p.inflate, size), p.buf[:])
	if err != nil {
		return p.inflateError(err)
	}
	if n != size {
		return malformed("object that is shorter than its header says")
	}
	// The checksum is read, and with it the end of the stream.
	var one [1]byte
	for {
		switch n, err := p.inflate.Read(one[:]); {
		case n > 0:
			return malformed("object that is longer than its header says")
		case err == io.EOF:
			return nil
		case err != nil:
			return p.inflateError(err)
		}
	}
}

// inflateError tells a stream that is not zlib's from a reader that failed.
func (p *packParser) inflateError(err error) error {
	if p.in.err != nil {
		return cut(p.in.err)
	}
	return malformed("compressed data: " + err.Error())
}

func (p *packParser) keep(n int) error {
	if p.kept += int64(n); p.kept > p.limits.MaxKept {
		return overLimit("commits and trees take more than %d bytes of memory", p.limits.MaxKept)
	}
	return nil
}

func (p *packParser) addCommit(id oid) error {
	p.pack.Commits++
	c, err := parseCommit(p.content.Bytes())
	if err != nil {
		return inObject(err, id)
	}
	p.pack.commits[id] = c
	// About what the map, the commit and its parents take.
	return p.keep(128 + len(c.parents)*len(oid{}))
}

func (p *packParser) addTree(id oid) error {
	p.pack.Trees++
	var entries []treeEntry
	size := 96
	err := parseTree(p.content.Bytes(), func(mode, name []byte, id oid) error {
		if p.pack.matcher.concerns(string(name)) {
			entries = append(entries, treeEntry{mode: string(mode), name: string(name), id: id})
			size += 96 + len(name)
		}
		return nil
	})
	if err != nil {
		return inObject(err, id)
	}
	p.pack.trees[id] = entries
	return p.keep(size)
}

// inObject says in which object the rule is broken.
func inObject(err error, id oid) error {
	if v, ok := errors.AsType[*Violation](err); ok {
		v.Detail += " (object " + id.String() + ")"
	}
	return err
}

func overLimit(format string, args ...any) *Violation {
	return &Violation{Rule: RuleLimit, Detail: fmt.Sprintf(format, args...)}
}

// A packInput reads a pack, counts and hashes it. Package zlib reads no further
// than it must, since the input has ReadByte.
type packInput struct {
	r     io.Reader
	max   int64
	sum   hash.Hash
	total int64 // that were taken from buf
	err   error // sticky

	buf        [32 << 10]byte
	start, end int // of what is in buf and not taken
	hashed     int // up to where buf is hashed
}

// fill makes sure that something is in buf.
func (p *packInput) fill() error {
	if p.start < p.end {
		return nil
	}
	if p.err != nil {
		return p.err
	}
	p.hash()
	p.start, p.end, p.hashed = 0, 0, 0
	// The limit is that of git's own: 100 reads without progress.
	for range 100 {
		n, err := p.r.Read(p.buf[:])
		p.end = n
		if err != nil {
			p.err = err
		}
		switch {
		case p.total+int64(n) > p.max:
			p.end, p.err = 0, overLimit("pack of more than %d bytes", p.max)
			return p.err
		case n > 0:
			return nil
		case err != nil:
			return err
		}
	}
	p.err = io.ErrNoProgress
	return p.err
}

// hash adds to the checksum what was taken since the last time.
func (p *packInput) hash() {
	p.sum.Write(p.buf[p.hashed:p.start])
	p.hashed = p.start
}

func (p *packInput) Read(b []byte) (int, error) {
	if err := p.fill(); err != nil {
		return 0, err
	}
	n := copy(b, p.buf[p.start:p.end])
	p.start += n
	p.total += int64(n)
	return n, nil
}

func (p *packInput) ReadByte() (byte, error) {
	if err := p.fill(); err != nil {
		return 0, err
	}
	b := p.buf[p.start]
	p.start++
	p.total++
	return b, nil
}

// trailer reads the checksum and the end, after which there is nothing.
func (p *packInput) trailer() error {
	p.hash()
	want := p.sum.Sum(nil)
	var got [sha1.Size]byte
	if _, err := io.ReadFull(p, got[:]); err != nil {
		return cut(err)
	}
	if !bytes.Equal(got[:], want) {
		return malformed("checksum of the pack is wrong")
	}
	switch _, err := p.ReadByte(); {
	case err == nil:
		return malformed("data after the pack")
	case err != io.EOF: //nolint:errorlint // returned bare
		return err
	}
	return nil
}

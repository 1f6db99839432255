package smarthttp

import (
	"cmp"
	"errors"
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
}

// ReadPack reads a pack of untrusted origin to its end. Every object is
// inflated, hashed and checked, so that what the Pack says of an object ID is
// true. A pack that breaks a rule is a [*Violation]; a reader that fails is the
// reader's error, and one that ends early io.ErrUnexpectedEOF.
func ReadPack(r io.Reader, opts *PackOptions) (*Pack, error) {
	return nil, errors.ErrUnsupported
}

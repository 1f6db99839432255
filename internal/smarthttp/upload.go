package smarthttp

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// An upload is the body of a request. The HTTP client can read on after it has
// returned, but not after Close: the caller's reader is then its own again.
type upload struct {
	progress func()

	mu     sync.Mutex
	head   []byte
	rest   io.Reader // nil where head is all
	size   int64     // of the rest, or 0 where it is not known
	read   int64     // of the rest
	whole  bool      // all of it was handed to the HTTP client
	err    error     // of the rest
	closed bool
}

// length is the value of Content-Length, or -1.
func (u *upload) length() int64 {
	switch {
	case u.rest == nil:
		return int64(len(u.head))
	case u.size > 0:
		return int64(len(u.head)) + u.size
	}
	return -1
}

func (u *upload) Read(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return 0, io.ErrClosedPipe
	}
	u.progress()
	if len(u.head) > 0 {
		n := copy(b, u.head)
		u.head = u.head[n:]
		u.whole = len(u.head) == 0 && u.rest == nil
		return n, nil
	}
	if u.rest == nil {
		u.whole = true
		return 0, io.EOF
	}
	n, err := u.rest.Read(b)
	u.read += int64(n)
	switch {
	case err == io.EOF:
		if u.size > 0 && u.read != u.size {
			u.err = fmt.Errorf("pack of %d bytes, not %d as said", u.read, u.size)
			return n, u.err
		}
		u.whole = true
	case err != nil:
		u.err = err
	case u.size > 0 && u.read == u.size:
		u.whole = true
	}
	return n, err
}

func (u *upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	return nil
}

// outcome tells, after the request, whether all was sent and what failed on
// this side.
func (u *upload) outcome() (whole bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.whole, u.err
}

// maxBuffered is up to which size a pack is held in memory, so that the request
// can have a Content-Length even where the size was not known.
const maxBuffered = 256 << 10

func newUpload(command []byte, opts *PushOptions) (*upload, error) {
	u := &upload{head: command}
	if opts.PackSize > maxBuffered {
		u.rest, u.size = opts.Pack, opts.PackSize
		return u, nil
	}
	buf := bytes.NewBuffer(u.head)
	n, err := io.CopyN(buf, opts.Pack, maxBuffered)
	u.head = buf.Bytes()
	switch {
	case err == nil && opts.PackSize > 0, err == io.EOF && opts.PackSize > 0 && n != opts.PackSize: //nolint:errorlint // CopyN returns it bare
		return nil, fmt.Errorf("%d bytes, not %d as said", n, opts.PackSize)
	case err == nil:
		u.rest = opts.Pack
	case err != io.EOF: //nolint:errorlint // CopyN returns it bare
		return nil, err
	}
	return u, nil
}

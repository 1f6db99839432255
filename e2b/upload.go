package e2b

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"mime/multipart"
	"sync"
	"time"
)

// An upload is the body of a request that writes a file. It remembers how the
// data failed, so that the failure of the request is not taken for the cause.
// Its watch runs while the transport is at work, and not while the data is.
type upload struct {
	data    io.Reader
	watch   *time.Timer
	timeout time.Duration

	mu      sync.Mutex
	retired bool
	err     error // of data
}

// Read reads the data for the transport.
func (u *upload) Read(b []byte) (int, error) {
	u.mu.Lock()
	retired := u.retired
	u.mu.Unlock()
	if retired {
		return 0, io.ErrClosedPipe
	}
	u.watch.Stop()
	n, err := u.data.Read(b)
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.retired {
		u.watch.Reset(u.timeout)
		if err != nil && !errors.Is(err, io.EOF) {
			u.err = err
		}
	}
	return n, err
}

// Close has nothing to close: the data is the caller's.
func (u *upload) Close() error { return nil }

// retire ends the use of the data, which the transport can otherwise go on with
// after it returned, and returns the error of the data.
func (u *upload) retire() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.retired = true
	return u.err
}

// formAround returns what stands before and after a file in a form with one
// part. envd takes the path from the query.
func formAround(name string) (boundary, head, tail string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("gitsandbox" + rand.Text()) // always one
	_, _ = w.CreateFormFile("file", name)         // to memory
	headLen := b.Len()
	_ = w.Close()
	return w.Boundary(), b.String()[:headLen], b.String()[headLen:]
}

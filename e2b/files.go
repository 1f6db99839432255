package e2b

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ReadFile opens a file of the sandbox. See [Sandbox]. A download that is cut
// is an error of Read, never a short file.
func (s *sandbox) ReadFile(ctx context.Context, name string) (io.ReadCloser, error) {
	op := s.op("read file", true)
	op.notFound = ErrFileNotFound
	if err := validateName(name); err != nil {
		return nil, op.invalid("%w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(s.client.requestTimeout, func() { cancel(errNoReply) })
	res, err := s.files(ctx, http.MethodGet, name, nil)
	watch.Stop()
	if err == nil && (res.StatusCode != http.StatusOK || !isDelimited(res)) {
		if res.StatusCode == http.StatusOK {
			err = op.protocol("a reply whose end or encoding is not known")
		} else {
			err = op.fromEdge(res)
		}
		_ = res.Body.Close()
	}
	if err != nil {
		e := s.failed(ctx, &op, err)
		cancel(nil)
		return nil, e
	}
	return &download{
		body:    res.Body,
		watch:   watch,
		timeout: s.client.requestTimeout,
		cancel:  cancel,
		failed:  func(err error) error { return s.failed(ctx, &op, err) },
	}, nil
}

// isDelimited reports whether a cut of the body would be noticed, and whether
// it is the file itself.
func isDelimited(res *http.Response) bool {
	if res.Header.Get("Content-Encoding") != "" {
		return false // it was not asked for
	}
	return res.ProtoMajor > 1 || res.ContentLength >= 0 || len(res.TransferEncoding) > 0
}

// A download is the body of a file that is read.
type download struct {
	body    io.ReadCloser
	watch   *time.Timer // cancels the request
	timeout time.Duration
	cancel  context.CancelCauseFunc
	failed  func(error) error // classifies
	err     error             // sticky
}

// Read reads from the sandbox. The time between calls does not count against
// the request timeout.
func (d *download) Read(b []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	d.watch.Reset(d.timeout)
	n, err := d.body.Read(b)
	d.watch.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.failed(err)
	}
	d.err = err
	return n, err
}

// Close ends the download.
func (d *download) Close() error {
	d.watch.Stop()
	d.cancel(nil)
	return d.body.Close()
}

// WriteFile writes a file of the sandbox. See [Sandbox]. It is [Retryable] on a
// broken connection, with the data from its start. A Read of data that blocks
// for ever leaves one goroutine behind.
func (s *sandbox) WriteFile(ctx context.Context, name string, data io.Reader) error {
	op := s.op("write file", true)
	op.notFound = ErrFileNotFound
	if err := validateName(name); err != nil {
		return op.invalid("%w", err)
	}
	if data == nil {
		return op.invalid("the data is nil")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := &upload{data: data, timeout: s.client.requestTimeout}
	body.watch = time.AfterFunc(body.timeout, func() { cancel(errNoReply) })
	defer body.watch.Stop()
	res, err := s.files(ctx, http.MethodPost, name, body)
	if readErr := body.retire(); readErr != nil {
		if err == nil {
			_ = res.Body.Close()
		}
		return &Error{Op: op.name, SandboxID: s.id, Err: readErr}
	}
	if err != nil {
		return s.failed(ctx, &op, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return s.failed(ctx, &op, op.fromEdge(res))
	}
	// To its end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxReply)); err != nil {
		return s.failed(ctx, &op, err)
	}
	return nil
}

// files sends a request to envd's /files.
func (s *sandbox) files(ctx context.Context, method, name string, body *upload) (*http.Response, error) {
	query := url.Values{"path": {name}}
	if user := s.user(""); user != "" {
		query.Set("username", user)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+"/files?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	s.setHeaders(req.Header)
	req.Header.Set("Accept-Encoding", "identity")
	if body != nil {
		s.setBody(req, name, body)
	}
	start := time.Now()
	res, err := s.client.transport.RoundTrip(req)
	if err != nil {
		s.client.log.DebugContext(ctx, "envd request failed", "sandbox", s.id, "path", "/files", "method", method, "duration", time.Since(start))
		return nil, err
	}
	s.client.log.DebugContext(ctx, "envd request", "sandbox", s.id, "path", "/files", "method", method, "status", res.StatusCode, "duration", time.Since(start))
	return res, nil
}

// setBody gives an upload the form that envd understands: before 0.5.7 that is
// a part of a form, after it the content itself.
func (s *sandbox) setBody(req *http.Request, name string, body *upload) {
	length := int64(-1)
	if sized, ok := body.data.(interface{ Len() int }); ok {
		length = int64(sized.Len())
	}
	if atLeast(s.version, 5, 7) {
		req.Header.Set("Content-Type", "application/octet-stream")
	} else {
		boundary, head, tail := formAround(name)
		req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		body.data = io.MultiReader(strings.NewReader(head), body.data, strings.NewReader(tail))
		if length >= 0 {
			length += int64(len(head) + len(tail))
		}
	}
	req.ContentLength = length
	req.Body = body
	if length == 0 {
		req.Body = http.NoBody
	}
}

// validateName refuses what cannot be the name of a file.
func validateName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > 4096:
		return errors.New("the name is longer than 4096 bytes")
	case strings.Contains(name, "\x00"):
		return errors.New("the name has a NUL")
	}
	return nil
}

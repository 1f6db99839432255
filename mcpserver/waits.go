package mcpserver

import (
	"io"
	"net/http"
	"time"
)

const (
	// bodyWait is how long a client may take to send the body of a request.
	bodyWait = time.Minute

	// writeWait is how long a client may take to accept a part of an answer.
	writeWait = 30 * time.Second
)

// limitWaits bounds how long clients take to send and to accept, and not how long an
// answer takes as a whole: a call can run for minutes, and a stream stay open.
func limitWaits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody && c.SetReadDeadline(time.Now().Add(bodyWait)) == nil {
			r.Body = &timedBody{r.Body, c}
		}
		next.ServeHTTP(&timedWriter{w, c}, r)
	})
}

type timedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

// timedWriter sets a deadline for as long as it writes. Where there is no connection
// below, as in tests, there is none to set.
type timedWriter struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (w *timedWriter) Write(p []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(writeWait))
	n, err := w.ResponseWriter.Write(p)
	_ = w.c.SetWriteDeadline(time.Time{})
	return n, err
}

// FlushError implements what [http.ResponseController] looks for.
func (w *timedWriter) FlushError() error {
	_ = w.c.SetWriteDeadline(time.Now().Add(writeWait))
	err := w.c.Flush()
	_ = w.c.SetWriteDeadline(time.Time{})
	return err
}

// Flush implements [http.Flusher].
func (w *timedWriter) Flush() { _ = w.FlushError() }

// Unwrap implements what [http.ResponseController] looks for.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

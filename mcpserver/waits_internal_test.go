package mcpserver

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deadlines is a ResponseWriter that remembers what was set.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write []time.Duration // from now; below 0: taken away
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, until(t))
	return nil
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = append(d.write, until(t))
	return nil
}

func until(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return time.Until(t)
}

// Deadlines are there while a client is waited for, and only then.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r, body := net.Pipe()
		go func() {
			_, _ = body.Write([]byte("body"))
			_ = body.Close()
		}()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", r)
		limitWaits(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			content, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, "body", string(content))
			time.Sleep(time.Hour) //nolint:forbidigo // in a bubble
			_, err = io.WriteString(w, "answer")
			assert.NoError(t, err)
			f, ok := w.(http.Flusher)
			assert.True(t, ok)
			f.Flush()
			assert.NoError(t, http.NewResponseController(w).Flush())
		})).ServeHTTP(w, req)
		require.Equal(t, []time.Duration{time.Minute, -1}, w.read)
		require.Equal(t, []time.Duration{30 * time.Second, -1, 30 * time.Second, -1, 30 * time.Second, -1}, w.write)
		require.Equal(t, "answer", w.Body.String())
		require.True(t, w.Flushed)
	})
}

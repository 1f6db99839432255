package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"
)

// openStream is a streaming call that goes on.
type openStream struct {
	b      *box
	body   io.Reader
	status int
	cancel context.CancelFunc
}

// open makes a streaming call with JSON and returns when it has a reply.
func (b *box) open(procedure, body string, header ...string) *openStream {
	b.f.t.Helper()
	ctx, cancel := context.WithCancel(b.f.t.Context())
	b.f.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.f.URL()+procedure, strings.NewReader(frame(0, body)))
	require.NoError(b.f.t, err)
	all := b.headers(append([]string{"Content-Type", "application/connect+json"}, header...)...)
	for i := 0; i < len(all); i += 2 {
		req.Header.Set(all[i], all[i+1])
	}
	resp, err := b.f.client.Do(req)
	require.NoError(b.f.t, err)
	b.f.t.Cleanup(func() { _ = resp.Body.Close() })
	return &openStream{b: b, body: resp.Body, status: resp.StatusCode, cancel: cancel}
}

// next returns the next message, or the end of the stream as a message.
func (s *openStream) next() (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(s.body, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return "", io.EOF
		}
		return "", err
	}
	payload := make([]byte, int(head[1])<<24|int(head[2])<<16|int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(s.body, payload); err != nil {
		return "", err
	}
	var compact bytes.Buffer
	require.NoError(s.b.f.t, json.Compact(&compact, payload))
	return compact.String(), nil
}

// until returns the next message that holds text.
func (s *openStream) until(text string) string {
	s.b.f.t.Helper()
	for {
		msg, err := s.next()
		require.NoError(s.b.f.t, err, "waiting for %q", text)
		if strings.Contains(msg, text) {
			return msg
		}
	}
}

// pid returns the process ID of the start event.
func (s *openStream) pid() string {
	s.b.f.t.Helper()
	var msg struct {
		Event struct {
			Start struct{ PID json.Number }
		}
	}
	require.NoError(s.b.f.t, json.Unmarshal([]byte(s.until("start")), &msg))
	return msg.Event.Start.PID.String()
}

package e2b

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadFileRequest(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.files = func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodGet, r.Method)
		assert.Equal(t, map[string][]string{"path": {"a b/é&c"}}, map[string][]string(r.URL.Query()))
		assert.Equal(t, "identity", r.Header.Get("Accept-Encoding"))
		assert.Equal(t, testToken, r.Header.Get("X-Access-Token"))
		assert.Equal(t, testID, r.Header.Get("E2b-Sandbox-Id"))
		assert.Empty(t, r.Header.Get("X-Api-Key"))
		_, _ = io.WriteString(w, "content")
	}
	r, err := s.box().ReadFile(t.Context(), "a b/é&c")
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, "content", string(data))
}

func TestReadFileIsNeverShort(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"length":  "Content-Length: 100\r\n",
		"chunked": "Transfer-Encoding: chunked\r\n",
		"neither": "Connection: close\r\n",
		"gzip":    "Content-Length: 4\r\nContent-Encoding: gzip\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.files = func(w http.ResponseWriter, _ *http.Request) {
				conn, buf, err := w.(http.Hijacker).Hijack()
				if !assert.NoError(t, err) {
					return
				}
				defer conn.Close()
				fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\n%s\r\n4\r\nhalf\r\n", head)
				_ = buf.Flush()
			}
			r, err := s.box().ReadFile(t.Context(), "file")
			if err == nil {
				_, err = io.ReadAll(r)
				_, again := r.Read(make([]byte, 1))
				assert.Equal(t, err, again, "the error stays")
				require.NoError(t, r.Close())
			}
			require.Error(t, err)
			if name == "neither" || name == "gzip" {
				require.ErrorIs(t, err, ErrProtocol)
				return
			}
			require.ErrorIs(t, err, ErrNetwork)
			assert.True(t, Retryable(err))
		})
	}
}

func TestReadFileStalls(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.files = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	box := attach(t, s.client(&ClientOptions{RequestTimeout: 200 * time.Millisecond}), "0.6.13")
	r, err := box.ReadFile(t.Context(), "file")
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, ErrNetwork)
	require.NoError(t, r.Close())

	ctx, cancel := context.WithCancel(t.Context())
	r, err = s.box().ReadFile(ctx, "file")
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 4))
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.Close())
}

func TestReadFileSlowly(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.files = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4<<20)) }
	box := attach(t, s.client(&ClientOptions{RequestTimeout: 100 * time.Millisecond}), "0.6.13")
	r, err := box.ReadFile(t.Context(), "file")
	require.NoError(t, err)
	<-time.After(300 * time.Millisecond) // the caller's time is not the server's
	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	assert.Equal(t, int64(4<<20), n)
	require.NoError(t, r.Close())
}

func TestFileStatuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status    int
		message   string
		want      error
		retryable bool
	}{
		{302, "", ErrProtocol, false},
		{400, "is a directory", ErrInvalidArgument, false},
		{401, "unauthorized access", ErrAuth, false},
		{403, "no", ErrForbidden, false},
		{404, "path 'x' does not exist", ErrFileNotFound, false},
		{409, "still transitioning", ErrConflict, true},
		{429, "too many concurrent connections", ErrRateLimited, true},
		{502, "The sandbox was not found", ErrSandboxNotFound, false},
		{502, "The sandbox is running but port is not open", ErrUnavailable, true},
		{503, "", ErrUnavailable, true},
		{507, "not enough disk space", ErrNoSpace, false},
	} {
		t.Run(fmt.Sprint(test.status, test.message), func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.files = func(w http.ResponseWriter, r *http.Request) {
				readBody(r)
				w.Header().Set("Location", "/elsewhere")
				reply(w, test.status, map[string]any{"code": test.status, "message": test.message})
			}
			box := s.box()
			_, readErr := box.ReadFile(t.Context(), "x")
			writeErr := box.WriteFile(t.Context(), "x", strings.NewReader("data"))
			for _, err := range []error{readErr, writeErr} {
				require.ErrorIs(t, err, test.want)
				assert.Equal(t, test.retryable, Retryable(err))
				assert.ErrorContains(t, err, test.message)
			}
		})
	}
}

func TestWriteFileRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		data   io.Reader
		length int64
	}{
		"known":         {strings.NewReader("content"), 7},
		"buffer":        {bytes.NewBufferString("content"), 7},
		"unknown":       {struct{ io.Reader }{strings.NewReader("content")}, -1},
		"empty":         {strings.NewReader(""), 0},
		"empty unknown": {struct{ io.Reader }{strings.NewReader("")}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.files = func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, http.MethodPost, r.Method)
				assert.Equal(t, map[string][]string{"path": {"dir/file"}}, map[string][]string(r.URL.Query()))
				assert.Equal(t, "application/octet-stream", r.Header.Get("Content-Type"))
				assert.Equal(t, test.length, r.ContentLength)
				want := "content"
				if strings.HasPrefix(name, "empty") {
					want = ""
				}
				assert.Equal(t, want, readBody(r))
				reply(w, http.StatusOK, []any{})
			}
			require.NoError(t, s.box().WriteFile(t.Context(), "dir/file", test.data))
		})
	}
}

func TestWriteFileOldEnvd(t *testing.T) {
	t.Parallel()
	for _, data := range []io.Reader{strings.NewReader("content"), struct{ io.Reader }{strings.NewReader("content")}} {
		s := newScript(t)
		s.files = func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "user", r.URL.Query().Get("username"))
			file, header, err := r.FormFile("file")
			if assert.NoError(t, err) {
				got, err := io.ReadAll(file)
				assert.NoError(t, err)
				assert.Equal(t, "content", string(got))
				assert.Equal(t, int64(7), header.Size)
			}
			reply(w, http.StatusOK, []any{})
		}
		box := attach(t, s.client(nil), "0.3.9")
		require.NoError(t, box.WriteFile(t.Context(), "dir/\"file\"\r\n", data))
	}
}

func TestWriteFileReaderFails(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.files = func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		assert.Error(t, err, "what was cut must not look whole")
		reply(w, http.StatusOK, []any{})
	}
	failure := errors.New("disk on fire")
	data := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) { return 0, failure }))
	err := s.box().WriteFile(t.Context(), "file", data)
	require.ErrorIs(t, err, failure)
	assert.False(t, Retryable(err))
}

func TestWriteFileLostReply(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.files = func(_ http.ResponseWriter, r *http.Request) { readBody(r); cut() }
	err := s.box().WriteFile(t.Context(), "file", strings.NewReader("x"))
	require.ErrorIs(t, err, ErrNetwork)
	assert.True(t, Retryable(err))
	assert.Equal(t, 1, s.count("POST /files"))
}

func TestWriteFileStalls(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	s.files = func(http.ResponseWriter, *http.Request) { <-done } // reads nothing
	box := attach(t, s.client(&ClientOptions{RequestTimeout: 200 * time.Millisecond}), "0.6.13")
	err := box.WriteFile(t.Context(), "file", readerFunc(func(b []byte) (int, error) { return len(b), nil }))
	require.ErrorIs(t, err, ErrNetwork)
}

func TestWriteFileSlowReader(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.files = func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "slow", readBody(r))
		reply(w, http.StatusOK, []any{})
	}
	box := attach(t, s.client(&ClientOptions{RequestTimeout: 100 * time.Millisecond}), "0.6.13")
	word := strings.NewReader("slow")
	require.NoError(t, box.WriteFile(t.Context(), "file", readerFunc(func(b []byte) (int, error) {
		<-time.After(100 * time.Millisecond) // the caller's time is not the server's
		return word.Read(b[:1])
	})))
}

func TestFilesSandboxGone(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.health = http.StatusBadGateway
	s.files = func(_ http.ResponseWriter, r *http.Request) { readBody(r); cut() }
	box := s.box()
	_, err := box.ReadFile(t.Context(), "file")
	require.ErrorIs(t, err, ErrSandboxNotFound)
	require.ErrorIs(t, box.WriteFile(t.Context(), "file", strings.NewReader("x")), ErrSandboxNotFound)
}

func TestFilesRefuseBeforeIO(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	box := s.box()
	for _, name := range []string{"", "a\x00b", strings.Repeat("x", 5000)} {
		_, err := box.ReadFile(t.Context(), name)
		require.ErrorIs(t, err, ErrInvalidArgument)
		require.ErrorIs(t, box.WriteFile(t.Context(), name, strings.NewReader("")), ErrInvalidArgument)
	}
	require.ErrorIs(t, box.WriteFile(t.Context(), "x", nil), ErrInvalidArgument)
	assert.Empty(t, s.paths())
}

func TestFilesNobodyListens(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	c, err := NewClient(testKey, &ClientOptions{SandboxURL: url})
	require.NoError(t, err)
	_, err = attach(t, c, "0.6.13").ReadFile(t.Context(), "secret-name")
	require.ErrorIs(t, err, ErrNetwork)
	assert.NotContains(t, err.Error(), "secret-name", "the query stays out")
}

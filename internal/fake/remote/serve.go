package remote

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// serve answers a request.
func (r *Remote) serve(w http.ResponseWriter, req *http.Request) {
	end, err := r.begin()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer end()
	ctx, cancel := context.WithTimeout(req.Context(), r.opts.Timeout)
	defer cancel()

	body := bufio.NewReaderSize(req.Body, 4<<10)
	repo, service := r.known(req.URL.Path)
	username, _, _ := req.BasicAuth()
	got := Request{
		Operation: operation(req, service, body), Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery,
		Repo: repo, Username: username,
	}
	fault := r.record(got)
	reply := &replyWriter{w: w}
	if fault.act(ctx, reply, got) {
		return
	}
	write := got.Operation == "push" || got.Operation == "advertisement"
	switch status := r.authorize(req, write); {
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		refuse(w, status, "Invalid username or token.")
	case status != http.StatusOK:
		refuse(w, status, "Permission to "+repo+".git denied to "+username+".")
	case repo == "":
		refuse(w, http.StatusNotFound, "Repository not found.")
	case got.Operation == "":
		refuse(w, http.StatusBadRequest, "Not a request of git.")
	default:
		r.backend(ctx, reply, req, repo+".git"+service, body)
	}
	if reply.lost {
		panic(http.ErrAbortHandler)
	}
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") //nolint:gosec // the type is text/plain
}

// operation tells what a request asks for.
func operation(req *http.Request, service string, body *bufio.Reader) string {
	post := req.Method == http.MethodPost
	switch {
	case service == "/info/refs" && req.Method == http.MethodGet:
		switch req.URL.Query().Get("service") {
		case "git-receive-pack":
			return "advertisement"
		case "git-upload-pack":
			return "discovery"
		}
	case service == "/git-receive-pack" && post:
		return "push"
	case service == "/git-upload-pack" && post:
		// The request may be compressed, which git does with long ones only,
		// and those fetch.
		if b, _ := body.Peek(len("0014command=ls-refs")); bytes.HasSuffix(b, []byte("command=ls-refs")) {
			return "ls-refs"
		}
		return "fetch"
	}
	return ""
}

// backend answers with git http-backend.
func (r *Remote) backend(ctx context.Context, w *replyWriter, req *http.Request, path string, body io.Reader) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
	cmd := r.command(ctx, "", "http-backend")
	cmd.Env = append(cmd.Env,
		"GIT_PROJECT_ROOT="+filepath.Join(r.dir, "repos"), "GIT_HTTP_EXPORT_ALL=1",
		"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REMOTE_ADDR=127.0.0.1", "REMOTE_USER=git",
		"REQUEST_METHOD="+req.Method, "PATH_INFO=/"+path, "QUERY_STRING="+req.URL.RawQuery,
		"CONTENT_TYPE="+req.Header.Get("Content-Type"), "HTTP_CONTENT_ENCODING="+req.Header.Get("Content-Encoding"))
	if protocol := req.Header.Get("Git-Protocol"); protocol != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+protocol)
	}
	if req.ContentLength >= 0 {
		cmd.Env = append(cmd.Env, "CONTENT_LENGTH="+strconv.FormatInt(req.ContentLength, 10))
	}
	cmd.Stdin = body
	if err := r.pipe(cmd, w); err != nil {
		if !w.begun {
			refuse(w.w, http.StatusInternalServerError, "git failed.")
			return
		}
		panic(http.ErrAbortHandler)
	}
}

// pipe runs a CGI program and passes its reply on.
func (r *Remote) pipe(cmd *exec.Cmd, w *replyWriter) error {
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = copyReply(w, stdout)
	if err != nil {
		// Nobody reads its output any more.
		_ = cmd.Cancel()
	}
	// A server cannot see more of a program that fails than that its output
	// ends.
	if waitErr := cmd.Wait(); err == nil && !w.begun {
		err = waitErr
	}
	return err
}

// copyReply passes on the reply of a CGI program.
func copyReply(w *replyWriter, r io.Reader) error {
	in := bufio.NewReaderSize(r, 32<<10)
	header, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil {
		return err
	}
	status := http.StatusOK
	if s := header.Get("Status"); s != "" {
		code, _, _ := strings.Cut(s, " ")
		if status, err = strconv.Atoi(code); err != nil {
			return err
		}
		header.Del("Status")
	}
	maps.Copy(w.w.Header(), header)
	w.begin(status)
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if err := w.write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A replyWriter writes a reply, or loses it on the way.
type replyWriter struct {
	w     http.ResponseWriter
	begun bool

	drop bool  // lose what is beyond left
	left int64 // with drop
	lost bool
}

func (w *replyWriter) begin(status int) {
	w.begun = true
	if w.drop && w.left == 0 {
		w.lost = true
		return
	}
	w.w.WriteHeader(status)
}

func (w *replyWriter) write(b []byte) error {
	if w.drop {
		n := min(int64(len(b)), w.left)
		w.lost = w.lost || n < int64(len(b))
		b, w.left = b[:n], w.left-n
	}
	if len(b) == 0 {
		return nil
	}
	if _, err := w.w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(w.w).Flush()
}

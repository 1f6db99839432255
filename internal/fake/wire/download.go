package wire

import (
	"cmp"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// fileUser returns the user of a request to /files. A parameter that is there
// and empty names nobody.
func fileUser(r *http.Request) (string, error) {
	q := r.URL.Query()
	name := q.Get("username")
	if q.Has("username") && !isUser(name) {
		return "", unauthorized("error looking up user '" + name + "': user: unknown user " + name)
	}
	return name, nil
}

// download answers with a file.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	x := exchangeOf(r.Context())
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		writeError(w, &e2b.Error{Status: http.StatusMethodNotAllowed})
		return
	}
	if err := s.sendFile(x, r); err != nil {
		x.fail(err)
	}
}

func (s *Server) sendFile(x *exchange, r *http.Request) error {
	user, err := fileUser(r)
	if err != nil {
		return err
	}
	name := cmp.Or(r.URL.Query().Get("path"), "~")
	plan, err := s.begin(r.Context(), fake.Call{Op: fake.OpReadFile, Args: []string{name}})
	if err != nil {
		return err
	}
	useGzip, acceptable := encodings(r.Header.Get("Accept-Encoding"))
	if !acceptable {
		return &e2b.Error{Status: http.StatusNotAcceptable, Message: "no acceptable encoding, gzip and identity are available"}
	}
	file, entry, err := x.sandbox.Open(name, user)
	if err != nil {
		return err
	}
	defer file.Close()
	body := &faultyFile{File: file, x: x, plan: plan}
	h := x.Header()
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": entry.Name}))
	h.Set("Content-Type", cmp.Or(mime.TypeByExtension(path.Ext(entry.Name)), "application/octet-stream"))
	h.Set("Vary", "Accept-Encoding")
	if !useGzip || r.Header.Get("Range") != "" {
		http.ServeContent(x, r, "", entry.ModTime, body)
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Last-Modified", entry.ModTime.UTC().Format(http.TimeFormat))
	zip := gzip.NewWriter(x)
	if _, err := io.Copy(zip, io.LimitReader(body, entry.Size)); err != nil {
		x.cut()
		return nil // the connection says it
	}
	_ = zip.Close()
	return nil
}

// faultyFile is a file whose download is cut where the plan says.
type faultyFile struct {
	*fake.File

	x    *exchange
	plan *fake.Plan
	end  bool
}

// Read reads up to the place of the cut, and then cuts.
func (f *faultyFile) Read(b []byte) (int, error) {
	if f.end {
		f.x.cut()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := f.File.Read(b)
	if n == 0 {
		return n, err
	}
	keep, cut := f.plan.Pass(n)
	if cut {
		f.end = true
		return keep, nil
	}
	return n, err
}

// encodings reports what an Accept-Encoding header allows: gzip, and whether
// there is anything that this server can send.
func encodings(header string) (useGzip, acceptable bool) {
	gzipQ, identityQ, anyQ := -1.0, -1.0, -1.0
	for item := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(item, ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			parsed, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil || !(parsed >= 0 && parsed <= 1) {
				parsed = 0
			}
			q = parsed
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			gzipQ = q
		case "identity":
			identityQ = q
		case "*":
			anyQ = q
		}
	}
	if gzipQ < 0 {
		gzipQ = max(anyQ, 0)
		if identityQ != 0 && anyQ != 0 {
			gzipQ = 0 // identity does as well, and costs nothing
		}
	}
	if identityQ < 0 {
		identityQ = 1
		if anyQ == 0 {
			identityQ = 0
		} else if gzipQ > 0 {
			identityQ = 0.001 // acceptable, but not asked for
		}
	}
	return gzipQ > 0 && gzipQ >= identityQ, gzipQ > 0 || identityQ > 0
}

package wire

import (
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// maxMetadata is how many bytes of metadata a file can have.
const maxMetadata = 4096

// writtenJSON is a file that was written.
type writtenJSON struct {
	Name     string            `json:"name"`
	Path     string            `json:"path"`
	Type     string            `json:"type"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// upload writes one file, or several.
func (s *Server) upload(_ http.ResponseWriter, r *http.Request) {
	x := exchangeOf(r.Context())
	written, err := s.receive(x, r)
	if err != nil {
		if !errors.Is(err, e2b.ErrNetwork) {
			drain(r)
		}
		x.fail(err)
		return
	}
	writeJSON(x, http.StatusOK, written)
}

func (s *Server) receive(x *exchange, r *http.Request) ([]*writtenJSON, error) {
	user, err := fileUser(r)
	if err != nil {
		return nil, err
	}
	u := &uploading{x: x, user: user, name: r.URL.Query().Get("path")}
	if u.metadata, err = metadataOf(r.Header); err != nil {
		return nil, err
	}
	call := fake.Call{Op: fake.OpWriteFile}
	if u.name != "" {
		call.Args = []string{u.name}
	}
	plan, err := s.begin(r.Context(), call)
	if err != nil {
		return nil, err
	}
	var body io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		zip, err := gzip.NewReader(body)
		if err != nil {
			return nil, badRequest("error decompressing the body: %s", err)
		}
		defer zip.Close()
		body = zip
	default:
		return nil, badRequest("unsupported content encoding %q", encoding)
	}
	body = plan.Body(body)
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, badRequest("invalid content type: %s", err)
	}
	switch kind {
	case "application/octet-stream":
		if u.name == "" {
			return nil, badRequest("path is required for application/octet-stream uploads")
		}
		err = u.write(u.name, body)
	case "multipart/form-data":
		err = u.parts(multipart.NewReader(body, params["boundary"]))
	default:
		err = badRequest("unsupported content type %q", kind)
	}
	return u.written, err
}

// uploading is one upload request.
type uploading struct {
	x        *exchange
	user     string
	name     string // of the query, or empty
	metadata map[string]string
	written  []*writtenJSON
}

// write writes one file. Its metadata is replaced as a whole, also by none.
func (u *uploading) write(name string, r io.Reader) error {
	sandbox := u.x.sandbox
	body := &source{r: r}
	entry, err := sandbox.WriteFile(name, u.user, body)
	if body.err != nil {
		return badRequest("error reading the body: %s", body.err)
	}
	if err != nil {
		return err
	}
	if err := sandbox.SetMetadata(name, u.user, u.metadata); err != nil {
		return err
	}
	u.written = append(u.written, &writtenJSON{Name: entry.Name, Path: entry.Path, Type: "file", Metadata: u.metadata})
	return nil
}

// source is the body of an upload. It keeps the error of one that is not what
// its headers say, to tell it from one of the disk.
type source struct {
	r   io.Reader
	err error
}

// Read reads from the body.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if _, fault := errors.AsType[*e2b.Error](err); err != nil && !errors.Is(err, io.EOF) && !fault {
		s.err = err
	}
	return n, err
}

// parts writes the files of a form.
func (u *uploading) parts(form *multipart.Reader) error {
	seen := make(map[string]struct{})
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) && len(u.written) > 0 {
			return nil
		}
		if e, ok := errors.AsType[*e2b.Error](err); ok {
			return e // a fault of the body
		}
		if err != nil {
			return badRequest("error parsing the multipart form: %s", err)
		}
		// Part.FileName would drop the directory.
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil || params["name"] != "file" {
			continue
		}
		name := u.name
		if name == "" {
			name = params["filename"]
		}
		if name == "" {
			return badRequest("the path of an uploaded file is missing")
		}
		if _, twice := seen[path.Clean(name)]; twice {
			return badRequest("you cannot upload multiple files to the same path '%s' in one upload request, only the first specified file was uploaded", name)
		}
		seen[path.Clean(name)] = struct{}{}
		if err := u.write(name, part); err != nil {
			return err
		}
	}
}

// metadataOf returns the metadata that the headers of an upload give its
// files. Header names have no case, so the keys are in lower case.
func metadataOf(h http.Header) (map[string]string, error) {
	var metadata map[string]string
	size := 0
	for name, values := range h {
		key, ok := strings.CutPrefix(strings.ToLower(name), "x-metadata-")
		if !ok || len(values) == 0 {
			continue
		}
		if key == "" {
			return nil, badRequest("metadata without a key")
		}
		for _, c := range []byte(values[0]) {
			if c < 0x20 || c > 0x7e {
				return nil, badRequest("metadata value of %q is not printable ASCII", key)
			}
		}
		if metadata == nil {
			metadata = make(map[string]string)
		}
		metadata[key] = values[0]
		size += len(key) + len(values[0])
	}
	if size > maxMetadata {
		return nil, badRequest("metadata has more than %d bytes", maxMetadata)
	}
	return metadata, nil
}

// compose makes one file of several, which are gone then.
func (s *Server) compose(_ http.ResponseWriter, r *http.Request) {
	x := exchangeOf(r.Context())
	written, err := s.concatenate(x, r)
	if err != nil {
		x.fail(err)
		return
	}
	writeJSON(x, http.StatusOK, written)
}

func (s *Server) concatenate(x *exchange, r *http.Request) (*writtenJSON, error) {
	var body struct {
		SourcePaths []string `json:"source_paths"`
		Destination string   `json:"destination"`
		Username    string   `json:"username"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(x, r.Body, maxBody)).Decode(&body); err != nil {
		return nil, badRequest("error parsing the body: %s", err)
	}
	if len(body.SourcePaths) == 0 || body.Destination == "" {
		return nil, badRequest("source_paths and destination are required")
	}
	if body.Username != "" && !isUser(body.Username) {
		return nil, unauthorized("error looking up user '" + body.Username + "'")
	}
	plan, err := s.begin(r.Context(), fake.Call{Op: fake.OpWriteFile, Args: []string{body.Destination}})
	if err != nil {
		return nil, err
	}
	sources := &fileSequence{x: x, user: body.Username, names: body.SourcePaths}
	defer sources.close()
	if err := sources.check(); err != nil {
		return nil, err
	}
	// The destination may be one of the sources.
	made := body.Destination + ".compose-" + rand.Text()
	if _, err := x.sandbox.WriteFile(made, body.Username, plan.Body(sources)); err != nil {
		_ = x.sandbox.Remove(made, body.Username)
		return nil, err
	}
	for _, name := range body.SourcePaths {
		if err := x.sandbox.Remove(name, body.Username); err != nil {
			return nil, err
		}
	}
	entry, err := x.sandbox.Move(made, body.Destination, body.Username)
	if err != nil {
		return nil, err
	}
	return &writtenJSON{Name: entry.Name, Path: entry.Path, Type: "file", Metadata: entry.Metadata}, nil
}

// fileSequence reads one file after the other, one open at a time.
type fileSequence struct {
	x     *exchange
	user  string
	names []string
	open  *fake.File
}

// check returns an error unless all files are there.
func (s *fileSequence) check() error {
	for _, name := range s.names {
		f, _, err := s.x.sandbox.Open(name, s.user)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	return nil
}

// Read reads from the current file.
func (s *fileSequence) Read(b []byte) (int, error) {
	for {
		if s.open == nil {
			if len(s.names) == 0 {
				return 0, io.EOF
			}
			f, _, err := s.x.sandbox.Open(s.names[0], s.user)
			if err != nil {
				return 0, err
			}
			s.open, s.names = f, s.names[1:]
		}
		n, err := s.open.Read(b)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		s.close()
	}
}

func (s *fileSequence) close() {
	if s.open != nil {
		_ = s.open.Close()
		s.open = nil
	}
}

package wire

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

const octets = "application/octet-stream"

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// form returns a form with the files, by their names, and its content type.
func form(t *testing.T, files ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("note", "not a file"))
	for i := 0; i < len(files); i += 2 {
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="file"; filename="` + files[i] + `"`},
		})
		require.NoError(t, err)
		_, err = io.WriteString(part, files[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func TestUploadAndDownload(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	r := b.envd(http.MethodPost, "/files?path=dir/a+b.txt&username=user", "hello", "Content-Type", octets)
	assert.Equal(t, 200, r.status)
	assert.JSONEq(t, `[{"name":"a b.txt","path":"/home/user/dir/a b.txt","type":"file"}]`, r.body)

	r = b.envd(http.MethodGet, "/files?path=/home/user/dir/a+b.txt", "")
	assert.Equal(t, "hello", r.body)
	assert.Equal(t, `inline; filename="a b.txt"`, r.header.Get("Content-Disposition"))
	assert.Equal(t, "text/plain; charset=utf-8", r.header.Get("Content-Type"))
	assert.Equal(t, "5", r.header.Get("Content-Length"))

	r = b.envd(http.MethodGet, "/files?path=dir/a+b.txt", "", "Range", "bytes=1-2", "Accept-Encoding", "gzip")
	assert.Equal(t, 206, r.status)
	assert.Equal(t, "el", r.body)
	assert.Equal(t, "bytes 1-2/5", r.header.Get("Content-Range"))
	r = b.envd(http.MethodGet, "/files?path=dir/a+b.txt", "", "If-Modified-Since", r.header.Get("Last-Modified"))
	assert.Equal(t, 304, r.status)

	r = b.envd(http.MethodGet, "/files?path=dir/a+b.txt", "", "Accept-Encoding", "gzip, deflate")
	assert.Equal(t, "gzip", r.header.Get("Content-Encoding"))
	zip, err := gzip.NewReader(strings.NewReader(r.body))
	require.NoError(t, err)
	data, err := io.ReadAll(zip)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(data))

	r = b.envd(http.MethodPost, "/files?path=z", zipped(t, "unzipped"), "Content-Type", octets, "Content-Encoding", "gzip")
	assert.Equal(t, 200, r.status, r.body)
	assert.Equal(t, "unzipped", b.envd(http.MethodGet, "/files?path=z", "").body)
}

func TestFileErrors(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	require.Equal(t, 200, b.envd(http.MethodPost, "/files?path=f", "x", "Content-Type", octets).status)
	bad, kind := form(t, "f1", "1", "f2", "2")
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		message            string
	}{
		"missing":              {"GET", "/files?path=none", "", nil, 404, "path '/home/user/none' does not exist"},
		"a directory":          {"GET", "/files?path=/home/user", "", nil, 400, "path '/home/user' is a directory"},
		"home is a directory":  {"GET", "/files", "", nil, 400, "path '/home/user' is a directory"},
		"unknown user":         {"GET", "/files?path=f&username=nobody", "", nil, 401, "unknown user nobody"},
		"empty user":           {"GET", "/files?path=f&username=", "", nil, 401, "unknown user"},
		"no encoding":          {"GET", "/files?path=f", "", []string{"Accept-Encoding", "br, *;q=0"}, 406, "no acceptable encoding"},
		"HEAD":                 {"HEAD", "/files?path=f", "", nil, 405, ""},
		"upload to a dir":      {"POST", "/files?path=/home/user", "x", []string{"Content-Type", octets}, 400, "path is a directory"},
		"upload without path":  {"POST", "/files", "x", []string{"Content-Type", octets}, 400, "path is required"},
		"other type":           {"POST", "/files?path=f", "x", []string{"Content-Type", "text/plain"}, 400, `unsupported content type "text/plain"`},
		"no type":              {"POST", "/files?path=f", "x", nil, 400, "invalid content type"},
		"twice the same path":  {"POST", "/files?path=g", bad, []string{"Content-Type", kind}, 400, "multiple files to the same path 'g'"},
		"not a form":           {"POST", "/files?path=g", "x", []string{"Content-Type", kind}, 400, "multipart form"},
		"not zipped":           {"POST", "/files?path=g", "x", []string{"Content-Type", octets, "Content-Encoding", "gzip"}, 400, "decompressing"},
		"cut zip":              {"POST", "/files?path=g", zipped(t, strings.Repeat("abc", 99))[:20], []string{"Content-Type", octets, "Content-Encoding", "gzip"}, 400, "reading the body"},
		"other encoding":       {"POST", "/files?path=g", "x", []string{"Content-Type", octets, "Content-Encoding", "br"}, 400, "unsupported content encoding"},
		"much metadata":        {"POST", "/files?path=g", "x", []string{"Content-Type", octets, "X-Metadata-K", strings.Repeat("m", 4096)}, 400, "more than 4096 bytes"},
		"metadata, not ASCII":  {"POST", "/files?path=g", "x", []string{"Content-Type", octets, "X-Metadata-K", "é"}, 400, "not printable ASCII"},
		"upload by a stranger": {"POST", "/files?path=g&username=nobody", "x", []string{"Content-Type", octets}, 401, "unknown user"},
		"compose of nothing":   {"POST", "/files/compose", `{"destination":"x"}`, nil, 400, "are required"},
		"compose of a missing": {"POST", "/files/compose", `{"source_paths":["none"],"destination":"x"}`, nil, 404, "does not exist"},
		"compose, no JSON":     {"POST", "/files/compose", `x`, nil, 400, "parsing the body"},
	} {
		r := b.envd(c.method, c.path, c.body, c.header...)
		assert.Equal(t, c.status, r.status, name)
		if c.message == "" {
			continue
		}
		e := into[apiError](t, r)
		assert.Equal(t, c.status, e.Code, name)
		assert.Contains(t, e.Message, c.message, name)
	}
}

func TestUploadOfForms(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	body, kind := form(t, "/home/user/x/one", "1", "two", "22")
	r := b.envd(http.MethodPost, "/files", body, "Content-Type", kind, "X-Metadata-Who", "ci")
	assert.Equal(t, 200, r.status)
	assert.JSONEq(t, `[{"name":"one","path":"/home/user/x/one","type":"file","metadata":{"who":"ci"}},
		{"name":"two","path":"/home/user/two","type":"file","metadata":{"who":"ci"}}]`, r.body)
	assert.Equal(t, "22", b.envd(http.MethodGet, "/files?path=two", "").body)

	body, kind = form(t, "ignored", "named by the query")
	r = b.envd(http.MethodPost, "/files?path=two", body, "Content-Type", kind)
	assert.JSONEq(t, `[{"name":"two","path":"/home/user/two","type":"file"}]`, r.body, "the metadata is replaced as a whole")
	assert.Equal(t, "named by the query", b.envd(http.MethodGet, "/files?path=two", "").body)
}

func TestCompose(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for _, name := range []string{"p1", "p2"} {
		require.Equal(t, 200, b.envd(http.MethodPost, "/files?path="+name, name+".", "Content-Type", octets).status)
	}
	r := b.envd(http.MethodPost, "/files/compose", `{"source_paths":["p1","p2"],"destination":"p1"}`)
	assert.Equal(t, 200, r.status, r.body)
	assert.JSONEq(t, `{"name":"p1","path":"/home/user/p1","type":"file"}`, r.body)
	assert.Equal(t, "p1.p2.", b.envd(http.MethodGet, "/files?path=p1", "").body)
	entries := into[map[string][]map[string]any](t, b.rpc("/filesystem.Filesystem/ListDir", `{"path":"."}`))["entries"]
	for _, e := range entries {
		assert.NotEqual(t, "p2", e["name"])
		assert.NotContains(t, e["name"], "compose")
	}
}

func TestFilesystemService(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	call := func(method, body string) *reply { return b.rpc("/filesystem.Filesystem/"+method, body) }
	require.Equal(t, 200, b.envd(http.MethodPost, "/files?path=d/f", "12345", "Content-Type", octets, "X-Metadata-A", "b").status)

	entry := into[map[string]map[string]any](t, call("Stat", `{"path":"d/f"}`))["entry"]
	assert.Regexp(t, `^20..-..-..T..:..:.*Z$`, entry["modifiedTime"])
	delete(entry, "modifiedTime")
	assert.Equal(t, map[string]any{
		"name": "f", "type": "FILE_TYPE_FILE", "path": "/home/user/d/f", "size": "5", "mode": 420.0,
		"permissions": "-rw-r--r--", "owner": "user", "group": "user", "metadata": map[string]any{"a": "b"},
	}, entry)

	assert.Equal(t, 200, call("MakeDir", `{"path":"d/e/g"}`).status)
	r := call("MakeDir", `{"path":"d/e/g"}`)
	assert.Equal(t, 409, r.status)
	assert.Contains(t, r.body, "already_exists")
	assert.Equal(t, 400, call("MakeDir", `{"path":"d/f"}`).status)

	names := func(body string) (names []string) {
		for _, e := range into[map[string][]map[string]any](t, call("ListDir", body))["entries"] {
			names = append(names, e["path"].(string))
		}
		return names
	}
	assert.ElementsMatch(t, []string{"/home/user/d/e", "/home/user/d/f"}, names(`{"path":"d"}`))
	assert.ElementsMatch(t, []string{"/home/user/d/e", "/home/user/d/e/g", "/home/user/d/f"}, names(`{"path":"~/d","depth":4294967295}`))

	b.stream(startPath, sh("ln -s f d/link"))
	entry = into[map[string]map[string]any](t, call("Stat", `{"path":"d/link"}`))["entry"]
	assert.Equal(t, "/home/user/d/f", entry["symlinkTarget"])
	assert.Equal(t, "FILE_TYPE_FILE", entry["type"])

	r = call("Move", `{"source":"d/f","destination":"new/f"}`)
	assert.Equal(t, 200, r.status)
	assert.Contains(t, r.body, "/home/user/new/f")
	assert.Equal(t, 200, call("Remove", `{"path":"d"}`).status)
	assert.JSONEq(t, `{}`, call("Remove", `{"path":"d"}`).body)
	for method, body := range map[string]string{
		"Stat": `{"path":"gone"}`, "ListDir": `{"path":"gone"}`, "Move": `{"source":"gone","destination":"x"}`,
	} {
		r := call(method, body)
		assert.Equal(t, 404, r.status, method)
		assert.JSONEq(t, `{"code":"not_found","message":"file not found: gone"}`, r.body, method)
	}
	assert.Equal(t, 400, call("ListDir", `{"path":"new/f"}`).status)
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][2]bool{ // gzip, acceptable
		"":                         {false, true},
		"gzip":                     {true, true},
		"GZIP;q=0.5":               {true, true},
		"gzip;q=0":                 {false, true},
		"identity":                 {false, true},
		"identity, gzip;q=0.5":     {false, true},
		"gzip, identity;q=0.5":     {true, true},
		"deflate, br":              {false, true},
		"*":                        {false, true},
		"*;q=0":                    {false, false},
		"*;q=0, gzip":              {true, true},
		"identity;q=0":             {false, false},
		"identity;q=0, *":          {true, true},
		"identity;q=0, gzip;q=bad": {false, false},
		"gzip;q=NaN":               {false, true},
	} {
		zip, ok := encodings(header)
		assert.Equal(t, want, [2]bool{zip, ok}, header)
	}
}

func FuzzEncodings(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0")
	f.Fuzz(func(t *testing.T, header string) {
		if zip, ok := encodings(header); zip {
			assert.True(t, ok)
			assert.Regexp(t, `(?i)gzip|\*`, header)
		}
	})
}

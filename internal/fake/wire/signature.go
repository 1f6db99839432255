package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// signature returns the signature of a file URL: the path and user as they are
// in the query, the operation "read" or "write", and the expiry as in the
// query, or empty.
func signature(path, operation, username, token, expiry string) string {
	text := path + ":" + operation + ":" + username + ":" + token
	if expiry != "" {
		text += ":" + expiry
	}
	sum := sha256.Sum256([]byte(text))
	return "v1_" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func operationOf(method string) string {
	if method == http.MethodPost {
		return "write"
	}
	return "read"
}

// signs reports whether the signature of a file URL was made with token.
func signs(r *http.Request, q url.Values, token string) bool {
	want := signature(q.Get("path"), operationOf(r.Method), q.Get("username"), token, q.Get("signature_expiration"))
	return subtle.ConstantTimeCompare([]byte(want), []byte(q.Get("signature"))) == 1
}

// signedFor returns the sandbox whose token signed a file URL, or
// unknownSandbox.
func (s *Server) signedFor(r *http.Request) string {
	q := r.URL.Query()
	for _, info := range s.engine.List() {
		if signs(r, q, string(info.AccessToken)) {
			return info.SandboxID
		}
	}
	return unknownSandbox
}

// mayUseFile checks the access token or else the signature of a request to
// /files.
func (s *Server) mayUseFile(sandbox *fake.Sandbox, r *http.Request) error {
	if token := r.Header.Get("X-Access-Token"); token != "" || s.open.has(sandbox.ID()) {
		return s.checkToken(sandbox, token)
	}
	q := r.URL.Query()
	if !q.Has("signature") {
		return unauthorized("missing signature query parameter")
	}
	if !signs(r, q, sandbox.AccessToken()) {
		return unauthorized("invalid signature")
	}
	if !q.Has("signature_expiration") {
		return nil
	}
	expiry, err := strconv.ParseInt(q.Get("signature_expiration"), 10, 64)
	if err != nil {
		return &e2b.Error{Kind: e2b.ErrAuth, Status: http.StatusUnauthorized, Message: "invalid signature expiration", Err: err}
	}
	if s.engine.Clock().Now().Unix() > expiry {
		return unauthorized("signature is already expired")
	}
	return nil
}

package mcpserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxName is what package tools takes as a caller.
	maxName = 128

	// minToken keeps out what can be guessed: 20 characters are 100 bits in
	// base 32.
	minToken = 20
)

// A Token lets a caller in. Of the secret itself only the digest is kept.
type Token struct {
	// Name is the caller: whose sandboxes they are, and what the log says.
	// Several tokens can be one caller.
	Name string

	// Role is the caller's role. "" is Options.Role.
	Role string

	// SHA256 is the digest of the secret.
	SHA256 [sha256.Size]byte
}

// ParseTokens reads tokens from YAML. Each has a name, and either the token itself,
// of 20 characters or more, or its SHA-256 digest in hexadecimal. A role is
// optional.
//
//	tokens:
//	  - name: alice
//	    token: "…"
//	  - name: ci
//	    role: reviewer
//	    sha256: "…"
//
// Errors never contain a token.
func ParseTokens(r io.Reader) ([]Token, error) {
	var file struct {
		Tokens []struct {
			Name   string `yaml:"name"`
			Role   string `yaml:"role"`
			Token  string `yaml:"token"`
			SHA256 string `yaml:"sha256"`
		} `yaml:"tokens"`
	}
	if err := decodeYAML(r, &file); err != nil {
		// The text of a YAML error can quote the file.
		return nil, errors.New("not YAML with a list \"tokens\" whose entries have name, role, and token or sha256")
	}
	if len(file.Tokens) == 0 {
		return nil, errors.New("there are no tokens")
	}
	tokens := make([]Token, 0, len(file.Tokens))
	for i, t := range file.Tokens {
		parsed := Token{Name: t.Name, Role: t.Role}
		switch {
		case (t.Token == "") == (t.SHA256 == ""):
			return nil, fmt.Errorf("token %d: either token or sha256 is to be given", i+1)
		case t.Token != "":
			if len(t.Token) < minToken {
				return nil, fmt.Errorf("token %d: shorter than %d characters", i+1, minToken)
			}
			parsed.SHA256 = sha256.Sum256([]byte(t.Token))
		default:
			digest, err := hex.DecodeString(t.SHA256)
			if err != nil || len(digest) != sha256.Size {
				return nil, fmt.Errorf("token %d: sha256 is not 64 hexadecimal digits", i+1)
			}
			parsed.SHA256 = [sha256.Size]byte(digest)
		}
		tokens = append(tokens, parsed)
	}
	return tokens, nil
}

func checkTokens(tokens []Token, roles map[string]*mcp.Server) error {
	seen := make(map[[sha256.Size]byte]bool, len(tokens))
	roleOf := make(map[string]string, len(tokens))
	for i, t := range tokens {
		switch {
		case t.Name == "" || len(t.Name) > maxName:
			return fmt.Errorf("token %d: the name is empty or longer than %d bytes", i+1, maxName)
		case roles[t.Role] == nil:
			return fmt.Errorf("token %d: there is no role %q", i+1, t.Role)
		case t.SHA256 == [sha256.Size]byte{} || seen[t.SHA256]:
			return fmt.Errorf("token %d: it is empty, or there twice", i+1)
		}
		// A session belongs to a caller, and its tools are those of one role.
		if role, ok := roleOf[t.Name]; ok && role != t.Role {
			return fmt.Errorf("token %d: %q has two roles", i+1, t.Name)
		}
		seen[t.SHA256], roleOf[t.Name] = true, t.Role
	}
	return nil
}

// verify implements [auth.TokenVerifier]. It takes the same time whichever token
// it is.
func (s *Server) verify(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
	digest := sha256.Sum256([]byte(token))
	found := -1
	for i := range s.tokens {
		if subtle.ConstantTimeCompare(digest[:], s.tokens[i].SHA256[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return nil, auth.ErrInvalidToken
	}
	t := &s.tokens[found]
	role := t.Role
	if role == "" {
		role = s.role
	}
	return &auth.TokenInfo{UserID: t.Name, Extra: map[string]any{roleKey: role}}, nil
}

// roleKey is where the role is in the extra fields of a token.
const roleKey = "role"

// serverFor returns the server with the tools of whoever sent a request.
func (s *Server) serverFor(r *http.Request) *mcp.Server {
	role := s.role
	if info := auth.TokenInfoFromContext(r.Context()); info != nil {
		role, _ = info.Extra[roleKey].(string)
	}
	return s.byRole[role]
}

// authenticate lets through whoever has a token, where there are any.
func (s *Server) authenticate(next http.Handler) http.Handler {
	if len(s.tokens) == 0 {
		return next
	}
	const challenge = "WWW-Authenticate"
	let := auth.RequireBearerToken(s.verify, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del(challenge)
			next.ServeHTTP(w, r)
		}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(challenge, `Bearer realm="gitsandbox"`)
		let.ServeHTTP(w, r)
	})
}

package mcpserver

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// stateKeySize is the size of the key of AES-256.
const stateKeySize = 32

var (
	errState = errors.New("no state of this server")
	errStale = errors.New("the question has changed, or its time is over")
)

// askState is what a client keeps for the server while a person is asked: to what
// the answer will be one. It is of no use for any other call.
type askState struct {
	Caller    string `json:"c"`
	Tool      string `json:"t"`
	Arguments string `json:"a"` // a digest
	Question  string `json:"q"` // a digest
	Expires   int64  `json:"e"` // in seconds since 1970
}

// sealedAs keeps states apart from whatever else the key may be used for.
const sealedAs = "gitsandbox-mcp confirm 1"

func newSeal(key []byte) (cipher.AEAD, error) {
	if key == nil {
		key = make([]byte, stateKeySize)
		_, _ = rand.Read(key) // never fails
	}
	if len(key) != stateKeySize {
		return nil, fmt.Errorf("Options.StateKey: %d bytes instead of %d", len(key), stateKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("Options.StateKey: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Server) sealState(state *askState) (string, error) {
	plain, err := json.Marshal(state)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.seal.Seal(nil, nil, plain, []byte(sealedAs))), nil
}

func (s *Server) open(sealed string) (*askState, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errState
	}
	plain, err := s.seal.Open(nil, nil, b, []byte(sealedAs))
	if err != nil {
		return nil, errState
	}
	var state askState
	if err := json.Unmarshal(plain, &state); err != nil {
		return nil, errState
	}
	return &state, nil
}

// digest is the same for arguments that differ only in how they are written.
func digest(arguments json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(arguments))
	d.UseNumber()
	var v any
	if d.Decode(&v) == nil {
		if canonical, err := json.Marshal(v); err == nil {
			arguments = canonical
		}
	}
	return digestText(string(arguments))
}

func digestText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

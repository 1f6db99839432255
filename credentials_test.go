package gitsandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStaticTokenAnswersItsHostOnly(t *testing.T) {
	t.Parallel()
	s := StaticToken("GitHub.com", "tok-secret")
	for url, want := range map[string]Credential{
		"https://github.com/o/r":          {"x-access-token", "tok-secret"},
		"https://github.com.evil.io/o/r":  {},
		"https://evil.io/github.com/r":    {},
		"https://api.github.com/o/r":      {},
		"https://github.com:8443/o/r":     {},
		"https://evil.io/?u=@github.com/": {},
	} {
		got, err := s.Credential(t.Context(), url)
		require.NoError(t, err)
		assert.True(t, want == got, url)
	}
}

func TestFirstCredential(t *testing.T) {
	t.Parallel()
	s := FirstCredential(StaticToken("a", "one"), StaticCredential("b", "user", "two"))
	got, err := s.Credential(t.Context(), "https://b/r")
	require.NoError(t, err)
	assert.True(t, Credential{"user", "two"} == got)
	got, err = s.Credential(t.Context(), "https://c/r")
	require.NoError(t, err)
	assert.True(t, Credential{} == got)
}

func TestCredentialNeverPrints(t *testing.T) {
	t.Parallel()
	c := Credential{"user", "tok-secret"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "p", &c, "in", struct{ C Credential }{c})
	js, err := json.Marshal(map[string]any{"c": c, "p": &c})
	require.NoError(t, err)
	out := fmt.Sprintf("%v %+v %#v %s %q %x %d %v", c, c, c, c, c, c, c, []Credential{c}) +
		fmt.Sprint(&c, errors.New(c.String())) + string(js) + log.String()
	assert.NotContains(t, out, "secret")
	assert.NotContains(t, out, "user")
	assert.NotContains(t, out, fmt.Sprintf("%x", "tok-secret"))
}

package e2b

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

func FuzzParseErrorBody(f *testing.F) {
	for _, seed := range []string{
		`{"code":404,"message":"template 'x' not found","error_code":"slug"}`,
		`{"code":"not_found","message":"process with pid 1 not found"}`,
		`{"sandboxId":"i","message":"The sandbox was not found","code":502}`,
		`<html>`, ``, `null`, `[]`, `{"code":{},"message":"\u202e"}`, "text\x00\xff", `{"code":"` + testKey + `"}`,
		strings.Repeat("\xb8\n", 1000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := parseErrorBody(body)
		for _, text := range []string{clean(b.message, testKey), clean(b.slug, testKey)} {
			assert.LessOrEqual(t, len(text), maxMessage)
			assert.True(t, utf8.ValidString(text))
			assert.NotContains(t, text, testKey)
			assert.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool {
				return r != ' ' && !unicode.IsGraphic(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
			}), "%q", text)
		}
	})
}

func FuzzSandboxReply(f *testing.F) {
	f.Add([]byte(`[{"sandboxID":"iabc","templateID":"t","state":"paused","metadata":{"a":"b"},"endAt":"2026-01-02T03:04:05Z"}]`))
	f.Add([]byte(`[{"sandboxID":"iabc","domain":"e2b.app","envdAccessToken":"x","envdVersion":"0.6.13"},null]`))
	f.Add([]byte(`[{"sandboxID":"a-b-c"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var reply []sandboxJSON
		if json.Unmarshal(body, &reply) != nil {
			return
		}
		c, err := NewClient(testKey, nil)
		require.NoError(t, err)
		for i := range reply {
			info, err := reply[i].info()
			if err != nil {
				assert.NotContains(t, err.Error(), "\n")
				continue
			}
			// What passed has to stand in URLs and headers as it is.
			u, err := url.Parse(c.envdURL(info))
			require.NoError(t, err)
			assert.Nil(t, u.User)
			assert.Empty(t, u.Path)
			if info.Domain != "" {
				assert.True(t, strings.HasSuffix(u.Host, "."+info.Domain), u.Host)
			}
			assert.False(t, strings.ContainsAny(string(info.AccessToken)+info.EnvdVersion, "\r\n\x00 "))
		}
	})
}

func FuzzMetadataFilter(f *testing.F) {
	f.Add("a b", "c&d=e%20+é")
	f.Add("", "\x00\xff")
	f.Fuzz(func(t *testing.T, key, value string) {
		// As the server decodes: the query, the whole, then each half.
		query := url.Values{"metadata": {encodeMetadata(map[string]string{key: value})}}.Encode()
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		whole, err := url.PathUnescape(values.Get("metadata"))
		require.NoError(t, err)
		k, v, ok := strings.Cut(whole, "=")
		require.True(t, ok)
		for _, unescape := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
			gotKey, err := unescape(k)
			require.NoError(t, err)
			gotValue, err := unescape(v)
			require.NoError(t, err)
			assert.Equal(t, key, gotKey)
			assert.Equal(t, value, gotValue)
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	f.Add("/usr/bin/timeout", "-k", "5", "60", "git")
	f.Add("/usr/bin/timeout", "-k", "5", "-1", "git")
	f.Add("/bin/bash", "-l", "-c", "git", "")
	f.Fuzz(func(t *testing.T, cmd, a, b, c, d string) {
		args, limit := unwrap(&processpb.ProcessConfig{Cmd: cmd, Args: []string{a, b, c, d}})
		assert.NotEmpty(t, args)
		assert.Equal(t, d, args[len(args)-1])
		assert.GreaterOrEqual(t, limit, limit*0)
		assert.GreaterOrEqual(t, int64(limit), int64(0))
	})
}

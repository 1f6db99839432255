package redact

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretValue = "pa$$ word/with+odd&chars"

func TestValues(t *testing.T) {
	t.Parallel()
	r := New(secretValue)
	for name, tc := range map[string]struct{ in, want string }{
		"raw":         {"x" + secretValue + "y", "x[redacted]y"},
		"twice":       {secretValue + secretValue, "[redacted][redacted]"},
		"query":       {"?q=" + url.QueryEscape(secretValue) + "&z", "?q=[redacted]&z"},
		"path":        {"/" + url.PathEscape(secretValue) + "/z", "/[redacted]/z"},
		"lower case":  {"?q=pa%24%24+word%2fwith%2bodd%26chars", "?q=[redacted]"},
		"json":        {`{"a":"pa$$ word/with+odd\u0026chars"}`, `{"a":"[redacted]"}`},
		"nothing":     {"pa$$ word", "pa$$ word"},
		"empty":       {"", ""},
		"base64":      {"<" + base64.StdEncoding.EncodeToString([]byte(secretValue)) + ">", "<[redacted]>"},
		"base64 at 1": {"<" + base64.StdEncoding.EncodeToString([]byte("a"+secretValue+"b")) + ">", "<[redacted]>"},
		"base64 at 2": {"<" + base64.RawURLEncoding.EncodeToString([]byte("ab"+secretValue)) + ">", "<[redacted]>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.want, r.String(tc.in))
			assert.Equal(t, tc.want, string(r.Bytes([]byte(tc.in))))
		})
	}
}

func TestQuotedValues(t *testing.T) {
	t.Parallel()
	r := New("with \"quotes\"\nand lines")
	assert.Equal(t, `say "[redacted]"`, r.String(fmt.Sprintf("say %q", "with \"quotes\"\nand lines")))
}

func TestShortSecrets(t *testing.T) {
	t.Parallel()
	r := New("abc", "hunter2", "")
	assert.Equal(t, "abc abcdef", r.String("abc abcdef"))
	assert.Equal(t, "pw=[redacted], hunter22 xhunter2", r.String("pw=hunter2, hunter22 xhunter2"))
	r.AddBasic("bob", "abc")
	assert.Equal(t, "<[redacted]>", r.String("<"+base64.StdEncoding.EncodeToString([]byte("bob:abc"))+">"))
}

func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	r := new(Redactor)
	assert.Equal(t, "secret-1", r.String("secret-1"))
	r.Add("secret-1")
	r.Add("secret-1", "secret-2")
	r.Remove("secret-1")
	assert.Equal(t, "[redacted] [redacted]", r.String("secret-1 secret-2"))
	r.Remove("secret-1", "secret-2", "secret-3")
	assert.Equal(t, "secret-1 secret-2", r.String("secret-1 secret-2"))
	assert.Nil(t, r.set.Load())
	r.AddBasic("user", "secret-4")
	r.AddBasic("user", "")
	assert.Equal(t, "[redacted]", r.String("secret-4"))
	r.RemoveBasic("user", "secret-4")
	assert.Equal(t, "secret-4", r.String("secret-4"))
	assert.Empty(t, r.secrets)
}

func TestNilRedactorKnowsShapes(t *testing.T) {
	t.Parallel()
	var r *Redactor
	assert.Equal(t, "[redacted] x", r.String("ghp_0123456789abcdefghij x"))
}

func TestBytesWithoutSecretsAreTheSame(t *testing.T) {
	t.Parallel()
	b := []byte("plain text")
	assert.Same(t, &b[0], &New("secret-1").Bytes(b)[0])
}

func TestShapes(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	for in, want := range map[string]string{
		"ghp_0123456789abcdefghijklmnopqrstuvwxyz12":             "[redacted]",
		"a gho_16C7e42F292c6912E7710c838347Ae178B4a, b":          "a [redacted], b",
		"ghs_12345_" + jwt + " z":                                "[redacted] z",
		"github_pat_11ABCDEFG0123456789_abcdef":                  "[redacted]",
		"glpat-ABCDEFGHIJ0123456789":                             "[redacted]",
		"e2b_0123456789abcdef0123456789abcdef01234567":           "[redacted]",
		"the ghp_ prefix and ghp_short":                          "the ghp_ prefix and ghp_short",
		"jwt=" + jwt + ";":                                       "jwt=[redacted];",
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.":               "[redacted]",
		"eyJust a word. eyJ.x":                                   "eyJust a word. eyJ.x",
		"https://user:pass@host/x":                               "https://[redacted]@host/x",
		"https://token@host":                                     "https://[redacted]@host",
		"https://u:p@ss@host/a@b":                                "https://[redacted]@host/a@b",
		"https://host/a@b and http://x?u=a@b":                    "https://host/a@b and http://x?u=a@b",
		"https://a:b@c/, ssh://d:e@f":                            "https://[redacted]@c/, ssh://[redacted]@f",
		"Authorization: Basic dXNlcjpwYXNz\nHost: x":             "Authorization: [redacted]\nHost: x",
		"proxy-authorization: Digest username=bob, response=abc": "proxy-authorization: [redacted]",
		"AUTHORIZATION=Bearer x":                                 "AUTHORIZATION=[redacted]",
		`{"Authorization":"Bearer x","b":1}`:                     `{"Authorization":"[redacted]","b":1}`,
		"map[Authorization:[Basic eHg6eXk=] Host:[x]]":           "map[Authorization:[redacted]",
		"authorization failed for x":                             "authorization failed for x",
		"authorization: ":                                        "authorization: ",
		"got Basic dXNlcjpwYXNz.":                                "got Basic [redacted]",
		"curl -H 'x: bearer abcdefgh12'":                         "curl -H 'x: bearer [redacted]'",
		"token 0123456789abcdef":                                 "token [redacted]",
		"Basic infrastructure, token authentication failed":      "Basic infrastructure, token authentication failed",
		"the token expired":                                      "the token expired",
	} {
		assert.Equal(t, want, New().String(in), in)
		assert.Equal(t, want, New().String(New().String(in)), "again: %s", in)
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	r := New("secret-1")
	plain := errors.New("nothing here")
	assert.Same(t, plain, r.Error(plain))
	require.NoError(t, r.Error(nil))
	cause := &url.Error{Op: "Get", URL: "https://x/secret-1", Err: io.ErrUnexpectedEOF}
	err := r.Error(fmt.Errorf("fetch: %w", cause))
	assert.Equal(t, `fetch: Get "https://x/[redacted]": unexpected EOF`, err.Error())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	var as *url.Error
	require.ErrorAs(t, err, &as)
}

// collect passes text through a Writer in pieces of n bytes.
func collect(t *testing.T, r *Redactor, text string, n int) string {
	t.Helper()
	var out bytes.Buffer
	w := r.Writer(&out)
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		got, err := io.WriteString(w, piece)
		require.NoError(t, err)
		require.Equal(t, len(piece), got)
		text = text[len(piece):]
	}
	require.NoError(t, w.Close())
	return out.String()
}

func TestWriter(t *testing.T) {
	t.Parallel()
	r := New("secret-1", "two\nlines")
	text := "begin secret-1\r\nAuthorization: Basic dXNlcjpwYXNz\n" + strings.Repeat("x", 1000) + "https://user:pass@host\ntwo\nlines two\nends secret-1"
	want := "begin [redacted]\r\nAuthorization: [redacted]\n" + strings.Repeat("x", 1000) + "https://[redacted]@host\n[redacted] two\nends [redacted]"
	for _, n := range []int{1, 2, 3, 7, 64, 5000} {
		assert.Equal(t, want, collect(t, r, text, n), n)
	}
}

func TestWriterPassesLinesOnAtOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := New("secret-1").Writer(&out)
	_, err := io.WriteString(w, "one\ntwo secr")
	require.NoError(t, err)
	assert.Equal(t, "one\n", out.String())
	_, err = io.WriteString(w, "et-1\r50%")
	require.NoError(t, err)
	assert.Equal(t, "one\ntwo [redacted]\r", out.String())
	require.NoError(t, w.Close())
	assert.Equal(t, "one\ntwo [redacted]\r50%", out.String())
}

func TestWriterHoldsABoundedLine(t *testing.T) {
	t.Parallel()
	r := New("secret-1")
	var out bytes.Buffer
	w := r.Writer(&out)
	long := strings.Repeat("0123456789 ", 20_000) + "secret-1"
	for piece := range strings.SplitSeq(long, "5") {
		_, err := io.WriteString(w, piece+"5")
		require.NoError(t, err)
		assert.LessOrEqual(t, len(w.(*writer).held), maxHeld+100)
	}
	require.NoError(t, w.Close())
	assert.Equal(t, strings.Repeat("0123456789 ", 20_000)+"[redacted]5", out.String())
	assert.Equal(t, long[:len(long)-8]+"[redacted]", collect(t, r, long, 1<<20))
}

func TestWriterOfAnEndlessToken(t *testing.T) {
	t.Parallel()
	text := "a ghp_" + strings.Repeat("A1", 200_000) + " b"
	assert.Equal(t, "a [redacted] b", collect(t, New(), text, 1000))
}

func TestWriterReturnsTheErrorOfTheOther(t *testing.T) {
	t.Parallel()
	pr, pw := io.Pipe()
	broken := errors.New("broken")
	require.NoError(t, pr.CloseWithError(broken))
	w := New().Writer(pw)
	_, err := io.WriteString(w, "line\n")
	require.ErrorIs(t, err, broken)
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	r := New("secret-0")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("secret-%d", i+1)
			for range 200 {
				r.Add(name)
				assert.Equal(t, "[redacted] [redacted]", r.String("secret-0 "+name))
				r.Remove(name)
			}
		})
	}
	wg.Wait()
	assert.Len(t, r.secrets, 1)
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü 漢 😀":            "plain ü 漢 😀",
		"\x1b[2J\x00\x7f":        `\x1b[2J\x00\x7f`,
		"a\tb\nc\rd":             `a\tb\nc\rd`,
		"\u009b1m\u202eevil":     `\u009b1m\u202eevil`,
		"\u2066x\u200b\ufeff":    `\u2066x\u200b\ufeff`,
		"\U000e0041":             `\U000e0041`,
		"\xff\xc3":               `\xff\xc3`,
		"\ufffd":                 "\ufffd",
		"line\u2028para\u2029":   `line\u2028para\u2029`,
		strings.Repeat("x", 101): strings.Repeat("x", 100) + "...",
		strings.Repeat("ü", 51):  strings.Repeat("ü", 50) + "...",
	} {
		assert.Equal(t, want, Printable(in, 100))
	}
	assert.Equal(t, `aaa...`, Printable("aaa\x1b", 5))
	assert.Equal(t, "a\nb\nc\\rd\\x1b", PrintableLines("a\r\nb\nc\rd\x1b", 100))
	assert.Equal(t, "...", Printable("x", 0))
	assert.Empty(t, Printable("", 0))
}

func FuzzRedact(f *testing.F) {
	f.Add("secret-1", "other/one", "text secret-1 and other%2Fone, c2VjcmV0LTE=\n", 3)
	f.Add("aaaaaaaa", "aaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaa", 1)
	f.Add("new\nline\rs", "xxxxxxxx", "new\nline\rs\nnew\n", 2)
	f.Fuzz(func(t *testing.T, one, two, text string, n int) {
		for _, secret := range []string{one, two} {
			// The mask can hold a short part of a secret, and a whole one.
			if len(secret) < minAnywhere || strings.ContainsAny(secret, "[]") || strings.Contains(Mask, secret) {
				t.Skip()
			}
		}
		if strings.ContainsAny(text, "[]") {
			t.Skip()
		}
		r := New(one, two)
		for _, in := range []string{
			text + one + text, text + url.QueryEscape(two) + text, text + base64.StdEncoding.EncodeToString([]byte(text+one+text)) + text,
			text + url.PathEscape(one) + "://" + text + two,
		} {
			streamed := collect(t, r, in, max(1, n&0xff))
			for _, out := range []string{r.String(in), streamed} {
				for _, secret := range []string{one, two} {
					assert.NotContains(t, out, secret)
					for _, part := range encodings(secret) {
						assert.NotContains(t, out, part)
					}
				}
			}
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b\xff\u202e", 10)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit &= 0xffff
		for _, out := range []string{Printable(s, limit), strings.ReplaceAll(PrintableLines(s, limit), "\n", "")} {
			assert.LessOrEqual(t, len(out), limit+3)
			for _, c := range out {
				assert.False(t, c < ' ' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069, "%q", out)
			}
		}
	})
}

func BenchmarkString(b *testing.B) {
	r := New("secret-value-1", "secret-value-2")
	text := strings.Repeat("an ordinary line of the output of a command, 80 characters long or so, it is\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_ = r.String(text)
	}
}

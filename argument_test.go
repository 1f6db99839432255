package gitsandbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckURLTakes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://github.com/o/r":         "https://github.com/o/r",
		"https://GitHub.com/O/r.git/":    "https://github.com/O/r.git",
		"https://git.example:8443/a/b/c": "https://git.example:8443/a/b/c",
		"http://127.0.0.1:8080/r.git":    "http://127.0.0.1:8080/r.git",
		"http://[::1]:8080/r":            "http://[::1]:8080/r",
		"http://localhost/r":             "http://localhost/r",
		"https://h/~user/r":              "https://h/~user/r",
	} {
		got, err := checkURL("repoURL", in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
	}
}

func TestCheckURLRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "github.com/o/r", "git@github.com:o/r.git", "ssh://git@github.com/o/r", "git://h/r",
		"file:///etc", "/etc", "ext::sh -c true", "http://example.com/r", "http://10.0.0.1/r",
		"https://", "https:///r", "https://h", "https://h/", "https:h/r",
		"https://user@h/r", "https://user:pass@h/r", "https://@h/r",
		"https://h/r?x=1", "https://h/r?", "https://h/r#f", "https://h/r#",
		"https://h/../r", "https://h/./r", "https://h//r", "https://h/-r", "https://h/a b",
		"https://h/a%2fb", "https://h/a%20b", "https://h/r;x", "https://h/r\n", "https://h/r\x00", "https://h:x/r",
		"https://[::1/r", "HTTP://example.com/r",
	} {
		_, err := checkURL("repoURL", in)
		require.ErrorIs(t, err, ErrInvalidArgument, "%q", in)
		assert.Contains(t, err.Error(), "repoURL")
		assert.NotContains(t, err.Error(), "pass", "a credential in the URL is not repeated")
	}
}

func TestCheckBranch(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"main", "agent-a-1", "a/b/c", "v1.2_3", strings.Repeat("a", 201)} {
		require.NoError(t, checkBranch("Branch", ok), ok)
	}
	for _, bad := range []string{
		"", "-x", ".x", "/x", "x/", "x.", "x.lock", "x.lock/y", "a..b", "a//b", "a/.b", "a/-b", "a/HEAD", "HEAD",
		"refs/heads/x", "a b", "a\nb", "a:b", "+a", "a*", "a~1", "a^", "a@{1}", "a\\b", "ä", strings.Repeat("a", 202),
	} {
		require.ErrorIs(t, checkBranch("Branch", bad), ErrInvalidArgument, "%q", bad)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"a", "Agent_7", "x.y-z", strings.Repeat("a", 64)} {
		require.NoError(t, checkName("AgentID", ok), ok)
	}
	for _, bad := range []string{"", "a/b", "-a", ".a", "a..b", "a.", "a.lock", "a b", "a\n", strings.Repeat("a", 65)} {
		require.ErrorIs(t, checkName("AgentID", bad), ErrInvalidArgument, "%q", bad)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a": "a", "a/b": "a/b", "./a": "a", "a/../b": "b", ".": ".", ".github/x": ".github/x",
		"-rf": "-rf", "a b": "a b", ".gitignore": ".gitignore", "git": "git", "a\nb": "a\nb",
	} {
		got, err := checkPath("name", in)
		require.NoError(t, err, "%q", in)
		assert.Equal(t, want, got)
	}
	for _, bad := range []string{
		"", "/a", "..", "../a", "a/../../b", "a\x00b", strings.Repeat("a", 4097),
		".git", ".git/config", "a/.git/x", ".GIT", ".Git/hooks", ".git.", ".git ", ".git::$INDEX_ALLOCATION",
		"git~1", "GIT~1/config", ".g\u200cit", "a/../.git", ".git\\config",
	} {
		_, err := checkPath("name", bad)
		require.ErrorIs(t, err, ErrInvalidArgument, "%q", bad)
	}
}

func TestCheckSandboxID(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"i0123456789abcdefghij", "abc-client1"} {
		require.NoError(t, checkSandboxID(ok))
	}
	for _, bad := range []string{"", "../x", "a/b", "A", "a-b-c", "a b", "a\n", "a?b", strings.Repeat("a", 65)} {
		require.ErrorIs(t, checkSandboxID(bad), ErrInvalidArgument, "%q", bad)
	}
}

func TestCheckRevision(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"HEAD", "HEAD~2", "main^", "origin/main", "0123abcd"} {
		require.NoError(t, checkRevision("Rev", ok))
	}
	for _, bad := range []string{"", "--output=x", "-1", "a..b", "a b", "HEAD:file", "@{u}", "a\x00", ":/x"} {
		require.ErrorIs(t, checkRevision("Rev", bad), ErrInvalidArgument, "%q", bad)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://github.com/o/r", "http://127.0.0.1/r", "https://u:p@h/r", "https://h/%2e%2e/r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := checkURL("u", in)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalidArgument)
			return
		}
		again, err := checkURL("u", out)
		require.NoError(t, err)
		require.Equal(t, out, again, "one spelling")
		require.NotContains(t, out, "@")
		require.NotContains(t, out, "..//")
	})
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"a/b", "../x", ".GIT/x", "a/./b", "git~1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := checkPath("p", in)
		if err != nil {
			return
		}
		require.False(t, strings.HasPrefix(out, "/") || out == ".." || strings.HasPrefix(out, "../"), "%q", out)
		for c := range strings.SplitSeq(out, "/") {
			require.False(t, strings.EqualFold(c, ".git"), "%q", out)
		}
	})
}

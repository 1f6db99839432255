package tools_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What does not fit the schema is a result that names the argument.
func TestBadArgumentsAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for raw, want := range map[string]string{
		`git_status {}`:                                      `sandbox_id is missing: From git_clone`,
		`git_status {"sandbox_id":""}`:                       `sandbox_id: it is empty`,
		`git_status {"sandbox_id":null}`:                     `sandbox_id is missing`,
		`git_status {"sandbox_id":{}}`:                       `sandbox_id: it has to be a string, and is an object`,
		`git_status {"sandboxid":"i0"}`:                      `there is no argument "sandboxid". Did you mean sandbox_id?`,
		`git_status {"zzz":1}`:                               `there is no argument "zzz". There are: sandbox_id.`,
		`git_status []`:                                      `the arguments are not a JSON object`,
		`git_status {"sandbox_id":`:                          `the arguments are not a JSON object`,
		`git_log {"sandbox_id":"i0","limit":"many"}`:         `limit: it has to be a whole number, and is "\"many\""`,
		`git_log {"sandbox_id":"i0","limit":1.5}`:            `limit: it has to be a whole number`,
		`git_log {"sandbox_id":"i0","limit":0}`:              `limit: 0 is below 1`,
		`git_log {"sandbox_id":"i0","limit":201}`:            `limit: 201 is above 200`,
		`git_log {"sandbox_id":"i0","skip":-1}`:              `skip: -1 is below 0`,
		`git_log {"sandbox_id":"i0","skip":1e300}`:           `skip: it has to be a whole number`,
		`git_diff {"sandbox_id":"i0","staged":"maybe"}`:      `staged: it has to be true or false`,
		`git_diff {"sandbox_id":"i0","files":{"a":1}}`:       `files: it has to be a list of strings, and is an object`,
		`git_diff {"sandbox_id":"i0","files":[1]}`:           `files: it has to be a list of strings, and is a list`,
		`git_diff {"sandbox_id":"i0","format":"html"}`:       `format: "html" is not one of patch, stat`,
		`git_resolve {"sandbox_id":"i0","action":"skip"}`:    `action: "skip" is not one of continue, abort`,
		`git_branches {"sandbox_id":"i0","action":"delete"}`: `name is missing: which branch to delete`,
		`file_write {"sandbox_id":"i0","path":"x"}`:          `content is missing`,
	} {
		name, arguments, _ := strings.Cut(raw, " ")
		res := w.set.Call(t.Context(), name, json.RawMessage(arguments))
		assert.True(t, res.IsError, raw)
		assert.Equal(t, "INVALID_ARGUMENT", res.Code, raw)
		assert.Contains(t, res.Text, want, raw)
	}
	res := w.set.Call(t.Context(), "git_psuh", nil)
	assert.Equal(t, `[UNKNOWN_TOOL] there is no tool "git_psuh". Did you mean git_push?`, res.Text)
}

// Models are tricked, by what they read, into arguments that mean something to git,
// to a shell or to a file system. None of them has an effect.
func TestArgumentsThatMeanSomethingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.clone("a", "t")
	trap := filepath.Join(t.TempDir(), "trap")
	for _, c := range []struct {
		tool string
		args args
	}{
		{"git_log", args{"rev": "--output=" + trap}},
		{"git_log", args{"rev": "HEAD", "exclude": "--output=" + trap}},
		{"git_show", args{"rev": "--output=" + trap}},
		{"git_show", args{"rev": "HEAD; touch " + trap}},
		{"git_diff", args{"from": "--output=" + trap}},
		{"git_diff", args{"to": "$(touch " + trap + ")"}},
		{"git_diff", args{"from": "HEAD@{upstream}"}},
		{"git_diff", args{"files": []string{"../../etc"}}},
		{"git_commit", args{"commit_message": "x", "files": []string{"/etc/passwd"}}},
		{"git_branches", args{"action": "create", "name": "--force"}},
		{"git_branches", args{"action": "create", "name": "x", "start": "-f"}},
		{"git_branches", args{"action": "checkout", "name": "../x"}},
		{"git_branches", args{"action": "delete", "name": "x\ny"}},
		{"file_read", args{"path": "../.gitsandbox/x"}},
		{"file_read", args{"path": "/etc/passwd"}},
		{"file_read", args{"path": "a/../../x"}},
		{"file_read", args{"path": ".git/config"}},
		{"file_read", args{"path": "x/.GIT/config"}},
		{"file_read", args{"path": "README.md", "rev": "--help"}},
		{"file_write", args{"path": ".git/hooks/pre-commit", "content": "x", "executable": true}},
		{"file_write", args{"path": "../x", "content": "x"}},
		{"file_write", args{"path": "a\x00b", "content": "x"}},
		{"file_edit", args{"path": ".git/config", "old_text": "a", "new_text": "b"}},
		{"file_list", args{"path": "../"}},
		{"file_search", args{"pattern": "x\ny"}},
		{"file_search", args{"pattern": "x", "files": []string{".git"}}},
	} {
		c.args["sandbox_id"] = id
		code, text := w.fails(c.tool, c.args)
		assert.Equal(t, "INVALID_ARGUMENT", code, "%s %v: %s", c.tool, c.args, text)
	}
	// A pattern, a message and a content are free: they are data on their way to git.
	w.ok("file_search", args{"sandbox_id": id, "pattern": "--open-files-in-pager=touch " + trap})
	w.ok("file_search", args{"sandbox_id": id, "pattern": "$(touch " + trap + ")"})
	w.ok("file_write", args{"sandbox_id": id, "path": "$(touch x)", "content": "`touch " + trap + "`"})
	w.ok("git_commit", args{"sandbox_id": id, "commit_message": "--amend $(touch " + trap + ")"})
	for _, forged := range []string{"../../" + id, id + "/../x", "I" + id[1:], "ixxxxxxxxxxxxxxxxxxxx", "-" + id, "a b", "i%00", strings.Repeat("i", 500)} {
		code, text := w.fails("git_status", args{"sandbox_id": forged})
		assert.Contains(t, []string{"INVALID_ARGUMENT", "SANDBOX_NOT_FOUND"}, code, text)
	}
	for _, url := range []string{
		"https://user:pass@github.com/x/y", "git@github.com:x/y.git", "ext::sh -c id", "file:///etc", "http://example.com/x",
		"https://github.com/x/y?z", "--upload-pack=touch", "ssh://x/y", "https://github.com/../y",
	} {
		code, text := w.fails("git_clone", args{"repo_url": url})
		assert.Equal(t, "INVALID_ARGUMENT", code, "%s: %s", url, text)
		assert.NotContains(t, text, "pass@")
	}
	for _, name := range []string{"--x", "a/b", "a b", "..", "x\n"} {
		code, text := w.fails("git_clone", args{"repo_url": w.url, "agent_id": name})
		assert.Equal(t, "INVALID_ARGUMENT", code, text)
		assert.Contains(t, text, "AgentID")
	}
	_, err := os.Stat(trap)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, "main", w.state("git_clone", args{"repo_url": w.url, "agent_id": "b"})["base_branch"])
}

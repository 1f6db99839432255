package mcpserver_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a model, or who speaks through it, can try with arguments. Each is an error
// that the model reads, and changes nothing: not in the clone, not on the machine,
// not on the remote.
func TestInjection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := connect(t, w.serve(nil).InProcess(), modern, nil)
	id := m.clone(w.url, "a", "t")
	outside := filepath.Join(t.TempDir(), "pwned")
	dir, err := w.sandboxes.Dir(id)
	require.NoError(t, err)
	home := filepath.Join(dir, "home/user")
	require.NoError(t, os.WriteFile(filepath.Join(home, "private"), []byte("private text"), 0o600))
	m.ok("run", args{"sandbox_id": id, "command": "ln -s / rootlink"})
	before, head := tree(t, home), m.state("git_status", args{"sandbox_id": id})["head"]
	branches, err := w.remote.Branches("shop")
	require.NoError(t, err)

	sub := "$(touch " + outside + ")"
	for _, c := range []struct {
		tool string
		args args
		code string
	}{
		// Leading dashes: options of git, if they got there.
		{"git_log", args{"rev": "--output=" + outside}, "INVALID_ARGUMENT"},
		{"git_log", args{"exclude": "--output=" + outside}, "INVALID_ARGUMENT"},
		{"git_show", args{"rev": "--output=" + outside}, "INVALID_ARGUMENT"},
		{"git_diff", args{"from": "--output=" + outside}, "INVALID_ARGUMENT"},
		{"git_diff", args{"to": "--ext-diff"}, "INVALID_ARGUMENT"},
		{"git_diff", args{"from": "-O" + outside}, "INVALID_ARGUMENT"},
		{"file_read", args{"path": "a.txt", "rev": "--output=" + outside}, "INVALID_ARGUMENT"},
		{"git_branches", args{"action": "create", "name": "--force"}, "INVALID_ARGUMENT"},
		{"git_branches", args{"action": "create", "name": "-D"}, "INVALID_ARGUMENT"},
		{"git_branches", args{"action": "checkout", "name": "--orphan=x"}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": "--upload-pack=touch " + outside}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url, "branch": "--upload-pack=" + sub}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url, "agent_id": "-x"}, "INVALID_ARGUMENT"},
		// Other ways to a repository.
		{"git_clone", args{"repo_url": "ext::sh -c touch% " + outside}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": "file:///etc"}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": "/etc"}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": "ssh://git@example.com/x"}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": "https://user:pass@example.com/x"}, "INVALID_ARGUMENT"},
		// Paths out of the clone.
		{"file_read", args{"path": "../private"}, "INVALID_ARGUMENT"},
		{"file_read", args{"path": "x/../../private"}, "INVALID_ARGUMENT"},
		{"file_write", args{"path": "../../../../../../../../" + outside, "content": "x"}, "INVALID_ARGUMENT"},
		{"file_write", args{"path": "../private", "content": "x"}, "INVALID_ARGUMENT"},
		{"file_write", args{"path": ".", "content": "x"}, "INVALID_ARGUMENT"},
		{"file_edit", args{"path": "../private", "old_text": "private", "new_text": "x"}, "INVALID_ARGUMENT"},
		{"file_list", args{"path": "../"}, "INVALID_ARGUMENT"},
		{"file_list", args{"path": "/etc"}, "INVALID_ARGUMENT"},
		{"file_search", args{"pattern": "private", "files": []string{"../private"}}, "INVALID_ARGUMENT"},
		{"git_diff", args{"files": []string{"../private"}}, "INVALID_ARGUMENT"},
		{"git_commit", args{"commit_message": "x", "files": []string{":(top)../private"}}, "FILE_NOT_FOUND"},
		{"git_commit", args{"commit_message": "x", "files": []string{"../private"}}, "INVALID_ARGUMENT"},
		// Text for a shell, where there is none.
		{"git_log", args{"rev": sub}, "INVALID_ARGUMENT"},
		{"git_log", args{"rev": "HEAD; touch " + outside}, "INVALID_ARGUMENT"},
		{"git_log", args{"rev": "`touch " + outside + "`"}, "INVALID_ARGUMENT"},
		{"git_branches", args{"action": "create", "name": "x;touch " + outside}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url, "task_id": sub}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url, "agent_id": "a\nb"}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url + ";touch " + outside}, "INVALID_ARGUMENT"},
		// Control characters.
		{"git_log", args{"rev": "HEAD\x00--output=" + outside}, "INVALID_ARGUMENT"},
		{"git_branches", args{"action": "create", "name": "a\x1b[2Jb"}, "INVALID_ARGUMENT"},
		{"file_write", args{"path": "a\x00b", "content": "x"}, "INVALID_ARGUMENT"},
		{"git_commit", args{"commit_message": "a\x00b"}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url + "\r\nX: y"}, "INVALID_ARGUMENT"},
		// Forged sandboxes.
		{"git_status", args{"sandbox_id": "i0000000000000000000"}, "SANDBOX_NOT_FOUND"},
		{"git_status", args{"sandbox_id": "../" + id}, "INVALID_ARGUMENT"},
		{"git_status", args{"sandbox_id": id + "/../" + id}, "INVALID_ARGUMENT"},
		{"git_status", args{"sandbox_id": id + "\n"}, "INVALID_ARGUMENT"},
		{"git_status", args{"sandbox_id": "-" + id}, "INVALID_ARGUMENT"},
		{"sandbox_close", args{"sandbox_id": "*"}, "INVALID_ARGUMENT"},
		{"run", args{"sandbox_id": sub, "command": "touch " + outside}, "INVALID_ARGUMENT"},
		// What fits no schema.
		{"git_status", args{"sandbox_id": []any{id}}, "INVALID_ARGUMENT"},
		{"git_log", args{"limit": 1e300}, "INVALID_ARGUMENT"},
		{"git_log", args{"limit": -1}, "INVALID_ARGUMENT"},
		{"git_push", args{"force": true}, "INVALID_ARGUMENT"},
		{"git_clone", args{"repo_url": w.url, "token": "x"}, "INVALID_ARGUMENT"},
		{"run", args{"command": ""}, "INVALID_ARGUMENT"},
	} {
		if _, ok := c.args["sandbox_id"]; !ok && c.tool != "git_clone" {
			c.args["sandbox_id"] = id
		}
		text := m.fails(c.code, c.tool, c.args)
		assert.NotContains(t, text, "private text", "%s %v", c.tool, c.args)
		for _, r := range text {
			assert.False(t, r < ' ' && r != '\n' && r != '\t' || r == 0x7f, "%s %v: %q", c.tool, c.args, text)
		}
	}
	// A link can lead out of the clone, as every command can, and never out of the
	// sandbox.
	host := filepath.Join(t.TempDir(), "host")
	require.NoError(t, os.WriteFile(host, []byte("host text"), 0o600))
	m.fails("FILE_NOT_FOUND", "file_read", args{"sandbox_id": id, "path": "rootlink" + host})
	assert.Contains(t, m.ok("file_read", args{"sandbox_id": id, "path": "rootlink/home/user/private"}), "private text")

	assert.NoFileExists(t, outside)
	assert.Equal(t, before, tree(t, home))
	assert.Equal(t, head, m.state("git_status", args{"sandbox_id": id})["head"])
	after, err := w.remote.Branches("shop")
	require.NoError(t, err)
	assert.Equal(t, branches, after)
	assert.Equal(t, 1, w.running(), "no sandbox is left of a refused clone")
}

// tree returns the files below a directory with their sizes, .git apart.
func tree(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || strings.HasPrefix(d.Name(), ".gitsandbox")) {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			files[path] = info.Size()
		}
		return err
	}))
	return files
}

// What is no call at all is an error of the protocol, and the session lives.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			m := connect(t, newWorld(t).serve(nil).InProcess(), revision, nil)
			for _, arguments := range []any{[]int{1}, "text", 7, true} {
				res, err := m.CallTool(t.Context(), &mcp.CallToolParams{Name: "git_status", Arguments: arguments})
				if err != nil {
					continue // the client itself sees to it
				}
				assert.True(t, res.IsError)
				assert.Contains(t, textOf(t, res), "[INVALID_ARGUMENT] the arguments are not a JSON object")
			}
			_, err := m.CallTool(t.Context(), &mcp.CallToolParams{Name: strings.Repeat("x", 10_000)})
			require.Error(t, err)
			m.fails("INVALID_ARGUMENT", "git_status", nil)
			assert.Len(t, m.tools(), 18)
		})
	}
}

package mcpserver_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

const rolesYAML = `
roles:
  reviewer:
    read_only: true
  coder:
    toolsets: [git, files]
    tools: [run]
    exclude_tools: [git_push]
  all: {}
`

// The tokens of the tests.
const (
	aliceToken = "alice-0123456789abcdef"
	bobToken   = "bob-0123456789abcdef01"
	carolToken = "carol-0123456789abcdef"
	daveToken  = "dave-0123456789abcdef0"
)

func roles(t *testing.T) map[string]*mcpserver.Role {
	t.Helper()
	r, err := mcpserver.ParseRoles(strings.NewReader(rolesYAML))
	require.NoError(t, err)
	return r
}

func tokens(t *testing.T) []mcpserver.Token {
	t.Helper()
	list, err := mcpserver.ParseTokens(strings.NewReader(fmt.Sprintf(`
tokens:
  - name: alice
    token: %s
  - name: bob
    role: coder
    token: %s
  - name: carol
    role: reviewer
    sha256: %x
  - name: dave
    token: %s
`, aliceToken, bobToken, sha256.Sum256([]byte(carolToken)), daveToken)))
	require.NoError(t, err)
	return list
}

func (m *model) tools() []string {
	m.t.Helper()
	var names []string
	for tool, err := range m.Tools(m.t.Context(), nil) {
		require.NoError(m.t, err)
		names = append(names, tool.Name)
	}
	return names
}

var (
	readers = []string{"file_list", "file_read", "file_search", "git_diff", "git_log", "git_show", "git_status", "sandbox_list"}
	coders  = []string{
		"file_edit", "file_list", "file_read", "file_search", "file_write", "git_branches", "git_clone", "git_commit",
		"git_diff", "git_log", "git_pull", "git_resolve", "git_show", "git_status", "run",
	}
)

func TestRoleDecidesOnTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for role, want := range map[string][]string{"reviewer": readers, "coder": coders} {
		m := connect(t, w.serve(&mcpserver.Options{Roles: roles(t), Role: role}).InProcess(), modern, nil)
		assert.Equal(t, want, m.tools(), role)
	}
	assert.Len(t, connect(t, w.serve(&mcpserver.Options{Roles: roles(t), Role: "all"}).InProcess(), modern, nil).tools(), 18)

	// The server's own options are the most that a role has.
	most := tools.Options{Toolsets: []string{"git"}, ReadOnly: true}
	assert.Equal(t, []string{"git_diff", "git_log", "git_show", "git_status"}, connect(t, w.serve(&mcpserver.Options{
		Roles: map[string]*mcpserver.Role{"all": {}}, Role: "all", Tools: most,
	}).InProcess(), modern, nil).tools(), "read-only wins")
	_, err := mcpserver.New(w.client, &mcpserver.Options{Roles: map[string]*mcpserver.Role{"r": {Tools: []string{"run"}}}, Tools: most})
	require.ErrorContains(t, err, "no tool is left")
}

func TestTokenDecidesOnRoleAndSandboxes(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			url := w.serveHTTP(w.serve(&mcpserver.Options{Roles: roles(t), Tokens: tokens(t), Caller: "nobody"}), nil)
			alice := connect(t, overHTTP(t, url, aliceToken), revision, nil)
			bob := connect(t, overHTTP(t, url, bobToken), revision, nil)
			carol := connect(t, overHTTP(t, url, carolToken), revision, nil)
			assert.Len(t, alice.tools(), 18)
			assert.Equal(t, coders, bob.tools())
			assert.Equal(t, readers, carol.tools())

			// What a role has not does not exist.
			_, err := carol.CallTool(t.Context(), &mcp.CallToolParams{Name: "run", Arguments: args{}})
			_, unknown := carol.CallTool(t.Context(), &mcp.CallToolParams{Name: "rum", Arguments: args{}})
			require.ErrorContains(t, err, `unknown tool "run"`)
			assert.Equal(t, strings.ReplaceAll(unknown.Error(), "rum", "run"), err.Error())

			// Neither does the sandbox of another caller.
			id := alice.clone(w.url, "a", "t")
			none := strings.ReplaceAll(bob.fails("SANDBOX_NOT_FOUND", "git_status", args{"sandbox_id": "i0000000000000000000"}), "i0000000000000000000", id)
			for _, tool := range []string{"git_status", "git_diff", "git_log", "file_list", "git_pull", "git_branches"} {
				text := bob.fails("SANDBOX_NOT_FOUND", tool, args{"sandbox_id": id})
				assert.NotContains(t, text, "alice")
				assert.Equal(t, nextOf(none), nextOf(text))
			}
			bob.fails("SANDBOX_NOT_FOUND", "run", args{"sandbox_id": id, "command": "touch bob"})
			bob.fails("SANDBOX_NOT_FOUND", "file_write", args{"sandbox_id": id, "path": "bob", "content": "x"})
			assert.NotContains(t, alice.ok("file_list", args{"sandbox_id": id}), "bob")
			assert.Empty(t, carol.state("sandbox_list", nil)["sandboxes"])
			assert.Len(t, alice.state("sandbox_list", nil)["sandboxes"], 1)

			// The same agent and task of another caller is another sandbox.
			assert.NotEqual(t, id, bob.clone(w.url, "a", "t"))

			log := w.log.String()
			assert.Contains(t, log, "caller=alice tool=git_clone sandbox_id="+id+" status=success")
			assert.Contains(t, log, "caller=bob tool=run sandbox_id="+id+" status=failure code=SANDBOX_NOT_FOUND")
			for _, token := range []string{aliceToken, bobToken, carolToken, daveToken, "touch bob"} {
				assert.NotContains(t, log, token)
			}
		})
	}
}

// nextOf is what an error says after its cause.
func nextOf(text string) string {
	_, next, _ := strings.Cut(text, "Sandboxes end")
	return next
}

// A session of an older revision is its caller's, whoever else learns its ID.
func TestSessionBelongsToItsCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serveHTTP(w.serve(&mcpserver.Options{Roles: roles(t), Tokens: tokens(t)}), nil)
	alice := connect(t, overHTTP(t, url, aliceToken), legacy, nil)
	require.NotEmpty(t, alice.ID())
	for token, want := range map[string]int{bobToken: http.StatusForbidden, "": http.StatusUnauthorized, aliceToken: http.StatusOK} {
		res := post(t, url, `{"jsonrpc":"2.0","id":5,"method":"tools/list"}`, http.Header{
			"Authorization": {"Bearer " + token}, "Mcp-Session-Id": {alice.ID()}, "Mcp-Protocol-Version": {legacy},
		})
		assert.Equal(t, want, res.StatusCode)
	}
}

func TestParseRoles(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]*mcpserver.Role{
		"reviewer": {ReadOnly: true},
		"coder":    {Toolsets: []string{"git", "files"}, Tools: []string{"run"}, Exclude: []string{"git_push"}},
		"all":      {},
	}, roles(t))
	for text, want := range map[string]string{
		"":                                  "there are no roles",
		"roles: {}":                         "there are no roles",
		"roles: {a: }":                      `role "a" says nothing`,
		"roles: {a: {readonly: true}}":      "field readonly not found",
		"roles: {a: {read_only: sometimes}": "yaml",
		"roles: {\"\": {}}":                 "a role has no name",
		"roles: {a: {}}\n---\nroles: {}":    "second document",
		"role: {a: {}}":                     "field role not found",
		strings.Repeat("#\n", 1<<20):        "more than 1048576 bytes",
	} {
		_, err := mcpserver.ParseRoles(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

func TestParseTokens(t *testing.T) {
	t.Parallel()
	list := tokens(t)
	require.Len(t, list, 4)
	assert.Equal(t, mcpserver.Token{Name: "bob", Role: "coder", SHA256: sha256.Sum256([]byte(bobToken))}, list[1])
	assert.Equal(t, mcpserver.Token{Name: "carol", Role: "reviewer", SHA256: sha256.Sum256([]byte(carolToken))}, list[2])
	for text, want := range map[string]string{
		"":                                    "there are no tokens",
		"tokens: [{name: a}]":                 "token 1: either token or sha256",
		"tokens: [{name: a, token: sesame}]":  "token 1: shorter than 20 characters",
		"tokens: [{name: a, sha256: sesame}]": "token 1: sha256 is not 64",
		"tokens: [{name: a, token: sesame, sha256: 00}]":               "token 1: either token or sha256",
		"tokens: [{name: a, tokn: sesame-sesame-sesame-sesame}]":       "not YAML with a list",
		"tokens: {sesame-sesame-sesame-sesame: [sesame-sesame-sesame]": "not YAML with a list",
	} {
		_, err := mcpserver.ParseTokens(strings.NewReader(text))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "sesame")
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add("tokens: [{name: a, token: 01234567890123456789}]")
	f.Add("tokens:\n  - name: a\n    sha256: " + strings.Repeat("ab", 32))
	f.Add("tokens: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := mcpserver.ParseTokens(strings.NewReader(text))
		if err == nil && len(list) == 0 {
			t.Fatal("neither tokens nor an error")
		}
	})
}

func FuzzParseRoles(f *testing.F) {
	f.Add(rolesYAML)
	f.Add("roles: {a: {tools: [run]}}")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := mcpserver.ParseRoles(strings.NewReader(text))
		if err != nil {
			return
		}
		for name, role := range r {
			if name == "" || role == nil {
				t.Fatal("a role without a name or without rights")
			}
		}
	})
}

package tools_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/tools"
)

var update = flag.Bool("update", false, "write the golden files anew")

// names are all tools, in the order in which they are offered.
var names = []string{
	"git_clone", "git_status", "git_diff", "git_log", "git_show", "git_pull", "git_commit", "git_push", "git_resolve", "git_branches",
	"file_read", "file_write", "file_edit", "file_list", "file_search", "run", "sandbox_list", "sandbox_close",
}

func offered(t *testing.T, o *tools.Options) []string {
	t.Helper()
	var got []string
	for _, tool := range newWorld(t, o).set.Tools() {
		got = append(got, tool.Name)
	}
	return got
}

func TestToolsThatAreOffered(t *testing.T) {
	t.Parallel()
	assert.Equal(t, names, offered(t, nil))
	assert.Equal(t, names[10:16], offered(t, &tools.Options{Toolsets: []string{"files", "run"}}))
	assert.Equal(t, []string{"git_diff", "run"}, offered(t, &tools.Options{Tools: []string{"run", "git_diff"}}))
	assert.Equal(t, []string{"git_diff", "sandbox_list"}, offered(t, &tools.Options{
		Toolsets: []string{"sandbox"}, Tools: []string{"git_diff"}, Exclude: []string{"sandbox_close"},
	}))
	assert.Equal(t, []string{"git_status", "git_diff", "git_log", "git_show", "file_read", "file_list", "file_search", "sandbox_list"},
		offered(t, &tools.Options{Tools: names, ReadOnly: true}), "read-only wins")
	client := newWorld(t, nil).client
	for want, o := range map[string]*tools.Options{
		`Toolsets: "gti" is not one of git, files, run, sandbox`: {Toolsets: []string{"gti"}},
		`Tools: "git_psuh"`:        {Tools: []string{"git_psuh"}},
		`Exclude: "x"`:             {Exclude: []string{"x"}},
		"MaxTokens: 1000000":       {MaxTokens: 1_000_000},
		"Timeout: -1ns":            {Timeout: -1},
		`Repositories: "me/x"`:     {Repositories: []string{"me/x"}},
		`Branches: "*/x" has a *`:  {Branches: []string{"*/x"}},
		`Repositories: "https://*`: {Repositories: []string{"https://*.com/x"}},
	} {
		_, err := tools.New(client, o)
		require.ErrorContains(t, err, want)
	}
	_, err := tools.New(nil, nil)
	require.ErrorContains(t, err, "client: nil")
}

// walk calls visit for each schema inside a schema.
func walk(schema map[string]any, visit func(name string, s map[string]any)) {
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		s, _ := p.(map[string]any)
		visit(name, s)
		walk(s, visit)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		walk(items, visit)
	}
}

// Hosts are known to refuse arrays of types and what combines schemas.
func TestSchemasThatEveryHostTakes(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z][a-z_]{2,24}$`)
	for _, tool := range newWorld(t, nil).set.Tools() {
		assert.Regexp(t, name, tool.Name)
		assert.NotEmpty(t, tool.Title)
		assert.NotEmpty(t, tool.Description)
		assert.Contains(t, tools.Toolsets(), tool.Toolset)
		for _, raw := range []json.RawMessage{tool.InputSchema, tool.OutputSchema} {
			if raw == nil {
				continue
			}
			var schema map[string]any
			require.NoError(t, json.Unmarshal(raw, &schema))
			assert.Equal(t, "object", schema["type"])
			walk(schema, func(name string, s map[string]any) {
				assert.IsType(t, "", s["type"], "%s.%s", tool.Name, name)
				assert.NotEmpty(t, s["description"], "%s.%s", tool.Name, name)
				for _, word := range []string{"anyOf", "oneOf", "allOf", "not", "$ref", "format"} {
					assert.NotContains(t, s, word, "%s.%s", tool.Name, name)
				}
				if s["type"] == "array" {
					assert.Contains(t, s, "items", "%s.%s", tool.Name, name)
				}
			})
		}
		var input map[string]any
		require.NoError(t, json.Unmarshal(tool.InputSchema, &input))
		assert.Equal(t, false, input["additionalProperties"], tool.Name)
		assert.False(t, tool.ReadOnly && tool.Destructive, tool.Name)
		for _, word := range []string{"token", "password", "credential", "key"} {
			properties, _ := input["properties"].(map[string]any)
			for property := range properties {
				assert.False(t, strings.Contains(property, word) && property != "max_tokens", "%s.%s", tool.Name, property)
			}
		}
	}
}

// The definitions are a promise to those who use them: a change is one that a
// person has to see.
func TestDefinitionsAreAsSeen(t *testing.T) {
	t.Parallel()
	var list []map[string]any
	for _, tool := range newWorld(t, nil).set.Tools() {
		list = append(list, map[string]any{
			"name": tool.Name, "title": tool.Title, "description": tool.Description, "toolset": tool.Toolset,
			"input": tool.InputSchema, "output": tool.OutputSchema,
			"hints": []bool{tool.ReadOnly, tool.Destructive, tool.Idempotent, tool.OpenWorld},
		})
	}
	got, err := json.MarshalIndent(list, "", " ")
	require.NoError(t, err)
	golden := filepath.Join("testdata", "definitions.json")
	if *update {
		require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got)+"\n", "go test ./tools -update writes it anew")
}

// Every structure that a tool returns has the fields of its schema and no others.
func requireConforms(t *testing.T, tool *tools.Tool, data map[string]any) {
	t.Helper()
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	require.NoError(t, json.Unmarshal(tool.OutputSchema, &schema))
	for _, name := range schema.Required {
		require.Contains(t, data, name, tool.Name)
	}
	for name := range data {
		require.Contains(t, schema.Properties, name, tool.Name)
	}
}

func TestExportsAreWhatTheProvidersTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tool := w.set.Tool("git_status")
	encoded := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return string(b)
	}
	const schema = `{"type":"object","properties":{"sandbox_id":{"type":"string","description":"From git_clone"}},"required":["sandbox_id"],"additionalProperties":false}`
	assert.JSONEq(t, `{"type":"function","function":{"name":"git_status","description":`+encoded(tool.Description)+`,"parameters":`+schema+`}}`, encoded(tool.OpenAI()))
	assert.JSONEq(t, `{"type":"function","name":"git_status","strict":false,"description":`+encoded(tool.Description)+`,"parameters":`+schema+`}`, encoded(tool.OpenAIResponses()))
	assert.JSONEq(t, `{"name":"git_status","description":`+encoded(tool.Description)+`,"input_schema":`+schema+`}`, encoded(tool.Anthropic()))
	assert.JSONEq(t, schema, encoded(tool.Parameters()))

	text := tool.Text()
	assert.Equal(t, "git_status", text.Name())
	assert.Contains(t, text.Description(), `"sandbox_id"`)
	out, err := text.Call(t.Context(), `{"sandbox_id":"i0"}`)
	require.NoError(t, err, "a model is to read it")
	assert.Contains(t, out, "[SANDBOX_NOT_FOUND]")
}

func TestTitlesAreDistinct(t *testing.T) {
	t.Parallel()
	var titles []string
	for _, tool := range newWorld(t, nil).set.Tools() {
		titles = append(titles, tool.Title)
	}
	slices.Sort(titles)
	assert.Equal(t, len(titles), len(slices.Compact(titles)))
}

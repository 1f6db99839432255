package mcpserver_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

// wire sends lines to a server, as a client on standard input does, and returns the
// result of the last.
func wire(t *testing.T, server *mcpserver.Server, lines ...string) json.RawMessage {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- server.Run(t.Context(), &mcp.IOTransport{Reader: there, Writer: there}) }()
	go func() { _, _ = here.Write([]byte(strings.Join(lines, "\n") + "\n")) }()
	in := bufio.NewReader(here)
	var answer struct {
		ID     int
		Result json.RawMessage
	}
	for answer.ID != 9 {
		line, err := in.ReadBytes('\n')
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(line, &answer))
	}
	require.NoError(t, here.Close())
	require.NoError(t, <-done)
	return answer.Result
}

// listOf returns tools/list as it is on the wire.
func listOf(t *testing.T, server *mcpserver.Server, revision string) json.RawMessage {
	t.Helper()
	if revision == modern {
		return wire(t, server, `{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{"_meta":{`+
			`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
	}
	return wire(t, server,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+revision+`","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/list"}`)
}

func TestToolList(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, listOf(t, newWorld(t).serve(nil), revision), "", "  "))
			golden(t, "tools."+revision+".json", append(pretty.Bytes(), '\n'))
		})
	}
}

// What the SDK makes of the definitions must not undo what package tools sees to.
func TestToolListIsPortable(t *testing.T) {
	t.Parallel()
	var list struct {
		Tools []struct {
			Name         string
			Title        string
			InputSchema  map[string]any
			OutputSchema map[string]any
			Annotations  map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(listOf(t, newWorld(t).serve(nil), modern), &list))
	require.Len(t, list.Tools, 18)
	for _, tool := range list.Tools {
		assert.Regexp(t, `^[a-z_]{1,40}$`, tool.Name)
		assert.NotEmpty(t, tool.Title)
		for _, hint := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
			assert.IsType(t, true, tool.Annotations[hint], "%s: %s", tool.Name, hint)
		}
		portable(t, tool.Name, tool.InputSchema)
		portable(t, tool.Name, tool.OutputSchema)
	}
}

// portable fails where a schema has what some hosts refuse.
func portable(t *testing.T, name string, schema map[string]any) {
	t.Helper()
	for key, value := range schema {
		switch v := value.(type) {
		case []any:
			assert.NotEqual(t, "type", key, "%s: several types", name)
		case map[string]any:
			portable(t, name+"."+key, v)
		}
		assert.NotContains(t, []string{"anyOf", "oneOf", "allOf", "not", "$ref"}, key, name)
	}
}

// A token is about four characters of English: 200 of them are in a system prompt
// whatever the model does.
func TestInstructions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := connect(t, w.serve(nil).InProcess(), legacy, nil)
	text := m.InitializeResult().Instructions
	golden(t, "instructions.txt", []byte(text+"\n"))
	assert.Less(t, len(strings.Fields(text)), 150)
	assert.Less(t, len(text), 800)

	m = connect(t, w.serve(&mcpserver.Options{Tools: tools.Options{ReadOnly: true}}).InProcess(), legacy, nil)
	text = m.InitializeResult().Instructions
	for _, tool := range []string{"git_clone", "git_push", "with run"} {
		assert.NotContains(t, text, tool, "it is not offered")
	}
}

func TestServerSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, revision := range revisions {
		m := connect(t, newWorld(t).serve(&mcpserver.Options{Version: "1.2.3"}).InProcess(), revision, nil)
		r := m.InitializeResult()
		assert.Equal(t, revision, r.ProtocolVersion)
		if revision == legacy {
			assert.Equal(t, "1.2.3", r.ServerInfo.Version)
		}
		caps, err := json.Marshal(r.Capabilities)
		require.NoError(t, err)
		assert.JSONEq(t, `{"tools":{}}`, string(caps), "neither logging nor changes of the list")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, o := range map[string]*mcpserver.Options{
		"Options.Caller: longer than 128 bytes":         {Caller: strings.Repeat("x", 129)},
		"Options.Burst: -1 is negative":                 {Burst: -1},
		"Options.StateKey: 3 bytes instead of 32":       {StateKey: []byte("abc")},
		`Options.Role: there is no role "x"`:            {Role: "x"},
		`Toolsets: "x" is not one of`:                   {Tools: tools.Options{Toolsets: []string{"x"}}},
		`role "r": invalid argument: Tools: "x"`:        {Roles: map[string]*mcpserver.Role{"r": {Tools: []string{"x"}}}},
		`role "r": no tool is left`:                     {Roles: map[string]*mcpserver.Role{"r": {Tools: []string{"run"}, ReadOnly: true}}},
		`role "n": nil`:                                 {Roles: map[string]*mcpserver.Role{"n": nil}},
		"token 1: the name is empty":                    {Tokens: []mcpserver.Token{{SHA256: [32]byte{1}}}},
		`token 1: there is no role "x"`:                 {Tokens: []mcpserver.Token{{Name: "a", Role: "x", SHA256: [32]byte{1}}}},
		"token 1: it is empty, or there twice":          {Tokens: []mcpserver.Token{{Name: "a"}}},
		"token 2: it is empty, or there twice":          {Tokens: []mcpserver.Token{{Name: "a", SHA256: [32]byte{1}}, {Name: "b", SHA256: [32]byte{1}}}},
		fmt.Sprintf("token 2: %q has two roles", "ann"): {Roles: map[string]*mcpserver.Role{"r": {}}, Tokens: []mcpserver.Token{{Name: "ann", SHA256: [32]byte{1}}, {Name: "ann", Role: "r", SHA256: [32]byte{2}}}},
	} {
		_, err := mcpserver.New(w.client, o)
		require.ErrorContains(t, err, want)
	}
	_, err := mcpserver.New(nil, nil)
	require.ErrorContains(t, err, "client: nil")
}

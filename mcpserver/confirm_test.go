package mcpserver_test

import (
	"context"
	"errors"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/mcpserver"
)

// person answers questions.
func person(answer func(question string) (*mcp.ElicitResult, error)) *mcp.ClientOptions {
	return &mcp.ClientOptions{ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
		return answer(r.Params.Message)
	}}
}

func accept(yes bool) *mcp.ElicitResult {
	return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"confirm": yes}}
}

// dirty makes a sandbox whose end would lose something.
func dirty(m *model, url string) string {
	m.t.Helper()
	id := m.clone(url, "a", "t")
	m.state("file_write", args{"sandbox_id": id, "path": "new.txt", "content": "x\n"})
	return id
}

// each runs a test in both revisions, in process and over HTTP.
func each(t *testing.T, test func(t *testing.T, w *world, connect func(*mcp.ClientOptions) *model)) {
	t.Helper()
	for _, revision := range revisions {
		for _, transport := range []string{"in process", "http"} {
			t.Run(revision+" "+transport, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				server := w.serve(nil)
				url := w.serveHTTP(server, nil)
				test(t, w, func(o *mcp.ClientOptions) *model {
					if transport == "http" {
						return connect(t, overHTTP(t, url, ""), revision, o)
					}
					return connect(t, server.InProcess(), revision, o)
				})
			})
		}
	}
}

func TestPersonIsAsked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world, connect func(*mcp.ClientOptions) *model) {
		t.Helper()
		var asked []string
		var answer *mcp.ElicitResult
		m := connect(person(func(question string) (*mcp.ElicitResult, error) {
			asked = append(asked, question)
			return answer, nil
		}))
		id := dirty(m, w.url)
		for _, no := range []*mcp.ElicitResult{{Action: "decline"}, {Action: "cancel"}, accept(false)} {
			answer = no
			text := m.fails("DECLINED", "sandbox_close", args{"sandbox_id": id})
			assert.Contains(t, text, "Call git_push with commit_message first")
			assert.Equal(t, 1, w.running())
		}
		answer = accept(true)
		m.state("sandbox_close", args{"sandbox_id": id})
		assert.Zero(t, w.running())
		question := "Close sandbox " + id + " and lose 1 uncommitted file?"
		assert.Equal(t, []string{question, question, question, question}, asked)
	})
}

func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world, connect func(*mcp.ClientOptions) *model) {
		t.Helper()
		m := connect(nil)
		id := dirty(m, w.url)
		text := m.fails("CONFIRMATION_REQUIRED", "sandbox_close", args{"sandbox_id": id})
		assert.Contains(t, text, "nobody can be asked here: Close sandbox "+id+" and lose 1 uncommitted file?")
		assert.Equal(t, 1, w.running())

		// A client that shows web pages, and no forms, cannot either.
		urls := connect(&mcp.ClientOptions{
			Capabilities:       &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) { return accept(true), nil },
		})
		urls.fails("CONFIRMATION_REQUIRED", "sandbox_close", args{"sandbox_id": id})
		assert.Equal(t, 1, w.running())
	})
}

// Consent to lose one file is none to lose two.
func TestQuestionThatChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world, connect func(*mcp.ClientOptions) *model) {
		t.Helper()
		other := connect(nil)
		id := dirty(other, w.url)
		n := 0
		m := connect(person(func(string) (*mcp.ElicitResult, error) {
			if n++; n == 1 {
				other.state("file_write", args{"sandbox_id": id, "path": "more.txt", "content": "x\n"})
			}
			return accept(true), nil
		}))
		text := m.fails("CONFIRMATION_EXPIRED", "sandbox_close", args{"sandbox_id": id})
		assert.Contains(t, text, "Call again")
		assert.Equal(t, 1, w.running())
		m.state("sandbox_close", args{"sandbox_id": id})
		assert.Equal(t, 2, n)
	})
}

func TestClientThatCannotAskAfterAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := connect(t, w.serve(nil).InProcess(), legacy, person(func(string) (*mcp.ElicitResult, error) {
		return nil, errors.New("no window")
	}))
	id := dirty(m, w.url)
	text := m.fails("CONFIRMATION_REQUIRED", "sandbox_close", args{"sandbox_id": id})
	assert.NotContains(t, text, "no window")
	assert.Equal(t, 1, w.running())
}

// What a client keeps for the server is of use for the very call, and made by it.
func TestSealedState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := []byte("0123456789abcdef0123456789abcdef")
	manual := &mcp.ClientOptions{
		MultiRoundTrip: &mcp.MultiRoundTripOptions{Disabled: true},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return nil, errors.New("not called")
		},
	}
	server := w.serve(&mcpserver.Options{StateKey: key, Roles: roles(t), Tokens: tokens(t)})
	url := w.serveHTTP(server, nil)
	replica := w.serveHTTP(w.serve(&mcpserver.Options{StateKey: key, Roles: roles(t), Tokens: tokens(t)}), nil)
	stranger := w.serveHTTP(w.serve(&mcpserver.Options{Roles: roles(t), Tokens: tokens(t)}), nil)
	alice := connect(t, overHTTP(t, url, aliceToken), modern, manual)
	id := dirty(alice, w.url)
	second := alice.clone(w.url, "a", "second")
	alice.state("file_write", args{"sandbox_id": second, "path": "new.txt", "content": "x\n"})

	ask := func(m *model, id string) *mcp.CallToolResult {
		res, err := m.CallTool(t.Context(), &mcp.CallToolParams{Name: "sandbox_close", Arguments: args{"sandbox_id": id}})
		require.NoError(t, err)
		require.True(t, res.NeedsInput())
		return res
	}
	res := ask(alice, id)
	state := res.RequestState
	require.NotEmpty(t, state)
	assert.NotContains(t, state, id)
	assert.NotEqual(t, state, ask(alice, id).RequestState, "sealed anew each time")
	form, ok := res.InputRequests["confirm"].(*mcp.ElicitParams)
	require.True(t, ok)
	assert.Equal(t, "form", form.Mode)

	retry := func(m *model, tool, id, state string) (*mcp.CallToolResult, error) {
		return m.CallTool(t.Context(), &mcp.CallToolParams{
			Name: tool, Arguments: args{"sandbox_id": id}, RequestState: state, InputResponses: mcp.InputResponseMap{"confirm": accept(true)},
		})
	}
	flipped := []byte(state)
	flipped[len(flipped)/2] ^= 1
	for _, c := range []struct {
		why, tool, id, state string
		m                    *model
	}{
		{"another sandbox", "sandbox_close", second, state, alice},
		{"another tool", "git_status", id, state, alice},
		{"a changed state", "sandbox_close", id, string(flipped), alice},
		{"a cut state", "sandbox_close", id, state[:20], alice},
		{"a made-up state", "sandbox_close", id, "yes!", alice},
		{"another caller", "sandbox_close", id, state, connect(t, overHTTP(t, url, daveToken), modern, manual)},
		{"another key", "sandbox_close", id, state, connect(t, overHTTP(t, stranger, aliceToken), modern, manual)},
	} {
		_, err := retry(c.m, c.tool, c.id, c.state)
		require.ErrorContains(t, err, "requestState is not that of this call", c.why)
	}
	// An answer without the question counts for nothing.
	res, err := alice.CallTool(t.Context(), &mcp.CallToolParams{
		Name: "sandbox_close", Arguments: args{"sandbox_id": id}, InputResponses: mcp.InputResponseMap{"confirm": accept(true)},
	})
	require.NoError(t, err)
	assert.True(t, res.NeedsInput())
	// So does a state without the answer.
	res, err = alice.CallTool(t.Context(), &mcp.CallToolParams{Name: "sandbox_close", Arguments: args{"sandbox_id": id}, RequestState: state})
	require.NoError(t, err)
	assert.Contains(t, textOf(t, res), "[DECLINED]")
	assert.Equal(t, 2, w.running())

	// Another process with the same key takes the answer.
	res, err = retry(connect(t, overHTTP(t, replica, aliceToken), modern, manual), "sandbox_close", id, state)
	require.NoError(t, err)
	require.False(t, res.IsError, "%v", res.Content)
	assert.Equal(t, 1, w.running())
}

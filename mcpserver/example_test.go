package mcpserver_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

// exampleClient is a Client on the fake. Close ends both.
func exampleClient() (client *gitsandbox.Client, end func()) {
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err = gitsandbox.New(sandboxes, &gitsandbox.Options{Trace: []*gitsandbox.Trace{tools.ProgressTrace()}})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		_ = sandboxes.Close()
	}
}

// An agent framework that speaks MCP gets the tools without another process.
func ExampleServer_InProcess() {
	client, end := exampleClient()
	defer end()
	server, err := mcpserver.New(client, &mcpserver.Options{Tools: tools.Options{Toolsets: []string{"git"}, ReadOnly: true}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil).Connect(ctx, server.InProcess(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tool.Name)
	}
	// Output:
	// git_diff
	// git_log
	// git_show
	// git_status
}

// A service serves MCP beside its other pages. Each token is a caller with a role.
func ExampleServer_HTTPHandler() {
	client, end := exampleClient()
	defer end()
	roles, err := mcpserver.ParseRoles(strings.NewReader("roles: {reviewer: {read_only: true}}"))
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := mcpserver.ParseTokens(strings.NewReader("tokens: [{name: ci, role: reviewer, token: not-to-be-guessed-7f3a}]"))
	if err != nil {
		log.Fatal(err)
	}
	server, err := mcpserver.New(client, &mcpserver.Options{Roles: roles, Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	mux := http.NewServeMux()
	mux.Handle("/", server.HTTPHandler(nil))

	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "http://localhost/mcp", nil)
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="gitsandbox"
}

// A host starts the program that this is, and speaks to it on its pipes.
func ExampleServer_Run() {
	client, end := exampleClient()
	defer end()
	server, err := mcpserver.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	host, program := mcp.NewInMemoryTransports() // &mcp.StdioTransport{} in a program
	done := make(chan error, 1)
	go func() { done <- server.Run(context.Background(), program) }()

	ctx := context.Background()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, nil).Connect(ctx, host, nil)
	if err != nil {
		log.Fatal(err)
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "git_status", Arguments: map[string]any{"sandbox": "x"}})
	if err != nil {
		log.Fatal(err)
	}
	text, _ := result.Content[0].(*mcp.TextContent)
	fmt.Println(text.Text)
	if err := session.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	// Output:
	// [INVALID_ARGUMENT] there is no argument "sandbox". Did you mean sandbox_id?
	// <nil>
}

// It serves until the context ends.
func ExampleServer_Serve() {
	client, end := exampleClient()
	defer end()
	server, err := mcpserver.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l, err := server.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	stop()
	fmt.Println(server.Serve(ctx, l, nil))
	// Output: <nil>
}

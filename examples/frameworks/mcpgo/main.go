// Mcpgo shows the tools in a server of github.com/mark3labs/mcp-go, for those who
// have one already; package mcpserver is one of its own. A client in this process
// calls them, with calls that were written before:
//
//	cd examples/frameworks/mcpgo && go run .
//
// Over stdio it serves the same tools to any MCP host, on the fake: go run . stdio
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gitsandbox/gitsandbox/internal/scripted"
	"github.com/gitsandbox/gitsandbox/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	world, err := scripted.New() // a fake of E2B, and a git server
	switch {
	case err != nil:
	case slices.Equal(os.Args[1:], []string{"stdio"}):
		err = server.NewStdioServer(newServer(world.Tools)).Listen(ctx, os.Stdin, os.Stdout)
	default:
		_, err = run(ctx, os.Stdout, world)
		err = errors.Join(err, summary(os.Stdout, world))
	}
	if world != nil {
		_ = world.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mcpgo:", err)
		os.Exit(1)
	}
}

// newServer returns a server of the tools. Who may call it, how often and how long
// is for the server that it is put into to decide.
func newServer(set *tools.Set) *server.MCPServer {
	s := server.NewMCPServer("gitsandbox", "1", server.WithToolCapabilities(false), server.WithRecovery())
	for _, t := range set.Tools() {
		tool := mcp.NewToolWithRawSchema(t.Name, t.Description, t.InputSchema)
		tool.RawOutputSchema = t.OutputSchema
		tool.Annotations = mcp.ToolAnnotation{
			Title: t.Title, ReadOnlyHint: &t.ReadOnly, DestructiveHint: &t.Destructive,
			IdempotentHint: &t.Idempotent, OpenWorldHint: &t.OpenWorld,
		}
		s.AddTool(tool, handler(t))
	}
	return s
}

func handler(t *tools.Tool) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		arguments, err := json.Marshal(request.Params.Arguments)
		if err != nil {
			return nil, err
		}
		result := t.Call(ctx, arguments)
		switch {
		case result.IsError:
			return mcp.NewToolResultError(result.Text), nil
		case result.Data != nil:
			return mcp.NewToolResultStructured(result.Data, result.Text), nil
		}
		return mcp.NewToolResultText(result.Text), nil
	}
}

// run plays a model that calls the tools through a client in this process.
func run(ctx context.Context, out io.Writer, world *scripted.World) (*scripted.Script, error) {
	c, err := client.NewInProcessClient(newServer(world.Tools))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	if _, err := c.Initialize(ctx, mcp.InitializeRequest{Params: mcp.InitializeParams{
		ProtocolVersion: mcp.LATEST_PROTOCOL_VERSION, ClientInfo: mcp.Implementation{Name: "example", Version: "1"},
	}}); err != nil {
		return nil, err
	}
	list, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "The server has %d tools.\n", len(list.Tools))

	script := world.NewScript()
	var replies []scripted.Reply
	for call := script.Next(replies); call != nil; call = script.Next(replies) {
		result, err := c.CallTool(ctx, mcp.CallToolRequest{Params: mcp.CallToolParams{Name: call.Name, Arguments: call.Arguments}})
		if err != nil {
			return nil, err
		}
		text := mcp.GetTextFromContent(result.Content[0])
		fmt.Fprintf(out, "   %s failed=%v\n", call.Name, result.IsError)
		replies = append(replies, scripted.Reply{Text: text, Failed: result.IsError})
	}
	return script, nil
}

// summary prints what the remote has in the end.
func summary(out io.Writer, world *scripted.World) error {
	content, message, err := world.Pushed()
	fmt.Fprintf(out, "\nThe remote has %q of the commit %q.\n", content, message)
	return err
}

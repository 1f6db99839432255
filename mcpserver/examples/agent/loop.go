package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A call is a tool that the model wants called.
type call struct {
	tool string
	args map[string]any
}

// A turn is a call and what came of it.
type turn struct {
	call   call
	text   string
	failed bool
}

// maxTurns bounds what a model that goes in circles costs.
const maxTurns = 50

// loop calls tools for a model until it has no more to do.
func loop(ctx context.Context, out io.Writer, session *mcp.ClientSession, m model) error {
	var offered []*mcp.Tool
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return err
		}
		offered = append(offered, tool)
	}
	instructions := session.InitializeResult().Instructions
	var history []turn
	for range maxTurns {
		c, err := m.next(instructions, offered, history)
		if err != nil || c == nil {
			return err
		}
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: c.tool, Arguments: c.args})
		if err != nil {
			return fmt.Errorf("%s: %w", c.tool, err)
		}
		t := turn{call: *c, text: textOf(result), failed: result.IsError}
		history = append(history, t)
		first, _, _ := strings.Cut(t.text, "\n")
		fmt.Fprintf(out, "%-14s %s\n", c.tool, first)
	}
	return errors.New("the model does not come to an end")
}

// textOf is what the model reads of a result. The text of a structure is its JSON.
func textOf(result *mcp.CallToolResult) string {
	var b strings.Builder
	for _, content := range result.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}

// Package mcpserver serves the tools of package tools over the Model Context
// Protocol: on standard input and output, over HTTP, and inside of a Go program.
//
//	client, err := gitsandbox.NewFromEnv(&gitsandbox.Options{Trace: []*gitsandbox.Trace{tools.ProgressTrace()}})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	server, err := mcpserver.New(client, nil)
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	return server.Run(ctx, &mcp.StdioTransport{})
//
// The command gitsandbox-mcp is such a program, with flags.
//
// # Protocol
//
// Revisions 2026-07-28, 2025-11-25, 2025-06-18, 2025-03-26 and 2024-11-05 are
// served, all of them on the same endpoint.
//
// # Errors
//
// A call that fails is a result that a model reads: a code in brackets, the cause,
// and the next call. Only a request that is no call of a tool, and a call of a tool
// that the caller does not have, are errors of the protocol. A panic is a result
// with the code INTERNAL, and a record in the log.
//
// # Authority
//
// Over HTTP each bearer token is a caller with a role. The role decides which tools
// there are, the caller which sandboxes. Everything else has the one caller and the
// one role of [Options].
//
// # Concurrency
//
// Any number of goroutines may use a [Server].
package mcpserver

//go:generate go run ./internal/toolref -o ../docs/mcp-tools.md

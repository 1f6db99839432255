package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A model decides which tool to call next; nil means that the work is done. One of
// an API gets the instructions as its system prompt, the tools by their names,
// descriptions and schemas, and the history as messages: the calls as its own, the
// texts as the results of its calls.
type model interface {
	next(instructions string, offered []*mcp.Tool, history []turn) (*call, error)
}

// script is a model that knows what it wants: to mend total.sh until test.sh passes,
// and to push it. It goes by the last result, as a model would.
type script struct {
	repo, task string

	// elsewhere is called once, before the first push.
	elsewhere func() error

	sandboxID string
}

const mended = "#!/bin/sh\n# Prints the total of prices in cents.\nsum=0\nfor price in \"$@\"; do sum=$((sum + price)); done\necho \"$sum\"\n"

func (s *script) next(_ string, _ []*mcp.Tool, history []turn) (*call, error) {
	if len(history) == 0 {
		return &call{"git_clone", map[string]any{"repo_url": s.repo, "agent_id": "demo", "task_id": s.task}}, nil
	}
	last := history[len(history)-1]
	if last.failed && !strings.HasPrefix(last.text, "[CONFLICT]") {
		return nil, fmt.Errorf("%s: %s", last.call.tool, last.text)
	}
	switch last.call.tool {
	case "git_clone":
		var clone struct {
			SandboxID string `json:"sandbox_id"`
		}
		if err := json.Unmarshal([]byte(last.text), &clone); err != nil {
			return nil, err
		}
		s.sandboxID = clone.SandboxID
		return s.call("run", "command", "sh test.sh"), nil
	case "run":
		if !strings.Contains(last.text, "\nPASS\n") {
			return s.call("file_read", "path", "total.sh"), nil
		}
		if merging(history) {
			return s.call("git_resolve", "action", "continue"), nil
		}
		return s.call("git_diff"), nil
	case "file_read":
		if strings.Contains(last.text, "<<<<<<<") {
			return s.call("file_write", "path", "total.sh", "content", mended), nil
		}
		return s.call("file_edit", "path", "total.sh", "old_text", "sum - price", "new_text", "sum + price"), nil
	case "file_edit", "file_write":
		return s.call("run", "command", "sh test.sh"), nil
	case "git_diff":
		if err := s.elsewhere(); err != nil {
			return nil, err
		}
		return s.call("git_push", "commit_message", "Add prices instead of taking them away"), nil
	case "git_push":
		return s.afterPush(last), nil
	case "git_resolve":
		return s.call("git_push"), nil
	default:
		return nil, nil
	}
}

// afterPush does what the error says, or ends the sandbox.
func (s *script) afterPush(last turn) *call {
	switch {
	case !last.failed:
		return s.call("sandbox_close")
	case strings.Contains(last.text, "keep_conflicts true"):
		return s.call("git_push", "keep_conflicts", true)
	default:
		return s.call("file_read", "path", "total.sh")
	}
}

// merging reports whether a conflict was kept and waits to be ended.
func merging(history []turn) bool {
	for _, t := range history {
		if t.call.tool == "git_push" && t.failed {
			return true
		}
	}
	return false
}

// call is a call in the sandbox, with arguments by name and value.
func (s *script) call(tool string, args ...any) *call {
	c := &call{tool, map[string]any{"sandbox_id": s.sandboxID}}
	for i := 0; i+1 < len(args); i += 2 {
		c.args[fmt.Sprint(args[i])] = args[i+1]
	}
	return c
}

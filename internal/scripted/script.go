package scripted

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gitsandbox/gitsandbox/tools"
)

// Caller is who calls the tools. The caller of a run puts it into the context with
// tools.WithCaller, and Check finds out whether it came through.
const Caller = "ada"

// A Call is what the model wants to be called.
type Call struct {
	ID, Name  string
	Arguments json.RawMessage
}

// A Reply is what the model was shown of a call: the text, or the structure as
// JSON, and whether it was told that the call failed.
type Reply struct {
	Text   string
	Failed bool
}

// A Script is a model that clones, reads a file that is not there, writes one,
// forgets an argument, commits and pushes. It is for one goroutine.
type Script struct {
	world     *World
	sandboxID string
	replies   []Reply
}

// NewScript returns a Script that is at its beginning.
func (w *World) NewScript() *Script { return &Script{world: w} }

// Next returns the next call, or nil at the end. Replies are all that the model has
// been shown until now.
func (s *Script) Next(replies []Reply) *Call {
	s.replies = replies
	if len(replies) == 1 {
		var clone struct {
			SandboxID string `json:"sandbox_id"`
		}
		_ = json.Unmarshal([]byte(replies[0].Text), &clone) // Check says so
		s.sandboxID = clone.SandboxID
	}
	type args map[string]any
	steps := []struct {
		name string
		args args
	}{
		{"git_clone", args{"repo_url": s.world.RepoURL(), "agent_id": "a1", "task_id": "readme"}},
		{"file_read", args{"sandbox_id": s.sandboxID, "path": "TODO.md"}},
		// A string for a truth value: the tools take it, so an adapter lets it pass.
		{"file_write", args{"sandbox_id": s.sandboxID, "path": "README.md", "content": "# Our shop & more\n", "executable": "false"}},
		{"git_commit", args{"sandbox_id": s.sandboxID, "commit_msg": "Rename the shop"}},
		{"git_commit", args{"sandbox_id": s.sandboxID, "commit_message": "Rename the shop"}},
		{"git_push", args{"sandbox_id": s.sandboxID}},
	}
	if len(replies) >= len(steps) {
		return nil
	}
	step := steps[len(replies)]
	arguments, err := json.Marshal(step.args)
	if err != nil {
		panic(err) // they are strings
	}
	return &Call{ID: "call_" + strconv.Itoa(len(replies)+1), Name: step.name, Arguments: arguments}
}

// Last is what the model says at the end.
const Last = "The shop has its new name."

// Check returns how what the model was shown, what the remote holds and who the
// sandbox belongs to differ from what they have to be.
func (s *Script) Check(ctx context.Context) error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	want := []struct {
		failed bool
		begin  string // of the text of a failed call
		field  string // of the structure of any other
		value  any
	}{
		{field: "branch", value: "agent-a1-readme"},
		{failed: true, begin: "[FILE_NOT_FOUND] "},
		{field: "path", value: "README.md"},
		{failed: true, begin: `[INVALID_ARGUMENT] there is no argument "commit_msg". Did you mean commit_message?`},
		{field: "summary", value: nil},
		{field: "outcome", value: "pushed"},
	}
	if len(s.replies) != len(want) {
		wrong("the model was shown %d replies, not %d: %v", len(s.replies), len(want), s.replies)
	}
	for i, reply := range s.replies[:min(len(s.replies), len(want))] {
		w := want[i]
		if reply.Failed != w.failed {
			wrong("reply %d: failed is %v: %s", i+1, reply.Failed, reply.Text)
		}
		if w.failed {
			if !strings.HasPrefix(reply.Text, w.begin) {
				wrong("reply %d does not begin with %s: %s", i+1, w.begin, reply.Text)
			}
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(reply.Text), &fields); err != nil {
			wrong("reply %d is no structure: %s", i+1, reply.Text)
		} else if got, ok := fields[w.field]; !ok || w.value != nil && got != w.value {
			wrong("reply %d: %s is not %q: %s", i+1, w.field, w.value, reply.Text)
		}
	}

	content, message, err := s.world.Pushed() //nolint:contextcheck // the git server is on this machine
	if err != nil || content != "# Our shop & more\n" || strings.TrimSpace(message) != "Rename the shop" {
		wrong("the remote has README.md %q of %q: %w", content, message, errors.Join(err))
	}

	status := json.RawMessage(fmt.Sprintf(`{"sandbox_id":%q}`, s.sandboxID))
	if r := s.world.Tools.Call(tools.WithCaller(ctx, Caller), "git_status", status); r.IsError {
		wrong("the sandbox does not belong to the caller: %s", r.Text)
	}
	if r := s.world.Tools.Call(ctx, "git_status", status); r.Code != "SANDBOX_NOT_FOUND" {
		wrong("the sandbox belongs to everybody: %s", r.Text)
	}
	return errors.Join(problems...)
}

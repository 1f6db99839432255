package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox"
)

const (
	// maxSandboxes is how many sandboxes are listed.
	maxSandboxes = 20

	// maxLook bounds how many sandboxes of others are passed over on the way.
	maxLook = 2_000
)

func sandboxListTool() *Tool {
	return &Tool{
		Name: "sandbox_list", Title: "List sandboxes", Toolset: ToolsetSandbox, ReadOnly: true, Idempotent: true, OpenWorld: true,
		Description: "List your sandboxes, newest first.",
		params:      []param{{name: "repo_url", kind: kindString, description: "Only those of this repository"}},
		OutputSchema: outputSchema(summaryFields(
			field{name: "sandboxes", kind: kindStrings, description: "Yours", items: []field{
				{name: "sandbox_id", kind: kindString, description: "ID"},
				{name: "repo_url", kind: kindString, description: "URL"},
				{name: "branch", kind: kindString, description: "Its branch"},
				{name: "started_at", kind: kindString, description: "RFC 3339"},
			}},
			field{name: "more", kind: kindBoolean, description: "There are others", optional: true},
		)),
		run: runSandboxList,
	}
}

type sandboxesData struct {
	Sandboxes []sandboxData `json:"sandboxes"`
	More      bool          `json:"more,omitempty"`
	Summary   string        `json:"summary"`
	Next      string        `json:"next,omitempty"`
}

type sandboxData struct {
	SandboxID string `json:"sandbox_id"`
	RepoURL   string `json:"repo_url"`
	Branch    string `json:"branch"`
	StartedAt string `json:"started_at"`
}

func runSandboxList(ctx context.Context, c *call) (*Result, error) {
	caller := callerOf(ctx)
	data := sandboxesData{Sandboxes: []sandboxData{}}
	looked := 0
	for info, err := range c.set.client.List(ctx, &gitsandbox.ListOptions{Owner: caller, RepoURL: c.args.string("repo_url")}) {
		if err != nil {
			return nil, err
		}
		// An empty owner in the options stands for all.
		if looked++; info.Owner != caller || !c.set.allow.uses(info.RepoURL, info.BaseBranch) {
			if looked < maxLook {
				continue
			}
			data.More = true
			break
		}
		if len(data.Sandboxes) == maxSandboxes {
			data.More = true
			break
		}
		data.Sandboxes = append(data.Sandboxes, sandboxData{
			SandboxID: info.ID, RepoURL: info.RepoURL, Branch: info.Branch, StartedAt: info.StartedAt.UTC().Format(time.RFC3339),
		})
	}
	data.Summary = fmt.Sprintf("Sandboxes: %d.", len(data.Sandboxes))
	if len(data.Sandboxes) == 0 {
		data.Next = "git_clone makes one."
	}
	return state(data)
}

func sandboxCloseTool() *Tool {
	return &Tool{
		Name: "sandbox_close", Title: "Close a sandbox", Toolset: ToolsetSandbox, Destructive: true, Idempotent: true,
		Description: "End a sandbox when the work is pushed; it costs money until then. If work would be lost, a person is asked.",
		params:      []param{sandboxID()},
		OutputSchema: outputSchema(summaryFields(
			field{name: "sandbox_id", kind: kindString, description: "ID"},
		)),
		run: runSandboxClose,
	}
}

type closeData struct {
	SandboxID string `json:"sandbox_id"`
	Summary   string `json:"summary"`
	Next      string `json:"next,omitempty"`
}

func runSandboxClose(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	lost, err := unpublished(ctx, s)
	if err != nil {
		return nil, err
	}
	if lost != "" {
		question := fmt.Sprintf("Close sandbox %s and lose %s?", s.ID(), lost)
		if err := confirm(ctx, question, "Call git_push with commit_message first, then sandbox_close."); err != nil {
			return nil, err
		}
	}
	if err := s.Kill(ctx); err != nil {
		return nil, err
	}
	return state(closeData{SandboxID: s.ID(), Summary: "The sandbox has ended."})
}

// unpublished says what is lost with a sandbox, or nothing.
func unpublished(ctx context.Context, s *gitsandbox.Sandbox) (string, error) {
	st, err := s.Status(ctx, nil)
	if errors.Is(err, gitsandbox.ErrBrokenClone) {
		return "a clone that is damaged", nil
	}
	if err != nil {
		return "", err
	}
	var lost []string
	if n := len(st.Files); n > 0 {
		lost = append(lost, plural(n, "uncommitted file"))
	}
	branches, err := s.Branches(ctx)
	if err != nil {
		return "", err
	}
	published := []string{"origin/" + s.BaseBranch()}
	if st.Upstream != "" && st.Upstream != published[0] {
		published = append(published, st.Upstream)
	}
	looked := map[gitsandbox.Hash]bool{}
	for _, b := range branches {
		if looked[b.Head] {
			continue
		}
		looked[b.Head] = true
		for _, err := range s.Log(ctx, &gitsandbox.LogOptions{Rev: string(b.Head), Exclude: published, Max: 1}) {
			if err != nil {
				return "", err
			}
			lost = append(lost, "commits of "+clean(b.Name)+" that were not pushed")
		}
	}
	return strings.Join(lost, " and "), nil
}

package tools

import (
	"context"
	"fmt"
	"strings"

	"github.com/gitsandbox/gitsandbox"
)

func cloneTool() *Tool {
	return &Tool{
		Name: "git_clone", Title: "Clone a repository", Toolset: ToolsetGit, Idempotent: true, OpenWorld: true,
		Description: "Clone a git repository into a sandbox of its own, on a new branch for this work. " +
			"Returns the sandbox_id that all other tools need. The same agent_id and task_id get the same sandbox again. " +
			"Unused for about an hour it ends; push before that.",
		params: []param{
			{name: "repo_url", kind: kindString, required: true, description: "https://github.com/owner/repo, without credentials"},
			{name: "branch", kind: kindString, description: "Base branch. Default: the repository's default branch"},
			{name: "agent_id", kind: kindString, description: "Who works, such as \"a1\": letters, digits, '.', '_', '-'. Default: random"},
			{name: "task_id", kind: kindString, description: "What on, such as \"issue-12\". Default: random"},
			{name: "shallow", kind: kindBoolean, description: "Only the newest commit: faster for a large history. Default false"},
		},
		OutputSchema: outputSchema(summaryFields(
			field{name: "sandbox_id", kind: kindString, description: "ID"},
			field{name: "repo_url", kind: kindString, description: "URL"},
			field{name: "branch", kind: kindString, description: "Where git_push publishes"},
			field{name: "base_branch", kind: kindString, description: "What git_pull gets"},
		)),
		run: runClone,
	}
}

type cloneData struct {
	SandboxID  string `json:"sandbox_id"`
	RepoURL    string `json:"repo_url"`
	Branch     string `json:"branch"`
	BaseBranch string `json:"base_branch"`
	Summary    string `json:"summary"`
	Next       string `json:"next,omitempty"`
}

func runClone(ctx context.Context, c *call) (*Result, error) {
	url, branch := c.args.string("repo_url"), c.args.string("branch")
	if !c.set.allow.repository(url) {
		return nil, &failure{
			code: codeNotAllowed, cause: "the operator does not let this repository be cloned",
			next: "Allowed: " + strings.Join(c.set.allow.repositories, ", ") + ".",
		}
	}
	if len(c.set.allow.branches) > 0 && (branch == "" || !c.set.allow.branch(branch)) {
		return nil, &failure{
			code: codeNotAllowed, cause: "the operator lets only some base branches be cloned",
			next: "Call again with branch one of: " + strings.Join(c.set.allow.branches, ", ") + ".",
		}
	}
	opts := &gitsandbox.CloneOptions{
		Branch: branch, AgentID: c.args.string("agent_id"), TaskID: c.args.string("task_id"), Owner: callerOf(ctx),
	}
	if c.args.bool("shallow", false) {
		opts.Depth = 1
	}
	s, err := c.set.client.Clone(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	return state(cloneData{
		SandboxID: s.ID(), RepoURL: s.RepoURL(), Branch: s.Branch(), BaseBranch: s.BaseBranch(),
		Summary: fmt.Sprintf("The clone is in sandbox %s, on branch %s, which began at %s.", s.ID(), s.Branch(), s.BaseBranch()),
		Next:    "Look around with file_list and file_search; change files with file_edit and file_write; git_push publishes.",
	})
}

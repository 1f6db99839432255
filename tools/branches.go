package tools

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitsandbox/gitsandbox"
)

// maxBranches is how many branches are listed.
const maxBranches = 50

func branchesTool() *Tool {
	return &Tool{
		Name: "git_branches", Title: "Branches", Toolset: ToolsetGit, Destructive: true,
		Description: "List the branches of the clone, or create, check out or delete one. They stay in the sandbox: git_push publishes the one that is checked out.",
		params: []param{
			sandboxID(),
			{name: "action", kind: kindString, enum: []string{"list", "create", "checkout", "delete"}, description: "Default list"},
			{name: "name", kind: kindString, description: "Of the branch; not for list"},
			{name: "start", kind: kindString, description: "For create: revision where it begins. Default HEAD"},
		},
		OutputSchema: outputSchema(summaryFields(
			field{name: "branches", kind: kindStrings, description: "After the action", items: []field{
				{name: "name", kind: kindString, description: "Name"},
				{name: "head", kind: kindString, description: "Commit"},
				{name: "current", kind: kindBoolean, description: "Checked out"},
				{name: "ahead", kind: kindInteger, description: "Commits to push"},
				{name: "behind", kind: kindInteger, description: "Commits to pull"},
			}},
		)),
		run: runBranches,
	}
}

type branchesData struct {
	Branches []branchData `json:"branches"`
	Summary  string       `json:"summary"`
	Next     string       `json:"next,omitempty"`
}

type branchData struct {
	Name    string `json:"name"`
	Head    string `json:"head"`
	Current bool   `json:"current"`
	Ahead   int    `json:"ahead"`
	Behind  int    `json:"behind"`
}

func runBranches(ctx context.Context, c *call) (*Result, error) {
	action, name := c.args.string("action"), c.args.string("name")
	if action != "" && action != "list" && name == "" {
		return nil, argumentError("name is missing: which branch to %s", action)
	}
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	switch action {
	case "create":
		err = s.CreateBranch(ctx, name, &gitsandbox.CreateBranchOptions{Start: c.args.string("start"), Checkout: true})
	case "checkout":
		err = s.Checkout(ctx, name)
	case "delete":
		if err = s.DeleteBranch(ctx, name, nil); errors.Is(err, gitsandbox.ErrNotFastForward) {
			err = &failure{code: codeNotFastFwd, cause: "commits of " + shown(name) + " are on no other branch and would be lost", next: "Keep it.", err: err}
		}
	}
	if err != nil {
		return nil, err
	}
	list, err := s.Branches(ctx)
	if err != nil {
		return nil, err
	}
	data := branchesData{Branches: []branchData{}, Summary: fmt.Sprintf("Local branches: %d.", len(list))}
	for _, b := range list {
		if b.Current {
			data.Summary += " " + clean(b.Name) + " is checked out."
		}
		if len(data.Branches) < maxBranches {
			data.Branches = append(data.Branches, branchData{Name: clean(b.Name), Head: b.Head.Short(), Current: b.Current, Ahead: b.Ahead, Behind: b.Behind})
		}
	}
	return state(data)
}

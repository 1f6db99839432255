package tools

import (
	"context"
	"fmt"

	"github.com/gitsandbox/gitsandbox"
)

func commitMessage(required bool, description string) param {
	return param{name: "commit_message", kind: kindString, required: required, description: description}
}

func pullTool() *Tool {
	return &Tool{
		Name: "git_pull", Title: "Pull the base branch", Toolset: ToolsetGit, OpenWorld: true,
		Description: "Bring what is new on the base branch into the clone. Uncommitted changes stay.",
		params: []param{
			sandboxID(),
			{name: "auto_rebase", kind: kindBoolean, description: "Put own commits on top, or merge published ones. " +
				"false: refuse if both sides have commits. Default true"},
			keepConflicts(),
		},
		OutputSchema: outputSchema(summaryFields(
			field{name: "outcome", kind: kindString, description: "up to date, fast-forwarded, rebased or merged"},
			field{name: "base", kind: kindString, description: "Its commit"},
		)),
		run: runPull,
	}
}

type pullData struct {
	Outcome string `json:"outcome"`
	Base    string `json:"base"`
	Summary string `json:"summary"`
	Next    string `json:"next,omitempty"`
}

func runPull(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	o := &gitsandbox.PullOptions{KeepConflicts: c.args.bool("keep_conflicts", false)}
	if !c.args.bool("auto_rebase", true) {
		o.Mode = gitsandbox.PullFastForward
	}
	p, err := s.Pull(ctx, o)
	if err != nil {
		return nil, err
	}
	data := pullData{
		Outcome: string(p.Outcome), Base: p.Base.Short(),
		Summary: fmt.Sprintf("The clone has all of %s.", s.BaseBranch()),
	}
	if p.Outcome != gitsandbox.PullUpToDate {
		data.Next = "Test again before git_push: files may have changed."
	}
	return state(data)
}

func commitTool() *Tool {
	return &Tool{
		Name: "git_commit", Title: "Commit", Toolset: ToolsetGit,
		Description: "Commit changes in the clone without publishing them. git_push with commit_message does both in one call.",
		params: []param{
			sandboxID(),
			commitMessage(true, "First line: what the change does"),
			filesParam("Only these paths. Default: all changes"),
		},
		OutputSchema: outputSchema(summaryFields(field{name: "commit", kind: kindString, description: "The new commit"})),
		run:          runCommit,
	}
}

type commitData struct {
	Commit  string `json:"commit"`
	Summary string `json:"summary"`
	Next    string `json:"next,omitempty"`
}

func committed(commit *gitsandbox.Commit) (*Result, error) {
	return state(commitData{
		Commit: commit.Hash.Short(), Summary: "Committed: " + clean(commit.Subject), Next: "git_push publishes it.",
	})
}

func runCommit(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	commit, err := s.Commit(ctx, c.args.string("commit_message"), &gitsandbox.CommitOptions{Paths: c.args.files()})
	if err != nil {
		return nil, err
	}
	return committed(commit)
}

func pushTool() *Tool {
	return &Tool{
		Name: "git_push", Title: "Publish", Toolset: ToolsetGit, OpenWorld: true,
		Description: "Publish the work on its branch of the remote. With commit_message, commit all changes first. " +
			"Use this and not \"git push\" in run, which has no credential.",
		params: []param{
			sandboxID(),
			commitMessage(false, "Commit first, with this message"),
			filesParam("Commit only these paths"),
			{name: "auto_rebase", kind: kindBoolean, description: "If others pushed there, put the work on top and retry. Default true"},
			keepConflicts(),
		},
		OutputSchema: outputSchema(summaryFields(
			field{name: "outcome", kind: kindString, description: "pushed, rebased and pushed, or up to date"},
			field{name: "branch", kind: kindString, description: "Of the remote"},
			field{name: "commit", kind: kindString, description: "Where the branch is now"},
			field{name: "remote_says", kind: kindString, description: "Its message", optional: true},
		)),
		run: runPush,
	}
}

type pushData struct {
	Outcome    string `json:"outcome"`
	Branch     string `json:"branch"`
	Commit     string `json:"commit"`
	RemoteSays string `json:"remote_says,omitempty"`
	Summary    string `json:"summary"`
	Next       string `json:"next,omitempty"`
}

func runPush(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Push(ctx, &gitsandbox.PushOptions{
		Message: c.args.string("commit_message"), Paths: c.args.files(),
		NoRebase: !c.args.bool("auto_rebase", true), KeepConflicts: c.args.bool("keep_conflicts", false),
	})
	if err != nil {
		return nil, err
	}
	data := pushData{
		Outcome: string(p.Outcome), Branch: p.Branch, Commit: p.Commit.Short(),
		Summary: fmt.Sprintf("Branch %s of the remote is at %s.", p.Branch, p.Commit.Short()),
	}
	if p.Outcome == gitsandbox.PushRebased {
		data.Summary = fmt.Sprintf("Others had pushed to %s; the work is on top of theirs now, at %s.", p.Branch, p.Commit.Short())
	}
	const most = 1000
	if data.RemoteSays = clean(p.Messages); len(data.RemoteSays) > most {
		data.RemoteSays = data.RemoteSays[:most] + "..."
	}
	return state(data)
}

func resolveTool() *Tool {
	return &Tool{
		Name: "git_resolve", Title: "End a conflict", Toolset: ToolsetGit, Destructive: true,
		Description: "End a merge whose conflicts were kept: \"continue\" commits the resolved files, \"abort\" puts them back as they were.",
		params: []param{
			sandboxID(),
			{name: "action", kind: kindString, required: true, enum: []string{"continue", "abort"}, description: "What to do"},
			commitMessage(false, "For continue. Default: that of a merge"),
		},
		OutputSchema: outputSchema(summaryFields(field{name: "commit", kind: kindString, description: "The merge", optional: true})),
		run:          runResolve,
	}
}

type resolveData struct {
	Commit  string `json:"commit,omitempty"`
	Summary string `json:"summary"`
	Next    string `json:"next,omitempty"`
}

func runResolve(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	if c.args.string("action") == "abort" {
		if err := s.Abort(ctx); err != nil {
			return nil, err
		}
		return state(resolveData{Summary: "The files are as they were before the merge."})
	}
	commit, err := s.Continue(ctx, c.args.string("commit_message"))
	if err != nil {
		return nil, err
	}
	return committed(commit)
}

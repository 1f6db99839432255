package tools

import (
	"context"
	"fmt"
	"strings"

	"github.com/gitsandbox/gitsandbox"
)

// maxStatusFiles is how many files a status lists.
const maxStatusFiles = 100

func statusTool() *Tool {
	return &Tool{
		Name: "git_status", Title: "Show the status", Toolset: ToolsetGit, ReadOnly: true, Idempotent: true,
		Description: "Show the branch, how far it is from the remote, and the files that are not committed.",
		params:      []param{sandboxID()},
		OutputSchema: outputSchema(summaryFields(
			field{name: "branch", kind: kindString, description: "Checked out"},
			field{name: "head", kind: kindString, description: "Commit"},
			field{name: "upstream", kind: kindString, description: "Compared with"},
			field{name: "ahead", kind: kindInteger, description: "Commits to push"},
			field{name: "behind", kind: kindInteger, description: "Commits to pull"},
			field{name: "clean", kind: kindBoolean, description: "Nothing to commit"},
			field{name: "operation", kind: kindString, description: "Waits to be ended", optional: true},
			field{name: "files", kind: kindStrings, description: "Not committed", items: []field{
				{name: "path", kind: kindString, description: "Path"},
				{name: "state", kind: kindString, description: "Such as modified"},
			}},
			field{name: "more_files", kind: kindInteger, description: "Not listed", optional: true},
		)),
		run: runStatus,
	}
}

type statusData struct {
	Branch    string     `json:"branch"`
	Head      string     `json:"head"`
	Upstream  string     `json:"upstream"`
	Ahead     int        `json:"ahead"`
	Behind    int        `json:"behind"`
	Clean     bool       `json:"clean"`
	Operation string     `json:"operation,omitempty"`
	Files     []fileData `json:"files"`
	MoreFiles int        `json:"more_files,omitempty"`
	Summary   string     `json:"summary"`
	Next      string     `json:"next,omitempty"`
}

type fileData struct {
	Path  string `json:"path"`
	State string `json:"state"`
}

func runStatus(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	st, err := s.Status(ctx, nil)
	if err != nil {
		return nil, err
	}
	data := statusData{
		Branch: clean(st.Branch), Head: st.Head.Short(), Upstream: clean(st.Upstream), Ahead: st.Ahead, Behind: st.Behind,
		Clean: st.Clean(), Operation: st.Operation, Files: []fileData{},
	}
	for _, f := range st.Files[:min(len(st.Files), maxStatusFiles)] {
		data.Files = append(data.Files, fileData{Path: clean(f.Path), State: fileState(&f)})
	}
	data.MoreFiles = len(st.Files) - len(data.Files)
	data.Summary = statusSummary(st)
	data.Next = statusNext(st)
	return state(data)
}

func fileState(f *gitsandbox.FileStatus) string {
	if f.Conflict {
		return "conflict"
	}
	if f.Worktree == gitsandbox.Untracked {
		return "untracked"
	}
	var parts []string
	if f.Index != gitsandbox.Unmodified {
		parts = append(parts, "staged "+f.Index.String())
	}
	if f.Worktree != gitsandbox.Unmodified {
		parts = append(parts, f.Worktree.String())
	}
	text := strings.Join(parts, ", ")
	if f.From != "" {
		text += " from " + clean(f.From)
	}
	return text
}

func statusSummary(st *gitsandbox.Status) string {
	where := "HEAD is detached"
	if st.Branch != "" {
		where = "On " + clean(st.Branch)
	}
	text := where + ", nothing to commit"
	if n := len(st.Files); n > 0 {
		text = fmt.Sprintf("%s, %s not committed", where, plural(n, "file"))
	}
	if st.Upstream != "" {
		text += fmt.Sprintf(", %s ahead of %s and %d behind", plural(st.Ahead, "commit"), clean(st.Upstream), st.Behind)
	}
	if st.Operation != "" {
		text += ", a " + st.Operation + " waits to be ended"
	}
	return text + "."
}

func statusNext(st *gitsandbox.Status) string {
	switch {
	case st.HasConflicts():
		return "Resolve the conflicts, then git_resolve."
	case st.Operation == "merge":
		return "git_resolve with action continue or abort."
	case len(st.Files) > 0:
		return "git_push with commit_message publishes all of it; git_diff shows it."
	case st.Ahead > 0:
		return "git_push publishes the commits."
	default:
		return ""
	}
}

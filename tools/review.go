package tools

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox"
)

func diffTool() *Tool {
	return &Tool{
		Name: "git_diff", Title: "Show changes", Toolset: ToolsetGit, ReadOnly: true, Idempotent: true,
		Description: "Show what changed as a patch, new files included: by default all that is not committed. " +
			"from \"origin/main\" shows the whole work of the branch. The first line tells how to get what was cut.",
		params: []param{
			sandboxID(),
			filesParam("Only these paths"),
			{name: "from", kind: kindString, description: "Revision to compare with. Default HEAD"},
			{name: "to", kind: kindString, description: "Revision to compare. Default: the files"},
			{name: "staged", kind: kindBoolean, description: "Compare what is staged instead of the files"},
			{name: "format", kind: kindString, enum: []string{"patch", "stat"}, description: "\"stat\" lists files and counts only. Default patch"},
			maxTokens(),
		},
		run: runDiff,
	}
}

func runDiff(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	o := &gitsandbox.DiffOptions{
		From: c.args.string("from"), To: c.args.string("to"), Staged: c.args.bool("staged", false),
		Paths: c.args.files(), NoPatch: c.args.string("format") == "stat", MaxBytes: c.budget(),
	}
	o.Untracked = !o.Staged && o.To == ""
	d, err := s.Diff(ctx, o)
	if err != nil {
		return nil, err
	}
	return diffResult(nil, "", d, o.NoPatch, c.budget(), "git_diff"), nil
}

// diffResult is a diff as text: the patch, or a list of files with counts where
// none is wanted or none fits.
func diffResult(facts []string, intro string, d *gitsandbox.Diff, stat bool, budget int, again string) *Result {
	added, deleted := 0, 0
	for _, f := range d.Files {
		added, deleted = added+f.Additions, deleted+f.Deletions
	}
	facts = append(facts, fact("files", len(d.Files)), fmt.Sprintf("+%d -%d", added, deleted))
	if len(d.Files) == 0 {
		return bulk(append(facts, "(no changes)"), intro)
	}
	patch := d.Patch
	if stat || len(patch) == 0 && d.Truncated {
		if !stat {
			facts = append(facts, "truncated=true", fmt.Sprintf("next: %s with one of files, or a larger max_tokens", again))
		}
		body, more := statLines(d.Files, budget)
		if more > 0 || d.FilesTruncated {
			facts = append(facts, fmt.Sprintf("files_not_listed=%d", more), "next: "+again+" with files, a directory")
		}
		return bulk(facts, intro+body)
	}
	if d.Truncated {
		facts = append(facts, "truncated=true", "next: "+again+" files="+restOf(d))
	}
	return bulk(facts, intro+clean(string(patch)))
}

// restOf names the files whose patch is not there, or not whole.
func restOf(d *gitsandbox.Diff) string {
	const most = 10
	// A line of a hunk begins with another character.
	last := bytes.Count(d.Patch, []byte("\ndiff --git "))
	if i := bytes.LastIndex(d.Patch, []byte("\ndiff --git ")); last < len(d.Files) && whole(d.Patch[i+1:], &d.Files[last]) {
		last++
	}
	var names []string
	for _, f := range d.Files[min(last, len(d.Files)-1):] {
		if len(names) == most {
			return "[" + strings.Join(names, ",") + ",...]"
		}
		names = append(names, shown(f.Path))
	}
	return "[" + strings.Join(names, ",") + "]"
}

// whole reports whether the patch of a file has all of its lines.
func whole(patch []byte, f *gitsandbox.FileDiff) bool {
	_, hunks, _ := bytes.Cut(patch, []byte("\n@@ "))
	return bytes.Count(hunks, []byte("\n+")) == f.Additions && bytes.Count(hunks, []byte("\n-")) == f.Deletions
}

// statLines lists files, as many as fit, and returns how many do not.
func statLines(files []gitsandbox.FileDiff, budget int) (text string, more int) {
	var b strings.Builder
	for i, f := range files {
		counts := fmt.Sprintf("+%d -%d", f.Additions, f.Deletions)
		if f.Binary {
			counts = "binary"
		}
		line := fmt.Sprintf("%s %s %s\n", f.Change, counts, clean(f.Path))
		if f.From != "" {
			line = fmt.Sprintf("%s %s %s from %s\n", f.Change, counts, clean(f.Path), clean(f.From))
		}
		if b.Len()+len(line) > budget {
			return b.String(), len(files) - i
		}
		b.WriteString(line)
	}
	return b.String(), 0
}

func logTool() *Tool {
	return &Tool{
		Name: "git_log", Title: "Show commits", Toolset: ToolsetGit, ReadOnly: true, Idempotent: true,
		Description: "List commits, newest first, one line each. exclude \"origin/main\" leaves those of the branch itself.",
		params: []param{
			sandboxID(),
			{name: "rev", kind: kindString, description: "Where to begin. Default HEAD"},
			{name: "exclude", kind: kindString, description: "Leave out what this revision has"},
			filesParam("Only commits that change these paths"),
			{name: "limit", kind: kindInteger, min: 1, max: 200, description: "Default 20"},
			{name: "skip", kind: kindInteger, description: "Leave out the first so many"},
		},
		run: runLog,
	}
}

func runLog(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	limit, skip := c.args.int("limit", 20), c.args.int("skip", 0)
	o := &gitsandbox.LogOptions{Rev: c.args.string("rev"), Paths: c.args.files(), Skip: skip, Max: limit + 1}
	if x := c.args.string("exclude"); x != "" {
		o.Exclude = []string{x}
	}
	var lines []string
	more := false
	for commit, err := range s.Log(ctx, o) {
		if err != nil {
			return nil, err
		}
		if more = len(lines) == limit; more {
			break
		}
		lines = append(lines, commitLine(commit))
	}
	facts := []string{fact("commits", len(lines))}
	if more {
		facts = append(facts, "more=true", fmt.Sprintf("next: git_log skip=%d", skip+limit))
	}
	return bulk(facts, strings.Join(lines, "\n")), nil
}

// commitLine is a commit on one line.
func commitLine(c *gitsandbox.Commit) string {
	const most = 200
	line := fmt.Sprintf("%s %s %s: %s", c.Hash.Short(), c.Authored.UTC().Format(time.DateOnly), c.Author.Name, c.Subject)
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "..."
	}
	return clean(strings.ReplaceAll(line, "\n", " "))
}

func showTool() *Tool {
	return &Tool{
		Name: "git_show", Title: "Show a commit", Toolset: ToolsetGit, ReadOnly: true, Idempotent: true,
		Description: "Show a commit: its message, and what it changed as a patch. For a file as it was, use file_read with rev.",
		params: []param{
			sandboxID(),
			{name: "rev", kind: kindString, required: true, description: "Such as HEAD~1 or a commit of git_log"},
			filesParam("Only these paths"),
			maxTokens(),
		},
		run: runShow,
	}
}

func runShow(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	// A quarter is for the message, the rest for the patch.
	forMessage := c.budget() / 4
	forPatch := c.budget() - forMessage
	shownCommit, err := s.Show(ctx, c.args.string("rev"), &gitsandbox.ShowOptions{Paths: c.args.files(), MaxBytes: forPatch})
	if err != nil {
		return nil, err
	}
	commit := shownCommit.Commit
	facts := []string{
		fact("commit", commit.Hash), fact("author", shown(commit.Author.Name)),
		fact("date", commit.Authored.UTC().Format(time.RFC3339)),
	}
	message := clean(strings.TrimRight(commit.Subject+"\n\n"+commit.Body, "\n"))
	if len(message) > forMessage {
		message = strings.ToValidUTF8(message[:forMessage], "") + "..."
	}
	return diffResult(facts, message+"\n\n", shownCommit.Diff, false, forPatch, "git_show"), nil
}

package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gitsandbox/gitsandbox"
)

func pathParam(description string) param {
	return param{name: "path", kind: kindString, required: true, description: description}
}

func readTool() *Tool {
	return &Tool{
		Name: "file_read", Title: "Read a file", Toolset: ToolsetFiles, ReadOnly: true, Idempotent: true,
		Description: "Read a text file of the clone. The first line tells how to get the rest.",
		params: []param{
			sandboxID(),
			pathParam("Relative to the clone"),
			{name: "offset", kind: kindInteger, min: 1, description: "First line, from 1"},
			{name: "limit", kind: kindInteger, min: 1, description: "How many lines. Default: as many as fit"},
			{name: "rev", kind: kindString, description: "As it was at this revision"},
			maxTokens(),
		},
		run: runRead,
	}
}

func runRead(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	name := c.args.string("path")
	data, err := readFile(ctx, s, name, c.args.string("rev"))
	if err != nil {
		return nil, err
	}
	first := c.args.int("offset", 1)
	lines := splitLines(string(data))
	if first > len(lines) && len(lines) > 0 {
		return nil, argumentError("offset: the file has %s", plural(len(lines), "line"))
	}
	part := lines[min(first-1, len(lines)):]
	part = part[:min(c.args.int("limit", len(part)), len(part))]
	text, n := fit(part, c.budget())
	last := first + n - 1
	facts := []string{fact("path", shown(name)), fmt.Sprintf("lines=%d-%d of %d", min(first, last), last, len(lines)), fact("bytes", len(data))}
	if n < len(part) {
		facts = append(facts, "truncated=true", fmt.Sprintf("next: file_read offset=%d", last+1))
	}
	return bulk(facts, text), nil
}

// readFile reads a text file of the clone, or of a revision.
func readFile(ctx context.Context, s *gitsandbox.Sandbox, name, rev string) (data []byte, err error) {
	if rev != "" {
		data, err = s.ShowFile(ctx, rev, name)
	} else {
		data, err = s.ReadFile(ctx, name)
	}
	switch {
	case errors.Is(err, gitsandbox.ErrFileNotFound):
		return nil, &failure{code: codeFile, cause: "there is no file " + shown(name), next: "file_list lists what there is.", err: err}
	case err != nil:
		return nil, err
	}
	const look = 8000 // where git looks too
	if bytes.IndexByte(data[:min(len(data), look)], 0) >= 0 {
		return nil, &failure{code: codeBinary, cause: fmt.Sprintf("%s is a binary file of %d bytes", shown(name), len(data)), next: "run can look into it, with a program for its format."}
	}
	return data, nil
}

// splitLines splits text into lines with their ends.
func splitLines(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, line)
	}
	return lines
}

// fit joins as many lines as fit, and returns how many. A first line that does not
// is cut.
func fit(lines []string, budget int) (text string, n int) {
	var b strings.Builder
	for i, line := range lines {
		line = clean(line)
		if b.Len()+len(line) > budget {
			if i > 0 {
				return b.String(), i
			}
			cut := strings.ToValidUTF8(line[:budget], "")
			return fmt.Sprintf("%s... (the line has %d bytes)\n", cut, len(lines[0])), 1
		}
		b.WriteString(line)
	}
	return b.String(), len(lines)
}

func writeTool() *Tool {
	return &Tool{
		Name: "file_write", Title: "Write a file", Toolset: ToolsetFiles, Destructive: true, Idempotent: true,
		Description: "Write a whole file of the clone, new or not. Directories are made. To change a part of a file, use file_edit.",
		params: []param{
			sandboxID(),
			pathParam("Relative to the clone"),
			{name: "content", kind: kindString, required: true, mayBeEmpty: true, description: "All of it"},
			{name: "executable", kind: kindBoolean, description: "Make it executable"},
		},
		OutputSchema: outputSchema(summaryFields(field{name: "path", kind: kindString, description: "Path"})),
		run:          runWrite,
	}
}

type writeData struct {
	Path    string `json:"path"`
	Summary string `json:"summary"`
	Next    string `json:"next,omitempty"`
}

func runWrite(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	name, content := c.args.string("path"), c.args.string("content")
	mode := fs.FileMode(0)
	if c.args.bool("executable", false) {
		mode = 0o755
	}
	if err := s.WriteFile(ctx, name, []byte(content), mode); err != nil {
		return nil, err
	}
	return state(writeData{Path: clean(name), Summary: fmt.Sprintf("Wrote %s, %s.", plural(len(content), "byte"), plural(len(splitLines(content)), "line"))})
}

func editTool() *Tool {
	return &Tool{
		Name: "file_edit", Title: "Edit a file", Toolset: ToolsetFiles, Destructive: true,
		Description: "Replace text in a file of the clone. old_text has to be there exactly once, to the letter, white space included.",
		params: []param{
			sandboxID(),
			pathParam("Relative to the clone"),
			{name: "old_text", kind: kindString, required: true, description: "With enough lines around it to be unique"},
			{name: "new_text", kind: kindString, required: true, mayBeEmpty: true, description: "What takes its place"},
			{name: "replace_all", kind: kindBoolean, description: "Replace each occurrence. Default false"},
		},
		OutputSchema: outputSchema(summaryFields(
			field{name: "path", kind: kindString, description: "Path"},
			field{name: "replaced", kind: kindInteger, description: "How many places"},
			field{name: "line", kind: kindInteger, description: "Of the first, from 1"},
		)),
		run: runEdit,
	}
}

type editData struct {
	Path     string `json:"path"`
	Replaced int    `json:"replaced"`
	Line     int    `json:"line"`
	Summary  string `json:"summary"`
	Next     string `json:"next,omitempty"`
}

func runEdit(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	name, was, now := c.args.string("path"), c.args.string("old_text"), c.args.string("new_text")
	if was == now {
		return nil, argumentError("new_text is the same as old_text")
	}
	data, err := readFile(ctx, s, name, "")
	if err != nil {
		return nil, err
	}
	text := string(data)
	n := strings.Count(text, was)
	switch {
	case n == 0:
		return nil, &failure{code: codeNoMatch, cause: "old_text is not in " + shown(name), next: noMatchNext(text, was)}
	case n > 1 && !c.args.bool("replace_all", false):
		return nil, &failure{
			code: codeManyMatches, cause: fmt.Sprintf("old_text is in %s %d times, on lines %s", shown(name), n, matchLines(text, was)),
			next: "Add lines around it until it is unique, or set replace_all.",
		}
	}
	if err := s.WriteFile(ctx, name, []byte(strings.ReplaceAll(text, was, now)), 0); err != nil {
		return nil, err
	}
	line := 1 + strings.Count(text[:strings.Index(text, was)], "\n")
	return state(editData{Path: clean(name), Replaced: n, Line: line, Summary: "Replaced " + plural(n, "place") + "."})
}

// noMatchNext tells what is near: the same text but for its white space.
func noMatchNext(text, was string) string {
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if want := squeeze(was); want != "" && strings.Contains(squeeze(text), want) {
		return "It is there with other white space or line ends: file_read it and copy it to the letter."
	}
	return "file_read it and copy the text to the letter."
}

// matchLines lists the lines where text has s, the first ten.
func matchLines(text, s string) string {
	var list []string
	line, rest := 1, text
	for len(list) < 10 {
		i := strings.Index(rest, s)
		if i < 0 {
			break
		}
		line += strings.Count(rest[:i], "\n")
		list = append(list, strconv.Itoa(line))
		line += strings.Count(s, "\n")
		rest = rest[i+len(s):]
	}
	return strings.Join(list, ", ")
}

func listTool() *Tool {
	return &Tool{
		Name: "file_list", Title: "List files", Toolset: ToolsetFiles, ReadOnly: true, Idempotent: true,
		Description: "List the files of the clone, those that git ignores left out.",
		params: []param{
			sandboxID(),
			{name: "path", kind: kindString, description: "Only this directory"},
			maxTokens(),
		},
		run: runList,
	}
}

func runList(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	var paths []string
	if p := c.args.string("path"); p != "" && p != "." && p != "/" {
		paths = []string{p}
	}
	list, err := s.ListFiles(ctx, paths...)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(list.Paths))
	for i, p := range list.Paths {
		lines[i] = strings.ReplaceAll(p, "\n", `\n`) + "\n"
	}
	facts := []string{fact("files", len(lines))}
	text, n := fit(lines, c.budget())
	if n < len(lines) || list.Truncated {
		facts = append(facts, "truncated=true", fact("listed", n), "next: file_list with path, one of: "+directories(list.Paths, paths))
	}
	return bulk(facts, text), nil
}

// directories names the first directories below what was listed.
func directories(files, below []string) string {
	const most, mostBytes = 30, 1000
	prefix, size := "", 0
	if len(below) > 0 {
		prefix = strings.TrimSuffix(below[0], "/") + "/"
	}
	var names []string
	last := ""
	for _, f := range files {
		dir, _, ok := strings.Cut(strings.TrimPrefix(f, prefix), "/")
		if !ok || dir == last {
			continue
		}
		last = dir
		name := shown(prefix + dir)
		if size += len(name); len(names) == most || size > mostBytes {
			return strings.Join(names, " ") + " ..."
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func searchTool() *Tool {
	return &Tool{
		Name: "file_search", Title: "Search in files", Toolset: ToolsetFiles, ReadOnly: true, Idempotent: true,
		Description: "Find lines in the files of the clone, as path:line: text.",
		params: []param{
			sandboxID(),
			{name: "pattern", kind: kindString, required: true, description: "Plain text, unless regexp"},
			{name: "regexp", kind: kindBoolean, description: "pattern is a POSIX extended regular expression"},
			{name: "ignore_case", kind: kindBoolean, description: "Ignore case"},
			filesParam("Only these paths"),
			maxTokens(),
		},
		run: runSearch,
	}
}

func runSearch(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Search(ctx, c.args.string("pattern"), &gitsandbox.SearchOptions{
		Regexp: c.args.bool("regexp", false), IgnoreCase: c.args.bool("ignore_case", false), Paths: c.args.files(),
		MaxBytes: 4 * c.budget(), // long lines are cut below
	})
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(found.Matches))
	for i, m := range found.Matches {
		lines[i] = fmt.Sprintf("%s:%d: %s\n", strings.ReplaceAll(m.Path, "\n", `\n`), m.Line, cutLine(m.Text))
	}
	text, n := fit(lines, c.budget())
	facts := []string{fact("matches", n)}
	if n < len(lines) || found.Truncated {
		facts = append(facts, "truncated=true", "next: file_search with a longer pattern or with files")
	}
	return bulk(facts, text), nil
}

// cutLine shortens a long line.
func cutLine(s string) string {
	const most = 300
	s = strings.TrimSuffix(s, "\r")
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

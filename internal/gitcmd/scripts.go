package gitcmd

import (
	_ "embed"
	"strings"
)

var (
	//go:embed prelude.sh
	preludeSource string
	//go:embed refs.sh
	refsSource string
	//go:embed read.sh
	readSource string
	//go:embed lock.sh
	lockSource string
	//go:embed refs_write.sh
	refsWriteSource string
	//go:embed index.sh
	indexSource string
	//go:embed tree.sh
	treeSource string
	//go:embed forward.sh
	forwardSource string
	//go:embed markers.sh
	markersSource string
	//go:embed outcome.sh
	outcomeSource string
	//go:embed format.sh
	formatSource string
	//go:embed fetch.sh
	fetchSource string
	//go:embed commit.sh
	commitSource string
	//go:embed pack.sh
	packSource string
	//go:embed merge.sh
	mergeSource string

	//go:embed clone.sh
	cloneSource string
	//go:embed status.sh
	statusSource string
	//go:embed diff.sh
	diffSource string
	//go:embed log.sh
	logSource string
	//go:embed commit_main.sh
	commitMainSource string
	//go:embed pack_main.sh
	packMainSource string
	//go:embed integrate.sh
	integrateSource string
	//go:embed continue.sh
	continueSource string
	//go:embed abort.sh
	abortSource string
	//go:embed fetch_main.sh
	fetchMainSource string
	//go:embed branches.sh
	branchesSource string
	//go:embed branch.sh
	branchSource string
	//go:embed show.sh
	showSource string
	//go:embed restore.sh
	restoreSource string
	//go:embed reset.sh
	resetSource string
	//go:embed chmod.sh
	chmodSource string
	//go:embed list.sh
	listSource string
	//go:embed search.sh
	searchSource string
)

// script joins the parts of a step, after those that every step has that takes
// the lock.
func script(parts ...string) string {
	return join(append([]string{preludeSource, refsSource, lockSource, refsWriteSource, indexSource, treeSource}, parts...))
}

// unlockedScript joins the parts of a step that reads without the lock. Parsing
// them is a good part of what such a step costs.
func unlockedScript(parts ...string) string {
	return join(append([]string{preludeSource, refsSource, readSource}, parts...))
}

// join leaves the comments here: each step travels to the sandbox.
func join(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString(strip(part))
	}
	return b.String()
}

// strip removes the lines that are comments or empty. No string of the scripts
// has such a line.
func strip(source string) string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
			b.WriteString(line)
		}
	}
	return b.String()
}

func forwardScript() string        { return strip(forwardSource) }
func markersScript() string        { return strip(markersSource) }
func cloneScript() string          { return script(fetchSource, cloneSource) }
func statusScript() string         { return script(statusSource) }
func statusUnlockedScript() string { return unlockedScript(statusSource) }
func diffScript() string           { return script(formatSource, diffSource) }
func diffUnlockedScript() string   { return unlockedScript(diffSource) }
func logScript() string            { return script(formatSource, logSource) }
func commitScript() string         { return script(outcomeSource, commitSource, commitMainSource) }
func packScript() string           { return script(outcomeSource, commitSource, packSource, packMainSource) }
func integrateScript() string {
	return script(outcomeSource, fetchSource, packSource, mergeSource, integrateSource)
}
func continueScript() string { return script(outcomeSource, packSource, mergeSource, continueSource) }
func abortScript() string    { return script(mergeSource, abortSource) }
func fetchScript() string    { return script(fetchSource, fetchMainSource) }
func branchesScript() string { return script(branchesSource) }
func branchScript() string   { return script(outcomeSource, branchSource) }
func showScript() string     { return script(showSource) }
func restoreScript() string  { return script(restoreSource) }
func resetScript() string    { return script(outcomeSource, resetSource) }
func chmodScript() string    { return script(chmodSource) }
func listScript() string     { return script(listSource) }
func searchScript() string   { return script(searchSource) }

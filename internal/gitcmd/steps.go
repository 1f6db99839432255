package gitcmd

import (
	"cmp"
	"strconv"
	"strings"
)

// Clone returns the step that makes the clone. It is refused with [Exists] where
// there is one, unless the same OpID made it. Parse with [ParseClone].
func (r *Repo) Clone(a *CloneArgs) []string {
	return r.step(cloneScript(), &a.Fetch, append(r.fetchVars(&a.Fetch),
		"branch", a.Branch,
		"head", a.Head,
		"clone_config", r.cloneConfig(a),
	))
}

// Status returns the step that compares HEAD, index and work tree. Parse with
// [ParseStatus].
func (r *Repo) Status(a *StatusArgs) []string {
	if a == nil {
		a = &StatusArgs{}
	}
	vars := []string{"untracked", string(cmp.Or(a.Untracked, UntrackedAll))}
	if a.Unlocked {
		return r.unlockedStep(statusUnlockedScript(), vars)
	}
	return r.step(statusScript(), nil, vars)
}

// CanReadUnlocked reports whether steps may read the clone without its lock. Such a
// step is cheaper, and fails with any exit code where another one writes at the
// same time, or where anything is not as it expects. The same step without
// Unlocked then tells what is the matter, or does the work.
func (r *Repo) CanReadUnlocked() bool { return len(r.Sparse) == 0 && r.Promisor == "" }

// Diff returns the step that compares two of: commits, the index, the work tree.
// Parse with [ParseDiff].
func (r *Repo) Diff(a *DiffArgs) []string {
	if a == nil {
		a = &DiffArgs{}
	}
	if a.Unlocked {
		return r.unlockedStep(diffUnlockedScript(), append(diffVars(a), "cut", ""), a.Paths...)
	}
	return r.step(diffScript(), nil, diffVars(a), a.Paths...)
}

// Log returns the step that lists commits. Read with [ReadLog].
func (r *Repo) Log(a *LogArgs) []string {
	if a == nil {
		a = &LogArgs{}
	}
	limit := -1
	if a.Max > 0 {
		limit = a.Max
	}
	return r.step(logScript(), nil, []string{
		"rev", cmp.Or(a.Rev, "HEAD"),
		"exclude", lines(a.Exclude),
		"refs", needRefs(append([]string{a.Rev}, a.Exclude...)...),
		"max", strconv.Itoa(limit),
		"skip", strconv.Itoa(a.Skip),
	}, a.Paths...)
}

// Commit returns the step that stages and commits. It fails with [Nothing] where
// there is nothing to commit. Parse with [ParseCommitted].
func (r *Repo) Commit(a *CommitArgs) []string {
	return r.step(commitScript(), nil, commitVars(a), a.Paths...)
}

// Pack returns the step that prints a pack of the head. Read with [ReadPack].
func (r *Repo) Pack(a *PackArgs) []string {
	vars := packVars(a)
	var paths []string
	if a.Commit != nil {
		vars = append(vars, commitVars(a.Commit)...)
		vars = append(vars, "commit", "1")
		paths = a.Commit.Paths
	}
	return r.step(packScript(), nil, vars, paths...)
}

// Integrate returns the step that brings another commit into the current branch.
// Where it fails with [Conflict] without KeepConflicts, or with [Dirty], nothing
// has changed. Read with [ReadIntegrated].
func (r *Repo) Integrate(a *IntegrateArgs) []string {
	label := a.Label
	if label == "" {
		label = strings.TrimPrefix(cmp.Or(r.Upstream, a.Onto), "refs/remotes/")
	}
	vars := append(r.fetchVars(&a.Fetch),
		"mode", string(cmp.Or(a.Mode, Rebase)),
		"onto", a.Onto,
		"label", label,
		"keep", flag(a.KeepConflicts),
		"message", clean(a.Message),
	)
	return r.step(integrateScript(), &a.Fetch, append(vars, thenVars(a.Then)...))
}

// Continue returns the step that commits a merge that was kept with its
// conflicts. It fails with [Unmerged] while a file has conflict markers. Read with
// [ReadIntegrated].
func (r *Repo) Continue(a *ContinueArgs) []string {
	return r.step(continueScript(), nil, append(thenVars(a.Then),
		"ours", a.Ours, "theirs", a.Theirs, "message", clean(a.Message)))
}

// Abort returns the step that ends a merge that was kept with its conflicts: all
// files that the merge has changed are as in ours again. Others stay as they are.
// Parse with [ParsePosition].
func (r *Repo) Abort(ours string) []string {
	return r.step(abortScript(), nil, []string{"ours", ours})
}

// Fetch returns the step that takes in objects, and puts the tracking refs in
// place. Parse with [ParseFetched].
func (r *Repo) Fetch(f *Fetch) []string {
	return r.step(fetchScript(), f, r.fetchVars(f))
}

// Branches returns the step that lists the branches. Parse with [ParseBranches].
func (r *Repo) Branches() []string {
	return r.step(branchesScript(), nil, []string{"refs", "1"})
}

// CreateBranch returns the step that makes a branch. Parse with [ParsePosition].
func (r *Repo) CreateBranch(a *BranchArgs) []string {
	return r.step(branchScript(), nil, []string{
		"action", "create",
		"branch", a.Name,
		"rev", cmp.Or(a.Start, "HEAD"),
		"refs", "1",
		"checkout", flag(a.Checkout),
	})
}

// Checkout returns the step that checks out a branch. It fails with [Dirty],
// and has changed nothing, where uncommitted changes would be lost. Parse with
// [ParsePosition].
func (r *Repo) Checkout(branch string) []string {
	return r.step(branchScript(), nil, []string{"action", "checkout", "branch", branch, "refs", "1", "checkout", "1"})
}

// DeleteBranch returns the step that deletes a branch. Without force it fails
// with [NotFastForward] where HEAD and the tracking refs do not have all of its
// commits. Parse with [ParsePosition].
func (r *Repo) DeleteBranch(branch string, force bool) []string {
	return r.step(branchScript(), nil, []string{
		"action", "delete", "branch", branch, "refs", "1", "checkout", "", "force", flag(force),
	})
}

// ShowFile returns the step that prints a file at a revision. Parse with
// [ParseFile].
func (r *Repo) ShowFile(a *ShowArgs) []string {
	return r.step(showScript(), nil, []string{
		"rev", cmp.Or(a.Rev, "HEAD"),
		"refs", needRefs(a.Rev),
		"max", strconv.Itoa(cmp.Or(a.MaxBytes, 16<<20)),
	}, a.Path)
}

// ShowCommit returns the step that prints a commit and its diff against its first
// parent. Of a, Paths, Context, NoPatch and MaxBytes count; nil means their
// defaults. Parse with [ParseShown].
func (r *Repo) ShowCommit(rev string, a *DiffArgs) []string {
	d := DiffArgs{}
	if a != nil {
		d = DiffArgs{Paths: a.Paths, Context: a.Context, NoPatch: a.NoPatch, MaxBytes: a.MaxBytes}
	}
	d.To = cmp.Or(rev, "HEAD")
	return r.step(diffScript(), nil, append(diffVars(&d), "show", "1"), d.Paths...)
}

// Restore returns the step that puts files back. Parse with [ParseDone].
func (r *Repo) Restore(a *RestoreArgs) []string {
	return r.step(restoreScript(), nil, []string{
		"source", a.Source,
		"refs", needRefs(a.Source),
		"staged", flag(a.Staged),
		"worktree", flag(a.Worktree || !a.Staged),
	}, a.Paths...)
}

// Reset returns the step that moves the branch, or unstages paths. Parse with
// [ParsePosition].
func (r *Repo) Reset(a *ResetArgs) []string {
	return r.step(resetScript(), nil, []string{
		"rev", cmp.Or(a.Rev, "HEAD"),
		"refs", needRefs(a.Rev),
		"mode", string(cmp.Or(a.Mode, ResetMixed)),
	}, a.Paths...)
}

// Chmod returns the step that makes a file of the work tree executable, or not.
// Parse with [ParseDone].
func (r *Repo) Chmod(path string, executable bool) []string {
	return r.step(chmodScript(), nil, []string{"executable", flag(executable)}, path)
}

// List returns the step that lists the files of the work tree, those that are
// ignored left out. Parse with [ParseListing].
func (r *Repo) List(a *ListArgs) []string {
	if a == nil {
		a = &ListArgs{}
	}
	return r.step(listScript(), nil, []string{"max", strconv.Itoa(cmp.Or(a.MaxBytes, 4<<20))}, a.Paths...)
}

// Search returns the step that looks for a pattern in the files of the work tree,
// those that are ignored left out. Parse with [ParseMatches].
func (r *Repo) Search(a *SearchArgs) []string {
	return r.step(searchScript(), nil, []string{
		"pattern", a.Pattern,
		"regexp", flag(a.Regexp),
		"ignore_case", flag(a.IgnoreCase),
		"max", strconv.Itoa(cmp.Or(a.MaxBytes, 1<<20)),
	}, a.Paths...)
}

func (r *Repo) fetchVars(f *Fetch) []string {
	return []string{
		"pack", f.Pack,
		"shallow", lines(f.Shallow),
		"shallow_file", f.ShallowFile,
		"unshallow", lines(f.Unshallow),
		"url", f.URL,
		"oids", lines(f.OIDs),
		"depth", strconv.Itoa(f.Depth),
		"filter", f.Filter,
	}
}

// pushAdvice stands where git looks for the address to push to, and is in the error
// of a push from inside the sandbox, where no credential is. With a colon in it, git
// would take it for the name of a host.
const pushAdvice = "no push from inside the sandbox, use the git_push tool, or Sandbox.Push in the host program"

// cloneConfig is the config of the clone itself, for the agent's own use of git. By
// default git would refuse a push before it looks for the address, and advise one to
// the base branch: the names of the branch and of its upstream differ.
func (r *Repo) cloneConfig(a *CloneArgs) string {
	var b strings.Builder
	partial := a.Fetch.Filter != ""
	version := "0"
	if partial || len(r.Sparse) > 0 {
		version = "1"
	}
	b.WriteString("[core]\n\trepositoryformatversion = " + version +
		"\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n")
	if len(r.Sparse) > 0 {
		b.WriteString("\tsparseCheckout = true\n\tsparseCheckoutCone = true\n")
	}
	if partial {
		b.WriteString("[extensions]\n\tpartialClone = origin\n")
	}
	b.WriteString("[push]\n\tdefault = current\n")
	b.WriteString("[remote \"origin\"]\n\turl = " + quote(a.URL) + "\n\tpushurl = " + quote(pushAdvice) +
		"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n")
	if partial {
		b.WriteString("\tpromisor = true\n\tpartialclonefilter = " + quote(a.Fetch.Filter) + "\n")
	}
	if name := r.Author.Name; name != "" {
		b.WriteString("[user]\n\tname = " + quote(name) + "\n\temail = " + quote(r.Author.Email) + "\n")
	}
	if a.Base != "" {
		b.WriteString("[branch " + quote(a.Branch) + "]\n\tremote = origin\n\tmerge = " + quote("refs/heads/"+a.Base) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func commitVars(a *CommitArgs) []string {
	return []string{
		"message", clean(a.Message),
		"message_upload", a.MessageUpload,
		"allow_empty", flag(a.AllowEmpty),
	}
}

func packVars(a *PackArgs) []string {
	// One line for each level of directories above a protected path.
	var patterns []string
	for _, p := range a.Protected {
		for i := range len(p) {
			if p[i] == '/' {
				patterns = append(patterns, strconv.Itoa(strings.Count(p[:i], "/"))+" "+foldPattern(p[:i]))
			}
		}
	}
	return []string{
		"pack_head", "1",
		"commit", "",
		"known", lines(a.Known),
		"since", a.Since,
		"proofs", lines(a.Proofs),
		"protected", lines(patterns),
	}
}

func thenVars(a *PackArgs) []string {
	if a == nil {
		return []string{"pack_head", ""}
	}
	return packVars(a)
}

// foldPattern returns a pattern of the shell that matches s without regard to the
// case of ASCII letters.
func foldPattern(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			b.WriteString("[" + string(c|0x20) + string(c&^0x20) + "]")
		case strings.IndexByte(`*?[]\`, c) >= 0:
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func diffVars(a *DiffArgs) []string {
	context := 3
	if a.Context != nil {
		context = *a.Context
	}
	return []string{
		"from", a.From,
		"to", a.To,
		"refs", needRefs(a.From, a.To),
		"merge_base", flag(a.MergeBase),
		"staged", flag(a.Staged),
		"with_untracked", flag(a.Untracked),
		"context", strconv.Itoa(context),
		"patch", flag(!a.NoPatch),
		"max", strconv.Itoa(cmp.Or(a.MaxBytes, DefaultMaxPatch)),
		"limit", strconv.Itoa(a.Limit()),
		"cut", "1",
		"show", "",
	}
}

// needRefs tells whether a revision may be a name of the clone's. A full object
// ID and HEAD with what follows it are not.
func needRefs(revs ...string) string {
	for _, rev := range revs {
		base := rev
		if i := strings.IndexAny(rev, "~^"); i >= 0 {
			base = rev[:i]
		}
		if base != "" && base != "HEAD" && !isOID(base) {
			return "1"
		}
	}
	return ""
}

// clean is a commit message as git cleans one up: no trailing space, no empty
// lines at either end, no two in a row.
func clean(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \t\r\n\v\f")
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

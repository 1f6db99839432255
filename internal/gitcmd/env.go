package gitcmd

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// environment is what git runs with, beside its identity. Nothing of the
// sandbox's own environment is left.
func environment() []string {
	return []string{
		"PATH=/usr/bin:/bin",
		"HOME=/nonexistent",
		"XDG_CONFIG_HOME=/nonexistent",
		"LC_ALL=C",
		"TZ=UTC",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=/bin/false",
		"SSH_ASKPASS=/bin/false",
		"GIT_SSH_COMMAND=/bin/false",
		"GIT_EDITOR=:",
		"GIT_SEQUENCE_EDITOR=:",
		"GIT_PAGER=cat",
		"GIT_MERGE_AUTOEDIT=no",
		"GIT_PROTOCOL_FROM_USER=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_GRAFT_FILE=/dev/null",
		"GIT_LITERAL_PATHSPECS=1",
		"GIT_TRACE2=0",
		"GIT_TRACE2_EVENT=0",
		"GIT_TRACE2_PERF=0",
		"GIT_TRACE_REDACT=1",
	}
}

// readSettings are those of a step that reads without the lock: what it would do
// otherwise than it must on git's defaults, whose config is otherwise empty.
func readSettings() []string {
	return []string{
		"core.attributesFile=/dev/null",
		"core.commitGraph=false", // one in the clone could tell another history
		"core.excludesFile=/dev/null",
		"core.fsmonitor=false",
		"core.hooksPath=/dev/null",
		"core.quotePath=true",
		"core.splitIndex=false",
		"core.untrackedCache=false",
		"core.useReplaceRefs=false",
		"diff.ignoreSubmodules=dirty",
	}
}

// settings override every config. In a quarantine there is none but ours, so
// most of them are a second line, for what git might run elsewhere.
func settings() []string {
	return append(readSettings(),
		"advice.graftFileDeprecated=false",
		"color.ui=false",
		"commit.gpgSign=false",
		"core.alternateRefsCommand=exit 0 #",
		"core.askPass=/bin/false",
		"core.editor=:",
		"core.gitProxy=",
		"core.pager=cat",
		"core.protectHFS=true",
		"core.protectNTFS=true",
		"core.sshCommand=/bin/false",
		"credential.helper=",
		"credential.interactive=false",
		"diff.external=",
		"diff.noprefix=false",
		"fetch.bundleURI=",
		"fetch.recurseSubmodules=no",
		"fetch.writeCommitGraph=false",
		"gc.auto=0",
		"gpg.program=/bin/false",
		"gpg.ssh.program=/bin/false",
		"gpg.x509.program=/bin/false",
		"http.followRedirects=false",
		"http.proxy=",
		"http.sslVerify=true",
		"init.templateDir=",
		"log.showSignature=false",
		"maintenance.auto=false",
		"merge.conflictStyle=merge",
		"protocol.allow=never",
		"protocol.http.allow=always", // GIT_ALLOW_PROTOCOL, which is always set, decides
		"protocol.https.allow=always",
		"rebase.autoSquash=false",
		"rebase.autoStash=false",
		"rebase.updateRefs=false",
		"safe.bareRepository=explicit",
		"status.submoduleSummary=false",
		"submodule.recurse=false",
		"tag.gpgSign=false",
		"transfer.bundleURI=false",
		"transfer.fsckObjects=true",
	)
}

// config is the config file of the quarantine.
func (r *Repo) config(f *Fetch) string {
	promisor, filter := r.Promisor, ""
	if f != nil && f.Filter != "" {
		promisor, filter = f.URL, f.Filter
	}
	var b strings.Builder
	version := "0"
	if promisor != "" {
		version = "1"
	}
	b.WriteString("[core]\n\trepositoryformatversion = " + version + "\n\tbare = false\n\tlogAllRefUpdates = false\n")
	if len(r.Sparse) > 0 {
		b.WriteString("\tsparseCheckout = true\n\tsparseCheckoutCone = true\n")
	}
	if promisor != "" {
		b.WriteString("[extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\tpromisor = true\n\turl = " + quote(promisor) + "\n")
		if filter != "" {
			b.WriteString("\tpartialclonefilter = " + quote(filter) + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// quote returns s as a value in a config file.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// sparse returns the patterns of a sparse checkout in cone mode: the files of
// the root, those of each directory on the way, and all below the last.
func sparse(dirs []string) string {
	if len(dirs) == 0 {
		return ""
	}
	var parents []string
	for _, d := range dirs {
		for i := range len(d) {
			if d[i] == '/' {
				parents = append(parents, d[:i])
			}
		}
	}
	slices.Sort(parents)
	list := []string{"/*", "!/*/"}
	for _, p := range slices.Compact(parents) {
		if !within(p, dirs) {
			list = append(list, "/"+escapeGlob(p)+"/", "!/"+escapeGlob(p)+"/*/")
		}
	}
	sorted := slices.Sorted(slices.Values(dirs))
	for _, d := range slices.Compact(sorted) {
		list = append(list, "/"+escapeGlob(d)+"/")
	}
	return lines(list)
}

// within reports whether p is one of dirs, or below one.
func within(p string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return p == d || strings.HasPrefix(p, d+"/") })
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// step returns the argv of a script that takes the lock. The vars are NAME, VALUE
// pairs without the prefix of their names.
func (r *Repo) step(script string, fetch *Fetch, vars []string, args ...string) []string {
	vars = append([]string{"forward", forwardScript(), "markers", markersScript()}, vars...)
	return r.argv(script, settings(), fetch, vars, args...)
}

// unlockedStep returns the argv of a script that reads without the lock.
func (r *Repo) unlockedStep(script string, vars []string, args ...string) []string {
	return r.argv(script, readSettings(), nil, vars, args...)
}

func (r *Repo) argv(script string, settings []string, fetch *Fetch, vars []string, args ...string) []string {
	argv := append([]string{"/bin/sh", "-c", script, "sh"}, environment()...)
	for i, kv := range settings {
		key, value, _ := strings.Cut(kv, "=")
		n := strconv.Itoa(i)
		argv = append(argv, "GIT_CONFIG_KEY_"+n+"="+key, "GIT_CONFIG_VALUE_"+n+"="+value)
	}
	argv = append(argv, "GIT_CONFIG_COUNT="+strconv.Itoa(len(settings)))
	argv = append(argv, identity("AUTHOR", r.Author)...)
	argv = append(argv, identity("COMMITTER", r.Committer)...)
	wait := int(r.LockWait / time.Second)
	if wait <= 0 {
		wait = 60
	}
	var url string
	if fetch != nil {
		url = fetch.URL
	}
	if r.Promisor == "" && url == "" {
		argv = append(argv, "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1")
	} else {
		argv = append(argv, "GIT_ALLOW_PROTOCOL="+protocol(r.Promisor+" "+url))
	}
	all := []string{
		"op", r.OpID,
		"tracking", tracking(r.Tracking),
		"upstream", r.Upstream,
		"sparse", sparse(r.Sparse),
		"config", r.config(fetch),
		"uploads", UploadDir,
		"wait", strconv.Itoa(wait),
		"refs", "",
		"message", "",
		"message_upload", "",
	}
	all = append(all, vars...)
	for i := 0; i+1 < len(all); i += 2 {
		// A later value of the same name replaces an earlier one.
		argv = append(argv, "gs_"+all[i]+"="+all[i+1])
	}
	argv = append(argv, "--")
	return append(argv, args...)
}

// protocol returns what git may speak: plain HTTP only where a URL says so, which
// the caller allows on loopback only.
func protocol(urls string) string {
	if strings.Contains(urls, "http://") {
		return "https:http"
	}
	return "https"
}

func identity(who string, s Signature) []string {
	env := []string{"GIT_" + who + "_NAME=" + s.Name, "GIT_" + who + "_EMAIL=" + s.Email}
	if !s.Time.IsZero() {
		env = append(env, "GIT_"+who+"_DATE=@"+strconv.FormatInt(s.Time.Unix(), 10)+" "+s.Time.Format("-0700"))
	}
	return env
}

func tracking(refs []Ref) string {
	list := make([]string, len(refs))
	for i, r := range refs {
		list[i] = r.Name + " " + r.OID
	}
	return lines(list)
}

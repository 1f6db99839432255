package gitcmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trap plants everything in a clone that makes git run a command: a file called
// pwned appears in the home directory when it does.
func (b *box) trap() {
	b.t.Helper()
	evil := "touch " + b.home + "/pwned"
	config := b.read(".git/config") + `
[core]
	fsmonitor = "` + evil + `; false"
	hooksPath = ` + b.dir("hooks") + `
	editor = ` + evil + `
	pager = ` + evil + `
	sshCommand = ` + evil + `
	askPass = ` + evil + `
	gitProxy = ` + evil + `
	alternateRefsCommand = ` + evil + `
	attributesFile = ` + b.dir("attributes") + `
	worktree = /tmp
[alias]
	status = "!` + evil + `"
	rev-parse = "!` + evil + `"
[diff]
	external = ` + evil + `
[diff "evil"]
	command = ` + evil + `
	textconv = ` + evil + `
[merge "evil"]
	driver = ` + evil + `
[filter "evil"]
	clean = "` + evil + `; cat"
	smudge = "` + evil + `; cat"
	process = ` + evil + `
	required = true
[credential]
	helper = "!` + evil + `"
[gpg]
	program = ` + evil + `
[commit]
	gpgSign = true
[log]
	showSignature = true
[url "ext::` + evil + `"]
	insteadOf = https://
[hook "evil"]
	event = post-commit
	event = reference-transaction
	event = post-index-change
	command = ` + evil + `
[rebase]
	instructionFormat = "%s%nexec ` + evil + `"
[sequence]
	editor = ` + evil + `
[uploadpack]
	packObjectsHook = ` + evil + `
[extensions]
	partialClone = origin
[remote "origin"]
	promisor = true
	vcs = evil
	uploadpack = ` + evil + `
`
	included := config
	config += "[include]\n\tpath = " + b.dir("included") + "\n"
	b.write(".git/config", config)
	script := "#!/bin/sh\n" + evil + "\n"
	for _, dir := range []string{".git/hooks", "hooks"} {
		for _, hook := range []string{
			"pre-commit", "post-commit", "commit-msg", "prepare-commit-msg", "pre-rebase", "post-rewrite", "post-checkout", "post-merge",
			"pre-merge-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman", "pre-auto-gc", "pre-push", "applypatch-msg",
		} {
			b.write(dir+"/"+hook, script)
			require.NoError(b.t, os.Chmod(b.dir(dir, hook), 0o755))
		}
	}
	for _, name := range []string{"git", "sh", "cat", "mv", "rm", "flock", "sort", "xargs", "head", "env"} {
		for _, dir := range []string{".", "bin", "../bin", "../.local/bin"} {
			b.write(filepath.Join(dir, name), script)
			require.NoError(b.t, os.Chmod(b.dir(dir, name), 0o755))
		}
	}
	for _, name := range []string{".profile", ".bashrc", ".gitconfig", ".config/git/config"} {
		content := script
		if strings.Contains(name, "git") {
			content = config
		}
		require.NoError(b.t, os.MkdirAll(filepath.Dir(filepath.Join(b.home, name)), 0o755))
		require.NoError(b.t, os.WriteFile(filepath.Join(b.home, name), []byte(content), 0o600))
	}
	attributes := "* filter=evil diff=evil merge=evil\n"
	b.write(".gitattributes", attributes)
	b.write(".git/info/attributes", attributes)
	b.write("attributes", attributes)
	b.write("included", included)
	b.write("$(touch pwned)", "x")
	b.write("-rf", "x")
	b.write("--output=pwned", "x")
	b.write("new\nline 'and\" quotes`touch pwned`", "x")
}

func (b *box) unharmed() {
	b.t.Helper()
	for _, name := range []string{"pwned", "repo/pwned", ".gitsandbox/pwned"} {
		assert.NoFileExists(b.t, filepath.Join(b.home, name), "something planted has run")
	}
}

func TestNothingPlantedRuns(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n", "b": "1\n"})
	b.clone(first)
	b.trap()
	assert.NotEmpty(t, b.states())
	_, err := ParseDiff(b.ok(b.repo.Diff(&DiffArgs{Untracked: true})))
	require.NoError(t, err)
	c := b.commit("all the traps")
	assert.Empty(t, b.states())
	_, err = ParseShown(b.ok(b.repo.ShowCommit("", nil)))
	require.NoError(t, err)
	b.ok(b.repo.Log(&LogArgs{Exclude: []string{"origin/main"}}))
	p, _ := b.packed(b.ok(b.repo.Pack(&PackArgs{Known: []string{first}, Proofs: []string{first}, Protected: []string{".github/x"}})))
	assert.Equal(t, c.Commit, p.Head)

	b.write("a", "ours\n")
	before := b.commit("ours").Commit
	second := b.push(map[string]string{"a": "theirs\n", "b": "2\n"})
	b.upload("p", second, first)
	args := &IntegrateArgs{Onto: second, Fetch: Fetch{Pack: "p"}}
	assert.Equal(t, Conflict, b.fails(b.repo.Integrate(args)).Kind)
	args.KeepConflicts, args.Fetch = true, Fetch{}
	assert.Equal(t, Conflict, b.fails(b.repo.Integrate(args)).Kind)
	b.ok(b.repo.Abort(before))
	b.ok(b.repo.Reset(&ResetArgs{Mode: ResetHard, Rev: "HEAD^"}))
	assert.Equal(t, Rebased, b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: second})).How)
	b.write("b", "3\n")
	b.ok(b.repo.Restore(&RestoreArgs{}))
	b.ok(b.repo.CreateBranch(&BranchArgs{Name: "x", Checkout: true}))
	b.ok(b.repo.Checkout("agent"))
	b.ok(b.repo.Branches())
	b.ok(b.repo.DeleteBranch("x", true))
	b.ok(b.repo.List(nil))
	b.ok(b.repo.Search(&SearchArgs{Pattern: "ours"}))
	b.ok(b.repo.ShowFile(&ShowArgs{Path: "a"}))
	b.unharmed()

	// The traps are live: plain git falls into them.
	cmd := exec.Command("/usr/bin/git", "--no-optional-locks", "status")
	cmd.Dir = b.dir()
	_ = cmd.Run()
	assert.FileExists(t, filepath.Join(b.home, "pwned"))
}

func TestHostileGitDirectoriesAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	for name, plant := range map[string]func(b *box){
		"gitfile": func(b *box) {
			require.NoError(b.t, os.Rename(b.dir(".git"), filepath.Join(b.home, "real")))
			b.write(".git", "gitdir: "+b.home+"/real\n")
		},
		"git is a link": func(b *box) {
			require.NoError(b.t, os.Rename(b.dir(".git"), filepath.Join(b.home, "real")))
			require.NoError(b.t, os.Symlink(b.home+"/real", b.dir(".git")))
		},
		"clone is a link": func(b *box) {
			require.NoError(b.t, os.Rename(b.dir(), filepath.Join(b.home, "real")))
			require.NoError(b.t, os.Symlink("real", b.dir()))
		},
		"refs is a link": func(b *box) {
			require.NoError(b.t, os.Rename(b.dir(".git/refs"), filepath.Join(b.home, "real")))
			require.NoError(b.t, os.Symlink(b.home+"/real", b.dir(".git/refs")))
		},
		"our directory is a link": func(b *box) {
			require.NoError(b.t, os.RemoveAll(b.dir(".git/gitsandbox")))
			require.NoError(b.t, os.Symlink(elsewhere, b.dir(".git/gitsandbox")))
		},
		"outcome is a link": func(b *box) {
			require.NoError(b.t, os.Symlink(elsewhere+"/x", b.dir(".git/gitsandbox/outcome")))
		},
		"lock is a FIFO": func(b *box) {
			_ = os.Remove(b.dir(".git/gitsandbox/lock"))
			require.NoError(b.t, syscall.Mkfifo(b.dir(".git/gitsandbox/lock"), 0o600))
		},
		"journal is a FIFO": func(b *box) {
			require.NoError(b.t, syscall.Mkfifo(b.dir(".git/gitsandbox/journal"), 0o600))
		},
		"HEAD is a FIFO": func(b *box) {
			require.NoError(b.t, os.Remove(b.dir(".git/HEAD")))
			require.NoError(b.t, syscall.Mkfifo(b.dir(".git/HEAD"), 0o600))
		},
		"index is a FIFO": func(b *box) {
			require.NoError(b.t, os.Remove(b.dir(".git/index")))
			require.NoError(b.t, syscall.Mkfifo(b.dir(".git/index"), 0o600))
		},
		"HEAD leaves refs": func(b *box) { b.write(".git/HEAD", "ref: refs/heads/../../../x\n") },
		"HEAD is garbage":  func(b *box) { b.write(".git/HEAD", "\xff\x00$(touch pwned)\n") },
		"branch is a link": func(b *box) {
			require.NoError(b.t, os.WriteFile(elsewhere+"/oid", []byte(strings.Repeat("1", 40)+"\n"), 0o600))
			require.NoError(b.t, os.Remove(b.dir(".git/refs/heads/agent")))
			require.NoError(b.t, os.Symlink(elsewhere+"/oid", b.dir(".git/refs/heads/agent")))
		},
		"branch is garbage": func(b *box) { b.write(".git/refs/heads/agent", "$(touch pwned)\n") },
		"branch is a symbolic ref": func(b *box) {
			b.write(".git/refs/heads/agent", "ref: refs/heads/agent\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.clone(b.push(map[string]string{"a": "1\n"}))
			b.write("a", "2\n")
			plant(b)
			for _, argv := range [][]string{
				b.repo.Status(nil),
				b.repo.Commit(&CommitArgs{Message: "m"}),
				b.repo.Pack(&PackArgs{}),
				b.repo.Integrate(&IntegrateArgs{Onto: strings.Repeat("2", 40)}),
			} {
				out, errs, code := b.run(argv)
				assert.Equal(t, Hostile, ParseFailure(code, out, errs).Kind, "%d %q %s", code, out, errs)
			}
			b.unharmed()
		})
	}
}

func TestHostileStateIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(b *box, first string){
		"rebase todo": func(b *box, first string) {
			b.write(".git/rebase-merge/git-rebase-todo", "exec touch "+b.home+"/pwned\n")
			b.write(".git/rebase-merge/head-name", "refs/heads/agent\n")
			b.write(".git/rebase-merge/onto", first+"\n")
			require.NoError(b.t, os.RemoveAll(b.dir(".git/rebase-merge")))
			b.write(".git/sequencer/todo", "exec touch "+b.home+"/pwned\n")
		},
		"journal": func(b *box, first string) {
			b.write(".git/gitsandbox/journal", "$(touch pwned) `touch pwned` refs/heads/agent ../../x\n")
		},
		"journal of another head": func(b *box, first string) {
			b.write(".git/gitsandbox/journal", strings.Repeat("1", 40)+" "+first+" refs/heads/agent \n")
		},
		"outcome": func(b *box, first string) {
			b.write(".git/gitsandbox/outcome", "op "+first+" $(touch pwned)\nlies\x00")
		},
		"quarantine": func(b *box, first string) {
			b.write(".git/gitsandbox/q.1/config", "[core]\n\tfsmonitor = touch "+b.home+"/pwned\n")
		},
		"replace refs and grafts": func(b *box, first string) {
			b.write(".git/refs/replace/"+first, strings.Repeat("1", 40)+"\n")
			b.write(".git/info/grafts", first+" "+strings.Repeat("1", 40)+"\n")
		},
		"tracking ref is a link": func(b *box, first string) {
			require.NoError(b.t, os.Remove(b.dir(".git/refs/remotes/origin/main")))
			require.NoError(b.t, os.Symlink(b.home+"/victim", b.dir(".git/refs/remotes/origin/main")))
		},
		"tracking directory is a link": func(b *box, first string) {
			require.NoError(b.t, os.RemoveAll(b.dir(".git/refs/remotes")))
			require.NoError(b.t, os.MkdirAll(b.home+"/victim.d", 0o755))
			require.NoError(b.t, os.Symlink(b.home+"/victim.d", b.dir(".git/refs/remotes")))
		},
		"uploads are a link": func(b *box, first string) {
			require.NoError(b.t, os.RemoveAll(b.home+"/"+UploadDir))
			require.NoError(b.t, os.Symlink("/etc", b.home+"/"+UploadDir))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			first := b.push(map[string]string{"a": "1\n"})
			b.clone(first)
			b.write("a", "2\n")
			plant(b, first)
			b.repo.OpID = "op"
			assert.Equal(t, []string{".M a"}, b.states())
			c := b.commit("work")
			assert.Equal(t, first, c.Parent)
			assert.Equal(t, "2", b.git(b.dir(), "show", c.Commit+":a"))
			assert.NoFileExists(t, b.home+"/victim")
			entries, _ := os.ReadDir(b.home + "/victim.d")
			assert.Empty(t, entries)
			b.unharmed()
		})
	}
}

func TestHostileUpload(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	require.NoError(t, os.Symlink("/etc/passwd", b.home+"/"+UploadDir+"/p"))
	f := b.fails(b.repo.Fetch(&Fetch{Pack: "p"}))
	assert.Equal(t, Upload, f.Kind)
	assert.FileExists(t, "/etc/passwd")
}

func TestGarbageIndexIsAFailure(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	b.write(".git/index", "DIRC garbage")
	b.write("a", "2\n")
	assert.Equal(t, Git, b.fails(b.repo.Status(nil)).Kind)
	assert.Equal(t, Git, b.fails(b.repo.Commit(&CommitArgs{Message: "m"})).Kind)
}

func TestSplitIndexIsRead(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n", "b": "1\n"}))
	b.git(b.dir(), "update-index", "--split-index")
	b.write("a", "2\n")
	assert.Equal(t, []string{".M a"}, b.states())
	b.commit("unsplit")
	assert.Empty(t, b.states())
	assert.Empty(t, b.git(b.dir(), "status", "--porcelain"))
}

func TestAnyUserCanRunAStep(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	require.NoError(t, exec.Command("chown", "-R", "65534:65534", b.home).Run())
	for dir := b.home; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	run := func(argv []string) (string, error) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = b.home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	require.NoError(t, os.WriteFile(b.dir("a"), []byte("2\n"), 0o600))
	require.NoError(t, os.Chown(b.dir("a"), 65534, 65534))
	out, err := run(b.repo.Commit(&CommitArgs{Message: "m"}))
	require.NoError(t, err, out)
	out, err = run(b.repo.Status(nil))
	require.NoError(t, err, out)
	s, err := ParseStatus([]byte(out))
	require.NoError(t, err)
	assert.Empty(t, s.Files)
}

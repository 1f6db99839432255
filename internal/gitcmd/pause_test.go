package gitcmd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A paused step waits at a line of its script.
type paused struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     *bytes.Buffer
	release string
}

// pause starts a step that stops before the line in which text begins, the first
// time that it gets there, and returns once it has stopped.
func (b *box) pause(argv []string, text string) *paused {
	b.t.Helper()
	at := filepath.Join(b.t.TempDir(), "at")
	release := at + ".release"
	i := strings.Index(argv[2], text)
	require.Positive(b.t, i, "the script has no such line")
	i = strings.LastIndexByte(argv[2][:i], '\n') + 1
	stop := "if ! [ -e '" + at + "' ]; then : >'" + at + "'; while ! [ -e '" + release + "' ]; do sleep 0.01; done; fi\n"
	cmd := exec.Command(argv[0], append([]string{argv[1], argv[2][:i] + stop + argv[2][i:]}, argv[3:]...)...)
	cmd.Dir = b.home
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(b.t, cmd.Start())
	b.t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.Eventually(b.t, func() bool {
		_, err := os.Stat(at)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	return &paused{t: b.t, cmd: cmd, out: out, release: release}
}

// resume lets the step go on.
func (p *paused) resume() {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(p.release, nil, 0o600))
}

// ok lets the step go on and waits for its success.
func (p *paused) ok() []byte {
	p.t.Helper()
	p.resume()
	require.NoError(p.t, p.cmd.Wait(), "%s", p.out)
	return p.out.Bytes()
}

// kill ends the shell of the step at once.
func (p *paused) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
}

// fetched is a clone that has one more commit of the remote, which no tracking ref
// knows yet.
func fetched(t *testing.T) (b *box, tip string) {
	t.Helper()
	b = newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	b.clone(first)
	tip = b.push(map[string]string{"a": "2\n", "b": "2\n"})
	b.upload("p", tip, first)
	b.ok(b.repo.Fetch(&Fetch{Pack: "p"}))
	return b, tip
}

// TestReadersLeaveTheLocksOfEachOther lets two steps that read put the same
// tracking ref in place. The lock of the one is not stale for the other.
func TestReadersLeaveTheLocksOfEachOther(t *testing.T) {
	t.Parallel()
	b, tip := fetched(t)
	b.track(tip)
	first := b.pause(b.repo.Log(nil), `mv -fT -- "$file.lock" "$file"`)
	out, errs, code := b.run(b.repo.Log(nil))
	require.Zero(t, code, "stdout %q stderr %s", out, errs)
	require.FileExists(t, b.dir(".git/refs/remotes/origin/main.lock"))
	first.ok()
	assert.Equal(t, tip+"\n", b.read(".git/refs/remotes/origin/main"))
	b.clean()
}

// TestReaderThatWaitedRecovers kills a step that changes files while one that only
// reads is about to take the lock.
func TestReaderThatWaitedRecovers(t *testing.T) {
	t.Parallel()
	b, tip := fetched(t)
	reader := b.pause(b.repo.Status(nil), `take_lock "$S/lock" "$mode"`)
	writer := b.pause(b.repo.Integrate(&IntegrateArgs{Onto: tip}), `git read-tree -m -u "$1" "$2" || die $?`+"\n\t"+`end_switch`)
	writer.kill()
	s, err := ParseStatus(reader.ok())
	require.NoError(t, err)
	assert.Equal(t, tip, s.Head)
	assert.Empty(t, s.Files)
	assert.Equal(t, "2\n", b.read("b"))
	b.clean()
}

// TestTwoReadersAfterADeadWriter let both find the index lock of a dead step. Only
// one of them may take it away: what is there afterwards belongs to somebody else.
func TestTwoReadersAfterADeadWriter(t *testing.T) {
	t.Parallel()
	b, _ := fetched(t)
	b.write("a", "3\n")
	b.pause(b.repo.Commit(&CommitArgs{Message: "never"}), `export GIT_INDEX_FILE="$Q/index"`).kill()
	require.FileExists(t, b.dir(".git/index.lock"))
	first := b.pause(b.repo.Status(nil), `case $line in 'gitsandbox '*) rm -f -- "$G/index.lock"`)
	b.repo.LockWait = time.Second
	out, errs, code := b.run(b.repo.Status(nil))
	assert.Equal(t, Busy, ParseFailure(code, out, errs).Kind, "one at a time clears up")
	first.ok()
	assert.NoFileExists(t, b.dir(".git/index.lock"))
	b.unlockedAgrees()
}

// TestStaleLockIsLookedAtAgain lets a git begin, and lock the index, between the
// moment when a lock was found to be stale and its removal. Whatever the step
// would make under the name of the lock, that git would put into the place of the
// index.
func TestStaleLockIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	b.write("a", "3\n")
	lock := b.dir(".git/index.lock")
	b.write(".git/index.lock", "")
	step := b.pause(b.repo.Commit(&CommitArgs{Message: "third"}), `removed=1`)
	require.NoFileExists(t, lock)
	git := exec.Command("git", "cat-file", "--batch")
	git.Dir = b.dir()
	in, err := git.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, git.Start())
	step.resume()
	// The step waits: there is nothing for that git to put in place.
	require.Never(t, func() bool {
		_, err := os.Stat(lock)
		return err == nil
	}, 300*time.Millisecond, time.Millisecond)
	require.NoError(t, in.Close())
	require.NoError(t, git.Wait())
	c, err := ParseCommitted(step.ok())
	require.NoError(t, err)
	assert.Equal(t, b.head(), c.Commit)
	b.clean()
}

// TestStalePackedRefsLock deletes a branch where a dead step has left the lock of
// the packed refs.
func TestStalePackedRefsLock(t *testing.T) {
	t.Parallel()
	b, _ := fetched(t)
	for _, name := range []string{"one", "two"} {
		b.ok(b.repo.CreateBranch(&BranchArgs{Name: name}))
	}
	b.git(b.dir(), "pack-refs", "--all")
	b.pause(b.repo.DeleteBranch("one", true), `awk -v name`).kill()
	require.FileExists(t, b.dir(".git/packed-refs.lock"))
	out, errs, code := b.run(b.repo.DeleteBranch("two", true))
	require.Zero(t, code, "stdout %q stderr %s", out, errs)
	assert.Equal(t, "agent\none", b.git(b.dir(), "for-each-ref", "--format=%(refname:short)", "refs/heads"))
	b.ok(b.repo.DeleteBranch("one", true))
	assert.Equal(t, "agent", b.git(b.dir(), "for-each-ref", "--format=%(refname:short)", "refs/heads"))
}

// TestKeptConflictNeedsItsFiles takes the list of files in conflict away, as a
// sandbox does whose tools are others. Nothing then is to be taken for merged.
func TestKeptConflictNeedsItsFiles(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	onto := b.push(map[string]string{"a": "theirs\n"})
	b.upload("p", onto)
	argv := b.repo.Integrate(&IntegrateArgs{Onto: onto, Mode: Merge, KeepConflicts: true, Fetch: Fetch{Pack: "p"}})
	require.Contains(t, argv[2], `tail -z`)
	argv[2] = strings.NewReplacer(
		`tail -z -n +2 "$Q/merged" | grep -z . | sort -zu`, `echo x`, // that there is a conflict, it knows
		`tail -z -n +2 "$Q/merged"`, `false`).Replace(argv[2])
	assert.Equal(t, Git, b.fails(argv).Kind)
	assert.NoFileExists(t, b.dir(".git/MERGE_HEAD"))
	assert.Empty(t, b.states())
}

package gitcmd

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// signalled runs a step, signals its process group after a while, and reports
// whether it ended before that.
func (b *box) signalled(argv []string, after time.Duration, sig syscall.Signal) (finished bool) {
	b.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = b.home
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(b.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
	}
	_ = syscall.Kill(-cmd.Process.Pid, sig)
	<-ended
	return false
}

// crowd is enough files for a checkout to take a while.
func crowd(content string) map[string]string {
	files := map[string]string{}
	for i := range 120 {
		files[fmt.Sprintf("d%d/f%d", i%10, i)] = strings.Repeat(content+"\n", 50)
	}
	return files
}

// unlockedAgrees reads without the lock what a step has left that may have been
// killed. It is refused, or it is what a step with the lock finds, which recovers.
func (b *box) unlockedAgrees() {
	b.t.Helper()
	out, _, code := b.run(b.repo.Status(&StatusArgs{Unlocked: true}))
	diff, _, diffCode := b.run(b.repo.Diff(&DiffArgs{Unlocked: true}))
	locked, errs, lockedCode := b.run(b.repo.Status(nil))
	require.Zero(b.t, lockedCode, "%s", errs)
	if code == 0 {
		require.Equal(b.t, string(locked), string(out))
	} else {
		require.Equal(b.t, changed, code)
	}
	if diffCode == 0 {
		out, errs, code := b.run(b.repo.Diff(nil))
		require.Zero(b.t, code, "%s", errs)
		require.Equal(b.t, string(out), string(diff))
	} else {
		require.Equal(b.t, changed, diffCode)
	}
}

// TestKilledAnywhereLosesNothing ends the step at points all over its run. Whoever
// comes next finds a clone that is as before or as after, with the agent's
// uncommitted work in it.
func TestKilledAnywhereLosesNothing(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			tip := b.push(crowd("0"))
			b.clone(tip)
			b.write("agent.txt", "mine\n")
			b.commit("mine")
			early := 0
			for i := range 12 {
				b.write("dirty.txt", fmt.Sprintf("uncommitted %d\n", i))
				b.git(b.dir(), "add", "dirty.txt")
				next := b.push(crowd(strconv.Itoa(i + 1)))
				b.upload("p", next, tip)
				tip = next
				b.track(tip)
				b.repo.OpID = fmt.Sprintf("pull-%d", i)
				args := &IntegrateArgs{Onto: tip, Fetch: Fetch{Pack: "p"}}
				if !b.signalled(b.repo.Integrate(args), time.Duration(i*11)*time.Millisecond, sig) {
					early++
				}
				if sig == syscall.SIGTERM {
					b.clean()
				}
				b.unlockedAgrees()
				// A status in between is a step too: it recovers.
				require.Equal(t, []string{"A. dirty.txt"}, b.states(), "round %d", i)
				// The host sends the operation again, with its upload.
				b.upload("p", next)
				got := b.integrated(b.repo.Integrate(args))
				require.Contains(t, []How{Rebased, UpToDate}, got.How)
				require.Equal(t, tip, b.git(b.dir(), "rev-parse", "HEAD^"), "round %d", i)
				require.Equal(t, []string{"A. dirty.txt"}, b.states(), "round %d", i)
				require.Equal(t, "mine\n", b.read("agent.txt"))
				require.Equal(t, fmt.Sprintf("uncommitted %d\n", i), b.read("dirty.txt"))
			}
			assert.Greater(t, early, 3, "the steps were interrupted")
			assert.Empty(t, b.git(b.dir(), "fsck", "--connectivity-only", "--no-dangling"))
		})
	}
}

func TestCommitKilledAnywhereLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(crowd("0")))
	for i := range 12 {
		b.write("work", fmt.Sprintf("%d\n", i))
		before := b.head()
		b.repo.OpID = fmt.Sprintf("commit-%d", i)
		argv := b.repo.Commit(&CommitArgs{Message: "work"})
		b.signalled(argv, time.Duration(i*4)*time.Millisecond, syscall.SIGKILL)
		b.unlockedAgrees()
		c, err := ParseCommitted(b.ok(argv))
		require.NoError(t, err)
		require.Equal(t, before, c.Parent, "one commit, not two")
		require.Equal(t, c.Commit, b.head())
		require.Equal(t, strconv.Itoa(i), b.git(b.dir(), "show", "HEAD:work"))
		require.Empty(t, b.states())
	}
}

func TestKeptConflictInterruptedAnywhereCanBeAborted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			first := b.push(crowd("0"))
			b.clone(first)
			b.write("d0/f0", "ours\n")
			before := b.commit("ours").Commit
			onto := b.push(crowd("1"))
			b.upload("p", onto, first)
			b.ok(b.repo.Fetch(&Fetch{Pack: "p"}))
			b.write("untracked", "mine\n")
			for i := range 8 {
				args := &IntegrateArgs{Onto: onto, KeepConflicts: true}
				b.signalled(b.repo.Integrate(args), time.Duration(20+i*15)*time.Millisecond, sig)
				b.unlockedAgrees()
				s := b.status()
				if s.Operation != "" {
					b.ok(b.repo.Abort(before))
				}
				require.Equal(t, before, b.head())
				require.Equal(t, []string{"?? untracked"}, b.states(), "round %d", i)
				require.Empty(t, b.status().Operation)
			}
			b.fails(b.repo.Integrate(&IntegrateArgs{Onto: onto, KeepConflicts: true}))
			require.Contains(t, b.states(), "UU d0/f0")
		})
	}
}

func TestRecoverKeepsWhatWasEditedSince(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"done": "1\n", "half": "1\n", "missing": "1\n", "edited": "1\n", "gone": "1\n", "kept": "1\n"})
	b.clone(first)
	second := b.push(map[string]string{"done": "2\n", "half": "22222222\n", "missing": "2\n", "edited": "2\n", "gone": "", "kept": ""})
	b.upload("p", second, first)
	b.ok(b.repo.Fetch(&Fetch{Pack: "p"}))
	// What a step leaves that dies while git writes files.
	b.write("done", "2\n")
	b.write("half", "2222")
	b.git(b.dir(), "rm", "-q", "--cached", "kept")
	b.git(b.dir(), "add", "kept")
	b.write("edited", "by the agent\n")
	b.write("kept", "by the agent\n")
	require.NoError(t, exec.Command("rm", b.dir("missing"), b.dir("gone")).Run())
	b.write(".git/gitsandbox/journal", first+" "+second+" refs/heads/agent \n")
	b.write(".git/index.lock", "gitsandbox 1\n")
	assert.ElementsMatch(t, []string{".M edited", "?? kept"}, b.states())
	assert.Equal(t, second, b.head())
	assert.Equal(t, "22222222\n", b.read("half"))
	assert.Equal(t, "by the agent\n", b.read("edited"))
	assert.Equal(t, "by the agent\n", b.read("kept"))
	assert.NoFileExists(t, b.dir("gone"))
}

func TestForeignIndexLock(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	b.write("a", "2\n")
	b.write(".git/index.lock", "")
	b.commit("a stale lock is removed")

	// A git process in the clone holds it.
	b.write("a", "3\n")
	b.write(".git/index.lock", "")
	cmd := exec.Command("git", "cat-file", "--batch")
	cmd.Dir = b.dir()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out, errs, code := b.run(b.repo.Commit(&CommitArgs{Message: "busy"}))
	assert.Equal(t, Busy, ParseFailure(code, out, errs).Kind)
	assert.FileExists(t, b.dir(".git/index.lock"))
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	b.commit("now it is stale")
}

func TestStepsTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n"}))
	b.status()
	cmd := exec.Command("flock", "-x", b.dir(".git/gitsandbox/lock"), "cat")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = in.Write([]byte("x"))
	require.NoError(t, err)
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	b.repo.LockWait = time.Second
	assert.Equal(t, Busy, b.fails(b.repo.Status(nil)).Kind)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	b.status()
}

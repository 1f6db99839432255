package gitcmd

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// changed is what an unlocked step exits with when it does not believe what it
// found.
const changed = 79

// unlocked runs the status and the diff without the lock. Both must be what the
// steps with the lock print.
func (b *box) unlocked() {
	b.t.Helper()
	for _, pair := range [][2][]string{
		{b.repo.Status(&StatusArgs{Unlocked: true}), b.repo.Status(nil)},
		{b.repo.Diff(&DiffArgs{Unlocked: true}), b.repo.Diff(nil)},
		{b.repo.Diff(&DiffArgs{Unlocked: true, Staged: true}), b.repo.Diff(&DiffArgs{Staged: true})},
		{b.repo.Diff(&DiffArgs{Unlocked: true, From: "HEAD~1", To: "HEAD"}), b.repo.Diff(&DiffArgs{From: "HEAD~1", To: "HEAD"})},
	} {
		out, errs, code := b.run(pair[0])
		require.Zero(b.t, code, "stdout %q stderr %s", out, errs)
		require.Equal(b.t, string(b.ok(pair[1])), string(out))
	}
}

func (b *box) refusesUnlocked() {
	b.t.Helper()
	for _, argv := range [][]string{b.repo.Status(&StatusArgs{Unlocked: true}), b.repo.Diff(&DiffArgs{Unlocked: true})} {
		out, errs, code := b.run(argv)
		require.Equal(b.t, changed, code, "stdout %q stderr %s", out, errs)
	}
}

func (b *box) quarantines() []string {
	b.t.Helper()
	list, err := filepath.Glob(b.dir(".git/gitsandbox/r.*"))
	require.NoError(b.t, err)
	return list
}

// twoCommits is a clone with a commit of the remote and one of the agent.
func twoCommits(t *testing.T) *box {
	t.Helper()
	b := newBox(t)
	b.clone(b.push(map[string]string{"a": "1\n", "b": "1\n"}))
	b.write("a", "2\n")
	b.commit("second")
	return b
}

func TestUnlockedReadsWhatLockedReads(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	b.unlocked()
	b.write("b", "changed\n")
	b.write("new", "x\n")
	b.git(b.dir(), "add", "b")
	b.unlocked()
	require.Len(t, b.quarantines(), 1, "one for all of them")
	b.git(b.dir(), "commit", "-q", "-m", "the agent's own")
	b.unlocked()
	require.Len(t, b.quarantines(), 2, "one for each head")
	b.commit("third")
	require.Empty(t, b.quarantines(), "a step that writes removes them")
	b.unlocked()
}

func TestUnlockedBelievesNoQuarantineButItsOwn(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(b *box, q string){
		"config":       func(b *box, q string) { b.write(q+"/config", "[diff]\n\texternal = touch ../pwned\n") },
		"hook":         func(b *box, q string) { b.write(q+"/hooks/post-index-change", "#!/bin/sh\ntouch ../pwned\n") },
		"commondir":    func(b *box, q string) { b.write(q+"/commondir", "..\n") },
		"dot file":     func(b *box, q string) { b.write(q+"/.x", "") },
		"loose ref":    func(b *box, q string) { b.write(q+"/refs/heads/head", strings.Repeat("1", 40)+"\n") },
		"HEAD":         func(b *box, q string) { b.write(q+"/HEAD", "ref: refs/heads/upstream\n") },
		"longer HEAD":  func(b *box, q string) { b.write(q+"/HEAD", "ref: refs/heads/head\nx\n") },
		"cut HEAD":     func(b *box, q string) { b.write(q+"/HEAD", "") },
		"packed refs":  func(b *box, q string) { b.write(q+"/packed-refs", strings.Repeat("1", 40)+" refs/heads/head\n") },
		"HEAD is gone": func(b *box, q string) { require.NoError(b.t, os.Remove(b.dir(q, "HEAD"))) },
		"FIFO": func(b *box, q string) {
			require.NoError(b.t, os.Remove(b.dir(q, "HEAD")))
			require.NoError(b.t, syscall.Mkfifo(b.dir(q, "HEAD"), 0o600))
		},
		"link": func(b *box, q string) {
			require.NoError(b.t, os.Rename(b.dir(q), b.dir("elsewhere")))
			require.NoError(b.t, os.Symlink(b.dir("elsewhere"), b.dir(q)))
		},
		"refs is a link": func(b *box, q string) {
			require.NoError(b.t, os.Remove(b.dir(q, "refs")))
			require.NoError(b.t, os.Symlink("../../refs", b.dir(q, "refs")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := twoCommits(t)
			b.unlocked()
			q, err := filepath.Rel(b.dir(), b.quarantines()[0])
			require.NoError(t, err)
			plant(b, q)
			b.refusesUnlocked()
			assert.NoFileExists(t, filepath.Join(b.home, "pwned"))
			b.status()
		})
	}
}

func TestUnlockedStepsBackForWhoWrites(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(b *box){
		"turn is taken":  func(b *box) { b.write(".git/gitsandbox/turn", "busy 7\n") },
		"turn is empty":  func(b *box) { b.write(".git/gitsandbox/turn", "") },
		"turn is gone":   func(b *box) { require.NoError(b.t, os.Remove(b.dir(".git/gitsandbox/turn"))) },
		"turn is absurd": func(b *box) { b.write(".git/gitsandbox/turn", "busy 08$(touch pwned)\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := twoCommits(t)
			plant(b)
			b.refusesUnlocked()
			// Nobody has the lock: who had the turn is dead.
			b.status()
			b.unlocked()
		})
	}
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		b := twoCommits(t)
		b.write(".git/gitsandbox/journal", "x y z\n")
		b.refusesUnlocked()
	})
	t.Run("remote moved", func(t *testing.T) {
		t.Parallel()
		b := twoCommits(t)
		b.track(b.head()) // as after a push, which no step in the clone follows
		out, errs, code := b.run(b.repo.Status(&StatusArgs{Unlocked: true}))
		require.Zero(t, code, "stdout %q stderr %s", out, errs)
		s, err := ParseStatus(out)
		require.NoError(t, err)
		assert.Zero(t, s.Ahead)
		b.unlocked()
	})
}

// TestUnlockedNoticesAStepThatWrote lets a commit pass while a diff is being
// printed: the pipe is full until then.
func TestUnlockedNoticesAStepThatWrote(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	b.write("a", strings.Repeat("a line that fills the pipe\n", 40_000))
	argv := b.repo.Diff(&DiffArgs{Unlocked: true})
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = b.home
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	first := make([]byte, 1)
	_, err = io.ReadFull(out, first)
	require.NoError(t, err)
	b.repo.OpID = "commit"
	b.ok(b.repo.Commit(&CommitArgs{Message: "in between"}))
	var rest bytes.Buffer
	_, err = rest.ReadFrom(out)
	require.NoError(t, err)
	_ = cmd.Wait()
	assert.Equal(t, changed, cmd.ProcessState.ExitCode())
	assert.NotContains(t, rest.String(), "\x00end\x00")
}

// TestNothingOfTheEnvironmentIsLeft starts steps in an environment that is as bad
// as can be.
func TestNothingOfTheEnvironmentIsLeft(t *testing.T) {
	t.Parallel()
	b := twoCommits(t)
	b.write("a", "3\n")
	trace := filepath.Join(t.TempDir(), "trace")
	for _, argv := range [][]string{b.repo.Status(nil), b.repo.Status(&StatusArgs{Unlocked: true}), b.repo.Diff(nil)} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = b.home
		cmd.Env = []string{
			"GIT_TRACE=" + trace, "GIT_TRACE_SETUP=" + trace, "GIT_DIR=/nowhere", "GIT_INDEX_FILE=/nowhere", "GIT_EXTERNAL_DIFF=touch " + trace,
			"PATH=/nowhere", "IFS=x", "HOME=" + b.home, "A=1\nexport GIT_TRACE=" + trace + "\nB-C=x *", "D-E=1", "1=2", "=x", "GIT_CONFIG_PARAMETERS='core.bare'='true'",
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.NoFileExists(t, trace)
	}
	// What git would get is what the step was given.
	argv := b.repo.Status(nil)
	script := strings.Replace(argv[2], "\nhome=$PWD\n", "\nexec env -0\n", 1)
	require.NotEqual(t, argv[2], script)
	cmd := exec.Command(argv[0], append([]string{argv[1], script}, argv[3:]...)...)
	cmd.Env = []string{"GIT_TRACE=" + trace, "GIT_SSH=x", "FOO=a\nb=c d-e=f", "HOME=/x", "A-B=c"}
	out, err := cmd.Output()
	require.NoError(t, err)
	var want []string
	for _, a := range argv[4:] {
		if a != "--" {
			want = append(want, a)
		}
	}
	got := slices.DeleteFunc(strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"),
		func(s string) bool { return strings.HasPrefix(s, "PWD=") })
	assert.ElementsMatch(t, want, got)
}

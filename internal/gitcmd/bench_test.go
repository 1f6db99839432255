package gitcmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchBox is a clone of 5,000 files.
func benchBox(b *testing.B) (*Repo, string) {
	b.Helper()
	home := b.TempDir()
	dir := home + "/" + Dir
	for i := range 50 {
		require.NoError(b, os.MkdirAll(fmt.Sprintf("%s/d%d", dir, i), 0o755))
		for j := range 100 {
			require.NoError(b, os.WriteFile(fmt.Sprintf("%s/d%d/f%d", dir, i, j), fmt.Appendf(nil, "%d %d\n", i, j), 0o600))
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "agent"},
		{"config", "user.name", "A"},
		{"config", "user.email", "a@example.com"},
		{"config", "gc.auto", "0"},
		{"add", "-A"},
		{"commit", "-qm", "first"},
		{"update-ref", "refs/remotes/origin/main", "HEAD"},
		{"branch", "-q", "--set-upstream-to=origin/main"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if args[0] != "branch" {
			require.NoError(b, err, string(out))
		}
	}
	who := Signature{Name: "A", Email: "a@example.com"}
	return &Repo{Author: who, Committer: who, Upstream: "refs/remotes/origin/main"}, home
}

func benchRun(b *testing.B, dir string, argv []string) {
	b.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &bytes.Buffer{}, &errs
	require.NoError(b, cmd.Run(), errs.String())
}

// BenchmarkSteps compares each step with the same git commands run one by one.
func BenchmarkSteps(b *testing.B) {
	repo, home := benchBox(b)
	clone := home + "/" + Dir
	change := func(i int) {
		require.NoError(b, os.WriteFile(clone+"/d1/f1", fmt.Appendf(nil, "change %s %d\n", b.Name(), i), 0o600))
	}
	change(0)
	benchRun(b, home, repo.Status(nil)) // it gives the turn that an unlocked step looks for
	b.Run("status/step", func(b *testing.B) {
		for b.Loop() {
			benchRun(b, home, repo.Status(&StatusArgs{Unlocked: true}))
		}
	})
	b.Run("status/git", func(b *testing.B) {
		for b.Loop() {
			benchRun(b, clone, []string{"git", "status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all"})
		}
	})
	b.Run("diff/step", func(b *testing.B) {
		for b.Loop() {
			benchRun(b, home, repo.Diff(&DiffArgs{Unlocked: true}))
		}
	})
	b.Run("diff/git", func(b *testing.B) {
		for b.Loop() {
			benchRun(b, clone, []string{"git", "diff", "--raw", "--numstat", "-z", "--patch", "HEAD"})
		}
	})
	i := 0
	b.Run("commit+pack/step", func(b *testing.B) {
		for b.Loop() {
			i++
			change(i)
			benchRun(b, home, repo.Pack(&PackArgs{Commit: &CommitArgs{Message: "m"}, Known: []string{"HEAD^"}}))
		}
	})
	b.Run("commit+pack/git", func(b *testing.B) {
		for b.Loop() {
			i++
			change(i)
			benchRun(b, clone, []string{"git", "add", "-A"})
			benchRun(b, clone, []string{"git", "commit", "-qm", "m"})
			cmd := exec.Command("git", "pack-objects", "-q", "--revs", "--stdout")
			cmd.Dir = clone
			cmd.Stdin = bytes.NewReader([]byte("HEAD\n^HEAD^\n"))
			cmd.Stdout = &bytes.Buffer{}
			require.NoError(b, cmd.Run())
		}
	})
}

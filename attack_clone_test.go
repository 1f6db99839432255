package gitsandbox_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

// plant runs a script in the clone, as the agent.
func plant(t *testing.T, s *gitsandbox.Sandbox, script string) {
	t.Helper()
	res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", script}})
	require.NoError(t, err)
	require.Zero(t, res.ExitCode, "%s", res.Stderr)
}

// Nothing that can be planted in a repository runs when the host looks at it,
// works on it or publishes it.
func TestNothingPlantedInTheCloneRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commit("main", "Base", map[string]string{"a.txt": "one\n", "b.txt": "one\n"})
	s := w.clone("a", "t")
	plant(t, s, `
		cat >$HOME/evil <<'E'
#!/bin/sh
echo "$0 $*" >>"$(dirname "$0")/canary"
cat
E
		chmod +x $HOME/evil
		e=$HOME/evil
		for h in pre-commit commit-msg post-commit prepare-commit-msg pre-push post-checkout post-merge post-rewrite pre-rebase reference-transaction \
			post-index-change fsmonitor-watchman pre-auto-gc applypatch-msg push-to-checkout update pre-receive post-receive; do cp $e .git/hooks/$h 2>/dev/null || { mkdir -p .git/hooks; cp $e .git/hooks/$h; }; done
		for kv in core.fsmonitor=$e core.hooksPath=.git/hooks core.sshCommand=$e core.askPass=$e core.pager=$e core.editor=$e core.gitProxy=$e \
			core.alternateRefsCommand=$e diff.external=$e diff.x.command=$e diff.x.textconv=$e merge.x.driver=$e filter.x.clean=$e filter.x.smudge=$e \
			filter.x.process=$e filter.x.required=true credential.helper=$e gpg.program=$e commit.gpgSign=true tag.gpgSign=true gpg.ssh.defaultKeyCommand=$e \
			alias.status=!$e alias.commit=!$e hook.x.command=$e hook.x.event=pre-commit uploadpack.packObjectsHook=$e remote.origin.url=ext::$e \
			remote.origin.uploadpack=$e remote.origin.receivepack=$e "url.ext::$e.insteadOf=http" protocol.ext.allow=always sequence.editor=$e \
			gc.recentObjectsHook=$e init.templateDir=$HOME core.attributesFile=$HOME/attr submodule.x.update=!$e core.worktree=/ core.bare=true \
			status.submoduleSummary=true log.showSignature=true core.untrackedCache=true core.splitIndex=true index.threads=64 pack.threads=64; do
			printf '[%s]\n' skip >/dev/null; git config -f .git/config "${kv%%=*}" "${kv#*=}" || exit; done
		git config -f .git/config include.path $HOME/more
		printf '[core]\n\tfsmonitor = %s\n' $e >$HOME/more
		cp $HOME/more $HOME/.gitconfig; mkdir -p $HOME/.config/git; cp $HOME/more $HOME/.config/git/config
		printf '* filter=x diff=x merge=x ident\n' | tee .gitattributes >$HOME/attr; mkdir -p .git/info; cp .gitattributes .git/info/attributes
		echo two >>a.txt; echo new >new.txt
	`)
	canary := func() string {
		res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "cat ~/canary 2>/dev/null; rm -f ~/canary"}})
		require.NoError(t, err)
		return string(res.Stdout)
	}
	require.Empty(t, canary())
	ctx := t.Context()
	st, err := s.Status(ctx, nil)
	require.NoError(t, err)
	assert.Len(t, st.Files, 3)
	d, err := s.Diff(ctx, &gitsandbox.DiffOptions{Untracked: true})
	require.NoError(t, err)
	assert.Contains(t, string(d.Patch), "+two")
	_, err = s.Commit(ctx, "Mine", nil)
	require.NoError(t, err)
	w.commit("main", "Theirs", map[string]string{"b.txt": "two\n"})
	_, err = s.Pull(ctx, nil)
	require.NoError(t, err)
	_, err = s.Push(ctx, nil)
	require.NoError(t, err)
	w.commit("main", "More", map[string]string{"b.txt": "three\n"})
	_, err = s.Pull(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, logAll(ctx, s, nil))
	_, err = s.Show(ctx, "HEAD", nil)
	require.NoError(t, err)
	_, err = s.ShowFile(ctx, "HEAD", "a.txt")
	require.NoError(t, err)
	_, err = s.Branches(ctx)
	require.NoError(t, err)
	require.NoError(t, s.CreateBranch(ctx, "x", &gitsandbox.CreateBranchOptions{Checkout: true}))
	require.NoError(t, s.Checkout(ctx, s.Branch()))
	require.NoError(t, s.DeleteBranch(ctx, "x", nil))
	w.write(s, "a.txt", "three\n")
	require.NoError(t, s.Restore(ctx, []string{"a.txt"}, nil))
	require.NoError(t, s.Reset(ctx, &gitsandbox.ResetOptions{Mode: gitsandbox.ResetHard}))
	w.write(s, "b.txt", "mine\n")
	_, err = s.Commit(ctx, "Conflict", nil)
	require.NoError(t, err)
	w.commit("main", "Theirs", map[string]string{"b.txt": "four\n"})
	_, err = s.Pull(ctx, &gitsandbox.PullOptions{KeepConflicts: true})
	require.ErrorIs(t, err, gitsandbox.ErrConflict)
	require.NoError(t, s.Abort(ctx))
	_, err = s.Push(ctx, nil)
	require.NoError(t, err)
	assert.Empty(t, canary(), "something that was planted has run")
	assert.Equal(t, "one\ntwo\n", w.file(s.Branch(), "a.txt"))
}

// A clone that is not laid out as git does it is refused or healed, and the
// host does not hang on it.
func TestHostileLayoutsOfTheClone(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]struct{ spoil, heal string }{
		"git is a file":         {"mv .git ../g; echo gitdir: ../g >.git", "rm .git; mv ../g .git"},
		"git is a link":         {"mv .git ../g; ln -s ../g .git", "rm .git; mv ../g .git"},
		"clone is a link":       {"cd ..; mv repo r; ln -s r repo", "cd ~; rm repo; mv r repo"},
		"refs are a link":       {"mv .git/refs ../r; ln -s ../../r .git/refs", "rm .git/refs; mv ../r .git/refs"},
		"heads are a link":      {"mv .git/refs/heads ../r; ln -s ../../../r .git/refs/heads", "rm .git/refs/heads; mv ../r .git/refs/heads"},
		"branch is a link":      {"mv .git/refs/heads/agent-a-t ../r; ln -s ../../../../r .git/refs/heads/agent-a-t", "mv ../r .git/refs/heads/agent-a-t"},
		"branch is a FIFO":      {"mv .git/refs/heads/agent-a-t ../r; mkfifo .git/refs/heads/agent-a-t", "rm .git/refs/heads/agent-a-t; mv ../r .git/refs/heads/agent-a-t"},
		"HEAD is a FIFO":        {"mv .git/HEAD ../h; mkfifo .git/HEAD", "rm .git/HEAD; mv ../h .git/HEAD"},
		"HEAD is a link":        {"mv .git/HEAD ../h; ln -s ../../h .git/HEAD", "rm .git/HEAD; mv ../h .git/HEAD"},
		"HEAD is hostile":       {"cp .git/HEAD ../h; echo 'ref: refs/heads/../../../x' >.git/HEAD", "mv ../h .git/HEAD"},
		"HEAD is huge":          {"cp .git/HEAD ../h; head -c 5000000 /dev/zero | tr '\\0' a >.git/HEAD", "mv ../h .git/HEAD"},
		"index is a FIFO":       {"mv .git/index ../i; mkfifo .git/index", "rm .git/index; mv ../i .git/index"},
		"index is garbage":      {"cp .git/index ../i; echo garbage >.git/index", "mv ../i .git/index"},
		"packed refs are FIFO":  {"mkfifo .git/packed-refs", "rm .git/packed-refs"},
		"shallow is a FIFO":     {"mkfifo .git/shallow", "rm .git/shallow"},
		"lock is a FIFO":        {"mv .git/gitsandbox/lock ../l; mkfifo .git/gitsandbox/lock", "rm .git/gitsandbox/lock"},
		"our directory is link": {"mv .git/gitsandbox ../s; ln -s ../../s .git/gitsandbox", "rm .git/gitsandbox; mv ../s .git/gitsandbox"},
		"objects are gone":      {"mv .git/objects ../o; mkdir .git/objects", "rm -rf .git/objects; mv ../o .git/objects"},
		"attributes are FIFO":   {"mkfifo .gitattributes", "rm .gitattributes"},
		"ignore is a FIFO":      {"mkfifo .gitignore", "rm .gitignore"},
		"file is a FIFO":        {"rm README.md; mkfifo README.md", "rm README.md; git checkout -q README.md"},
		"object is a FIFO": {
			"h=$(git rev-parse HEAD^{tree}); d=.git/objects/$(echo $h | cut -c1-2); mkdir -p $d ../p; mv .git/objects/pack/* ../p; mkfifo $d/$(echo $h | cut -c3-)",
			"find .git/objects -type p -delete; mv ../p/* .git/objects/pack/",
		},
		"rebase that runs":  {"mkdir .git/rebase-merge; echo 'exec touch ~/canary' >.git/rebase-merge/git-rebase-todo; cp .git/HEAD .git/rebase-merge/head-name", "rm -rf .git/rebase-merge"},
		"MERGE_HEAD":        {"git rev-parse HEAD >.git/MERGE_HEAD", "rm .git/MERGE_HEAD"},
		"MERGE_HEAD FIFO":   {"mkfifo .git/MERGE_HEAD", "rm .git/MERGE_HEAD"},
		"locks":             {"touch .git/index.lock .git/HEAD.lock .git/refs/heads/agent-a-t.lock", "rm -f .git/index.lock .git/HEAD.lock .git/refs/heads/agent-a-t.lock"},
		"locks are FIFOs":   {"mkfifo .git/index.lock .git/refs/heads/agent-a-t.lock", "rm -f .git/index.lock .git/refs/heads/agent-a-t.lock"},
		"journal":           {"echo 'x y z' >.git/gitsandbox/journal", "rm -f .git/gitsandbox/journal"},
		"journal is FIFO":   {"mkfifo .git/gitsandbox/journal", "rm -f .git/gitsandbox/journal"},
		"alternates":        {"mkdir -p .git/objects/info; echo /proc/self/root >.git/objects/info/alternates", "rm .git/objects/info/alternates"},
		"alternate is FIFO": {"mkdir -p .git/objects/info; mkfifo .git/objects/info/alternates", "rm .git/objects/info/alternates"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &worldOptions{client: gitsandbox.Options{Timeout: 8 * time.Second}})
			s := w.clone("a", "t")
			plant(t, s, script.spoil)
			start := time.Now()
			for op, run := range map[string]func(context.Context) error{
				"status": func(ctx context.Context) error { _, err := s.Status(ctx, nil); return err },
				"diff":   func(ctx context.Context) error { _, err := s.Diff(ctx, nil); return err },
				"push":   func(ctx context.Context) error { _, err := s.Push(ctx, nil); return err },
			} {
				if err := run(t.Context()); err != nil {
					assert.NotErrorIs(t, err, gitsandbox.ErrSandboxNotFound, op)
					assert.NotContains(t, err.Error(), "\n", op)
				}
			}
			assert.Less(t, time.Since(start), 60*time.Second)
			res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "cd ~/repo 2>/dev/null; " + script.heal}, Dir: "/"})
			require.NoError(t, err)
			require.Zero(t, res.ExitCode, "%s", res.Stderr)
			w.write(s, "honest.txt", "honest\n")
			_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Honest"})
			require.NoError(t, err)
			assert.Equal(t, "honest\n", w.file("agent-a-t", "honest.txt"))
			dir, err := w.sandboxes.Dir(s.ID())
			require.NoError(t, err)
			found, err := filepath.Glob(filepath.Join(dir, "home/*/canary"))
			require.NoError(t, err)
			assert.Empty(t, found)
		})
	}
}

// What git can be told to believe of a history is not what is published.
func TestReplaceRefsGraftsAndShallowDoNotChangeWhatIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commit("main", "CI", map[string]string{".github/workflows/ci.yml": "on: push\n"})
	s := w.clone("a", "t")
	plant(t, s, `
		set -e
		mine=$(git rev-parse HEAD)
		mkdir -p .github/workflows; echo evil >.github/workflows/ci.yml
		git -c user.name=a -c user.email=a@x commit -qam evil
		evil=$(git rev-parse HEAD)
		git checkout -q $mine -- .; git -c user.name=a -c user.email=a@x commit -qam back
		git update-ref refs/replace/$evil $mine
		mkdir -p .git/info; echo "$(git rev-parse HEAD) $mine" >.git/info/grafts
		echo $evil >.git/shallow
	`)
	_, err := s.Push(t.Context(), nil)
	require.Error(t, err)
	_, err = w.remote.Ref("shop", "refs/heads/agent-a-t")
	require.Error(t, err, "nothing was published")
}

// A merge whose state the agent has forged gets the parents that the host
// knows, or is refused.
func TestAKeptConflictThatWasForged(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"other MERGE_HEAD": "git -c user.name=a -c user.email=a@x commit-tree -m x HEAD^{tree} >.git/MERGE_HEAD",
		"no MERGE_HEAD":    "rm .git/MERGE_HEAD",
		"HEAD has moved":   "git update-ref --no-deref HEAD $(git -c user.name=a -c user.email=a@x commit-tree -m x HEAD^{tree})",
		"other branch":     "cp .git/refs/heads/agent-a-t .git/refs/heads/elsewhere; git symbolic-ref HEAD refs/heads/elsewhere",
		"given up":         "git merge --abort",
		"committed":        "git add -A; git -c user.name=a -c user.email=a@x commit -qm mine",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			s := w.clone("a", "t")
			w.write(s, "README.md", "# Mine\n")
			mine, err := s.Commit(t.Context(), "Mine", nil)
			require.NoError(t, err)
			theirs := w.commit("main", "Theirs", map[string]string{"README.md": "# Theirs\n"})
			_, err = s.Pull(t.Context(), &gitsandbox.PullOptions{KeepConflicts: true})
			require.ErrorIs(t, err, gitsandbox.ErrConflict)
			plant(t, s, script)
			w.write(s, "README.md", "# Both\n")
			c, err := s.Continue(t.Context(), "Merge")
			if err == nil {
				assert.Equal(t, []gitsandbox.Hash{mine.Hash, theirs}, c.Parents)
				shown, err := s.Show(t.Context(), string(c.Hash), nil)
				require.NoError(t, err)
				assert.Equal(t, []gitsandbox.Hash{mine.Hash, theirs}, shown.Commit.Parents)
				return
			}
			require.ErrorIs(t, err, gitsandbox.ErrUnfinished)
			// There is a way out, without a new sandbox.
			if err := s.Abort(t.Context()); err != nil {
				require.ErrorIs(t, err, gitsandbox.ErrUnfinished)
			}
			require.NoError(t, s.Reset(t.Context(), &gitsandbox.ResetOptions{Rev: string(mine.Hash), Mode: gitsandbox.ResetHard}))
			w.write(s, "more.txt", "x\n")
			_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "More"})
			require.NoError(t, err)
			assert.Equal(t, "x\n", w.file("agent-a-t", "more.txt"))
		})
	}
}

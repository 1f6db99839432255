package gitcmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A box is a home directory with what a sandbox would have in it, and an origin
// beside it that plays the remote.
type box struct {
	t      *testing.T
	home   string
	origin string
	repo   *Repo
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, home: t.TempDir(), origin: t.TempDir()}
	who := Signature{Name: "Agent", Email: "agent@example.com", Time: time.Unix(1700000000, 0).UTC()}
	b.repo = &Repo{
		Author: who, Committer: who,
		Upstream: "refs/remotes/origin/main",
		LockWait: 20 * time.Second,
	}
	b.git(b.origin, "init", "-q", "-b", "main")
	return b
}

// run runs a step as a sandbox would.
func (b *box) run(argv []string) (stdout, stderr []byte, code int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = b.home
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.Bytes(), errs.Bytes(), ee.ExitCode()
	}
	require.NoError(b.t, err)
	return out.Bytes(), errs.Bytes(), 0
}

// ok runs a step that must succeed.
func (b *box) ok(argv []string) []byte {
	b.t.Helper()
	out, errs, code := b.run(argv)
	require.Zero(b.t, code, "stdout %q stderr %s", out, errs)
	b.clean()
	return out
}

// fails runs a step that must fail.
func (b *box) fails(argv []string) *Failure {
	b.t.Helper()
	out, errs, code := b.run(argv)
	require.NotZero(b.t, code, "stdout %q stderr %s", out, errs)
	b.clean()
	return ParseFailure(code, out, errs)
}

// clean waits for what a step removes at its end.
func (b *box) clean() {
	b.t.Helper()
	if !assert.Eventually(b.t, func() bool { return len(b.debris()) == 0 }, 5*time.Second, time.Millisecond) {
		require.Empty(b.t, b.debris(), "left behind")
	}
}

// debris is what a step must not leave.
func (b *box) debris() []string {
	var all []string
	for _, p := range []string{"repo/.git/gitsandbox/q.*", "repo/.git/*.lock", "repo/.git/refs/*/*.lock", "repo/.git/gitsandbox/journal", ".gitsandbox/.clone.*"} {
		list, err := filepath.Glob(filepath.Join(b.home, p))
		require.NoError(b.t, err)
		all = append(all, list...)
	}
	return all
}

// git runs plain git, as the agent or a developer would.
func (b *box) git(dir string, args ...string) string {
	b.t.Helper()
	return b.gitIn(dir, nil, args...)
}

func (b *box) gitIn(dir string, stdin []byte, args ...string) string {
	b.t.Helper()
	return strings.TrimSuffix(b.gitRaw(dir, stdin, args...), "\n")
}

func (b *box) gitRaw(dir string, stdin []byte, args ...string) string {
	b.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_AUTHOR_DATE=@1600000000 +0000",
		"GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com", "GIT_COMMITTER_DATE=@1600000000 +0000",
	}
	out, err := cmd.Output()
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		require.NoError(b.t, err, "git %v: %s", args, ee.Stderr)
	}
	require.NoError(b.t, err)
	return string(out)
}

// push commits files at the origin and returns the commit. An empty content
// removes the file.
func (b *box) push(files map[string]string) string {
	b.t.Helper()
	for name, content := range files {
		full := filepath.Join(b.origin, name)
		if content == "" {
			require.NoError(b.t, os.Remove(full))
			continue
		}
		require.NoError(b.t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(b.t, os.WriteFile(full, []byte(content), 0o644))
	}
	b.git(b.origin, "add", "-A")
	b.git(b.origin, "commit", "-q", "--allow-empty", "-m", "upstream")
	return b.git(b.origin, "rev-parse", "HEAD")
}

// upload puts a pack of the origin into the upload directory, with the history
// of tip that is not in have.
func (b *box) upload(name, tip string, have ...string) {
	b.t.Helper()
	var revs strings.Builder
	revs.WriteString(tip + "\n")
	for _, h := range have {
		revs.WriteString("^" + h + "\n")
	}
	pack := b.gitRaw(b.origin, []byte(revs.String()), "pack-objects", "--revs", "--stdout", "--thin", "-q")
	b.write(filepath.Join("..", UploadDir, name), pack)
}

// track makes the origin's main known at a commit.
func (b *box) track(oid string) {
	b.repo.Tracking = []Ref{{Name: "refs/remotes/origin/main", OID: oid}}
}

// clone makes a clone of a commit, with the branch agent.
func (b *box) clone(tip string) *Clone {
	b.t.Helper()
	if tip != "" {
		b.upload("clone.pack", tip)
		b.track(tip)
	}
	args := &CloneArgs{URL: "https://example.com/repo.git", Base: "main", Branch: "agent", Head: tip}
	if tip != "" {
		args.Fetch.Pack = "clone.pack"
	}
	c, err := ParseClone(b.ok(b.repo.Clone(args)))
	require.NoError(b.t, err)
	return c
}

// dir is a path in the clone.
func (b *box) dir(name ...string) string {
	return filepath.Join(append([]string{b.home, Dir}, name...)...)
}

func (b *box) write(name, content string) {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(filepath.Dir(b.dir(name)), 0o755))
	require.NoError(b.t, os.WriteFile(b.dir(name), []byte(content), 0o644))
}

func (b *box) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.dir(name))
	require.NoError(b.t, err)
	return string(data)
}

func (b *box) head() string { return b.git(b.dir(), "rev-parse", "HEAD") }

// commit makes a commit with a step.
func (b *box) commit(message string) *Committed {
	b.t.Helper()
	c, err := ParseCommitted(b.ok(b.repo.Commit(&CommitArgs{Message: message})))
	require.NoError(b.t, err)
	return c
}

func (b *box) status() *Status {
	b.t.Helper()
	// A reading step leaves the quarantine of a dead one to the next that writes.
	out, errs, code := b.run(b.repo.Status(nil))
	require.Zero(b.t, code, "stdout %q stderr %s", out, errs)
	s, err := ParseStatus(out)
	require.NoError(b.t, err)
	return s
}

// states are the files of the status as short lines.
func (b *box) states() []string {
	b.t.Helper()
	var list []string
	for _, f := range b.status().Files {
		list = append(list, string([]byte{f.Index, f.Worktree})+" "+f.Path)
	}
	return list
}

func (b *box) integrated(argv []string) *Integrated {
	b.t.Helper()
	i, err := ReadIntegrated(bufio.NewReader(bytes.NewReader(b.ok(argv))))
	require.NoError(b.t, err)
	return i
}

// packed reads a pack step, and checks the pack with git: it must be whole, and
// have no deltas.
func (b *box) packed(out []byte) (*Packed, []string) {
	b.t.Helper()
	r := bufio.NewReader(bytes.NewReader(out))
	p, err := ReadPack(r)
	require.NoError(b.t, err)
	if !p.HasPack {
		return p, nil
	}
	dir := b.t.TempDir()
	b.git(dir, "init", "-q", "--bare")
	var rest bytes.Buffer
	_, err = rest.ReadFrom(r)
	require.NoError(b.t, err)
	file := filepath.Join(dir, "p.pack")
	require.NoError(b.t, os.WriteFile(file, rest.Bytes(), 0o600))
	b.git(dir, "index-pack", "-o", filepath.Join(dir, "p.idx"), file)
	var list []string
	for line := range strings.Lines(b.git(dir, "verify-pack", "-v", file)) {
		f := strings.Fields(line)
		if len(f) >= 5 && isOID(f[0]) {
			require.Len(b.t, f, 5, "a delta: %s", line)
			list = append(list, f[1]+" "+f[0])
		}
	}
	return p, list
}

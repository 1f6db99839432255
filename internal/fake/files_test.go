package fake

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func readAll(t *testing.T, rc io.ReadCloser) string {
	t.Helper()
	b, err := io.ReadAll(rc)
	require.NoError(t, err)
	require.NoError(t, rc.Close())
	return string(b)
}

func read(t *testing.T, sb e2b.Sandbox, name string) string {
	t.Helper()
	rc, err := sb.ReadFile(t.Context(), name)
	require.NoError(t, err)
	return readAll(t, rc)
}

// newSandbox returns a sandbox of the engine itself.
func newSandbox(t *testing.T) *Sandbox {
	t.Helper()
	tr := newTransport(t, &Options{Namespace: NamespaceOff})
	s, err := tr.engine.Create(t.Context(), &CreateSpec{Timeout: DefaultTimeout})
	require.NoError(t, err)
	return s
}

func TestFiles(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	ctx := t.Context()
	require.NoError(t, sb.WriteFile(ctx, "a/b/c", strings.NewReader("one")))
	for _, name := range []string{
		"a/b/c", "~/a/b/c", "/home/user/a/b/c", "./a//b/../b/c", "/../home/user/a/b/c",
		dirOf(t, sb) + "/home/user/a/b/c",
	} {
		assert.Equal(t, "one", read(t, sb, name), name)
	}
	fi, err := os.Stat(dirOf(t, sb) + "/home/user/a/b/c")
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), fi.Mode())

	output(t, sb, "chmod 755 a/b/c")
	require.NoError(t, sb.WriteFile(ctx, "a/b/c", strings.NewReader("2")))
	assert.Equal(t, "2", read(t, sb, "a/b/c"))
	assert.Equal(t, "755\n", output(t, sb, "stat -c %a a/b/c"))

	_, err = sb.ReadFile(ctx, "nothing")
	require.ErrorIs(t, err, e2b.ErrFileNotFound)
	for _, name := range []string{"a", "", "a\x00", "/"} {
		_, err = sb.ReadFile(ctx, name)
		require.ErrorIs(t, err, e2b.ErrInvalidArgument, "%q", name)
		require.ErrorIs(t, sb.WriteFile(ctx, name, strings.NewReader("")), e2b.ErrInvalidArgument, "%q", name)
	}
	require.ErrorIs(t, sb.WriteFile(ctx, "a/b/c/d", strings.NewReader("")), e2b.ErrInvalidArgument)
	_, err = sb.ReadFile(ctx, "a/b/c/d")
	require.Error(t, err)
	output(t, sb, "mkfifo pipe")
	_, err = sb.ReadFile(ctx, "pipe")
	require.ErrorIs(t, err, e2b.ErrInvalidArgument, "a pipe would block for ever")
}

func TestFilesStayInTheSandbox(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, &Options{Namespace: NamespaceOff}), nil)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("host"), 0o600))
	output(t, sb, "ln -s "+outside+" dir; ln -s "+secret+" file; ln -s ../../../../../../../../../../../.."+secret+" rel; ln -s loop loop")

	for _, name := range []string{secret, "dir/secret", "file", "rel", "../../../../../../.." + secret, "dir/../.." + secret} {
		_, err := sb.ReadFile(t.Context(), name)
		require.ErrorIs(t, err, e2b.ErrFileNotFound, name)
	}
	for _, name := range []string{"dir/secret", "file", "rel", secret} {
		require.NoError(t, sb.WriteFile(t.Context(), name, strings.NewReader("sandbox")), name)
		assert.Equal(t, "sandbox", read(t, sb, name), name)
	}
	b, err := os.ReadFile(secret)
	require.NoError(t, err)
	assert.Equal(t, "host", string(b))
	b, err = os.ReadFile(dirOf(t, sb) + secret)
	require.NoError(t, err, "an absolute link leads to the sandbox's own")
	assert.Equal(t, "sandbox", string(b))

	_, err = sb.ReadFile(t.Context(), "loop")
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	s, err := sb.t.engine.Find(sb.id)
	require.NoError(t, err)
	require.NoError(t, s.Remove("dir", ""))
	assert.FileExists(t, secret, "removing a link removes the link")
}

func TestLinksOfProcessesAreFollowed(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := create(t, newTransport(t, &opts), nil)
			output(t, sb, `echo x >target; ln -s "$PWD/target" abs; ln -s target rel; mkdir d; ln -s ../target d/up`)
			for _, name := range []string{"abs", "rel", "d/up"} {
				assert.Equal(t, "x\n", read(t, sb, name), name)
			}
		})
	}
}

func TestStat(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	_, err := s.WriteFile("f", "", strings.NewReader("12345"))
	require.NoError(t, err)
	require.NoError(t, os.Symlink("f", s.Dir()+"/home/user/l"))
	require.NoError(t, os.Symlink("gone", s.Dir()+"/home/user/dangling"))

	e, err := s.Stat("f", "")
	require.NoError(t, err)
	assert.Equal(t, "f", e.Name)
	assert.Equal(t, "/home/user/f", e.Path)
	assert.Equal(t, TypeFile, e.Type)
	assert.Equal(t, int64(5), e.Size)
	assert.Equal(t, "-rw-r--r--", e.Permissions)
	assert.Empty(t, e.SymlinkTarget)

	e, err = s.Stat(s.Dir()+"/home/user/l", "")
	require.NoError(t, err)
	assert.Equal(t, s.Dir()+"/home/user/l", e.Path, "in the words of who asked")
	assert.Equal(t, TypeFile, e.Type)
	assert.Equal(t, int64(5), e.Size)
	assert.Equal(t, s.Dir()+"/home/user/f", e.SymlinkTarget)

	e, err = s.Stat("dangling", "")
	require.NoError(t, err)
	assert.Equal(t, TypeSymlink, e.Type)
	_, err = s.Stat("none", "")
	require.ErrorIs(t, err, e2b.ErrFileNotFound)
	e, err = s.Stat("/", "")
	require.NoError(t, err)
	assert.Equal(t, TypeDirectory, e.Type)
	assert.Equal(t, "/", e.Path)
	e, err = s.Stat("~", "root")
	require.NoError(t, err)
	assert.Equal(t, "/root", e.Path)
}

func TestListMoveMakeRemove(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, name := range []string{"d/one", "d/sub/two", "d/sub/deep/three"} {
		_, err := s.WriteFile(name, "", strings.NewReader(name))
		require.NoError(t, err)
	}
	require.NoError(t, os.Symlink("sub", s.Dir()+"/home/user/d/link"))
	list := func(depth int) []string {
		entries, err := s.ListDir("d", "", depth)
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, strings.TrimPrefix(e.Path, "/home/user/d/"))
		}
		return names
	}
	assert.Equal(t, []string{"link", "one", "sub"}, list(0))
	assert.Equal(t, []string{"link", "one", "sub", "sub/deep", "sub/two"}, list(2))
	_, err := s.ListDir("d/one", "", 1)
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	_, err = s.ListDir("none", "", 1)
	require.ErrorIs(t, err, e2b.ErrFileNotFound)

	require.NoError(t, s.SetMetadata("d/one", "", map[string]string{"k": "v"}))
	e, err := s.Move("d/one", "new/place", "")
	require.NoError(t, err)
	assert.Equal(t, "/home/user/new/place", e.Path)
	assert.Equal(t, map[string]string{"k": "v"}, e.Metadata)
	_, err = s.Move("d/one", "x", "")
	require.ErrorIs(t, err, e2b.ErrFileNotFound)

	_, err = s.MakeDir("m/n", "")
	require.NoError(t, err)
	_, err = s.MakeDir("m/n", "")
	require.ErrorIs(t, err, e2b.ErrConflict)
	_, err = s.MakeDir("new/place", "")
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)

	require.NoError(t, s.Remove("d", ""))
	require.NoError(t, s.Remove("d", ""), "a missing one is no error")
	assert.NoDirExists(t, s.Dir()+"/home/user/d")
	require.ErrorIs(t, s.Remove("/", ""), e2b.ErrInvalidArgument)
}

func FuzzLocate(f *testing.F) {
	for _, seed := range []string{"a", "/", "~", "~/..", "../../../etc/passwd", "/proc/self/../..", "a/./b//c", "\x00", "l/x", "up/../../x"} {
		f.Add(seed)
	}
	e, err := New(&Options{Namespace: NamespaceOff})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	s, err := e.Create(f.Context(), &CreateSpec{Timeout: DefaultTimeout})
	if err != nil {
		f.Fatal(err)
	}
	for name, target := range map[string]string{"l": "/etc", "up": "../../../..", "self": "self"} {
		if err := os.Symlink(target, s.Dir()+"/home/user/"+name); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, name string) {
		at, err := s.locate(name, "")
		if err != nil {
			return
		}
		if !filepath.IsLocal(at.rel) {
			t.Fatalf("%q leads to %q", name, at.rel)
		}
		file, err := s.walk(at.rel, true)
		if err == nil && !filepath.IsLocal(file) {
			t.Fatalf("%q leads to %q", name, file)
		}
	})
}

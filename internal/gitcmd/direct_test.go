package gitcmd

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve serves the origin over smart HTTP.
func (b *box) serve() string {
	b.t.Helper()
	b.git(b.origin, "config", "uploadpack.allowFilter", "true")
	b.git(b.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
	s := httptest.NewServer(&cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend",
		Env:  []string{"GIT_PROJECT_ROOT=" + b.origin, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	b.t.Cleanup(s.Close)
	return s.URL + "/.git"
}

func TestDirectCloneAndFetch(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	url := b.serve()
	b.push(map[string]string{"a": "0\n"})
	first := b.push(map[string]string{"a": "1\n"})
	b.track(first)
	c, err := ParseClone(b.ok(b.repo.Clone(&CloneArgs{
		URL: url, Base: "main", Branch: "agent", Head: first,
		Fetch: Fetch{URL: url, OIDs: []string{first}, Depth: 1},
	})))
	require.NoError(t, err)
	assert.Equal(t, first, c.Head)
	assert.Equal(t, "1", b.git(b.dir(), "rev-list", "--count", "HEAD"))
	assert.Equal(t, "## agent...origin/main", b.git(b.dir(), "status", "-sb"))

	b.write("mine", "m\n")
	b.commit("mine")
	second := b.push(map[string]string{"a": "2\n"})
	b.track(second)
	i := b.integrated(b.repo.Integrate(&IntegrateArgs{Onto: second, Fetch: Fetch{URL: url, OIDs: []string{second}}}))
	assert.Equal(t, Rebased, i.How)
	assert.Equal(t, "2\n", b.read("a"))
	assert.Equal(t, second, b.git(b.dir(), "rev-parse", "origin/main"))
}

func TestDirectPartialCloneFetchesWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	url := b.serve()
	old := b.push(map[string]string{"a": "old\n"})
	first := b.push(map[string]string{"a": "new\n"})
	b.track(first)
	b.repo.Promisor = url
	b.ok(b.repo.Clone(&CloneArgs{
		URL: url, Base: "main", Branch: "agent", Head: first,
		Fetch: Fetch{URL: url, OIDs: []string{first}, Filter: "blob:none"},
	}))
	assert.Equal(t, "new\n", b.read("a"))
	assert.Equal(t, "blob:none", b.git(b.dir(), "config", "remote.origin.partialclonefilter"))
	f, err := ParseFile(b.ok(b.repo.ShowFile(&ShowArgs{Rev: old, Path: "a"})))
	require.NoError(t, err)
	assert.Equal(t, "old\n", string(f.Data))
	b.write("a", "newer\n")
	p, objects := b.packed(b.ok(b.repo.Pack(&PackArgs{Commit: &CommitArgs{Message: "m"}, Known: []string{first}})))
	assert.True(t, p.Committed)
	assert.Len(t, objects, 3)
}

func TestDirectFailuresAreClassified(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	first := b.push(map[string]string{"a": "1\n"})
	for code, want := range map[int]Kind{
		http.StatusUnauthorized: Auth, http.StatusForbidden: Forbidden,
		http.StatusNotFound: NotFound, http.StatusInternalServerError: Network,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		f := b.fails(b.repo.Clone(&CloneArgs{
			URL: s.URL, Base: "main", Branch: "agent", Head: first,
			Fetch: Fetch{URL: s.URL + "/r.git", OIDs: []string{first}},
		}))
		assert.Equal(t, want, f.Kind, "%d: %s", code, f.Detail)
		assert.NoDirExists(t, b.dir())
	}
	f := b.fails(b.repo.Clone(&CloneArgs{Branch: "agent", Head: first, Fetch: Fetch{URL: "ext::touch pwned", OIDs: []string{first}}}))
	assert.Equal(t, Git, f.Kind)
	b.unharmed()
}

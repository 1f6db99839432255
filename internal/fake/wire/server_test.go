package wire

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func TestRequestsAreLogged(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	f.api(http.MethodPost, "/v2/sandboxes/"+b.id+"-abc/connect", "")
	b.envd(http.MethodGet, "/files?path=secret&signature=s", "")
	f.api(http.MethodGet, "/sandboxes/metrics?sandbox_ids=", "")
	assert.Equal(t, []Request{
		{ControlPlane, http.MethodPost, "/v2/sandboxes", ""},
		{ControlPlane, http.MethodPost, "/v2/sandboxes/" + b.id + "-abc/connect", b.id},
		{Envd, http.MethodGet, "/files", b.id},
		{ControlPlane, http.MethodGet, "/sandboxes/metrics", ""},
	}, f.Requests())
	f.ResetRequests()
	assert.Empty(t, f.Requests())
}

func TestRequestLogIsBounded(t *testing.T) {
	t.Parallel()
	var l requestLog
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://host/path", nil)
	require.NoError(t, err)
	for range maxRequests + 1 {
		l.add(r, destination{})
	}
	assert.Len(t, l.requests, maxRequests-maxRequests/10+1)
}

func TestCloseEndsStreamsAndWatchers(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	command := b.open(startPath, sh("sleep 100"))
	command.pid()
	watch := b.open("/filesystem.Filesystem/WatchDir", `{"path":"."}`)
	watch.until("start")
	require.Equal(t, 200, b.rpc("/filesystem.Filesystem/CreateWatcher", `{"path":"."}`).status)
	f.Engine().Inject(fake.Fault{Op: fake.OpList, Kind: fake.Delay, Delay: 1 << 40})

	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "twice is fine")
	for _, s := range []*openStream{command, watch} {
		for {
			if _, err := s.next(); err != nil {
				break
			}
		}
	}
	_, err := f.send(http.MethodGet, "/health", "")
	require.Error(t, err)
	assert.Len(t, f.Engine().List(), 1, "the engine stays the caller's")
}

func TestParallelUse(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	for range 8 {
		b := f.create(`{"templateID":"base"}`)
		for range 4 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				own := *f
				own.t = t
				b := &box{f: &own, id: b.id, token: b.token}
				got := b.stream(startPath, sh("echo x; exit 1"))
				assert.Contains(t, got[len(got)-2], "exit status 1")
				assert.Equal(t, 200, own.api(http.MethodGet, "/v2/sandboxes", "").status)
			})
		}
	}
}

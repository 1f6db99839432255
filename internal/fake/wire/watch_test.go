package wire

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func TestWatchDirStreams(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	s := b.open("/filesystem.Filesystem/WatchDir", `{"path":".","recursive":true,"includeEntry":true}`)
	assert.Equal(t, `{"start":{}}`, s.until("start"))
	require.Equal(t, 200, b.envd(http.MethodPost, "/files?path=d/new", "n", "Content-Type", octets).status)
	assert.Contains(t, s.until(`"name":"d/new"`), `"path":"/home/user/d/new"`)
	require.Equal(t, 200, b.rpc("/filesystem.Filesystem/Remove", `{"path":"d/new"}`).status)
	assert.Equal(t, `{"filesystem":{"name":"d/new","type":"EVENT_TYPE_REMOVE"}}`, s.until("REMOVE"))
}

func TestWatchDirTimesOutAndRefuses(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	got := b.stream("/filesystem.Filesystem/WatchDir", `{"path":"."}`, "Connect-Timeout-Ms", "50")
	require.Len(t, got, 2)
	assert.Contains(t, got[1], `"code":"deadline_exceeded"`)
	got = b.stream("/filesystem.Filesystem/WatchDir", `{"path":"none"}`)
	assert.Equal(t, []string{`{"error":{"code":"not_found","message":"file not found: none"}}`}, got)
	s := b.open("/filesystem.Filesystem/WatchDir", `{"path":"."}`, "Keepalive-Ping-Interval", "1")
	assert.Equal(t, `{"keepalive":{}}`, s.until("keepalive"))
}

func TestPolledWatcher(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b, other := f.create(`{"templateID":"base"}`), f.create(`{"templateID":"base"}`)
	made := into[map[string]string](t, b.rpc("/filesystem.Filesystem/CreateWatcher", `{"path":"."}`))
	id := `{"watcherId":"` + made["watcherId"] + `"}`
	assert.JSONEq(t, `{}`, b.rpc("/filesystem.Filesystem/GetWatcherEvents", id).body)
	require.Equal(t, 200, b.rpc("/filesystem.Filesystem/MakeDir", `{"path":"made"}`).status)
	var events []map[string]string
	require.Eventually(t, func() bool {
		events = into[map[string][]map[string]string](t, b.rpc("/filesystem.Filesystem/GetWatcherEvents", id))["events"]
		return len(events) > 0
	}, 5*time.Second, 5*time.Millisecond)
	assert.Equal(t, []map[string]string{{"name": "made", "type": "EVENT_TYPE_CREATE"}}, events)
	assert.JSONEq(t, `{}`, b.rpc("/filesystem.Filesystem/GetWatcherEvents", id).body, "events come once")
	assert.Equal(t, 404, other.rpc("/filesystem.Filesystem/GetWatcherEvents", id).status)
	assert.Equal(t, 404, other.rpc("/filesystem.Filesystem/RemoveWatcher", id).status)
	assert.Equal(t, 200, b.rpc("/filesystem.Filesystem/RemoveWatcher", id).status)
	assert.Equal(t, 404, b.rpc("/filesystem.Filesystem/RemoveWatcher", id).status)

	made = into[map[string]string](t, b.rpc("/filesystem.Filesystem/CreateWatcher", `{"path":"."}`))
	require.NotNil(t, f.watches.find(made["watcherId"], b.id))
	require.Equal(t, 204, f.api(http.MethodDelete, "/sandboxes/"+b.id, "").status)
	assert.Eventually(t, func() bool { return f.watches.find(made["watcherId"], b.id) == nil },
		5*time.Second, 5*time.Millisecond, "a watcher ends with its sandbox")
}

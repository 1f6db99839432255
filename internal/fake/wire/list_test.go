package wire

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func (f *fixture) listed(query string) (ids []string, r *reply) {
	f.t.Helper()
	r = f.api(http.MethodGet, "/v2/sandboxes"+query, "")
	require.Equal(f.t, 200, r.status, r.body)
	for _, s := range into[[]listedJSON](f.t, r) {
		ids = append(ids, s.SandboxID)
	}
	return ids, r
}

func TestListFiltersByMetadataEncodedTwice(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	f.create(`{"templateID":"base","metadata":{"name":"a"}}`)
	b := f.create(`{"templateID":"base","metadata":{"name":"a b","k&=":"é%"}}`)
	for _, query := range []string{
		"?metadata=name%3Da%252520b",                                           // name=a%2520b
		"?metadata=name%253Da%252520b",                                         // the "=" encoded as well
		"?metadata=name%3Da%252520b%26k%252526%25253D%3D%2525C3%2525A9%252525", // two pairs
	} {
		ids, _ := f.listed(query)
		assert.Equal(t, []string{b.id}, ids, query)
	}
	ids, _ := f.listed("?metadata=name%3Da%252520b%26other%3Dx")
	assert.Empty(t, ids, "all pairs must match")
	r := f.api(http.MethodGet, "/v2/sandboxes?metadata=name", "")
	assert.Equal(t, 400, r.status)
	r = f.api(http.MethodGet, "/v2/sandboxes?metadata=a%3D%2525zz", "")
	assert.Equal(t, 400, r.status)
}

func TestListPages(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	var made []string
	for range 5 {
		made = append(made, f.create(`{"templateID":"base"}`).id)
		f.clock.Advance(time.Second)
	}
	ids, r := f.listed("?limit=2")
	assert.Equal(t, []string{made[4], made[3]}, ids, "newest first")
	assert.Equal(t, "5", r.header.Get("X-Total-Running"))
	next := r.header.Get("X-Next-Token")
	require.NotEmpty(t, next)

	f.create(`{"templateID":"base"}`) // and the pages stay what they are
	ids, r = f.listed("?limit=2&nextToken=" + next)
	assert.Equal(t, []string{made[2], made[1]}, ids)
	ids, r = f.listed("?limit=2&nextToken=" + r.header.Get("X-Next-Token"))
	assert.Equal(t, []string{made[0]}, ids)
	assert.Empty(t, r.header.Get("X-Next-Token"))

	ids, _ = f.listed("?limit=2&order=asc")
	assert.Equal(t, []string{made[0], made[1]}, ids)
	for _, bad := range []string{"limit=0", "limit=101", "limit=x", "order=up", "nextToken=%21", "order=asc&nextToken=" + next, "state=dead", "startedAfter=now"} {
		assert.Equal(t, 400, f.api(http.MethodGet, "/v2/sandboxes?"+bad, "").status, bad)
	}
}

func TestListFiltersByStateTemplateAndStart(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{Templates: map[string]fake.Template{"other": {}}})
	a := f.create(`{"templateID":"base"}`)
	f.clock.Advance(time.Second)
	b := f.create(`{"templateID":"other"}`)
	require.Equal(t, 204, f.api(http.MethodPost, "/sandboxes/"+a.id+"/pause", "").status)
	for query, want := range map[string][]string{
		"":                      {b.id, a.id},
		"?state=running":        {b.id},
		"?state=paused":         {a.id},
		"?state=running,paused": {b.id, a.id},
		"?template=other":       {b.id},
		"?startedAfter=" + url.QueryEscape("2026-01-01T00:00:00.5Z"): {b.id},
	} {
		ids, r := f.listed(query)
		assert.Equal(t, want, ids, query)
		assert.NotContains(t, r.body, "envdAccessToken")
	}
	old := into[[]listedJSON](t, f.api(http.MethodGet, "/sandboxes", ""))
	require.Len(t, old, 1, "the first version lists what runs")
	assert.Equal(t, b.id, old[0].SandboxID)
}

func TestParseMetadata(t *testing.T) {
	t.Parallel()
	got, err := parseMetadata("a%2520b=c%252Bd")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a b": "c+d"}, got)
	got, err = parseMetadata("")
	require.NoError(t, err)
	assert.Nil(t, got)
}

func FuzzParseMetadata(f *testing.F) {
	f.Add("a", "b")
	f.Add("a b&=%", "é+")
	f.Fuzz(func(t *testing.T, k, v string) {
		text := url.QueryEscape(url.QueryEscape(k)) + "=" + url.QueryEscape(url.QueryEscape(v))
		got, err := parseMetadata(text)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{k: v}, got)
		_, _ = parseMetadata(k) // any text: no panic
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("ZmFsc2U6MTox", int64(1), 2)
	f.Fuzz(func(t *testing.T, text string, started int64, seq int) {
		_, _, _ = parseCursor(text) // any text: no panic
		c := &cursor{started: started, seq: seq}
		got, desc, err := parseCursor(c.token(true))
		require.NoError(t, err)
		assert.True(t, desc)
		assert.Equal(t, c, got)
	})
}

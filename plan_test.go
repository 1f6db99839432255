package gitsandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// E2B's smallest plan allows a lifetime of one hour, less than the default TTL
// asks for.
func TestAPlanThatAllowsLessThanTheTTL(t *testing.T) {
	t.Parallel()
	server, err := gitsandboxtest.NewServer(&gitsandboxtest.Options{MaxLifetime: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	cloud, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	w := newWorld(t, nil)
	for name, transport := range map[string]e2b.Transport{"in process": server.Transport(), "over HTTP": cloud} {
		client, err := gitsandbox.New(transport, &gitsandbox.Options{
			Credentials: gitsandbox.StaticToken(w.remote.Host(), token),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		s, err := client.Clone(t.Context(), w.url, nil)
		require.NoError(t, err, name)
		_, err = s.Status(t.Context(), nil)
		require.NoError(t, err, name)
	}
}

func TestPartialCloneOnTheDirectRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &worldOptions{open: true})
	w.commit("main", "Edit", map[string]string{"README.md": "# Shop, edited\n"})
	s, err := w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{
		AgentID: "a", TaskID: "t", Route: gitsandbox.RouteDirect, Filter: "blob:none",
	})
	require.NoError(t, err)
	res, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"git", "rev-list", "--objects", "--missing=print", "HEAD"}})
	require.NoError(t, err)
	assert.Contains(t, string(res.Stdout), "?a00621bb3a9b990ee018f8d04c2d3140800d6ca6", "the old README is not here")
	old, err := s.ShowFile(t.Context(), "HEAD~1", "README.md")
	require.NoError(t, err)
	assert.Equal(t, "# Shop\n", string(old), "and comes when it is needed")
	w.write(s, "a.txt", "a\n")
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)

	_, err = w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{Filter: "blob:none", Route: gitsandbox.RouteRelay})
	require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
}

package gitsandbox_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// counts are the requests of one operation.
type counts struct{ control, sandbox, remote int }

// counter counts requests at the HTTP servers: of E2B's protocol and of git's.
type counter struct {
	t      *testing.T
	server *gitsandboxtest.Server
	remote *gitsandboxtest.Remote
}

func (c *counter) reset() {
	c.server.ResetRequests()
	c.remote.ResetRequests()
}

// want checks the requests since the last reset, and resets.
func (c *counter) want(operation string, want counts) {
	c.t.Helper()
	var got counts
	for _, r := range c.server.Requests() {
		switch r.Door {
		case gitsandboxtest.ControlPlane:
			got.control++
		case gitsandboxtest.Envd:
			got.sandbox++
		}
	}
	got.remote = len(c.remote.Requests())
	assert.Equal(c.t, want, got, "%s: %v %v", operation, c.server.Requests(), c.remote.Requests())
	c.reset()
}

// The requests of each operation, over E2B's own protocol and through the
// relay, are part of what the library promises: each costs a round trip.
func TestRequestsOfEachOperation(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := gitsandboxtest.NewServer(nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: token})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, remote.Close()) })
	require.NoError(t, remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}))
	transport, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	client, err := gitsandbox.New(transport, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), token),
		Retry:       gitsandbox.Backoff{Base: 1, Max: 1},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	c := &counter{t: t, server: server, remote: remote}
	c.reset()

	s, err := client.Clone(ctx, remote.URL("shop"), &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	c.want("clone", counts{control: 1, sandbox: 2, remote: 2})

	_, err = s.Status(ctx, nil)
	require.NoError(t, err)
	c.want("status", counts{sandbox: 1})

	require.NoError(t, s.WriteFile(ctx, "a.txt", []byte("a\n"), 0o644))
	c.want("write", counts{sandbox: 1})

	_, err = s.ReadFile(ctx, "a.txt")
	require.NoError(t, err)
	c.want("read", counts{sandbox: 1})

	_, err = s.Diff(ctx, nil)
	require.NoError(t, err)
	c.want("diff", counts{sandbox: 1})

	_, err = s.Commit(ctx, "Add a", nil)
	require.NoError(t, err)
	c.want("commit", counts{sandbox: 1})

	_, err = s.Push(ctx, nil)
	require.NoError(t, err)
	c.want("push", counts{sandbox: 1, remote: 2})

	require.NoError(t, s.WriteFile(ctx, "b.txt", []byte("b\n"), 0))
	c.reset()
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Message: "Add b"})
	require.NoError(t, err)
	c.want("commit and push", counts{sandbox: 1, remote: 2})

	_, err = s.Status(ctx, nil)
	require.NoError(t, err)
	c.want("status after a push", counts{sandbox: 1})

	_, err = s.Pull(ctx, nil)
	require.NoError(t, err)
	c.want("pull of nothing", counts{remote: 1})

	_, err = remote.Commit("shop", "main", "News", map[string]string{"news.txt": "news\n"})
	require.NoError(t, err)
	c.reset()
	_, err = s.Pull(ctx, nil)
	require.NoError(t, err)
	c.want("pull of something", counts{sandbox: 2, remote: 2})

	_, err = remote.Commit("shop", s.Branch(), "Theirs", map[string]string{"theirs.txt": "theirs\n"})
	require.NoError(t, err)
	c.reset()
	res, err := s.Push(ctx, nil)
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushRebased, res.Outcome)
	c.want("push that was rejected once", counts{sandbox: 3, remote: 4})

	_, err = client.Open(ctx, s.ID())
	require.NoError(t, err)
	c.want("open of a cached sandbox", counts{})

	again, err := client.Clone(ctx, remote.URL("shop"), &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	assert.Equal(t, s.ID(), again.ID())
	c.want("clone of a cached sandbox", counts{sandbox: 1, remote: 1})

	require.NoError(t, s.Kill(ctx))
	c.want("kill", counts{control: 1})
}

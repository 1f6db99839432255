package gitsandbox_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func (w *world) list(opts *gitsandbox.ListOptions) []*gitsandbox.SandboxInfo {
	w.t.Helper()
	var all []*gitsandbox.SandboxInfo
	for info, err := range w.client.List(w.t.Context(), opts) {
		require.NoError(w.t, err)
		all = append(all, info)
	}
	return all
}

func TestListFindsTheSandboxesOfAnOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx := t.Context()
	_, err := w.sandboxes.Create(ctx, &e2b.CreateOptions{Metadata: map[string]string{"other": "thing"}})
	require.NoError(t, err)
	alice, err := w.client.Clone(ctx, w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t", Owner: "alice@example.com"})
	require.NoError(t, err)
	bob, err := w.client.Clone(ctx, w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t", Owner: "bob"})
	require.NoError(t, err)
	assert.NotEqual(t, alice.ID(), bob.ID(), "owners share no sandbox")

	assert.Len(t, w.list(nil), 2, "the third holds no clone")
	got := w.list(&gitsandbox.ListOptions{Owner: "alice@example.com", RepoURL: w.url, AgentID: "a", TaskID: "t"})
	require.Len(t, got, 1)
	assert.False(t, got[0].StartedAt.IsZero())
	assert.True(t, got[0].EndAt.After(got[0].StartedAt))
	assert.Equal(t, &gitsandbox.SandboxInfo{
		ID: alice.ID(), Owner: "alice@example.com", RepoURL: w.url, Branch: "agent-a-t", BaseBranch: "main", AgentID: "a", TaskID: "t",
		StartedAt: got[0].StartedAt, EndAt: got[0].EndAt,
	}, got[0])
	assert.Empty(t, w.list(&gitsandbox.ListOptions{Owner: "carol"}))

	// Another process, without a record in its cache, knows the owner too.
	other, err := w.newClient(&gitsandbox.Options{}).Open(ctx, bob.ID())
	require.NoError(t, err)
	assert.Equal(t, "bob", other.Owner())
}

func TestListEndsEarlyAndTellsErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.clone("a", "1")
	w.clone("a", "2")
	for range w.client.List(t.Context(), nil) {
		break
	}
	for _, err := range w.client.List(t.Context(), &gitsandbox.ListOptions{RepoURL: "http://example.com/x"}) {
		require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
		assert.Contains(t, err.Error(), "RepoURL")
	}
	w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpList, Status: 401})
	n := 0
	for _, err := range w.client.List(t.Context(), nil) {
		n++
		require.ErrorIs(t, err, gitsandbox.ErrAuth)
	}
	assert.Equal(t, 1, n)
	_, err := w.client.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{Owner: "a\nb"})
	require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
	assert.Contains(t, err.Error(), "Owner")
}

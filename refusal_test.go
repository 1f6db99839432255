package gitsandbox_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
)

func TestARefusedPushTellsWhatTheRemoteSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "new.txt", "new\n")
	require.NoError(t, w.remote.RefusePushes("shop", "no pushes on Fridays"))
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "New"})
	require.ErrorIs(t, err, gitsandbox.ErrRemoteRejected)
	var refused *gitsandbox.RejectedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "pre-receive hook declined", refused.Reason)
	assert.Equal(t, "no pushes on Fridays", refused.Messages)
	assert.Contains(t, err.Error(), "no pushes on Fridays")
}

func TestEveryRefusalOfThePolicyIsAudited(t *testing.T) {
	t.Parallel()
	var audits []gitsandbox.PushAudit
	w := newWorld(t, &worldOptions{client: gitsandbox.Options{
		Policy: &gitsandbox.PushPolicy{MaxPackBytes: 1 << 10},
		Trace: []*gitsandbox.Trace{{PushDecided: func(_ context.Context, a gitsandbox.PushAudit) {
			audits = append(audits, a)
		}}},
	}})
	s := w.clone("a", "t")
	_, err := s.Push(t.Context(), &gitsandbox.PushOptions{Branch: "main"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)
	noise := make([]byte, 1<<16)
	_, _ = rand.Read(noise)
	w.write(s, "noise.bin", string(noise))
	_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Noise"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)

	audit := gitsandbox.PushAudit{
		SandboxID: s.ID(), AgentID: "a", TaskID: "t", URL: w.url, Ref: "refs/heads/main",
		Decision: "refused by policy", Rule: "ref",
	}
	size := audit
	size.Ref, size.Rule = "refs/heads/agent-a-t", "size"
	assert.Equal(t, []gitsandbox.PushAudit{audit, size}, audits)
}

func TestAConflictErrorThatATestMakesIsAConflict(t *testing.T) {
	t.Parallel()
	err := &gitsandbox.ConflictError{Files: []string{"a.txt"}}
	require.ErrorIs(t, err, gitsandbox.ErrConflict)
	assert.Equal(t, `conflict in "a.txt"`, err.Error())
}

func TestOpenOfASandboxWithoutACloneIsOneKindOfError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	sandbox, err := w.sandboxes.Create(t.Context(), nil)
	require.NoError(t, err)
	_, err = w.client.Open(t.Context(), sandbox.Info().SandboxID)
	require.ErrorIs(t, err, gitsandbox.ErrSandboxNotFound)
	require.NotErrorIs(t, err, gitsandbox.ErrInvalidArgument)
}

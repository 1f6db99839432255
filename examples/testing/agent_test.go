package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const branch = "agent-todo-t1"

// A world is all that the agent meets: E2B, a git server with a repository, and
// a Client of both.
type world struct {
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	repo      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sandboxes.Close()) })
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, remote.Close()) })
	require.NoError(t, remote.CreateRepo("shop", map[string]string{
		"main.go":    "package main // TODO: sell tea\n",
		"price/a.go": "package price\n\n// TODO: round down\n",
	}))
	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), remote.Password()),
		Retry:       gitsandbox.Backoff{Base: time.Millisecond}, // tests do not wait
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return &world{sandboxes: sandboxes, remote: remote, client: client, repo: remote.URL("shop")}
}

const wantList = "# TODO\n\n- main.go: sell tea\n- price/a.go: round down\n"

// wantPushed checks what the remote holds in the end, and that nothing is left
// that costs money.
func (w *world) wantPushed(t *testing.T, messages ...string) {
	t.Helper()
	list, err := w.remote.ReadFile("shop", branch, "TODO.md")
	require.NoError(t, err)
	assert.Equal(t, wantList, list)
	log, err := w.remote.Log("shop", branch)
	require.NoError(t, err)
	var got []string
	for _, commit := range log {
		got = append(got, commit.Message)
	}
	// The last one is the first commit of the repository.
	assert.Equal(t, messages, got[:max(0, len(got)-1)])
	w.wantNoSandbox(t)
}

func (w *world) wantNoSandbox(t *testing.T) {
	t.Helper()
	for info, err := range w.sandboxes.List(t.Context(), nil) {
		require.NoError(t, err)
		assert.Failf(t, "a sandbox is left", "%s", info.SandboxID)
	}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result, err := collect(t.Context(), w.client, w.repo, "t1")
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushPublished, result.Outcome)
	w.wantPushed(t, "Collect the TODOs")
}

func TestCollectTwiceHasNothingToCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := collect(t.Context(), w.client, w.repo, "t1")
	require.NoError(t, err)
	_, err = collect(t.Context(), w.client, w.repo, "t1")
	require.ErrorIs(t, err, gitsandbox.ErrNothingToCommit)
	w.wantPushed(t, "Collect the TODOs")
}

func TestCollectSurvives(t *testing.T) {
	t.Parallel()
	grep := func(c *gitsandboxtest.Call) bool { return slices.Contains(c.Args, "grep") }
	for name, inject := range map[string]func(w *world){
		"a rate limit": func(w *world) {
			w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpCreate, Nth: 1, Kind: gitsandboxtest.RateLimit})
		},
		"a lost reply of an upload": func(w *world) {
			w.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpWriteFile, Nth: 2, Kind: gitsandboxtest.LoseReply})
		},
		"the death of its sandbox": func(w *world) {
			w.sandboxes.Inject(gitsandboxtest.Fault{
				Op: gitsandboxtest.OpExec, Match: grep, Nth: 1, Kind: gitsandboxtest.KillSandbox,
			})
		},
		"a remote that is down": func(w *world) {
			w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "ls-refs", Nth: 1, Status: 503})
		},
		"a lost reply of the push": func(w *world) {
			w.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, LoseReply: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			inject(w)
			_, err := collect(t.Context(), w.client, w.repo, "t1")
			require.NoError(t, err)
			w.wantPushed(t, "Collect the TODOs") // once
		})
	}
}

func TestCollectWritesTheListAnewAfterAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Somebody else publishes a list just before the agent does.
	w.remote.Inject(gitsandboxtest.RemoteFault{
		Operation: "advertisement", Nth: 1,
		Before: func(gitsandboxtest.RemoteRequest) {
			_, err := w.remote.Commit("shop", branch, "By hand", map[string]string{"TODO.md": "nothing\n"})
			assert.NoError(t, err)
		},
	})
	_, err := collect(t.Context(), w.client, w.repo, "t1")
	require.NoError(t, err)
	w.wantPushed(t, "Collect the TODOs", "By hand")
}

func TestCollectGivesUpOnARevokedToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.remote.ExpirePassword()
	_, err := collect(t.Context(), w.client, w.repo, "t1")
	require.ErrorIs(t, err, gitsandbox.ErrAuth)
	assert.Len(t, w.remote.Requests(), 1, "it does not try again")
	w.wantNoSandbox(t)
}

func TestCollectLeavesNothingWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.sandboxes.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Delay, Delay: time.Minute,
		Match: func(c *gitsandboxtest.Call) bool { cancel(); return true },
	})
	_, err := collect(ctx, w.client, w.repo, "t1")
	require.ErrorIs(t, err, context.Canceled)
	w.wantNoSandbox(t)
}

func TestRunNamesTheVariableThatIsMissing(t *testing.T) {
	t.Setenv("E2B_API_KEY", "")
	require.ErrorContains(t, run(t.Context(), []string{"https://github.com/you/repo"}), "E2B_API_KEY")
	require.ErrorContains(t, run(t.Context(), nil), "usage")
}

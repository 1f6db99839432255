package gitsandboxtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func ExampleNewTransport() {
	ctx := context.Background()
	transport, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = transport.Close() }()

	sandbox, err := transport.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sandbox.WriteFile(ctx, "greeting", strings.NewReader("hello")); err != nil {
		fmt.Println(err)
		return
	}
	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"sh", "-c", `echo "$(cat greeting), $USER"`}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", result.Stdout)
	// Output: hello, user
}

func ExampleTransport_Inject() {
	ctx := context.Background()
	transport, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = transport.Close() }()

	// The second Create is rate limited.
	transport.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpCreate, Nth: 2,
		Kind: gitsandboxtest.RateLimit, RetryAfter: 2 * time.Second,
	})
	for range 3 {
		_, err := transport.Create(ctx, nil)
		fmt.Println(errors.Is(err, e2b.ErrRateLimited), e2b.Retryable(err))
	}
	fmt.Println(len(transport.Calls()), "calls")
	// Output:
	// false false
	// true true
	// false false
	// 3 calls
}

func ExampleManualClock() {
	ctx := context.Background()
	clock := gitsandboxtest.NewManualClock(time.Time{})
	transport, err := gitsandboxtest.NewTransport(&gitsandboxtest.Options{Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = transport.Close() }()

	sandbox, err := transport.Create(ctx, &e2b.CreateOptions{Timeout: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	clock.Advance(time.Hour)
	err = sandbox.Kill(ctx)
	fmt.Println(errors.Is(err, e2b.ErrSandboxNotFound))
	// Output: true
}

func TestTransportLeavesNothing(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	transport, err := gitsandboxtest.NewTransport(&gitsandboxtest.Options{Dir: parent})
	require.NoError(t, err)
	sandbox, err := transport.Create(t.Context(), nil)
	require.NoError(t, err)
	dir, err := transport.Dir(sandbox.Info().SandboxID)
	require.NoError(t, err)
	assert.DirExists(t, dir+"/home/user")
	_, err = transport.Dir("i0")
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	require.NoError(t, transport.Close())
	require.NoError(t, transport.Close())
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Empty(t, left)
	_, err = transport.Create(t.Context(), nil)
	require.ErrorIs(t, err, e2b.ErrClosed)
}

func TestCallsTellWhatWasAsked(t *testing.T) {
	t.Parallel()
	clock := gitsandboxtest.NewManualClock(time.Time{})
	transport, err := gitsandboxtest.NewTransport(&gitsandboxtest.Options{
		Clock: clock, Templates: map[string]gitsandboxtest.Template{"greeter": {Env: map[string]string{"GREETING": "hello"}}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, transport.Close()) })
	sandbox, err := transport.Create(t.Context(), &e2b.CreateOptions{Template: "greeter"})
	require.NoError(t, err)
	clock.Advance(time.Second)
	args := []string{"sh", "-c", `printf %s "$GREETING"`}
	result, err := sandbox.Exec(t.Context(), &e2b.Command{Args: args})
	require.NoError(t, err)
	assert.Equal(t, "hello", string(result.Stdout))

	start := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, []gitsandboxtest.Call{
		{Op: "create", Args: []string{"greeter"}, Time: start},
		{Op: "exec", SandboxID: sandbox.Info().SandboxID, Args: args, Time: start.Add(time.Second)},
	}, transport.Calls())
	transport.ResetCalls()
	assert.Empty(t, transport.Calls())
}

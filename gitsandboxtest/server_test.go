package gitsandboxtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func ExampleNewServer() {
	ctx := context.Background()
	server, err := gitsandboxtest.NewServer(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()

	client, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	sandbox, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.ResetRequests()
	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"echo", "hello"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s%d request to %s\n", result.Stdout, len(server.Requests()), server.Requests()[0].Door)
	// Output:
	// hello
	// 1 request to envd
}

// door is one of the two doors to a fake.
type door struct {
	e2b.Transport

	inject func(gitsandboxtest.Fault) func()
}

// doors returns both doors, each to a fake of its own.
func doors(t *testing.T, opts *gitsandboxtest.Options) map[string]*door {
	t.Helper()
	transport, err := gitsandboxtest.NewTransport(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, transport.Close()) })
	server, err := gitsandboxtest.NewServer(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	client, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return map[string]*door{"in process": {transport, transport.Inject}, "over HTTP": {client, server.Inject}}
}

// TestFaultsAreTheSameAtBothDoors checks that a caller cannot tell by the kind
// of an error, or by what is left of the sandbox, at which door it stands.
func TestFaultsAreTheSameAtBothDoors(t *testing.T) {
	t.Parallel()
	type fault = gitsandboxtest.Fault
	exec := func(ctx context.Context, s e2b.Sandbox) error {
		result, err := s.Exec(ctx, &e2b.Command{Args: []string{"sh", "-c", "echo 1234567890"}})
		if err == nil && result.ExitCode != 0 {
			return fmt.Errorf("exit code %d: %s", result.ExitCode, result.Stderr)
		}
		return err
	}
	read := func(ctx context.Context, s e2b.Sandbox) error {
		r, err := s.ReadFile(ctx, "file")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return errors.Join(err, r.Close())
	}
	write := func(ctx context.Context, s e2b.Sandbox) error {
		return s.WriteFile(ctx, "written", strings.NewReader(strings.Repeat("x", 100_000)))
	}
	for name, c := range map[string]struct {
		fault fault
		call  func(context.Context, e2b.Sandbox) error
		kind  error
	}{
		"exec refused":        {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Refuse}, exec, e2b.ErrUnavailable},
		"exec forbidden":      {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Refuse, Status: 403}, exec, e2b.ErrForbidden},
		"exec invalid":        {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.Refuse, Status: 400}, exec, e2b.ErrInvalidArgument},
		"exec too often":      {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.RateLimit}, exec, e2b.ErrRateLimited},
		"exec lost":           {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.LoseReply}, exec, e2b.ErrNetwork},
		"exec kills":          {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.KillSandbox}, exec, e2b.ErrSandboxNotFound},
		"exec kills midway":   {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.KillSandbox, After: 5}, exec, e2b.ErrSandboxNotFound},
		"exec with old token": {fault{Op: gitsandboxtest.OpExec, Kind: gitsandboxtest.ExpireToken}, exec, e2b.ErrAuth},
		"read refused":        {fault{Op: gitsandboxtest.OpReadFile, Kind: gitsandboxtest.Refuse}, read, e2b.ErrUnavailable},
		"read not found":      {fault{Op: gitsandboxtest.OpReadFile, Kind: gitsandboxtest.Refuse, Status: 404}, read, e2b.ErrFileNotFound},
		"read cut":            {fault{Op: gitsandboxtest.OpReadFile, Kind: gitsandboxtest.DropStream, After: 3}, read, e2b.ErrNetwork},
		"read lost":           {fault{Op: gitsandboxtest.OpReadFile, Kind: gitsandboxtest.LoseReply, Times: 9}, read, e2b.ErrNetwork},
		"read kills":          {fault{Op: gitsandboxtest.OpReadFile, Kind: gitsandboxtest.KillSandbox}, read, e2b.ErrSandboxNotFound},
		"write cut":           {fault{Op: gitsandboxtest.OpWriteFile, Kind: gitsandboxtest.DropStream, After: 9}, write, e2b.ErrNetwork},
		"write full":          {fault{Op: gitsandboxtest.OpWriteFile, Kind: gitsandboxtest.FullDisk, After: 9}, write, e2b.ErrNoSpace},
		"write kills":         {fault{Op: gitsandboxtest.OpWriteFile, Kind: gitsandboxtest.KillSandbox}, write, e2b.ErrSandboxNotFound},
		"write kills midway":  {fault{Op: gitsandboxtest.OpWriteFile, Kind: gitsandboxtest.KillSandbox, After: 9}, write, e2b.ErrSandboxNotFound},
		"write too often":     {fault{Op: gitsandboxtest.OpWriteFile, Kind: gitsandboxtest.RateLimit}, write, e2b.ErrRateLimited},
		"timeout conflict": {fault{Op: gitsandboxtest.OpSetTimeout, Kind: gitsandboxtest.Refuse, Status: 409}, func(ctx context.Context, s e2b.Sandbox) error {
			return s.SetTimeout(ctx, time.Minute)
		}, e2b.ErrConflict},
		"kill refused": {fault{Op: gitsandboxtest.OpKill, Kind: gitsandboxtest.Refuse, Status: 401}, func(ctx context.Context, s e2b.Sandbox) error { return s.Kill(ctx) }, e2b.ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, d := range doors(t, nil) {
				s, err := d.Create(t.Context(), nil)
				require.NoError(t, err, at)
				require.NoError(t, s.WriteFile(t.Context(), "file", strings.NewReader("content")), at)
				d.inject(c.fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err = c.call(ctx, s)
				require.Error(t, err, at)
				require.ErrorIs(t, err, c.kind, at)
			}
		})
	}
}

func TestCutOutputIsIncompleteAtBothDoors(t *testing.T) {
	t.Parallel()
	for at, d := range doors(t, nil) {
		s, err := d.Create(t.Context(), nil)
		require.NoError(t, err, at)
		d.inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpExec, Nth: 1, Kind: gitsandboxtest.DropStream, After: 3})
		result, err := s.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "printf 12345; sleep 0.5; printf 67890; exit 3"}})
		require.NoError(t, err, at)
		assert.True(t, result.Incomplete, at)
		assert.Equal(t, 3, result.ExitCode, at)
		assert.Equal(t, "12367890", string(result.Stdout), at)
	}
}

func TestServerIsOneFakeWithTwoDoors(t *testing.T) {
	t.Parallel()
	server, err := gitsandboxtest.NewServer(nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	s, err := server.Transport().Create(t.Context(), nil)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/sandboxes/"+s.Info().SandboxID, nil)
	require.NoError(t, err)
	req.Header.Set("X-API-Key", server.APIKey())
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)

	require.NoError(t, server.Close())
	require.NoError(t, server.Close(), "twice is fine")
	_, err = server.Transport().Create(t.Context(), nil)
	require.Error(t, err)
}

func TestServerSpeaksV1Only(t *testing.T) {
	t.Parallel()
	server, err := gitsandboxtest.NewServer(nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	server.SetV1Only(true)
	client, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	for range 2 {
		_, err = client.Create(t.Context(), nil)
		require.NoError(t, err)
	}
	var paths []string
	for _, r := range server.Requests() {
		paths = append(paths, r.Path)
	}
	assert.Equal(t, []string{"/v2/sandboxes", "/sandboxes", "/sandboxes"}, paths, "the client remembers")
}

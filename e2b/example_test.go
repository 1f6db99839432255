package e2b_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// newClient returns a Client of a fake that speaks E2B's protocol on this
// machine. The caller calls end.
func newClient() (client *e2b.Client, end func()) {
	server, err := gitsandboxtest.NewServer(nil)
	if err != nil {
		panic(err)
	}
	client, err = e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	if err != nil {
		panic(err)
	}
	return client, func() { _, _ = client.Close(), server.Close() }
}

func Example() {
	ctx := context.Background()
	client, end := newClient() // in production: e2b.NewClient with the API key
	defer end()

	sandbox, err := client.Create(ctx, &e2b.CreateOptions{Timeout: 10 * time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sandbox.Kill(ctx)
	if err := sandbox.WriteFile(ctx, "names", strings.NewReader("ben\nada\n")); err != nil {
		fmt.Println(err)
		return
	}
	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"sort", "names"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", result.Stdout)
	// Output:
	// ada
	// ben
}

// NewClient does no I/O. What cannot work is refused at once.
func ExampleNewClient() {
	client, err := e2b.NewClient("e2b_0123456789abcdef", &e2b.ClientOptions{RequestTimeout: 20 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client)
	fmt.Println(client.Close())

	_, err = e2b.NewClient("e2b_0123456789abcdef", &e2b.ClientOptions{APIURL: "http://e2b.example"})
	fmt.Println(errors.Is(err, e2b.ErrInvalidArgument))
	// Output:
	// e2b.Client(https://api.e2b.app)
	// <nil>
	// true
}

// Sandboxes are found by the metadata that they were created with.
func ExampleClient_List() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	for _, task := range []string{"one", "two"} {
		if _, err := client.Create(ctx, &e2b.CreateOptions{Metadata: map[string]string{"task": task}}); err != nil {
			fmt.Println(err)
			return
		}
	}

	for info, err := range client.List(ctx, &e2b.ListOptions{Metadata: map[string]string{"task": "two"}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(info.State, info.Metadata["task"])
	}
	// Output: running two
}

func ExampleClient_Connect() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	created, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Another process knows the ID alone.
	sandbox, err := client.Connect(ctx, created.Info().SandboxID, &e2b.ConnectOptions{Timeout: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sandbox.Info().State)

	_, err = client.Connect(ctx, "i0123456789abcdefghij", nil)
	fmt.Println(errors.Is(err, e2b.ErrSandboxNotFound))
	// Output:
	// running
	// true
}

// A handle is made from what was known of the sandbox, without a request.
func ExampleClient_Attach() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	created, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	info := created.Info() // holds the access token: keep it as one

	sandbox, err := client.Attach(info)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"echo", "still here"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", result.Stdout)
	// Output: still here
}

// Input and output of any size pass through, and are not held in memory.
func ExampleCommand() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	sandbox, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	result, err := sandbox.Exec(ctx, &e2b.Command{
		Args:    []string{"sh", "-c", `tr a-z "$SET"; exit 7`},
		Env:     map[string]string{"SET": "A-Z"},
		Stdin:   strings.NewReader("hello\n"),
		Stdout:  os.Stdout,
		Timeout: time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("exit code", result.ExitCode)
	// Output:
	// HELLO
	// exit code 7
}

// A command that runs too long has a result, which says that it was ended.
func ExampleExecResult() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	sandbox, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"sleep", "60"}, Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Ended, result.ExitCode)
	// Output: timeout -1
}

// A command runs in the background while others do their work.
func ExampleStarter() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	sandbox, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	starter, ok := sandbox.(e2b.Starter)
	if !ok {
		fmt.Println("no commands in the background")
		return
	}
	process, err := starter.Start(ctx, &e2b.Command{Args: []string{"sleep", "60"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer process.Close()
	if err := process.Stop(ctx); err != nil {
		fmt.Println(err)
		return
	}
	result, err := process.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Ended, result.Signal)
	// Output: signal terminated
}

// What only some implementations can do is found by a type assertion.
func ExamplePauser() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	sandbox, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sandbox.WriteFile(ctx, "note", strings.NewReader("kept")); err != nil {
		fmt.Println(err)
		return
	}

	if p, ok := sandbox.(e2b.Pauser); ok {
		if err := p.Pause(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	sandbox, err = client.Connect(ctx, sandbox.Info().SandboxID, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := sandbox.ReadFile(ctx, "note")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	note, err := io.ReadAll(file)
	fmt.Println(string(note), err)
	// Output: kept <nil>
}

// A Snapshot is a template for further sandboxes.
func ExampleSnapshotter() {
	ctx := context.Background()
	client, end := newClient()
	defer end()
	sandbox, err := client.Create(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sandbox.WriteFile(ctx, "tools/ready", strings.NewReader("")); err != nil {
		fmt.Println(err)
		return
	}

	s, ok := sandbox.(e2b.Snapshotter)
	if !ok {
		fmt.Println("no snapshots")
		return
	}
	id, err := s.Snapshot(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := client.Create(ctx, &e2b.CreateOptions{Template: id})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := second.Exec(ctx, &e2b.Command{Args: []string{"ls", "tools"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", result.Stdout)
	// Output: ready
}

// An Error says what a caller can do about it.
func ExampleError() {
	ctx := context.Background()
	server, err := gitsandboxtest.NewServer(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	server.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpCreate, Kind: gitsandboxtest.RateLimit, RetryAfter: 2 * time.Minute,
	})

	_, err = client.Create(ctx, nil)
	if failed, ok := errors.AsType[*e2b.Error](err); ok {
		fmt.Println(failed.Op, failed.Status, failed.RetryAfter)
	}
	fmt.Println(errors.Is(err, e2b.ErrRateLimited), e2b.Retryable(err))
	// Output:
	// create 429 2m0s
	// true true
}

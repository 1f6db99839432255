package gitsandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// A shop is what the examples work on: E2B and a git server, both on this
// machine, and a repository there with one file, README.md.
type shop struct {
	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
	url       string
}

// openShop starts a shop and a Client with opts. The caller closes it.
func openShop(opts *gitsandbox.Options) *shop {
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	must(err)
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	must(err)
	must(remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}))
	s := &shop{sandboxes: sandboxes, remote: remote, url: remote.URL("shop")}
	s.client = s.newClient(opts)
	return s
}

// newClient returns a Client with a credential for the remote.
func (s *shop) newClient(opts *gitsandbox.Options) *gitsandbox.Client {
	o := *opts
	if o.Credentials == nil {
		o.Credentials = gitsandbox.StaticToken(s.remote.Host(), s.remote.Password())
	}
	client, err := gitsandbox.New(s.sandboxes, &o)
	must(err)
	return client
}

// clone returns a clone for agent a1 and task t1.
func (s *shop) clone(ctx context.Context) *gitsandbox.Sandbox {
	sandbox, err := s.client.Clone(ctx, s.url, &gitsandbox.CloneOptions{AgentID: "a1", TaskID: "t1"})
	must(err)
	return sandbox
}

// commit commits a file to a branch of the remote, as somebody else.
func (s *shop) commit(branch, file, content string) {
	_, err := s.remote.Commit("shop", branch, "Change "+file, map[string]string{file: content})
	must(err)
}

func (s *shop) Close() {
	must(s.client.Close())
	must(s.remote.Close())
	must(s.sandboxes.Close())
}

// newClone returns a clone for agent a1 and task t1, in a shop of its own. The
// caller calls end.
func newClone(ctx context.Context) (sandbox *gitsandbox.Sandbox, end func()) {
	s := openShop(&gitsandbox.Options{})
	return s.clone(ctx), s.Close
}

// write writes a file of the clone.
func write(ctx context.Context, sandbox *gitsandbox.Sandbox, name, content string) {
	must(sandbox.WriteFile(ctx, name, []byte(content), 0))
}

// must stops an example whose setup does not work.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// An agent gets a clone and works in it, and its work reaches the remote. E2B
// and the git server are those of package gitsandboxtest here. In production,
// NewFromEnv or New with an e2b.Client makes the Client.
func Example() {
	ctx := context.Background()
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sandboxes.Close()
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remote.Close()
	if err := remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}); err != nil {
		fmt.Println(err)
		return
	}

	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), "s3cret-token"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	sandbox, err := client.Clone(ctx, remote.URL("shop"), &gitsandbox.CloneOptions{AgentID: "a1", TaskID: "greet"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sandbox.Kill(ctx)
	if err := sandbox.WriteFile(ctx, "greet.sh", []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		fmt.Println(err)
		return
	}
	ran, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"./greet.sh"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("exit code %d: %s", ran.ExitCode, ran.Stdout)

	pushed, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Greet"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pushed.Outcome, "to", pushed.Branch)
	// Output:
	// exit code 0: hello
	// pushed to agent-a1-greet
}

// A Client on E2B's cloud, with every option that a service may want to set.
func ExampleNew() {
	transport, err := e2b.NewClient("e2b_0123456789abcdef", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()

	client, err := gitsandbox.New(transport, &gitsandbox.Options{
		Template:    "go-toolchain",
		Credentials: gitsandbox.StaticToken("github.com", "ghp_0123456789abcdef"),
		Identity:    gitsandbox.Signature{Name: "Shop Bot", Email: "bot@shop.example"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Close())
	// Output: <nil>
}

// The environment says where E2B is. Here it is a fake that speaks E2B's own
// protocol.
func ExampleNewFromEnv() {
	server, err := gitsandboxtest.NewServer(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	os.Setenv("E2B_API_KEY", server.APIKey())
	os.Setenv("E2B_API_URL", server.URL())
	os.Setenv("E2B_SANDBOX_URL", server.URL())
	defer func() {
		os.Unsetenv("E2B_API_KEY")
		os.Unsetenv("E2B_API_URL")
		os.Unsetenv("E2B_SANDBOX_URL")
	}()

	client, err := gitsandbox.NewFromEnv(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.Open(context.Background(), "i0123456789abcdefghij")
	fmt.Println(errors.Is(err, gitsandbox.ErrSandboxNotFound))
	// Output: true
}

func ExampleClient_Clone() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()

	sandbox, err := shop.client.Clone(ctx, shop.url, &gitsandbox.CloneOptions{
		AgentID: "a1",
		TaskID:  "t1",
		Depth:   1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("agent: ", sandbox.AgentID())
	fmt.Println("task:  ", sandbox.TaskID())
	fmt.Println("branch:", sandbox.Branch())
	fmt.Println("base:  ", sandbox.BaseBranch())
	fmt.Println("route: ", sandbox.Route())
	fmt.Println("same repository:", sandbox.RepoURL() == shop.url)
	// Output:
	// agent:  a1
	// task:   t1
	// branch: agent-a1-t1
	// base:   main
	// route:  relay
	// same repository: true
}

// A Clone for the same agent and task returns the sandbox that it has already,
// with what is new on the base branch.
func ExampleClient_Clone_again() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()

	first := shop.clone(ctx)
	shop.commit("main", "NEWS.md", "We have moved.\n")
	second := shop.clone(ctx)
	fmt.Println("same sandbox:", first.ID() == second.ID())
	news, err := second.ReadFile(ctx, "NEWS.md")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", news)
	// Output:
	// same sandbox: true
	// We have moved.
}

// A Clone for an agent branch that the remote has goes on with the work there.
func ExampleClient_Clone_resume() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	shop.commit("agent-a1-t1", "half.txt", "half\n")

	sandbox := shop.clone(ctx)
	half, err := sandbox.ReadFile(ctx, "half.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", half)
	// Output: half
}

// A service keeps the ID of a sandbox, and opens it again in another process.
func ExampleClient_Open() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	id := shop.clone(ctx).ID()

	other := shop.newClient(&gitsandbox.Options{})
	defer other.Close()
	sandbox, err := other.Open(ctx, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sandbox.Branch())

	// An ID can come from a model: what cannot be one is refused before
	// anything is sent.
	_, err = other.Open(ctx, "../../etc/passwd")
	fmt.Println(errors.Is(err, gitsandbox.ErrInvalidArgument))
	// Output:
	// agent-a1-t1
	// true
}

// Close leaves the sandboxes alone: another process can open them.
func ExampleClient_Close() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	sandbox := shop.clone(ctx)

	fmt.Println(shop.client.Close())
	_, err := sandbox.Status(ctx, nil)
	fmt.Println(errors.Is(err, gitsandbox.ErrClosed))

	other := shop.newClient(&gitsandbox.Options{})
	defer other.Close()
	_, err = other.Open(ctx, sandbox.ID())
	fmt.Println(err)
	// Output:
	// <nil>
	// true
	// <nil>
}

// Package gitsandbox gives each coding agent an isolated git working copy in an
// E2B sandbox, on a branch of its own, and gets its work to the remote.
//
//	client, err := gitsandbox.NewFromEnv(nil) // E2B_API_KEY, GITHUB_TOKEN
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	sandbox, err := client.Clone(ctx, "https://github.com/you/repo", &gitsandbox.CloneOptions{AgentID: "a1", TaskID: "readme"})
//	if err != nil {
//		return err
//	}
//	defer sandbox.Kill(context.WithoutCancel(ctx))
//	if err := sandbox.WriteFile(ctx, "HELLO.md", []byte("# Hello\n"), 0); err != nil {
//		return err
//	}
//	result, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Say hello"})
//
// The work is then on the branch agent-a1-readme of the remote.
//
// # Sandboxes
//
// A sandbox is a virtual machine at E2B with one clone in it. [Client.Clone]
// starts one, [Client.Open] finds it again by its ID, from any process of the
// team, and a Clone with the same repository, base branch, agent and task
// returns the one that the [Cache] knows. A Client ends a sandbox that nobody has
// used for Options.CacheTTL. [Sandbox.Kill] ends one at once; [Client.Close]
// leaves all of them to E2B, which ends them when their lifetime is over. A
// sandbox costs money until it has ended.
//
// Each operation has a deadline, Options.Timeout or that of its context, and what
// it runs in the sandbox ends with it.
//
// # Agent branches
//
// Clone makes the agent branch, agent-{AgentID}-{TaskID} unless told otherwise,
// from the base branch; where the remote has it already, the work goes on there.
// [Sandbox.Pull] brings what is new on the base branch into the clone.
// [Sandbox.Push] publishes the current commit on the agent branch: if somebody
// else has pushed there, it rebases and tries again. A conflict is an error that
// names the files, and nothing has changed, or, with KeepConflicts, the markers
// are in the files for the agent to resolve, and [Sandbox.Continue] goes on.
//
// # Routes
//
// What runs in a sandbox has root there, so nothing in it can keep a secret. The
// credential for the remote stays in this process. With a credential the route
// is [RouteRelay]: this process fetches, and passes packs on into the sandbox.
// Without one it is [RouteDirect]: the sandbox's git fetches by itself. Pushes
// go through this process on either route. [Sandbox.Route] tells which one it is.
//
// # Push policy
//
// Before it publishes, Push checks the pack that the sandbox made, against the
// [PushPolicy]: it makes or fast-forwards one branch that the policy allows, refers
// only to objects that the sandbox sent or was given, and changes no protected
// path, such as a CI definition. What the remote answers counts, never what the
// sandbox says.
//
// # Errors
//
// An operation that fails returns an [*Error] with its name, the sandbox and the
// repository. What went wrong is in its chain: a sentinel such as [ErrAuth] for
// errors.Is, or for errors.As a [*ConflictError], a [*PolicyError], or the
// [*CommandError] of a command that failed in a way that nothing else describes.
// When ctx has ended, errors.Is(err, ctx.Err()) holds. Every operation can
// return [ErrInvalidArgument], [ErrSandboxNotFound], [ErrBrokenClone],
// [ErrBusy], [ErrTimeout], [ErrNetwork], [ErrRateLimited], [ErrProtocol] and
// [ErrClosed], which its comment does not repeat.
//
// Transient failures are tried again, as Options.Retry says, before they are
// returned. [Retryable] tells whether calling again is safe.
//
// # Concurrency
//
// Any number of goroutines may use a [Client] and its Sandboxes. Git operations
// that change a clone take turns, also with those of other processes; all others
// run at once. A Client has one goroutine, from the first sandbox on
// until Close, which keeps sandboxes alive while they are in use and ends those
// that are not. Functions and interfaces that the caller passes in are called
// from the goroutines of the operations.
//
// # Observation
//
// Options.Metrics are for Prometheus, Options.Trace for spans, which package
// otelgitsandbox makes, and Options.Logger gets records. [Client.Stats] tells
// what a Client did and does, and [Client.Advise] what to do about it.
//
// # Testing
//
// Package gitsandboxtest has E2B and a git server on this machine, with real
// git and real processes, and faults to inject. [New] takes its Transport in
// place of an [e2b.Client]. The examples below run on it.
//
// # Stability
//
// Until version 1, a minor version may change the API; the changelog says how.
// Structs may gain fields, so write them with field names. Interfaces that a
// caller implements gain no methods. The names and labels of the metrics and
// the environment variables stay. The texts of errors do not: compare with
// errors.Is and errors.As.
package gitsandbox

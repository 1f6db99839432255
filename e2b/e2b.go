// Package e2b runs commands and moves files in E2B sandboxes.
//
// A [Transport] creates and finds sandboxes, a [Sandbox] is one of them.
// [Client] is the Transport that speaks to E2B's cloud:
//
//	client, err := e2b.NewClient(os.Getenv("E2B_API_KEY"), nil)
//	if err != nil {
//		return err
//	}
//	sandbox, err := client.Create(ctx, &e2b.CreateOptions{Timeout: 10 * time.Minute})
//	if err != nil {
//		return err
//	}
//	defer sandbox.Kill(context.WithoutCancel(ctx))
//	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"uname", "-r"}})
//	if err != nil {
//		return err
//	}
//	fmt.Printf("%s", result.Stdout)
//
// The same Transport in front of temporary directories, for tests, is in
// package gitsandboxtest.
//
// # Abilities
//
// Transport and Sandbox hold what every implementation can do. What only some
// can do is an interface of one method: [Getter] and [Attacher] on a
// Transport; [Pauser], [Forker], [Snapshotter], [NetworkUpdater], [Starter],
// [ProcessConnector], [ProcessLister] and [Signaler] on a Sandbox. A type
// assertion finds it:
//
//	if p, ok := sandbox.(e2b.Pauser); ok {
//		err = p.Pause(ctx)
//	}
//
// [Client] and the sandboxes that it returns have all of them.
//
// # Errors
//
// An operation that fails returns an [*Error], whose kind errors.Is compares:
// errors.Is(err, ErrSandboxNotFound). [Retryable] tells whether a repeat is
// safe. A command that ends with a non-zero exit code is not an error.
//
// # Concurrency
//
// Any number of goroutines may use a Transport, a Sandbox or a Process.
package e2b

import (
	"context"
	"io"
	"iter"
	"time"
)

// A Transport creates sandboxes and finds them again.
type Transport interface {
	// Create starts a sandbox and returns when it accepts commands. Nil opts
	// mean the defaults of [CreateOptions].
	Create(ctx context.Context, opts *CreateOptions) (Sandbox, error)

	// Connect returns the running sandbox with the given ID, and resumes a
	// paused one. It returns an [ErrSandboxNotFound] where there is none, and
	// [ErrInvalidArgument], before any I/O, for what cannot be an ID.
	Connect(ctx context.Context, sandboxID string, opts *ConnectOptions) (Sandbox, error)

	// List yields the sandboxes that match opts, newest first. It asks for
	// the next page when the loop gets there. After it has yielded an error
	// it ends.
	List(ctx context.Context, opts *ListOptions) iter.Seq2[*SandboxInfo, error]

	// Kill ends a sandbox, running or paused, and all that is in it. It
	// returns an [ErrSandboxNotFound] where there is none.
	Kill(ctx context.Context, sandboxID string) error
}

// A Getter is a [Transport] that can describe a sandbox, running or paused,
// without resuming it.
type Getter interface {
	Get(ctx context.Context, sandboxID string) (*SandboxInfo, error)
}

// An Attacher is a [Transport] that can make the handle of a sandbox from what
// [Sandbox].Info returned earlier, in this or another process, without I/O.
// Whether the sandbox still lives shows when the handle is used.
type Attacher interface {
	Attach(info *SandboxInfo) (Sandbox, error)
}

// CreateOptions are the options of [Transport].Create.
type CreateOptions struct {
	// Template is the ID or name of the template, with an optional ":tag".
	// Default "base".
	Template string

	// Timeout is the lifetime of the sandbox, in whole seconds, rounded up.
	// At its end E2B kills the sandbox, or pauses it with AutoPause. Default
	// 5 minutes. Where the account's plan allows less, it gets what the plan
	// allows; SandboxInfo.EndAt tells.
	Timeout time.Duration

	// Metadata is stored with the sandbox and can be filtered by in List. It
	// is visible to every holder of an API key of the team.
	Metadata map[string]string

	// Env are environment variables of every command in the sandbox.
	Env map[string]string

	// AutoPause pauses the sandbox at the end of its lifetime instead of
	// killing it. AutoResume lets a request to the paused sandbox resume it.
	AutoPause, AutoResume bool

	// DenyInternetAccess cuts the sandbox off from the network.
	DenyInternetAccess bool

	// Network are finer rules of what the sandbox may reach. Nil means
	// E2B's defaults.
	Network *Network
}

// ConnectOptions are the options of [Transport].Connect.
type ConnectOptions struct {
	// Timeout extends the lifetime of the sandbox to at least this long from
	// now; it never shortens it. Default 5 minutes.
	Timeout time.Duration
}

// ListOptions are the options of [Transport].List. The conditions are
// combined with "and".
type ListOptions struct {
	// Metadata are the pairs that a sandbox must have been created with.
	Metadata map[string]string

	// States are the states to list. None means all.
	States []State

	// PageSize is how many sandboxes to ask for at once, 1 to 100. Default
	// 100.
	PageSize int
}

// State is what a sandbox is doing.
type State string

// The states of a sandbox.
const (
	StateRunning State = "running"
	StatePaused  State = "paused"
)

// SandboxInfo describes a sandbox as it was when the information was got.
type SandboxInfo struct {
	SandboxID  string
	TemplateID string
	Alias      string // of the template
	State      State

	// StartedAt and EndAt bound the lifetime as it was then known. EndAt of a
	// paused sandbox is the time of the pause. Both are zero where the reply
	// did not hold them.
	StartedAt, EndAt time.Time

	CPUCount   int
	MemoryMB   int
	DiskSizeMB int
	Metadata   map[string]string

	// EnvdVersion, Domain and the two tokens are what [Attacher] needs to
	// reach the sandbox. A listed sandbox has no tokens.
	EnvdVersion        string
	Domain             string
	AccessToken        Secret
	TrafficAccessToken Secret
}

// Network says what a sandbox may reach and how.
type Network struct {
	// AllowOut are the addresses that the sandbox may reach: CIDRs, IPs, host
	// names, "*.host". Allow beats deny. Host names need DenyOut to hold
	// "0.0.0.0/0".
	AllowOut []string

	// DenyOut are the addresses that it may not: CIDRs and IPs.
	DenyOut []string

	// DenyPublicTraffic closes the sandbox's ports to whoever has no traffic
	// access token. It is set at creation only.
	DenyPublicTraffic bool

	// Headers are HTTP headers that E2B sets on outbound HTTPS requests to a
	// host, outside the sandbox. The key is a host name or "*.host", the
	// value maps header names to values. A value may hold
	// "${e2b.secrets.NAME}"; a literal value can be read back by every holder
	// of an API key of the team.
	Headers map[string]map[string]string
}

// A Sandbox is a handle of one E2B sandbox.
type Sandbox interface {
	// Info returns what is known of the sandbox, without I/O. The caller may
	// change the copy.
	Info() *SandboxInfo

	// Exec runs a command and waits for its end. A non-zero exit code is no
	// error. When ctx ends, the whole process group of the command is ended,
	// SIGTERM first and SIGKILL after a grace time, and Exec returns an error
	// for which errors.Is(err, ctx.Err()) holds.
	Exec(ctx context.Context, cmd *Command) (*ExecResult, error)

	// ReadFile opens a file of the sandbox. A relative name starts at the
	// home directory of the default user. The caller closes the reader; ctx
	// bounds reading it. It returns an [ErrFileNotFound] where there is none.
	ReadFile(ctx context.Context, name string) (io.ReadCloser, error)

	// WriteFile writes all of data into a file of the sandbox, which belongs
	// to the default user. Missing directories are made, a new file has mode
	// 0644, an existing one keeps its mode and is truncated first: the write
	// is not atomic.
	WriteFile(ctx context.Context, name string, data io.Reader) error

	// SetTimeout sets the end of the lifetime to d from now. It can shorten
	// it.
	SetTimeout(ctx context.Context, d time.Duration) error

	// Kill ends the sandbox. It returns an [ErrSandboxNotFound] where it has
	// already ended.
	Kill(ctx context.Context) error
}

// A Pauser is a [Sandbox] that can be paused. [Transport].Connect resumes it.
type Pauser interface {
	// Pause stops the sandbox and keeps its memory and disk. It returns an
	// [ErrConflict] where it is paused already.
	Pause(ctx context.Context) error
}

// A Forker is a [Sandbox] that can be copied while it runs.
type Forker interface {
	// Fork makes count copies of the sandbox as it is now. Copies that could
	// be made are returned even where others failed and there is an error.
	Fork(ctx context.Context, count int, opts *ForkOptions) ([]Sandbox, error)
}

// ForkOptions are the options of [Forker].
type ForkOptions struct {
	// Timeout is the lifetime of the copies. Default 5 minutes.
	Timeout time.Duration
}

// A Snapshotter is a [Sandbox] that can be kept as a template.
type Snapshotter interface {
	// Snapshot stores the sandbox as it is now and returns the ID of the
	// snapshot, which is a Template for [CreateOptions]. The name is
	// optional.
	Snapshot(ctx context.Context, name string) (snapshotID string, err error)
}

// A NetworkUpdater is a [Sandbox] whose network rules can be replaced while it
// runs.
type NetworkUpdater interface {
	// UpdateNetwork replaces all rules; what n does not say is cleared.
	UpdateNetwork(ctx context.Context, n *Network) error
}

package e2b

import (
	"context"
	"io"
	"time"
)

// DefaultMaxOutput is how much of a command's standard output, and how much of
// its standard error, is collected unless [Command].MaxOutput says otherwise.
const DefaultMaxOutput = 16 << 20

// A Command is a program to run in a sandbox.
type Command struct {
	// Args are the program and its arguments. No shell reads them. One
	// argument holds less than 128 KiB of UTF-8 without a NUL.
	Args []string

	// Env is added to the environment that the sandbox gives every command.
	// It is written to E2B's logs: no secrets.
	Env map[string]string

	// Dir is the working directory. A relative one starts at the home
	// directory, which is also the default. One that does not exist is an
	// [ErrInvalidArgument].
	Dir string

	// User runs the command as another user. Default: the default user of the
	// template, "user" in E2B's own.
	User string

	// Stdin is copied to the standard input of the command, which is then
	// closed. It is read until it ends or the command does. A Read that fails
	// ends the command, and Exec returns its error; one that blocks for ever
	// leaves one goroutine behind. Nil means /dev/null.
	Stdin io.Reader

	// Stdout and Stderr receive the output as it comes, one Write at a time.
	// A Write that fails ends the command, and Exec returns its error; one
	// that blocks holds up the command and Exec. Where one is nil, the output
	// is collected into the result.
	Stdout, Stderr io.Writer

	// MaxOutput is how many bytes are collected of each stream. What is
	// beyond is read and dropped, and the result is marked Truncated. Default
	// [DefaultMaxOutput].
	MaxOutput int64

	// Timeout ends the process group of the command, SIGTERM first, also when
	// the caller has died. Whole seconds, rounded up. 0 means no limit but
	// the context's.
	Timeout time.Duration
}

// An ExecResult is the outcome of a command that has ended.
type ExecResult struct {
	// ExitCode is the exit code of a command that ended by itself, and -1 for
	// one that was ended.
	ExitCode int

	// Ended tells how the command ended.
	Ended Ended

	// Signal names the signal that ended it, such as "killed" or
	// "terminated", where Ended is EndedBySignal.
	Signal string

	// Stdout and Stderr are what was collected, nil where the Command had a
	// Writer.
	Stdout, Stderr []byte

	// Truncated says that a stream had more than MaxOutput bytes.
	Truncated bool

	// Incomplete says that the connection broke and was restored, and that
	// output may be missing from the middle.
	Incomplete bool

	// Duration is the time from the start of the command to its end, as the
	// caller saw it.
	Duration time.Duration
}

// Ended is a way in which a command ends.
type Ended string

// The ways in which a command ends.
const (
	EndedByItself  Ended = "exit"    // it returned or called exit
	EndedByTimeout Ended = "timeout" // its Command.Timeout was over
	EndedBySignal  Ended = "signal"  // something killed it
)

// A Starter is a [Sandbox] that can run a command in the background.
type Starter interface {
	// Start returns when the command runs. The Process must be waited for.
	// Ctx bounds only the start.
	Start(ctx context.Context, cmd *Command) (Process, error)
}

// A ProcessConnector is a [Sandbox] that can join a command that it did not
// start.
type ProcessConnector interface {
	// ConnectProcess joins the running command with the given process ID.
	// Output from now on goes to stdout and stderr, nil ones drop it. The end
	// of a command can be had for 30 seconds after it; later, or where there
	// was no such command, it returns an [ErrProcessNotFound].
	ConnectProcess(ctx context.Context, pid int, stdout, stderr io.Writer) (Process, error)
}

// A ProcessLister is a [Sandbox] that can list the commands that run in it.
type ProcessLister interface {
	ListProcesses(ctx context.Context) ([]*ProcessInfo, error)
}

// A Signaler is a [Sandbox] that can signal a command by its process ID.
type Signaler interface {
	// Signal sends a signal to the process alone, not to its group. It
	// returns an [ErrProcessNotFound] where there is no such command.
	Signal(ctx context.Context, pid int, sig Signal) error
}

// Signal is a signal that can be sent to a process.
type Signal int

// The signals that envd knows.
const (
	SIGKILL Signal = 9
	SIGTERM Signal = 15
)

// A Process is a command that runs in the background.
type Process interface {
	// PID is the process ID in the sandbox.
	PID() int

	// Wait waits for the end of the command. When ctx ends first it returns
	// an error for which errors.Is(err, ctx.Err()) holds, and the command
	// goes on. Wait may be called more than once.
	Wait(ctx context.Context) (*ExecResult, error)

	// Stop ends the process group of the command, SIGTERM first and SIGKILL
	// after a grace time, and does not wait for the end.
	Stop(ctx context.Context) error

	// Close leaves the command alone and ends the connection to it. Wait then
	// returns an [ErrClosed], as soon as no writer is in use any more. It does
	// nothing to a command that has ended.
	Close() error
}

// ProcessInfo describes a command that runs in a sandbox.
type ProcessInfo struct {
	PID  int
	Args []string
	Env  map[string]string
	Dir  string
}

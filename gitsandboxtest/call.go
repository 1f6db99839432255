package gitsandboxtest

import "time"

// The operations that a [Call] and a [Fault] name: those of the control plane,
// which creates and finds sandboxes.
const (
	OpCreate     = "create"
	OpConnect    = "connect" // resumes a paused sandbox too
	OpGet        = "get"
	OpList       = "list" // one page
	OpKill       = "kill"
	OpPause      = "pause"
	OpSetTimeout = "set_timeout"
	OpFork       = "fork"
	OpSnapshot   = "snapshot"
	OpNetwork    = "network"
)

// The operations in a sandbox.
const (
	OpExec           = "exec"            // the start of a process
	OpConnectProcess = "connect_process" // joins one that runs
	OpListProcesses  = "list_processes"
	OpStdin          = "stdin"
	OpSignal         = "signal"
	OpReadFile       = "read_file"
	OpWriteFile      = "write_file"
)

// The operations that only a [Server] gets, from e2b.Client or from the SDKs
// of E2B.
const (
	OpResume         = "resume" // the request that OpConnect has replaced
	OpDeleteSnapshot = "delete_snapshot"
	OpListSnapshots  = "list_snapshots"
	OpHealth         = "health" // of a sandbox
	OpStat           = "stat"
	OpListDir        = "list_dir"
	OpMakeDir        = "make_dir"
	OpMove           = "move"
	OpRemove         = "remove"
	OpWatch          = "watch"
)

// A Call is one call of an operation that a [Transport] or a [Server] got.
type Call struct {
	// Op is the operation, one of the Op constants.
	Op string

	// SandboxID is the sandbox that it is for, or empty.
	SandboxID string

	// Args are the arguments of a command, the name of a file or the name of a
	// template.
	Args []string

	// Time is when the call was made, by the [Clock] of the [Options].
	Time time.Time
}

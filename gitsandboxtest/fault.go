package gitsandboxtest

import "github.com/gitsandbox/gitsandbox/internal/fake"

// A Fault is something that goes wrong with the calls that it matches.
//
//   - Op, SandboxID: the operation, one of the Op constants, and the sandbox;
//     empty means any.
//   - Match: a func(*Call) bool that further says which calls.
//   - Nth: the first matching call to fail, counted from 1; 0 means all.
//   - Times: how many to fail; 0 means one where Nth is given, else all.
//   - Kind: what happens, one of the [FaultKind] constants.
//   - Status, Message, Code: of the refusal; Status is 503 by default.
//   - RetryAfter: how long a [RateLimit] asks to wait.
//   - Delay: how long a [Delay] lasts.
//   - After: the bytes after which [DropStream], [KillSandbox] or [FullDisk]
//     strikes.
type Fault = fake.Fault

// FaultKind is what goes wrong.
type FaultKind = fake.FaultKind

// The kinds of faults.
const (
	// Refuse answers with an error and does nothing else.
	Refuse = fake.Refuse

	// RateLimit answers with status 429 and RetryAfter.
	RateLimit = fake.RateLimit

	// Delay waits before the call, or until its context ends.
	Delay = fake.Delay

	// LoseReply does what was asked and then fails as a lost connection does.
	LoseReply = fake.LoseReply

	// DropStream cuts the output of a command, a download or an upload after
	// After bytes. A command lives on, and Exec joins it again: its result is
	// then Incomplete. Together with a Refuse of [OpConnectProcess], Exec
	// fails.
	DropStream = fake.DropStream

	// KillSandbox kills the sandbox just before the call, or, where After is
	// above 0, once that many bytes have passed.
	KillSandbox = fake.KillSandbox

	// ExpireToken makes the access token of the sandbox invalid. Connect
	// gives a new one.
	ExpireToken = fake.ExpireToken

	// FullDisk lets After bytes of an upload onto the disk and fails the rest
	// with e2b.ErrNoSpace.
	FullDisk = fake.FullDisk
)

// A Call is one call of an operation: Op, SandboxID, Args and Time.
type Call = fake.Call

// The operations.
const (
	OpCreate         = fake.OpCreate
	OpConnect        = fake.OpConnect
	OpGet            = fake.OpGet
	OpList           = fake.OpList
	OpKill           = fake.OpKill
	OpPause          = fake.OpPause
	OpResume         = fake.OpResume
	OpSetTimeout     = fake.OpSetTimeout
	OpFork           = fake.OpFork
	OpSnapshot       = fake.OpSnapshot
	OpDeleteSnapshot = fake.OpDeleteSnapshot
	OpListSnapshots  = fake.OpListSnapshots
	OpNetwork        = fake.OpNetwork
	OpHealth         = fake.OpHealth
	OpExec           = fake.OpExec // the start of a process
	OpConnectProcess = fake.OpConnectProcess
	OpListProcesses  = fake.OpListProcesses
	OpStdin          = fake.OpStdin
	OpSignal         = fake.OpSignal
	OpReadFile       = fake.OpReadFile
	OpWriteFile      = fake.OpWriteFile
	OpStat           = fake.OpStat
	OpListDir        = fake.OpListDir
	OpMakeDir        = fake.OpMakeDir
	OpMove           = fake.OpMove
	OpRemove         = fake.OpRemove
	OpWatch          = fake.OpWatch
)

package gitsandboxtest

import (
	"time"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// A Fault is something that goes wrong with the calls that it matches. Several
// that match a call strike in the order in which they were injected, until one
// refuses it.
type Fault struct {
	// Op is the operation to fail, one of the Op constants. Empty means any.
	Op string

	// SandboxID is the sandbox to fail. Empty means any.
	SandboxID string

	// Match further says which calls to fail. Nil means all. It gets one call
	// at a time and must not use the [Transport] or [Server] that it is
	// injected into.
	Match func(*Call) bool

	// Nth is the first matching call to fail, counted from 1. 0 means all, as
	// far as Times allows.
	Nth int

	// Times is how many calls to fail. 0 means one where Nth is given, and no
	// limit otherwise.
	Times int

	// Kind is what happens. Default [Refuse].
	Kind FaultKind

	// Status is the HTTP status of a [Refuse]. Default 503: the call had no
	// effect and can be repeated.
	Status int

	// Message is the text of a [Refuse] or [RateLimit]. Default "refused by
	// the fake".
	Message string

	// Code is the error code of a [Refuse] or [RateLimit], or empty.
	Code string

	// RetryAfter is how long a [Refuse] or [RateLimit] asks to wait, rounded
	// up to whole seconds. 0 sends none.
	RetryAfter time.Duration

	// Delay is how long a [Delay] lasts. It is real time, whatever the
	// [Clock].
	Delay time.Duration

	// After is the number of bytes after which a [DropStream], [KillSandbox]
	// or [FullDisk] strikes.
	After int64
}

// internal returns the fault as the engine takes it.
func (f Fault) internal() fake.Fault {
	in := fake.Fault{
		Op: f.Op, SandboxID: f.SandboxID, Nth: f.Nth, Times: f.Times,
		Kind: fake.FaultKind(f.Kind), Status: f.Status, Message: f.Message, Code: f.Code,
		RetryAfter: f.RetryAfter, Delay: f.Delay, After: f.After,
	}
	if f.Match != nil {
		in.Match = func(c *fake.Call) bool { return f.Match((*Call)(c)) }
	}
	return in
}

// FaultKind is what goes wrong.
type FaultKind int

// The kinds of faults.
const (
	// Refuse answers with an error and does nothing else.
	Refuse FaultKind = iota

	// RateLimit answers with status 429 and RetryAfter.
	RateLimit

	// Delay waits before the call, or until its context ends.
	Delay

	// LoseReply does what was asked and then fails as a lost connection does.
	LoseReply

	// DropStream cuts the output of a command, a download or an upload after
	// After bytes. A command lives on, and Exec joins it again: its result is
	// then Incomplete. Together with a Refuse of [OpConnectProcess], Exec
	// fails.
	DropStream

	// KillSandbox kills the sandbox just before the call, or, where After is
	// above 0, once that many bytes have passed.
	KillSandbox

	// ExpireToken makes the access token of the sandbox invalid. Connect
	// gives a new one.
	ExpireToken

	// FullDisk lets After bytes of an upload onto the disk and fails the rest
	// with e2b.ErrNoSpace.
	FullDisk
)

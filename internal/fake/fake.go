// Package fake is the engine behind the fakes of package gitsandboxtest:
// E2B sandboxes as temporary directories with real processes in them.
//
// An [Engine] holds sandboxes and knows nothing of how it is reached. It has
// two doors: [Transport], in this package, which a Go program calls, and
// package wire, which speaks E2B's HTTP protocols. A door says what it is
// about to do with [Engine.Begin], enacts the faults that it gets back, and
// then does it.
//
// # What is real and what is not
//
// Files are files and processes are processes of this machine, run as the
// user of this program: a sandbox of the fake is no isolation boundary. Its
// directory holds home/user, tmp, root and code. The file methods of a
// [Sandbox] see that directory as "/" and do not leave it, whatever symbolic
// links are in it. Processes see the file system of this machine; where the
// system allows it, see [Options].Namespace, the home directory of the
// sandbox is at /home/user and its tmp at /tmp for them too. Everywhere else
// HOME, TMPDIR and the working directory lead there.
//
// A paused sandbox keeps its processes, stopped. A fork or a snapshot is a
// copy of the directory, without processes: on E2B they are copied too.
//
// # Concurrency
//
// Any number of goroutines may use an Engine, a Sandbox, a Process and a
// Transport.
package fake

import (
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// EnvdVersion is the version of envd whose behaviour the fake has.
const EnvdVersion = "0.6.13"

// DefaultTimeout is the lifetime of a sandbox when nothing else is asked for:
// what [e2b.CreateOptions] and the official SDKs say.
const DefaultTimeout = 5 * time.Minute

// Compile-time proof of what the in-process door can do.
var (
	_ e2b.Transport        = (*Transport)(nil)
	_ e2b.Getter           = (*Transport)(nil)
	_ e2b.Attacher         = (*Transport)(nil)
	_ e2b.Sandbox          = (*handle)(nil)
	_ e2b.Pauser           = (*handle)(nil)
	_ e2b.Forker           = (*handle)(nil)
	_ e2b.Snapshotter      = (*handle)(nil)
	_ e2b.NetworkUpdater   = (*handle)(nil)
	_ e2b.Starter          = (*handle)(nil)
	_ e2b.ProcessConnector = (*handle)(nil)
	_ e2b.ProcessLister    = (*handle)(nil)
	_ e2b.Signaler         = (*handle)(nil)
)

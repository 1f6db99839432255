// Package gitsandboxtest is E2B without E2B, for tests: sandboxes as temporary
// directories, with real files, real processes and the real git.
//
// [NewTransport] returns an e2b.Transport that works in process:
//
//	transport, err := gitsandboxtest.NewTransport(nil)
//	if err != nil {
//		return err
//	}
//	defer transport.Close()
//	sandbox, err := transport.Create(ctx, nil)
//	if err != nil {
//		return err
//	}
//	result, err := sandbox.Exec(ctx, &e2b.Command{Args: []string{"git", "--version"}})
//
// It expires sandboxes by a clock that a test can set, see [ManualClock], and
// fails as the cloud and the network do when it is told to, see [Fault].
//
// # No isolation
//
// The fake runs commands on this machine, as the user of this program, with
// the network of this machine. What runs in one of its sandboxes can do what
// that user can. It is not an isolation boundary: do not run in it what you
// would not run in a terminal.
//
// # What differs from E2B
//
// The users "user" and "root" are both the user of this program, and sudo
// only runs its arguments. Process IDs are those of this machine. A fork or a
// snapshot copies files and no processes. A command that runs when its sandbox
// is paused goes on after the resume, without its stream being cut. Network
// rules are stored and have no effect.
//
// The methods that read and write files see the directory of the sandbox as
// "/". Processes see the file system of this machine. On Linux, and with the
// right to make mount namespaces, they find the home directory of the sandbox
// at /home/user and its temporary directory at /tmp; elsewhere only HOME,
// TMPDIR and the working directory lead there, and a relative path works
// everywhere.
//
// The package needs a Unix system with /bin/sh. It does not import testing, so
// that programs can use it too.
package gitsandboxtest

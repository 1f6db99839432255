package gitsandboxtest

import (
	"maps"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// Options are the options of [NewTransport] and [NewServer]. The zero value is
// ready to use.
type Options struct {
	// Dir is the directory in which to make the one that holds everything, and
	// that Close removes. Default: the system's directory for temporary files.
	Dir string

	// Clock is the time by which sandboxes expire. Default [RealClock].
	Clock Clock

	// Templates are the templates beside "base", by name. One of the name
	// "base" replaces that. A sandbox of any other template, snapshots apart,
	// cannot be created.
	Templates map[string]Template

	// MaxLifetime is the longest lifetime of a sandbox that the plan of the
	// account allows. Default 24 hours, as on E2B's Pro plan.
	MaxLifetime time.Duration

	// MaxSandboxes is how many sandboxes can run at once. Default 100.
	MaxSandboxes int

	// Path is the PATH of the processes. Default: the directories that E2B
	// has, and where this machine has git if that is elsewhere.
	Path string

	// Namespace says whether processes see the home directory of the sandbox
	// at /home/user and its temporary directory at /tmp. Default
	// [NamespaceAuto].
	Namespace Namespace

	// KillGrace is the time between SIGTERM and SIGKILL when a command is
	// ended. Default 5 seconds.
	KillGrace time.Duration
}

// internal returns the options as the engine takes them.
func (o *Options) internal() *fake.Options {
	if o == nil {
		return nil
	}
	templates := make(map[string]fake.Template, len(o.Templates))
	for name, t := range o.Templates {
		templates[name] = fake.Template{Setup: t.Setup, Env: maps.Clone(t.Env)}
	}
	return &fake.Options{
		Dir: o.Dir, Clock: o.Clock, Templates: templates,
		MaxLifetime: o.MaxLifetime, MaxSandboxes: o.MaxSandboxes,
		Path: o.Path, Namespace: fake.Namespace(o.Namespace), KillGrace: o.KillGrace,
	}
}

// A Template is what a sandbox starts from.
type Template struct {
	// Setup fills the directory of a new sandbox, which is its "/" and holds
	// home/user, tmp, root, code and usr/local/bin. Nil leaves it as it is. It
	// may run for several sandboxes at once, and must not use the [Transport]
	// or [Server] that calls it.
	Setup func(dir string) error

	// Env are environment variables of every command. Those of Create win.
	Env map[string]string
}

// Namespace says how processes see the directories of their sandbox.
type Namespace int

// The values of [Namespace].
const (
	// NamespaceAuto uses mount namespaces where they cost nothing per process:
	// on Linux, for a program with the capability CAP_SYS_ADMIN.
	NamespaceAuto Namespace = iota

	// NamespaceOff never uses them.
	NamespaceOff

	// NamespaceOn uses them, and makes the constructor return an error where
	// they do not work.
	NamespaceOn
)

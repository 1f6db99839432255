package gitcmd

import (
	"bytes"
	"fmt"
)

// Kind is why a step failed.
type Kind int

// The kinds of failures. The first sixteen are exit codes of the steps, the
// rest is read from what git said.
const (
	NoClone         Kind = 64 + iota // there is no clone
	Hostile                          // the clone is not what a clone must be
	Busy                             // another process holds a lock
	Exists                           // a clone, or a branch of that name, is there already
	Conflict                         // the two sides changed the same lines: Files
	Dirty                            // uncommitted changes would be overwritten: Files
	CurrentBranch                    // the branch is checked out
	Nothing                          // there is nothing to commit
	Unmerged                         // files are unmerged, or still have conflict markers: Files
	UnknownRevision                  // there is no such revision, or branch
	PathNotFound                     // there is no such path: Files
	NotFastForward                   // commits would be left behind
	Unrelated                        // there is no common ancestor, or it was cut off
	Unfinished                       // a merge or rebase has not been ended
	Upload                           // an upload is missing, or is no valid pack
	Moved                            // HEAD is not where the caller said, or nothing is to be continued

	Git // git failed in another way: Detail

	Auth        // the remote wants a credential, or another one
	Forbidden   // the credential does not allow this
	NotFound    // there is no such repository
	RefNotFound // the remote does not have the ref or the object
	Network     // the remote cannot be reached
	DiskFull    // the sandbox's disk is full
	Interrupted // a signal ended the step
)

// String returns a few words that say what the kind means.
func (k Kind) String() string {
	switch k {
	case NoClone:
		return "no clone in the sandbox"
	case Hostile:
		return "the clone is not a valid git repository"
	case Busy:
		return "another process holds the lock"
	case Exists:
		return "it exists already"
	case Conflict:
		return "conflict"
	case Dirty:
		return "uncommitted changes would be overwritten"
	case CurrentBranch:
		return "the branch is checked out"
	case Nothing:
		return "nothing to commit"
	case Unmerged:
		return "unmerged files"
	case UnknownRevision:
		return "unknown revision"
	case PathNotFound:
		return "path not found"
	case NotFastForward:
		return "not a fast-forward"
	case Unrelated:
		return "no common ancestor"
	case Unfinished:
		return "an unfinished operation is in the way"
	case Upload:
		return "an upload is missing or corrupt"
	case Moved:
		return "HEAD has moved"
	case Auth:
		return "authentication failed"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "repository not found"
	case RefNotFound:
		return "remote ref not found"
	case Network:
		return "network error"
	case DiskFull:
		return "no space left in the sandbox"
	case Interrupted:
		return "interrupted"
	default:
		return "git failed"
	}
}

// A Failure is a step that ended with a non-zero exit code.
//
//nolint:errname // a step's failure is a result that is also an error
type Failure struct {
	Kind     Kind
	ExitCode int
	Files    []string // the files that Kind is about
	Detail   string   // one line, not redacted, control characters included
}

// Error returns the kind and the detail.
func (f *Failure) Error() string {
	if f.Detail == "" {
		return f.Kind.String()
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Detail)
}

// maxDetail bounds what is kept of git's prose.
const maxDetail = 2000

// ParseFailure returns why a step ended with a non-zero exit code. It never
// returns nil: output that is not what a step prints is a [Git] failure.
func ParseFailure(exitCode int, stdout, stderr []byte) *Failure {
	f := &Failure{Kind: Git, ExitCode: exitCode, Detail: lastLines(stderr)}
	switch {
	case exitCode >= int(NoClone) && exitCode <= int(Moved):
		r := &records{buf: stdout}
		if r.skipTo("fail") != nil {
			return f
		}
		detail, lists, err := readFailure(r)
		if err != nil {
			return f
		}
		f.Kind, f.Detail, f.Files = Kind(exitCode), detail, lists
	case exitCode < 0, exitCode == 130, exitCode == 137, exitCode == 143:
		f.Kind = Interrupted
	default:
		f.Kind = Classify(stderr)
	}
	return f
}

// lastLines returns the last lines of git's stderr as one line.
func lastLines(stderr []byte) string {
	b := bytes.TrimSpace(stderr)
	if len(b) > maxDetail {
		b = b[len(b)-maxDetail:]
	}
	var out []byte
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, "; "...)
		}
		out = append(out, line...)
	}
	return string(out)
}

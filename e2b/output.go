package e2b

import (
	"io"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

// An output is where one of the two output streams of a command goes.
type output struct {
	w         io.Writer // nil to collect
	collected []byte
	max       int64
	truncated bool
}

func newOutput(w io.Writer, limit int64) *output {
	if w != nil {
		return &output{w: w}
	}
	return &output{collected: []byte{}, max: limit}
}

func (o *output) write(b []byte) error {
	if o.w == nil {
		room := o.max - int64(len(o.collected))
		if int64(len(b)) > room {
			b, o.truncated = b[:room], true
		}
		o.collected = append(o.collected, b...)
		return nil
	}
	n, err := o.w.Write(b)
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

const (
	exitTimedOut = 124 // of timeout(1), for a command that ended on SIGTERM

	// clockSlack is by how much less than its limit a command that timed out
	// can seem to have run, since the clock of the sandbox is another.
	clockSlack = 100 * time.Millisecond
)

// resultOf returns how a command ended that ran under timeout(1) with the given
// limit, or without one, for no longer than elapsed.
//
// timeout(1) exits with 124 when its SIGTERM sufficed. Where it took SIGKILL
// that ends timeout itself. Both can also be the command's own doing: the time
// tells.
func resultOf(end *processpb.ProcessEvent_EndEvent, limit, elapsed time.Duration) *ExecResult {
	overdue := limit > 0 && elapsed+clockSlack >= limit
	if end.GetExited() {
		if overdue && end.GetExitCode() == exitTimedOut {
			return &ExecResult{ExitCode: -1, Ended: EndedByTimeout}
		}
		return &ExecResult{ExitCode: int(end.GetExitCode()), Ended: EndedByItself}
	}
	signal := signalName(end.GetStatus())
	if overdue && signal == "killed" {
		return &ExecResult{ExitCode: -1, Ended: EndedByTimeout}
	}
	return &ExecResult{ExitCode: -1, Ended: EndedBySignal, Signal: signal}
}

// signalName returns the name in a status such as "signal: aborted (core
// dumped)".
func signalName(status string) string {
	name, ok := strings.CutPrefix(status, "signal: ")
	if !ok {
		return "unknown"
	}
	name, _, _ = strings.Cut(name, " (")
	return clean(name)
}

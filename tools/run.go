package tools

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

const defaultRunTimeout = 120 // seconds

func runTool() *Tool {
	return &Tool{
		Name: "run", Title: "Run a command", Toolset: ToolsetRun, Destructive: true, OpenWorld: true,
		Description: "Run a shell command in the clone: build, test, anything. Output is cut in the middle. " +
			"It ends at timeout_seconds, so start no server in the foreground. Use git_push, not \"git push\".",
		params: []param{
			sandboxID(),
			{name: "command", kind: kindString, required: true, description: "For bash -c"},
			{name: "timeout_seconds", kind: kindInteger, min: 1, max: 3600, description: "Default 120"},
			maxTokens(),
		},
		run: runCommand,
	}
}

func runCommand(ctx context.Context, c *call) (*Result, error) {
	s, err := c.sandbox(ctx)
	if err != nil {
		return nil, err
	}
	out := &headTail{most: c.budget() / 2}
	res, err := s.Exec(ctx, &e2b.Command{
		Args:   []string{"/bin/bash", "-c", c.args.string("command")},
		Stdout: out, Stderr: out,
		Timeout: time.Duration(c.args.int("timeout_seconds", defaultRunTimeout)) * time.Second,
	})
	var facts []string
	switch {
	case errors.Is(err, gitsandbox.ErrTimeout):
		// What it printed until then tells more than that it was ended.
		facts = []string{"exit_code=none", "ended=timeout", "(no command may take longer here)"}
	case err != nil:
		return nil, err
	default:
		facts = ending(res)
	}
	text, cut := out.text()
	if cut {
		facts = append(facts, "truncated=true", "next: run it again into a file, and file_read that")
	}
	return bulk(facts, text), nil
}

// ending says how a command ended.
func ending(res *e2b.ExecResult) []string {
	facts := []string{fact("exit_code", res.ExitCode), fact("seconds", fmt.Sprintf("%.1f", res.Duration.Seconds()))}
	switch res.Ended {
	case e2b.EndedByTimeout:
		facts = append(facts, "ended=timeout")
	case e2b.EndedBySignal:
		facts = append(facts, "ended=signal "+shown(res.Signal))
	case e2b.EndedByItself:
	}
	if res.Incomplete {
		facts = append(facts, "output_lost=true")
	}
	return facts
}

// headTail keeps the beginning and the end of what is written to it, most bytes of
// each. Both streams of a command write to it.
type headTail struct {
	most int

	mu   sync.Mutex
	head []byte
	tail []byte
	lost int
}

func (h *headTail) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(p)
	if room := h.most - len(h.head); room > 0 {
		k := min(room, len(p))
		h.head = append(h.head, p[:k]...)
		p = p[k:]
	}
	h.tail = append(h.tail, p...)
	// Dropped in large steps, so that a long output costs no more than its length.
	if over := len(h.tail) - h.most; over > h.most {
		h.tail = append(h.tail[:0], h.tail[over:]...)
		h.lost += over
	}
	return n, nil
}

// text returns what was kept, and whether something was lost.
func (h *headTail) text() (text string, cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tail := h.tail
	lost := h.lost
	if over := len(tail) - h.most; over > 0 {
		tail = tail[over:]
		lost += over
	}
	if lost == 0 {
		return clean(plain(string(h.head) + string(tail))), false
	}
	// Whole lines read better than halves.
	head := string(h.head)
	if i := strings.LastIndexByte(head, '\n'); i > 0 {
		lost += len(head) - i - 1
		head = head[:i+1]
	}
	end := string(tail)
	if i := strings.IndexByte(end, '\n'); i >= 0 && i < len(end)-1 {
		lost += i + 1
		end = end[i+1:]
	}
	return clean(plain(head)) + fmt.Sprintf("... (%s left out)\n", plural(lost, "byte")) + clean(plain(end)), true
}

// escapes are the sequences with which programs colour text and move the cursor.
var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][0-9A-B])`)

// plain takes colours out, and of a line that was written over keeps the last
// version, as a terminal shows it.
func plain(s string) string {
	if !strings.ContainsAny(s, "\x1b\r") {
		return s
	}
	s = escapes.ReplaceAllString(s, "")
	var b strings.Builder
	for line := range strings.Lines(s) {
		body := strings.TrimRight(line, "\r\n")
		if i := strings.LastIndexByte(body, '\r'); i >= 0 {
			body = body[i+1:]
		}
		b.WriteString(body)
		if strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

package e2b

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
)

const (
	// timeoutProgram runs each command. It makes itself the leader of a
	// process group, and passes SIGTERM on to the group, its own timeout's as
	// well as one that it is sent, with SIGKILL after the grace time. So one
	// signal to one process ends all of a command, and its deadline holds
	// when the caller is long dead. envd itself could end the top process
	// alone.
	timeoutProgram = "/usr/bin/timeout"
	killAfter      = "5" // seconds

	// maxArgument is the kernel's limit for one argument or variable, less
	// the final NUL.
	maxArgument = 128<<10 - 1
)

// Exec runs a command. See [Sandbox].
//
// Where the connection breaks while the command runs, Exec joins the command
// again and the result is marked Incomplete. Where it cannot learn how the
// command ended, it returns an [ErrNetwork] that is not [Retryable], never an
// exit code. A connection that feeds standard input cannot be restored, since
// nobody knows how much arrived: when it breaks the command is ended.
func (s *sandbox) Exec(ctx context.Context, cmd *Command) (*ExecResult, error) {
	p, err := s.start(ctx, "exec", cmd)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.fail(ctx, p.broken(ctx.Err()))
		<-p.done // soon, since fail has cut the stream at the latest
	}
	return p.outcome()
}

// Start runs a command in the background. See [Starter].
func (s *sandbox) Start(ctx context.Context, cmd *Command) (Process, error) {
	p, err := s.start(ctx, "start", cmd)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// start starts a command and follows it.
func (s *sandbox) start(ctx context.Context, name string, cmd *Command) (*process, error) {
	op := s.op(name, false)
	if err := s.validate(cmd); err != nil {
		return nil, op.invalid("%w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, op.fromFailure(ctx, err)
	}
	limit := time.Duration(wholeSeconds(cmd.Timeout)) * time.Second
	most := cmp.Or(cmd.MaxOutput, DefaultMaxOutput)
	// Neither the end of ctx nor its deadline reach the stream: the first would
	// leave the command running, and of the second envd would make a SIGKILL
	// for the top process.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &process{
		box:    s,
		op:     op,
		user:   cmd.User,
		tag:    rand.Text(),
		limit:  limit,
		stdout: newOutput(cmd.Stdout, most),
		stderr: newOutput(cmd.Stderr, most),
		sent:   time.Now(),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	stream, err := p.open(life, ctx, func(ctx context.Context) (*events, error) {
		req := connect.NewRequest(newStartRequest(cmd, limit, p.tag))
		s.setUser(req.Header(), cmd.User)
		req.Header().Set("Keepalive-Ping-Interval", s.client.keepaliveSeconds())
		return newEvents(s.procs.Start(ctx, req))
	})
	if err != nil {
		if stream, err = p.startLost(life, ctx, err); err != nil {
			cancel()
			return nil, err
		}
	}
	p.run(life, stream, cmd.Stdin)
	if err := ctx.Err(); err != nil {
		p.fail(ctx, p.broken(err))
		<-p.done
		_, err = p.outcome()
		if err == nil {
			return p, nil // it has ended by itself already
		}
		return nil, err
	}
	return p, nil
}

func (c *Client) keepaliveSeconds() string {
	return strconv.FormatInt(int64(c.keepalive/time.Second), 10)
}

func newStartRequest(cmd *Command, limit time.Duration, tag string) *processpb.StartRequest {
	seconds := strconv.FormatInt(int64(limit/time.Second), 10)
	config := &processpb.ProcessConfig{
		Cmd:  timeoutProgram,
		Args: append([]string{"-k", killAfter, seconds}, cmd.Args...),
		Envs: cmd.Env,
	}
	if cmd.Dir != "" {
		config.Cwd = &cmd.Dir
	}
	return &processpb.StartRequest{Process: config, Tag: &tag, Stdin: new(cmd.Stdin != nil)}
}

// unwrap returns what a process was started with, and its limit, if it runs
// under timeout(1) as ours do.
func unwrap(config *processpb.ProcessConfig) ([]string, time.Duration) {
	args := config.GetArgs()
	if config.GetCmd() == timeoutProgram && len(args) > 3 && args[0] == "-k" && args[1] == killAfter {
		if seconds, err := strconv.ParseUint(args[2], 10, 32); err == nil {
			return args[3:], time.Duration(seconds) * time.Second
		}
	}
	return append([]string{config.GetCmd()}, args...), 0
}

// validate refuses a command that cannot be run as it is meant.
func (s *sandbox) validate(cmd *Command) error {
	switch {
	case cmd == nil:
		return errors.New("the command is nil")
	case len(cmd.Args) == 0 || cmd.Args[0] == "":
		return errors.New("the command has no program")
	case cmd.Timeout < 0:
		return errors.New("the timeout is negative")
	case wholeSeconds(cmd.Timeout) > 1<<31:
		return errors.New("the timeout is too long")
	case cmd.MaxOutput < 0:
		return errors.New("the maximum of the output is negative")
	case strings.ContainsFunc(cmd.User, func(r rune) bool { return r == ':' || r <= ' ' || r > '~' }):
		return fmt.Errorf("%q is not a user", cmd.User)
	case cmd.Stdin != nil && !atLeast(s.version, 5, 2):
		return fmt.Errorf("envd %s cannot close a standard input, 0.5.2 can", s.version)
	}
	for i, arg := range cmd.Args {
		if err := validateText(arg); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	for name, value := range cmd.Env {
		if name == "" || strings.Contains(name, "=") {
			return fmt.Errorf("%q is not the name of a variable", name)
		}
		if err := validateText(name + "=" + value); err != nil {
			return fmt.Errorf("variable %q: %w", name, err)
		}
	}
	if err := validateText(cmd.Dir); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}

// validateText refuses what neither the kernel nor a protobuf string takes.
func validateText(s string) error {
	switch {
	case len(s) > maxArgument:
		return fmt.Errorf("%d bytes are more than %d", len(s), maxArgument)
	case strings.Contains(s, "\x00"):
		return errors.New("a NUL cannot be passed")
	case !utf8.ValidString(s):
		return errors.New("bytes that are not UTF-8 cannot be passed")
	}
	return nil
}

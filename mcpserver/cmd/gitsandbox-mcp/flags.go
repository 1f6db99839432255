package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/mcpserver"
	"github.com/gitsandbox/gitsandbox/tools"
)

// flags are the flags. None takes a secret: the arguments of a process are no
// secret.
type flags struct {
	http, tokens, hostsText, originsText string
	toolsets, tools, exclude             string
	repos, branches                      string
	readOnly                             bool
	roles, role, owner                   string
	maxTokens, maxSandboxes              int
	timeout                              time.Duration
	rate                                 float64
	burst                                int
	stateKey                             string
	sessionTimeout, shutdownTimeout      time.Duration
	fake, version                        bool
	logLevel                             slog.Level

	hosts, origins []string
}

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{logLevel: slog.LevelInfo}
	set := flag.NewFlagSet("gitsandbox-mcp", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.http, "http", "", "serve HTTP on this `address`, such as 127.0.0.1:8080, instead of standard input and output")
	set.StringVar(&f.tokens, "tokens", "", "YAML `file` with the bearer tokens that -http takes")
	set.StringVar(&f.hostsText, "hosts", "", "comma-separated `names` that the Host header may have; * is any (default: loopback names; any with -tokens on another address)")
	set.StringVar(&f.originsText, "origins", "", "comma-separated `origins` whose web pages may send requests (default: none)")
	set.StringVar(&f.toolsets, "toolsets", "", "comma-separated `toolsets` to offer: "+strings.Join(tools.Toolsets(), ", ")+" (default: all)")
	set.StringVar(&f.tools, "tools", "", "comma-separated `tools` to offer beside the toolsets")
	set.StringVar(&f.exclude, "exclude-tools", "", "comma-separated `tools` not to offer")
	set.BoolVar(&f.readOnly, "read-only", false, "offer only tools that change nothing; wins over all others")
	set.StringVar(&f.roles, "roles", "", "YAML `file` with roles and their tools")
	set.StringVar(&f.role, "role", "", "`role` where no token says another (default: all tools)")
	set.StringVar(&f.owner, "owner", "", "`name` of the caller where there are no tokens; sandboxes belong to their caller")
	set.StringVar(&f.repos, "repos", "", "comma-separated `URLs` that may be cloned; https://github.com/you/* is all below that (default: all)")
	set.StringVar(&f.branches, "branches", "", "comma-separated base `branches` that may be cloned; release/* is all below that (default: all)")
	set.IntVar(&f.maxTokens, "max-tokens", tools.DefaultMaxTokens, "cut results at about `n` tokens")
	set.IntVar(&f.maxSandboxes, "max-sandboxes", 0, "keep at most `n` sandboxes at once (default: no limit)")
	set.DurationVar(&f.timeout, "timeout", tools.DefaultTimeout, "`time` that a call may take")
	set.Float64Var(&f.rate, "rate", mcpserver.DefaultRate, "requests a `second` of each caller; negative is no limit")
	set.IntVar(&f.burst, "burst", mcpserver.DefaultBurst, "requests of each caller at once")
	set.StringVar(&f.stateKey, "state-key", "", "`file` with 64 hexadecimal digits, the same for all processes behind one address (default: made up)")
	set.DurationVar(&f.sessionTimeout, "session-timeout", mcpserver.DefaultSessionTimeout, "`time` after which an unused HTTP session ends")
	set.DurationVar(&f.shutdownTimeout, "shutdown-timeout", mcpserver.DefaultShutdownTimeout, "`time` for running calls in the end, over HTTP")
	set.BoolVar(&f.fake, "fake", false, "use no E2B account: RUN COMMANDS ON THIS MACHINE, without isolation, and serve a sample repository")
	set.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "`level` of the log: DEBUG, INFO (a record for each call), WARN or ERROR")
	set.BoolVar(&f.version, "version", false, "print the version")
	set.Usage = func() {
		fmt.Fprintln(stderr, "usage: gitsandbox-mcp [flags]\n\nServes git working copies in E2B sandboxes to a language model, over MCP.\nConfigured by E2B_API_KEY, GITHUB_TOKEN and the GIT_SANDBOX_ variables, and by:")
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	// Guides for other servers name the transport as an argument.
	if rest := set.Args(); len(rest) > 1 || len(rest) == 1 && rest[0] != "stdio" {
		return nil, fmt.Errorf("%q: there are no arguments, only flags", rest)
	}
	if f.http == "" && f.tokens != "" {
		return nil, errors.New("-tokens: only with -http; -owner and -role say who calls otherwise")
	}
	if f.fake && f.http != "" && !loopbackAddress(f.http) {
		return nil, errors.New("-fake: only on the loopback interface; whoever reaches it runs commands on this machine")
	}
	f.hosts, f.origins = list(f.hostsText), list(f.originsText)
	return f, nil
}

// list splits at commas.
func list(s string) []string {
	var l []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			l = append(l, part)
		}
	}
	return l
}

// options reads the files that the flags name.
func (f *flags) options() (*mcpserver.Options, error) {
	o := &mcpserver.Options{
		Tools: tools.Options{
			Toolsets: list(f.toolsets), Tools: list(f.tools), Exclude: list(f.exclude), ReadOnly: f.readOnly,
			Repositories: list(f.repos), Branches: list(f.branches), MaxTokens: f.maxTokens, Timeout: f.timeout,
		},
		Role: f.role, Caller: f.owner, Rate: f.rate, Burst: f.burst,
	}
	var err error
	if f.roles != "" {
		if o.Roles, err = parseFile("-roles", f.roles, mcpserver.ParseRoles); err != nil {
			return nil, err
		}
	}
	if f.tokens != "" {
		if o.Tokens, err = parseFile("-tokens", f.tokens, mcpserver.ParseTokens); err != nil {
			return nil, err
		}
	}
	if f.stateKey != "" {
		if o.StateKey, err = parseFile("-state-key", f.stateKey, parseKey); err != nil {
			return nil, err
		}
	}
	// Whoever gives tokens and another address has clients elsewhere, which know the
	// server by a name that it does not know itself. A page that rebinds its name has
	// no token.
	if len(f.hosts) == 0 && len(o.Tokens) > 0 && !loopbackAddress(f.http) {
		f.hosts = []string{"*"}
	}
	return o, nil
}

func loopbackAddress(address string) bool {
	return strings.HasPrefix(address, "localhost:") || strings.HasPrefix(address, "127.") || strings.HasPrefix(address, "[::1]:")
}

func parseKey(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, 1024))
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != 32 {
		return nil, errors.New("not 64 hexadecimal digits")
	}
	return key, nil
}

// parseFile names the flag and the file in its errors.
func parseFile[T any](option, name string, parse func(io.Reader) (T, error)) (T, error) {
	var zero T
	file, err := os.Open(name) //nolint:gosec // the operator names it
	if err != nil {
		return zero, fmt.Errorf("%s: %w", option, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return zero, fmt.Errorf("%s: %w", option, err)
	}
	if option != "-roles" && info.Mode().Perm()&0o007 != 0 {
		return zero, fmt.Errorf("%s: %s: %w: everyone can read it; chmod o-rwx", option, name, fs.ErrPermission)
	}
	v, err := parse(file)
	if err != nil {
		return zero, fmt.Errorf("%s: %s: %w", option, name, err)
	}
	return v, nil
}

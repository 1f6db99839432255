// Package tools hands a [gitsandbox.Client] to a language model: as tools that
// clone, edit, run, commit and push, each with a name, a description, a JSON
// Schema and a handler. It depends on no framework.
//
//	set, err := tools.New(client, nil)
//	if err != nil {
//		return err
//	}
//	for _, tool := range set.Tools() {
//		request.Tools = append(request.Tools, tool.Anthropic())
//	}
//	...
//	result := set.Call(ctx, use.Name, use.Input)
//	reply(use.ID, result.Text, result.IsError)
//
// An MCP server on top of it is in package mcpserver, adapters for frameworks are
// in the folder adapters.
//
// # Results
//
// What a model reads is [Result].Text. Bulk text, such as a diff, begins with one
// line of facts, is cut at a budget, and says which call gets the rest. State, such
// as a status, is a small structure in [Result].Data, and Text is its JSON. A call
// that fails is a Result too: a stable code, the cause, and the next call.
//
// # Authority
//
// A sandbox belongs to the caller that [WithCaller] names in the context of the
// git_clone that made it. For every other caller it does not exist. No tool takes a
// credential, and none gives one away.
//
// # Concurrency
//
// Any number of goroutines may use a [Set] and its Tools.
package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox"
)

// The toolsets. Each tool is in one of them.
const (
	ToolsetGit     = "git"     // clone, status, diff, log, show, pull, commit, push, resolve, branches
	ToolsetFiles   = "files"   // read, write, edit, list, search
	ToolsetRun     = "run"     // commands
	ToolsetSandbox = "sandbox" // list, close
)

// Toolsets returns the names of all toolsets.
func Toolsets() []string {
	return []string{ToolsetGit, ToolsetFiles, ToolsetRun, ToolsetSandbox}
}

// Defaults of [Options].
const (
	DefaultMaxTokens = 8_000
	DefaultTimeout   = 10 * time.Minute
)

// hardMaxTokens is what no result exceeds: hosts cut, or refuse, at 25,000.
const hardMaxTokens = 24_000

// Options are the options of [New]. The zero value of each field is its
// default.
type Options struct {
	// Toolsets are the toolsets to offer. Default: all, or none where Tools
	// names some.
	Toolsets []string

	// Tools are single tools to offer, beside those of the Toolsets.
	Tools []string

	// Exclude are tools not to offer, whatever else says so.
	Exclude []string

	// ReadOnly offers only tools that change nothing, whatever else says so.
	ReadOnly bool

	// Repositories are the repositories that may be cloned and used: URLs, or
	// "https://github.com/you/*" for all below that. Default: all that the
	// Client may.
	Repositories []string

	// Branches are the base branches that may be cloned: names, or "release/*"
	// for all below that. Default: all.
	Branches []string

	// MaxTokens bounds the text of a result; an argument of the call can ask
	// for less or more, up to 24,000. Tokens are estimated, at 3.5 bytes each.
	// Default [DefaultMaxTokens].
	MaxTokens int

	// Timeout bounds each call. Default [DefaultTimeout]. The Client's own
	// Timeout bounds each of its operations.
	Timeout time.Duration
}

// A Tool is one tool for a model. It is not changed after [New].
type Tool struct {
	// Name is made of a-z and '_'.
	Name string

	// Title is the name for people.
	Title string

	// Description tells the model what the tool is for.
	Description string

	// Toolset is the toolset that the tool is in.
	Toolset string

	// InputSchema is the JSON Schema of the arguments, an object. OutputSchema
	// is that of Result.Data, or nil where the tool returns text alone.
	InputSchema, OutputSchema json.RawMessage

	// The hints of the Model Context Protocol. ReadOnly: it changes nothing.
	// Destructive: it may lose or overwrite something. Idempotent: a second call
	// with the same arguments changes nothing more. OpenWorld: it reaches beyond
	// the sandbox, or runs what may.
	ReadOnly, Destructive, Idempotent, OpenWorld bool

	set    *Set
	params []param
	run    func(ctx context.Context, c *call) (*Result, error)
}

// Call runs the tool. Arguments are a JSON object; empty ones are no arguments. It
// returns what the model is to read, also where the call failed, and never nil. It
// ends with ctx and at Options.Timeout.
func (t *Tool) Call(ctx context.Context, arguments json.RawMessage) *Result {
	return t.set.call(ctx, t, arguments)
}

// A Set is the tools of one Client.
type Set struct {
	client    *gitsandbox.Client
	tools     []*Tool
	maxTokens int
	timeout   time.Duration
	allow     allowList
}

// New returns the tools of a client, which stays the caller's to close. Nil opts
// mean the defaults. It returns a [gitsandbox.ErrInvalidArgument] that names the
// option.
func New(client *gitsandbox.Client, opts *Options) (*Set, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if client == nil {
		return nil, invalid("client: nil")
	}
	if o.MaxTokens < 0 || o.MaxTokens > hardMaxTokens {
		return nil, invalid("MaxTokens: %d is not between 0 and %d", o.MaxTokens, hardMaxTokens)
	}
	if o.Timeout < 0 {
		return nil, invalid("Timeout: %v is negative", o.Timeout)
	}
	s := &Set{client: client, maxTokens: o.MaxTokens, timeout: o.Timeout}
	if s.maxTokens == 0 {
		s.maxTokens = DefaultMaxTokens
	}
	if s.timeout == 0 {
		s.timeout = DefaultTimeout
	}
	var err error
	if s.allow, err = newAllowList(o.Repositories, o.Branches); err != nil {
		return nil, err
	}
	s.tools, err = s.choose(&o)
	return s, err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{gitsandbox.ErrInvalidArgument}, args...)...)
}

// choose returns the tools that are offered, in the order of definitions.
func (s *Set) choose(o *Options) ([]*Tool, error) {
	all := definitions()
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	for _, list := range []struct {
		option string
		given  []string
		known  []string
	}{{"Toolsets", o.Toolsets, Toolsets()}, {"Tools", o.Tools, names}, {"Exclude", o.Exclude, names}} {
		for _, name := range list.given {
			if !slices.Contains(list.known, name) {
				return nil, invalid("%s: %q is not one of %s", list.option, name, strings.Join(list.known, ", "))
			}
		}
	}
	toolsets := o.Toolsets
	if len(toolsets) == 0 && len(o.Tools) == 0 {
		toolsets = Toolsets()
	}
	var chosen []*Tool
	for _, t := range all {
		offered := slices.Contains(toolsets, t.Toolset) || slices.Contains(o.Tools, t.Name)
		if !offered || slices.Contains(o.Exclude, t.Name) || o.ReadOnly && !t.ReadOnly {
			continue
		}
		t.set = s
		chosen = append(chosen, t)
	}
	return chosen, nil
}

// Tools returns the tools, always in the same order.
func (s *Set) Tools() []*Tool { return slices.Clone(s.tools) }

// Tool returns the tool of that name, or nil.
func (s *Set) Tool(name string) *Tool {
	for _, t := range s.tools {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Call runs the tool of that name, as [Tool.Call] does. A name that is not offered
// is a Result that says so.
func (s *Set) Call(ctx context.Context, name string, arguments json.RawMessage) *Result {
	if t := s.Tool(name); t != nil {
		return t.Call(ctx, arguments)
	}
	names := make([]string, len(s.tools))
	for i, t := range s.tools {
		names[i] = t.Name
	}
	return failed(codeUnknownTool, "there is no tool "+shown(name), didYouMean(name, names))
}

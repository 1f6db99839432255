package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gitsandbox/gitsandbox"
)

// A call is one call of a tool.
type call struct {
	set  *Set
	args arguments
}

// call runs a tool.
func (s *Set) call(ctx context.Context, t *Tool, raw json.RawMessage) *Result {
	args, wrong := decode(raw, t.params)
	if wrong != nil {
		return wrong.result()
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	result, err := t.run(ctx, &call{set: s, args: args})
	if err != nil {
		return explain(err).result()
	}
	if result.Data == nil {
		result.Text = bounded(result.Text, bytesFor(args.int("max_tokens", s.maxTokens))+factsSlack)
	}
	return result
}

// factsSlack is what a long line of facts may have beyond its share.
const factsSlack = 2 << 10

// bounded cuts text at the end of a line. Tools stay within their budget by
// themselves; what they show in place of bytes that are not text is longer than
// these.
func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := strings.LastIndexByte(text[:most], '\n') + 1
	if end == 0 {
		end = most
	}
	return strings.ToValidUTF8(text[:end], "") + fmt.Sprintf("... (%s left out: much of it is no text)\n", plural(len(text)-end, "byte"))
}

// sandbox opens the sandbox that the argument sandbox_id names. Whoever may not use
// it is told that it does not exist.
func (c *call) sandbox(ctx context.Context) (*gitsandbox.Sandbox, error) {
	id := c.args.string("sandbox_id")
	sandbox, err := c.set.client.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	if sandbox.Owner() != callerOf(ctx) || !c.set.allow.uses(sandbox.RepoURL(), sandbox.BaseBranch()) {
		return nil, &gitsandbox.Error{Op: "open", SandboxID: id, Err: gitsandbox.ErrSandboxNotFound}
	}
	return sandbox, nil
}

// budget is how many bytes the body of the result may have.
func (c *call) budget() int {
	// The line of facts has its share.
	const head = 150
	return bytesFor(max(c.args.int("max_tokens", c.set.maxTokens)-head, head))
}

// allowList says which repositories and base branches may be used. Empty lists
// allow all.
type allowList struct{ repositories, branches []string }

func newAllowList(repositories, branches []string) (allowList, error) {
	for _, r := range repositories {
		if !strings.Contains(r, "://") {
			return allowList{}, invalid("Repositories: %q is no URL like https://github.com/you/repo or https://github.com/you/*", r)
		}
	}
	for option, list := range map[string][]string{"Repositories": repositories, "Branches": branches} {
		for _, p := range list {
			if strings.Contains(strings.TrimSuffix(p, "/*"), "*") {
				return allowList{}, invalid("%s: %q has a * that is not a last /*", option, p)
			}
		}
	}
	a := allowList{branches: append([]string(nil), branches...)}
	for _, r := range repositories {
		a.repositories = append(a.repositories, sameURL(r))
	}
	return a, nil
}

// sameURL is a URL without what makes no difference on any forge.
func sameURL(raw string) string {
	raw = strings.TrimSuffix(strings.TrimSuffix(raw, "/"), ".git")
	if scheme, rest, ok := strings.Cut(raw, "://"); ok {
		host, path, _ := strings.Cut(rest, "/")
		return strings.ToLower(scheme+"://"+host) + "/" + path
	}
	return raw
}

func (a *allowList) repository(url string) bool { return matches(a.repositories, sameURL(url)) }

func (a *allowList) branch(name string) bool { return matches(a.branches, name) }

func (a *allowList) uses(url, branch string) bool { return a.repository(url) && a.branch(branch) }

// matches reports whether one of the patterns is s, or ends in "/*" and has s below
// it. No patterns match everything.
func matches(patterns []string, s string) bool {
	for _, p := range patterns {
		if p == s {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(s, prefix) && len(s) > len(prefix) {
			return true
		}
	}
	return len(patterns) == 0
}

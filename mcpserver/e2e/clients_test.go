// Package e2e checks the MCP server with programs of others.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// programs are the programs of js/node_modules, and the server that they check.
type programs struct {
	node, modules, server, home string
}

// find returns the programs, or skips the test where they are not installed, unless
// GITSANDBOX_REQUIRE_JS is 1. Node.js comes from npm too: the suite needs a newer one
// than distributions have.
func find(t *testing.T) *programs {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join("js", "node_modules"))
	require.NoError(t, err)
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	p := &programs{node: filepath.Join(modules, "node-linux-"+arch, "bin"), modules: modules, home: t.TempDir()}
	if _, err := os.Stat(filepath.Join(p.node, "node")); errors.Is(err, fs.ErrNotExist) {
		const missing = "js/node_modules is not there: run npm ci --ignore-scripts in mcpserver/e2e/js"
		if os.Getenv("GITSANDBOX_REQUIRE_JS") == "1" { //nolint:forbidigo // a switch of this test
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	p.server = filepath.Join(p.home, "gitsandbox-mcp")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.server, "../cmd/gitsandbox-mcp").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return p
}

// run runs a program of node_modules, and returns what it wrote and its exit status.
func (p *programs) run(t *testing.T, name string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.modules, ".bin", name), args...)
	cmd.Dir = p.home                                                                 // the suite writes there
	cmd.Env = []string{"PATH=" + p.node + ":" + os.Getenv("PATH"), "HOME=" + p.home} //nolint:forbidigo // git is there
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return out.String(), errs.String(), exit.ExitCode()
	}
	require.NoError(t, err, "%s\n%s", out.String(), errs.String())
	return out.String(), errs.String(), 0
}

var (
	listening = regexp.MustCompile(`msg=listening url=(\S+)`)
	sample    = regexp.MustCompile(`sample repository: (\S+)`)
)

// serve starts the server on HTTP, and returns its URL and that of the repository.
func (p *programs) serve(t *testing.T, args ...string) (endpoint, repository string) {
	t.Helper()
	cmd := exec.Command(p.server, append([]string{"-fake", "-http", "127.0.0.1:0", "-rate", "-1"}, args...)...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var mu sync.Mutex
	var log bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := stderr.Read(buf)
			mu.Lock()
			log.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(os.Interrupt))
		<-read
		assert.NoError(t, cmd.Wait(), "it ends cleanly")
		assert.NotContains(t, log.String(), "level=ERROR")
	})
	find := func(what *regexp.Regexp) string {
		var found []string
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			found = what.FindStringSubmatch(log.String())
			return found != nil
		}, 20*time.Second, 10*time.Millisecond)
		return found[1]
	}
	return find(listening), find(sample)
}

// answer is what the Inspector prints.
type answer struct {
	Result struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		StructuredContent map[string]any `json:"structuredContent"`
		IsError           bool           `json:"isError"`
	} `json:"result"`
}

// inspect has the Inspector send one request.
func (p *programs) inspect(t *testing.T, status int, args ...string) answer {
	t.Helper()
	stdout, stderr, got := p.run(t, "mcp-inspector", append([]string{"--cli"}, args...)...)
	require.Equal(t, status, got, "%s\n%s", stdout, stderr)
	var a answer
	require.NoError(t, json.Unmarshal([]byte(stdout), &a), "%s", stdout)
	return a
}

// toolError is the exit status of the Inspector for a result that is an error.
const toolError = 5

// The MCP Inspector, in both eras, over both transports.
func TestInspector(t *testing.T) {
	t.Parallel()
	p := find(t)
	endpoint, repository := p.serve(t)
	for _, era := range []string{"modern", "legacy"} {
		for transport, target := range map[string][]string{
			"stdio": {p.server, "-fake"},
			"http":  {endpoint, "--transport", "http"},
		} {
			t.Run(era+" "+transport, func(t *testing.T) {
				t.Parallel()
				target := append(target[:len(target):len(target)], "--protocol-era", era, "--format", "json", "-q")
				list := p.inspect(t, 0, append(target, "--method", "tools/list", "--strict")...)
				assert.Len(t, list.Result.Tools, 18)
				call := func(status int, tool string, args map[string]string) answer {
					raw, err := json.Marshal(args)
					require.NoError(t, err)
					return p.inspect(t, status, append(target, "--method", "tools/call", "--tool-name", tool, "--tool-args-json", string(raw))...)
				}
				assert.Equal(t, "Sandboxes: 0.", call(0, "sandbox_list", map[string]string{"repo_url": "https://example.com/none"}).Result.StructuredContent["summary"])
				none := call(toolError, "git_status", map[string]string{"sandbox_id": "none"})
				assert.True(t, none.Result.IsError)
				assert.True(t, strings.HasPrefix(none.Result.Content[0].Text, "[SANDBOX_NOT_FOUND] "))
				if transport != "http" {
					return // each request is a process of its own, and so is its repository
				}
				id, _ := call(0, "git_clone", map[string]string{"repo_url": repository, "agent_id": era}).Result.StructuredContent["sandbox_id"].(string)
				require.NotEmpty(t, id)
				// The sample has something to mend.
				broken := call(0, "run", map[string]string{"sandbox_id": id, "command": "sh test.sh"})
				assert.Contains(t, broken.Result.Content[0].Text, "exit_code=1 ")
				call(0, "file_edit", map[string]string{"sandbox_id": id, "path": "total.sh", "old_text": "sum - price", "new_text": "sum + price"})
				mended := call(0, "run", map[string]string{"sandbox_id": id, "command": "sh test.sh"})
				assert.Contains(t, mended.Result.Content[0].Text, "\nPASS\n")
				push := call(0, "git_push", map[string]string{"sandbox_id": id, "commit_message": "Add prices"})
				assert.Equal(t, "pushed", push.Result.StructuredContent["outcome"])
			})
		}
	}
}

func TestInspectorWithToken(t *testing.T) {
	t.Parallel()
	p := find(t)
	const token = "inspector-0123456789abcdef"
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	require.NoError(t, os.WriteFile(file, []byte("tokens: [{name: inspector, token: "+token+"}]"), 0o600))
	endpoint, _ := p.serve(t, "-tokens", file)
	for _, era := range []string{"modern", "legacy"} {
		target := []string{endpoint, "--transport", "http", "--protocol-era", era, "--format", "json", "-q", "--method", "tools/list"}
		assert.Len(t, p.inspect(t, 0, append(target, "--header", "Authorization: Bearer "+token)...).Result.Tools, 18)
		_, _, status := p.run(t, "mcp-inspector", append([]string{"--cli"}, target...)...)
		assert.NotZero(t, status)
	}
}

// The conformance suite of the protocol. What is expected to fail needs a server
// made for the suite; anything else that fails, or begins to pass, is an error.
func TestConformance(t *testing.T) {
	t.Parallel()
	p := find(t)
	for _, revision := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := p.serve(t)
			baseline, err := filepath.Abs("../testdata/conformance-baseline." + revision + ".yml")
			require.NoError(t, err)
			stdout, stderr, status := p.run(t, "conformance", "server", "--url", endpoint, "--requirements", revision, "--expected-failures", baseline)
			require.Zero(t, status, "%s\n%s", stdout, stderr)
			assert.Contains(t, stdout, "Baseline check passed")
		})
	}
}

// The whole list of tools goes into the context of every conversation.
func TestTokensOfToolList(t *testing.T) {
	t.Parallel()
	p := find(t)
	content, err := os.ReadFile("../testdata/tools.2026-07-28.json")
	require.NoError(t, err)
	var list struct {
		Tools json.RawMessage `json:"tools"`
	}
	require.NoError(t, json.Unmarshal(content, &list))
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, list.Tools))
	tokens := p.tokens(t, &compact)
	t.Logf("tools: %d tokens", tokens)
	assert.Less(t, tokens, 4000)
	instructions, err := os.Open("../testdata/instructions.txt")
	require.NoError(t, err)
	defer func() { _ = instructions.Close() }()
	assert.Less(t, p.tokens(t, instructions), 200)
}

func (p *programs) tokens(t *testing.T, text io.Reader) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.node, "node"), "tokens.mjs")
	cmd.Dir, cmd.Stdin = "js", text
	out, err := cmd.Output()
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	return n
}

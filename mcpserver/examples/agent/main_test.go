package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAgent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out), "%s", &out)
	inProcess, overHTTP, ok := strings.Cut(out.String(), "\n== Over HTTP\n")
	require.True(t, ok, "%s", &out)
	for task, text := range map[string]string{"in-process": inProcess, "http": overHTTP} {
		var called []string
		for _, m := range regexp.MustCompile(`(?m)^((?:git|file|sandbox)_[a-z]+|run) +`).FindAllStringSubmatch(text, -1) {
			called = append(called, m[1])
		}
		assert.Equal(t, []string{
			"git_clone", "run", "file_read", "file_edit", "run", "git_diff", "git_push", "git_push", "file_read", "file_write",
			"run", "git_resolve", "git_push", "sandbox_close",
		}, called)
		assert.Equal(t, 2, strings.Count(text, "[CONFLICT] "))
		assert.True(t, strings.HasSuffix(text, "agent-demo-"+task+" of the remote has total.sh:\n"+mended), text)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The records, spans and exemplars of one task name the same trace and have the
// same fields.
func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s, err := openShop(&out)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.close()) })
	require.NoError(t, s.run(t.Context()))
	text := out.String()
	assert.NotContains(t, text, password)

	var records []map[string]any
	var spans []string
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "{"):
			var r map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			records = append(records, r)
		case strings.HasPrefix(line, "span "):
			spans = append(spans, line)
		}
	}
	var done []string
	traceID, _ := records[0]["trace_id"].(string)
	require.Len(t, traceID, 32)
	for _, r := range records {
		assert.Equal(t, traceID, r["trace_id"])
		if op, ok := r["operation"].(string); ok {
			state, _ := r["msg"].(string)
			errorType, _ := r["error_type"].(string)
			done = append(done, strings.TrimSpace(op+" "+state+" "+errorType))
		}
	}
	assert.Equal(t, []string{
		"clone operation done", "write_file operation done",
		"push attempt failed network", "push operation done",
		"pull operation failed conflict", "status operation failed sandbox_not_found",
	}, done)

	push := ""
	for _, s := range spans {
		assert.Contains(t, s, "span trace_id="+traceID)
		if strings.Contains(s, `name="gitsandbox push" `) {
			push = s
		}
	}
	for _, r := range records {
		if r["operation"] == "push" && r["msg"] == "operation done" {
			assert.Contains(t, push, ` gitsandbox.operation="push" `)
			assert.Contains(t, push, ` gitsandbox.sandbox_id="`+r["sandbox_id"].(string)+`" `)
			assert.Contains(t, push, ` gitsandbox.url="`+r["url"].(string)+`" `)
			assert.Contains(t, push, ` gitsandbox.attempts="2"`)
			assert.InDelta(t, 2, r["attempts"], 0)
		}
	}
	assert.Contains(t, spans[len(spans)-1], `parent=none name="task"`)
	assert.Contains(t, spans[len(spans)-1], `event="gitsandbox.push"`, "the push that was refused has no span of its own")

	assert.Contains(t, text, `git_operation_total{operation="push",status="retry"} 1.0 # {trace_id="`+traceID+`"} `)
	assert.Contains(t, text, `gitsandbox_policy_refusals_total{rule="ref"} 1.0`)
	// Of success and failure, of the retry, the conflict and the errors, and of
	// each operation's start and duration.
	assert.Contains(t, text, " is named by 17 exemplars\n")
	assert.Contains(t, text, "\n== Stats\noperations 4, errors 2, retries 1, conflicts 1, refused by the policy 1\n")
	assert.Contains(t, text, "over: 100 % of status failed, limit 10 %")
}

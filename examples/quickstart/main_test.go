package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuickstartShowsWhatItSays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, ""))
	for _, line := range []string{
		`ada: ran its script: exit code 0, printed "hello from ada\n"`,
		`ben: status: untracked agents/ben.sh`,
		`ben: diff: agents/ben.sh, 2 lines added, 0 deleted`,
		`ada: pulled main: rebased`,
		`dan pushed notes.txt: rebased and pushed, after 2 attempts`,
		`conflict in ["plan.txt"]`,
		`dan's commit "Ask" is still there`,
		`Add a plan > Add notes > Sleep on it`,
		`git_push_retry_count_total       attempt=1`,
		`git_conflicts_detected_total     operation=push                       1`,
	} {
		assert.Contains(t, out.String(), line)
	}
	assert.NotContains(t, out.String(), "correct-horse")
}

func TestQuickstartNeedsAKeyForARealRepository(t *testing.T) {
	t.Setenv("E2B_API_KEY", "")
	require.ErrorContains(t, run(t.Context(), &bytes.Buffer{}, "https://github.com/you/repo"), "E2B_API_KEY")
}

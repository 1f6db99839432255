package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPageIsFresh(t *testing.T) {
	t.Parallel()
	want, err := reference()
	require.NoError(t, err)
	got, err := os.ReadFile("../../../docs/mcp-tools.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate in mcpserver")
}

package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	t.Parallel()
	s, err := openShop()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.close()) })
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, s))
	assert.Equal(t, `
== Work on the agent branch
   audit: refs/heads/agent-ada-t1 of agent ada: published
   pushed to agent-ada-t1

== A proposal
   audit: refs/heads/proposals/tea of agent ada: published
   pushed to proposals/tea

== The base branch
   refused by rule ref

== A CI definition, which runs with the secrets of the CI
   refused by rule protected_path .github/workflows

== A price
   refused by rule protected_path prices

== More than a megabyte
   refused by rule size

== A branch that the server protects
   audit: refs/heads/release/1.0 of agent ada: refused by the remote
   refused by the remote
`, out.String())
}

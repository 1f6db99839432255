package otelgitsandbox_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A service that makes spans chooses its own SDK: only OpenTelemetry's API is
// linked.
func TestOnlyTheAPIIsLinked(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=Imports,Deps", ".").Output()
	require.NoError(t, err)
	var p struct{ Imports, Deps []string }
	require.NoError(t, json.Unmarshal(out, &p))
	assert.Equal(t, []string{
		"context", "github.com/gitsandbox/gitsandbox",
		"go.opentelemetry.io/otel", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/trace",
		"slices", "time",
	}, p.Imports)
	for _, dep := range p.Deps {
		assert.NotContains(t, dep, "go.opentelemetry.io/otel/sdk")
		assert.NotContains(t, dep, "stretchr/testify")
		assert.False(t, dep == "testing" || strings.Contains(dep, "internal/fake"), dep)
	}
}

package gitsandbox

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/gitsandbox/gitsandbox"

// goPackage is what this test reads of "go list -json".
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func listPackages(t *testing.T) map[string]goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	require.NoError(t, err)
	packages := map[string]goPackage{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p goPackage
		require.NoError(t, d.Decode(&p))
		packages[strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")] = p
	}
	require.Contains(t, packages, "")
	return packages
}

// Arrows between packages point one way: each may import those on its right,
// and nothing else of this module.
func TestPackagesImportDownwardsOnly(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{
		"":                           {"e2b", "internal/gitcmd", "internal/smarthttp", "internal/redact"},
		"e2b":                        {"internal/envd/processpb", "internal/envd/processpb/processpbconnect", "internal/redact"},
		"internal/gitcmd":            {"internal/redact"},
		"internal/smarthttp":         {"internal/redact"},
		"internal/redact":            {},
		"internal/envd":              {},
		"internal/fake":              {"e2b"},
		"internal/fake/wire":         {"e2b", "internal/fake", "internal/envd/*"},
		"internal/fake/remote":       {"internal/redact"},
		"gitsandboxtest":             {"", "e2b", "internal/fake", "internal/fake/wire", "internal/fake/remote"},
		"gitsandboxtest/conformance": {"", "e2b", "gitsandboxtest"},
		"tools":                      {"", "e2b"},
		"internal/scripted":          {"", "gitsandboxtest", "tools"},
	}
	for name, p := range listPackages(t) {
		if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "e2e") || strings.HasPrefix(name, "internal/envd/") {
			continue
		}
		may, known := allowed[name]
		if !assert.True(t, known, "package %q has no row in this test", name) {
			continue
		}
		for _, imp := range p.Imports {
			rel, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			rel = strings.TrimPrefix(rel, "/")
			ok := slices.ContainsFunc(may, func(m string) bool {
				prefix, wild := strings.CutSuffix(m, "*")
				return m == rel || wild && strings.HasPrefix(rel, prefix)
			})
			assert.True(t, ok, "%q imports %q", name, rel)
		}
	}
}

// An adapter is for those who have its framework, and brings nothing else.
func TestAdaptersImportOnlyToolsAndTheirFramework(t *testing.T) {
	t.Parallel()
	frameworks := map[string][]string{
		"adk":       {"google.golang.org/adk/v2/", "google.golang.org/genai"},
		"anthropic": {"github.com/anthropics/anthropic-sdk-go"},
		"eino":      {"github.com/cloudwego/eino/", "github.com/eino-contrib/jsonschema"},
		"genkit":    {"github.com/firebase/genkit/go/"},
	}
	files, err := filepath.Glob("adapters/*/*.go")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		adapter := filepath.Base(filepath.Dir(file))
		seen[adapter] = true
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			own := slices.ContainsFunc(frameworks[adapter], func(prefix string) bool { return strings.HasPrefix(path, prefix) })
			standard := !strings.Contains(strings.Split(path, "/")[0], ".")
			assert.True(t, own || standard || path == module+"/tools", "%s imports %q", file, path)
		}
	}
	assert.Equal(t, []string{"adk", "anthropic", "eino", "genkit"}, slices.Sorted(maps.Keys(seen)))
}

// What a service links has no test support in it.
func TestProductionCodeLinksNoTestSupport(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	for _, name := range []string{"", "e2b", "gitsandboxtest"} {
		for _, dep := range packages[name].Deps {
			assert.NotEqual(t, "testing", dep, "in %q", name)
			assert.NotContains(t, dep, "stretchr/testify", "in %q", name)
			if name != "gitsandboxtest" {
				assert.NotContains(t, dep, "internal/fake", "in %q", name)
			}
		}
	}
}

// Each dependency of the root package stands behind one file, and has a reason.
func TestEachDependencyIsImportedByOneFile(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{
		"github.com/avast/retry-go/v4":                   "push.go",    // the retry loop
		"github.com/jellydator/ttlcache/v3":              "cache.go",   // the cache in memory
		"github.com/prometheus/client_golang/prometheus": "metrics.go", // the metrics
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	seen := map[string][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			if strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, module) {
				seen[path] = append(seen[path], file)
			}
		}
	}
	want := map[string][]string{}
	for path, file := range reasons {
		want[path] = []string{file}
	}
	assert.Equal(t, want, seen)
}

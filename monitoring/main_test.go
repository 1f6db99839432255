package monitoring

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/monitoring/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// findTools returns Prometheus and Alertmanager from the directory that
// GITSANDBOX_PROMETHEUS_BIN names, or from PATH. Without them the test is
// skipped, unless GITSANDBOX_REQUIRE_PROMETHEUS is 1.
func findTools(t *testing.T) *servers.Tools {
	t.Helper()
	tools, err := servers.Find(os.Getenv("GITSANDBOX_PROMETHEUS_BIN")) //nolint:forbidigo // where the programs are
	if err == nil {
		return tools
	}
	if os.Getenv("GITSANDBOX_REQUIRE_PROMETHEUS") == "1" { //nolint:forbidigo // set in CI
		require.NoError(t, err)
	}
	t.Skipf("%v: set GITSANDBOX_PROMETHEUS_BIN to what \"go run ./stack -install -bin DIR\" filled", err)
	return nil
}

// check runs a program, which says by its exit code whether a file is right.
func check(t *testing.T, tools *servers.Tools, name string, args ...string) {
	t.Helper()
	out, err := tools.Command(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v\n%s", name, args, out)
}

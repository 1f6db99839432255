package conformance_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFake(t *testing.T) {
	t.Parallel()
	conformance.TestTransport(t, func(t *testing.T) e2b.Transport {
		t.Helper()
		transport, err := gitsandboxtest.NewTransport(nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, transport.Close()) })
		return transport
	})
}

func TestClientOverServer(t *testing.T) {
	t.Parallel()
	for name, v1 := range map[string]bool{"V2": false, "V1": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.TestTransport(t, func(t *testing.T) e2b.Transport {
				t.Helper()
				server, err := gitsandboxtest.NewServer(nil)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, server.Close()) })
				server.SetV1Only(v1)
				client, err := e2b.NewClient(server.APIKey(), &e2b.ClientOptions{APIURL: server.URL(), SandboxURL: server.URL()})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, client.Close()) })
				return client
			})
		})
	}
}

// TestE2B runs the suite on a real account.
func TestE2B(t *testing.T) {
	t.Parallel()
	key := os.Getenv("E2B_API_KEY") //nolint:forbidigo // a live test has nowhere else to get it from
	if key == "" {
		t.Skip("E2B_API_KEY is not set")
	}
	conformance.TestTransport(t, func(t *testing.T) e2b.Transport {
		t.Helper()
		client, err := e2b.NewClient(key, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		return client
	})
}

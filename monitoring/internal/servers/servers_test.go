package servers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFindNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"prometheus", "promtool", "alertmanager"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho found\n"), 0o700))
	}
	_, err := Find(dir)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "amtool")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "amtool"), []byte("#!/bin/sh\necho found\n"), 0o700))
	tools, err := Find(dir)
	require.NoError(t, err)
	out, err := tools.Command(t.Context(), "amtool").Output()
	require.NoError(t, err)
	assert.Equal(t, "found\n", string(out))
}

func TestConfigAndTargetsAreYAML(t *testing.T) {
	t.Parallel()
	var config struct {
		Global        map[string]string `yaml:"global"`
		ScrapeConfigs []struct {
			JobName string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal(Config("agents", 2*time.Second, "127.0.0.1:9093"), &config))
	assert.Equal(t, "2s", config.Global["scrape_interval"])
	require.Len(t, config.ScrapeConfigs, 1)
	assert.Equal(t, "agents", config.ScrapeConfigs[0].JobName)

	assert.JSONEq(t, `[]`, string(Targets()))
	assert.JSONEq(t, `[{"targets": ["a:1", "b:2"]}]`, string(Targets("a:1", "b:2")))
}

func TestPoint(t *testing.T) {
	t.Parallel()
	var p Point
	require.NoError(t, json.Unmarshal([]byte(`[1700000000.25, "0.5"]`), &p))
	assert.Equal(t, time.UnixMilli(1700000000250), p.Time)
	assert.InDelta(t, 0.5, p.Value, 0)
	for _, wrong := range []string{`[1, "x"]`, `["a", "1"]`, `{}`, `[1, 2]`} {
		assert.Error(t, json.Unmarshal([]byte(wrong), &p), wrong)
	}
}

func FuzzPoint(f *testing.F) {
	f.Add([]byte(`[1700000000.25, "0.5"]`))
	f.Add([]byte(`[1e308, "NaN"]`))
	f.Add([]byte(`[1]`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var p Point
		_ = p.UnmarshalJSON(data)
	})
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var log tail
	fmt.Fprint(&log, strings.Repeat("a", maxLog))
	fmt.Fprint(&log, "the end")
	assert.Len(t, log.String(), maxLog)
	assert.True(t, strings.HasSuffix(log.String(), "athe end"))
}

func TestFreeAddr(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = FreeAddr(l.Addr().String())
	require.Error(t, err)
	addr, err := FreeAddr("")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(addr, "127.0.0.1:"))
}

// A server that ends while it is awaited is an error with what it printed.
func TestStartReportsWhyAServerEnded(t *testing.T) {
	t.Parallel()
	addr, err := FreeAddr("")
	require.NoError(t, err)
	_, err = start(t.Context(), exec.CommandContext(t.Context(), "sh", "-c", "echo no such file; exit 3"), "http://"+addr)
	require.ErrorContains(t, err, "no such file")
}

// A server that is ready runs until it is stopped.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	mux := http.NewServeMux()
	ready := filepath.Join(t.TempDir(), "ready")
	mux.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, ready) })
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	defer func() { _ = server.Close(); <-done }()

	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap "exit 0" TERM; : >"$0"; while :; do sleep 0.05; done`, ready)
	p, err := start(t.Context(), cmd, "http://"+l.Addr().String()+"/ready")
	require.NoError(t, err)
	select {
	case <-p.done:
		t.Fatal("it ended by itself")
	default:
	}
	require.NoError(t, p.stop())
	<-p.done
}

package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// loadCompose reads compose.yaml with the library that docker compose uses.
func loadCompose(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(env))
	require.NoError(t, err)
	return opts.LoadProject(t.Context())
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	project, err := loadCompose(t, "GRAFANA_ADMIN_PASSWORD=x")
	require.NoError(t, err)
	ports, pinned := map[string]string{}, regexp.MustCompile(`:v?\d+\.\d+\.\d+$`)
	for name, s := range project.Services {
		assert.Regexp(t, pinned, s.Image, name)
		assert.NotNil(t, s.HealthCheck, name)
		for _, p := range s.Ports {
			assert.Equal(t, "127.0.0.1", p.HostIP, "%s: the world does not see it", name)
			ports[name] = p.Published
		}
		named := 0
		for _, v := range s.Volumes {
			switch {
			case v.Type == types.VolumeTypeVolume:
				assert.Contains(t, project.Volumes, v.Source)
				named++
			case filepath.Base(v.Source) != "secrets":
				assert.DirExists(t, v.Source)
			}
		}
		assert.Equal(t, 1, named, "%s: its data outlives it", name)
	}
	assert.Equal(t, map[string]string{"prometheus": "9090", "alertmanager": "9093", "grafana": "3001"}, ports)
	assert.Contains(t, project.Services["prometheus"].Command, "--storage.tsdb.retention.time=30d")
}

func TestComposeHasNoDefaultPassword(t *testing.T) {
	t.Parallel()
	_, err := loadCompose(t)
	require.ErrorContains(t, err, "GRAFANA_ADMIN_PASSWORD")
	_, err = loadCompose(t, "GRAFANA_ADMIN_PASSWORD=")
	require.ErrorContains(t, err, "GRAFANA_ADMIN_PASSWORD")
}

// Each file that a service is told to read is in a directory of this one.
func TestComposeMountsWhatTheServicesRead(t *testing.T) {
	t.Parallel()
	project, err := loadCompose(t, "GRAFANA_ADMIN_PASSWORD=x")
	require.NoError(t, err)
	for service, files := range map[string][]string{
		"prometheus": {
			"/etc/prometheus/config/prometheus.yaml", "/etc/prometheus/config/targets.yaml",
			"/etc/prometheus/rules/gitsandbox.rules.yaml", "/etc/prometheus/rules/gitsandbox.alerts.yaml",
		},
		"alertmanager": {"/etc/alertmanager/config/alertmanager.yaml"},
		"grafana": {
			"/etc/grafana/provisioning/datasources/prometheus.yaml", "/etc/grafana/provisioning/dashboards/gitsandbox.yaml",
			"/var/lib/grafana/dashboards/gitsandbox.json",
		},
	} {
		for _, file := range files {
			found, most := "", 0 // the deepest mount counts
			for _, v := range project.Services[service].Volumes {
				if rest, ok := strings.CutPrefix(file, v.Target+"/"); ok && len(v.Target) > most {
					found, most = filepath.Join(v.Source, rest), len(v.Target)
				}
			}
			assert.FileExists(t, found, file)
		}
	}
}

func TestGrafanaIsProvisioned(t *testing.T) {
	t.Parallel()
	var sources struct {
		Datasources []struct {
			Type     string            `yaml:"type"`
			URL      string            `yaml:"url"`
			JSONData map[string]string `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	require.NoError(t, yaml.Unmarshal(readFile(t, "config/grafana/datasources/prometheus.yaml"), &sources))
	require.Len(t, sources.Datasources, 1)
	source := sources.Datasources[0]
	assert.Equal(t, "prometheus", source.Type)
	assert.Equal(t, "http://prometheus:9090", source.URL)

	var config struct {
		Global map[string]any `yaml:"global"`
	}
	require.NoError(t, yaml.Unmarshal(readFile(t, "config/prometheus.yaml"), &config))
	assert.Equal(t, "15s", config.Global["scrape_interval"])
	assert.Equal(t, config.Global["scrape_interval"], source.JSONData["timeInterval"])

	var dashboards struct {
		Providers []struct {
			Options map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	require.NoError(t, yaml.Unmarshal(readFile(t, "config/grafana/dashboards/gitsandbox.yaml"), &dashboards))
	require.Len(t, dashboards.Providers, 1)
	assert.Equal(t, "/var/lib/grafana/dashboards", dashboards.Providers[0].Options["path"])
}

// uncommented returns a file with its examples in force: the lines whose mark
// has no single space after it.
func uncommented(t *testing.T, name string) string {
	t.Helper()
	text := string(readFile(t, name))
	out := regexp.MustCompile(`(?m)^( *)#(\S|  )`).ReplaceAllString(text, "$1$2")
	require.NotEqual(t, text, out)
	return out
}

// writeConfig puts a file where the relative paths in it are right.
func writeConfig(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "rules"), os.DirFS("rules")))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "config"), os.DirFS("config")))
	file := filepath.Join(dir, "config", name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestPrometheusTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	check(t, tools, "promtool", "check", "config", "config/prometheus.yaml")
	remote := uncommented(t, "config/prometheus.yaml")
	check(t, tools, "promtool", "check", "config", writeConfig(t, "prometheus.yaml", remote))
	var config struct {
		RemoteWrite []struct {
			Name string `yaml:"name"`
		} `yaml:"remote_write"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(remote), &config))
	require.Len(t, config.RemoteWrite, 2)
	assert.Equal(t, "mimir", config.RemoteWrite[0].Name)
	assert.Equal(t, "thanos", config.RemoteWrite[1].Name)
}

func TestAlertmanagerTakesItsConfigurationAndRoutes(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	check(t, tools, "amtool", "check-config", "config/alertmanager.yaml")
	file := writeConfig(t, "alertmanager.yaml", uncommented(t, "config/alertmanager.yaml"))
	check(t, tools, "amtool", "check-config", file)

	receivers := map[string]string{
		"GitSandboxErrorRateHigh":       "pagerduty,email,slack", // critical, and a criterion
		"GitSandboxLatencyHigh":         "email,slack",
		"GitSandboxRelayRefusing":       "pagerduty,slack",
		"GitSandboxCreationSlow":        "slack",
		"GitSandboxErrorBudgetBurnSlow": "slack",
	}
	for _, a := range alerts(t) {
		want, listed := receivers[a.Alert]
		if !listed {
			continue
		}
		delete(receivers, a.Alert)
		args := []string{"config", "routes", "test", "--config.file=" + file, "--verify.receivers=" + want, "alertname=" + a.Alert}
		for name, value := range a.Labels {
			args = append(args, name+"="+value)
		}
		check(t, tools, "amtool", args...)
	}
	assert.Empty(t, receivers)
}

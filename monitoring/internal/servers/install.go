// Package servers installs Prometheus and Alertmanager from their Go modules,
// and runs them on loopback addresses.
package servers

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// The versions that everything here is tested with.
const (
	prometheusVersion   = "v0.316.0" // of the module; the release is 3.16
	alertmanagerVersion = "v0.31.0"  // later ones cannot be installed by "go install": their zip lacks a generated file
)

// tool is a program and the package that it is built from.
type tool struct {
	name, pkg, version, tags string
}

func tools() []tool {
	const prometheus, alertmanager = "github.com/prometheus/prometheus/cmd/", "github.com/prometheus/alertmanager/cmd/"
	// Nothing here needs service discovery in clouds, which brings hundreds of modules.
	const tags = "remove_all_sd"
	return []tool{
		{"prometheus", prometheus + "prometheus", prometheusVersion, tags},
		{"promtool", prometheus + "promtool", prometheusVersion, tags},
		{"alertmanager", alertmanager + "alertmanager", alertmanagerVersion, ""},
		{"amtool", alertmanager + "amtool", alertmanagerVersion, ""},
	}
}

// Tools are the programs: prometheus, promtool, alertmanager and amtool.
type Tools struct {
	paths map[string]string
}

// ErrNotFound means that a program is not there.
var ErrNotFound = errors.New("not found")

// Find returns the programs that are in dir, or in PATH where dir is empty. It
// returns an [ErrNotFound] that names the program. Whatever version is there
// is taken.
func Find(dir string) (*Tools, error) {
	t := &Tools{paths: map[string]string{}}
	for _, tool := range tools() {
		name := tool.name
		if dir != "" {
			name = filepath.Join(dir, name)
		}
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", tool.name, ErrNotFound, err)
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		t.paths[tool.name] = path
	}
	return t, nil
}

// Install builds the programs that dir lacks, or has in another version, with
// "go install", and returns them. That takes minutes the first time. What it
// does and what the go command prints go to log.
func Install(ctx context.Context, dir string, log io.Writer) (*Tools, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, tool := range tools() {
		if info, err := buildinfo.ReadFile(filepath.Join(dir, tool.name)); err == nil && info.Main.Version == tool.version {
			continue
		}
		fmt.Fprintf(log, "building %s %s\n", tool.name, tool.version)
		cmd := exec.CommandContext(ctx, "go", "install", "-tags", tool.tags, tool.pkg+"@"+tool.version) //nolint:gosec // constants
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOWORK=off")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("go install %s@%s: %w", tool.pkg, tool.version, err)
		}
	}
	return Find(dir)
}

// Command returns a command that runs one of the programs.
func (t *Tools) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, t.paths[name], args...) //nolint:gosec // a path that Find made
}

//go:build !linux

package fake

import (
	"errors"
	"os/exec"
)

// namespace is nil on this system.
type namespace struct{ mounted []string }

func probeNamespace(mode Namespace, _ string) (bool, error) {
	if mode == NamespaceOn {
		return false, errors.ErrUnsupported
	}
	return false, nil
}

func newNamespace(string) (*namespace, error) { return nil, errors.ErrUnsupported }

func (*namespace) start(cmd *exec.Cmd) error { return cmd.Start() }

func (*namespace) close() {}

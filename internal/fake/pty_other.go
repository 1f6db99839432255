//go:build !linux

package fake

import (
	"errors"
	"os"
)

func openPTY(PTYSize) (master, slave *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}

func setPTYSize(*os.File, PTYSize) error { return errors.ErrUnsupported }

// Generate writes the rules and the dashboard that the package monitoring
// builds. It runs in the directory of that package.
package main

import (
	"fmt"
	"os"

	"github.com/gitsandbox/gitsandbox/monitoring"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write() error {
	files, err := monitoring.Files()
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

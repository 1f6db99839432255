package remote

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The files of a repository that its hooks read.
const (
	protectedFile = "gitsandbox-protected"
	refusalFile   = "gitsandbox-refusal"
)

// hooks returns the hooks of a repository. They run in its directory. An update
// hook gets the ref as its first argument; a pattern is one of the shell.
func hooks() map[string]string {
	return map[string]string{
		"pre-receive": `#!/bin/sh
cat >/dev/null
if [ -e ` + refusalFile + ` ]; then
	cat ` + refusalFile + ` >&2
	exit 1
fi
exit 0
`,
		"update": `#!/bin/sh
[ -e ` + protectedFile + ` ] || exit 0
while read -r pattern; do
	case $1 in
	refs/heads/$pattern)
		echo "error: GH006: Protected branch update failed for $1." >&2
		echo "error: Changes must be made through a pull request." >&2
		exit 1
		;;
	esac
done <` + protectedFile + `
exit 0
`,
	}
}

// ProtectBranch makes the server refuse pushes to the branches that match a
// pattern of the shell, such as "main" or "release/*".
func (r *Remote) ProtectBranch(repo, pattern string) error {
	if pattern == "" || strings.ContainsAny(pattern, "\n\r") {
		return fmt.Errorf("pattern %q of a branch", pattern)
	}
	if !r.exists(repo) {
		return fmt.Errorf("repository %q: %w", repo, fs.ErrNotExist)
	}
	name := filepath.Join(r.Dir(repo), protectedFile)
	old, err := os.ReadFile(name) //nolint:gosec // in the directory of a repository of ours
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(name, append(old, pattern+"\n"...), 0o600) //nolint:gosec // as above
}

// RefusePushes makes a hook refuse every push to a repository with a text, and
// take them again with an empty one.
func (r *Remote) RefusePushes(repo, text string) error {
	if !r.exists(repo) {
		return fmt.Errorf("repository %q: %w", repo, fs.ErrNotExist)
	}
	name := filepath.Join(r.Dir(repo), refusalFile)
	if text != "" {
		return os.WriteFile(name, []byte(text+"\n"), 0o600)
	}
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

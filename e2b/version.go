package e2b

import (
	"strconv"
	"strings"
)

// atLeast reports whether an envd of the given version has what came with
// 0.minor.patch. A version that does not parse counts as new, since the
// unknown is rather the next than the past.
func atLeast(version string, minor, patch int) bool {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return true
	}
	for i, want := range []int{0, minor, patch} {
		got, err := strconv.Atoi(parts[i])
		if err != nil {
			return true
		}
		if got != want {
			return got > want
		}
	}
	return true
}

package gitsandbox

// A Hash is the name of a git object: 40 lower-case hexadecimal digits.
type Hash string

// Short returns the first twelve digits.
func (h Hash) Short() string {
	if len(h) > 12 {
		return string(h[:12])
	}
	return string(h)
}

// zeroHash is git's name for "no object", as the old value of a new branch.
const zeroHash Hash = "0000000000000000000000000000000000000000"

func (h Hash) valid() bool {
	if len(h) != 40 {
		return false
	}
	for i := range len(h) {
		if c := h[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func hashStrings(in []Hash) []string {
	out := make([]string, len(in))
	for i, h := range in {
		out[i] = string(h)
	}
	return out
}

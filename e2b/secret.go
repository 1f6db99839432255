package e2b

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret is a string that prints, logs and marshals as "[redacted]". A
// conversion to string reveals it.
type Secret string

const redacted = "[redacted]"

// A hidden secret is one in an unexported field, where package fmt does not
// ask a Secret how to print itself. Of a function it prints the address.
type hidden func() string

func hide(s string) hidden { return func() string { return s } }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", which is also what encoding/json writes.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

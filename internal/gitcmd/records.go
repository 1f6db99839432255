package gitcmd

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ErrOutput means that a step printed what no step prints: the output was cut, or
// the sandbox is not what it was.
var ErrOutput = errors.New("malformed output of a step")

// maxRecords bounds how many fields are read. Each becomes a value that is many
// times larger than the shortest field.
const maxRecords = 500_000

// records are NUL-terminated fields.
type records struct {
	buf  []byte
	read int
}

// next returns the next field.
func (r *records) next() (string, error) {
	if r.read++; r.read > maxRecords {
		return "", fmt.Errorf("%w: more than %d fields", ErrOutput, maxRecords)
	}
	i := bytes.IndexByte(r.buf, 0)
	if i < 0 {
		return "", fmt.Errorf("%w: it ends early", ErrOutput)
	}
	s := string(r.buf[:i])
	r.buf = r.buf[i+1:]
	return s, nil
}

// fields reads as many fields as it is given.
func (r *records) fields(to ...*string) error {
	for _, p := range to {
		s, err := r.next()
		if err != nil {
			return err
		}
		*p = s
	}
	return nil
}

// expect reads a field that can only be want.
func (r *records) expect(want string) error {
	s, err := r.next()
	if err != nil {
		return err
	}
	if s != want {
		return fmt.Errorf("%w: %.40q instead of %q", ErrOutput, s, want)
	}
	return nil
}

// end reads the end record, after which there is nothing.
func (r *records) end() error {
	if err := r.expect("end"); err != nil {
		return err
	}
	if len(r.buf) > 0 {
		return fmt.Errorf("%w: output after the end", ErrOutput)
	}
	return nil
}

// skipTo drops what precedes a field: a failure can come after other output.
func (r *records) skipTo(want string) error {
	mark := append([]byte(want), 0)
	if bytes.HasPrefix(r.buf, mark) {
		r.buf = r.buf[len(mark):]
		return nil
	}
	i := bytes.LastIndex(r.buf, append([]byte{0}, mark...))
	if i < 0 {
		return ErrOutput
	}
	r.buf = r.buf[i+1+len(mark):]
	return nil
}

// readFailure reads a failure's detail and files.
func readFailure(r *records) (detail string, files []string, err error) {
	if err := r.fields(&detail); err != nil {
		return "", nil, err
	}
	for {
		name, err := r.next()
		if err != nil {
			return "", nil, err
		}
		if name == "" {
			break
		}
		files = append(files, name)
	}
	if len(detail) > maxDetail {
		detail = detail[:maxDetail]
	}
	return detail, files, r.end()
}

// isOID reports whether s is the full ID of an object.
func isOID(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func checkOID(s string) error {
	if !isOID(s) {
		return fmt.Errorf("%w: %.60q is no object ID", ErrOutput, s)
	}
	return nil
}

// checkOIDs checks IDs that may be empty.
func checkOIDs(list ...string) error {
	for _, s := range list {
		if s == "" {
			continue
		}
		if err := checkOID(s); err != nil {
			return err
		}
	}
	return nil
}

// number parses a count: digits only, and no more than fit.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: %.40q is no number", ErrOutput, s)
	}
	return int(n), nil
}

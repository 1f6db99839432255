package gitsandbox

import (
	"bytes"
	"io"
	"os"
)

// spoolMemory is how much of a pack is held in memory. Most pushes are smaller.
const spoolMemory = 1 << 20

// spool holds a pack between its check and its publication: in memory as far
// as it is small, else in a temporary file that has no name any more. It is a
// Writer first and a Reader, from the beginning, after rewind.
type spool struct {
	buf  bytes.Buffer
	file *os.File
	size int64
}

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.file == nil && s.buf.Len()+len(p) <= spoolMemory {
		return s.buf.Write(p)
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "gitsandbox-*.pack")
		if err != nil {
			return 0, err
		}
		s.file = f
		// The file lives as long as it is open, so a crash leaves nothing.
		if err := os.Remove(f.Name()); err != nil {
			return 0, err
		}
		if _, err := s.buf.WriteTo(f); err != nil {
			return 0, err
		}
	}
	return s.file.Write(p)
}

// replace makes text all that was written.
func (s *spool) replace(text string) error {
	if err := s.Close(); err != nil {
		return err
	}
	*s = spool{}
	_, err := io.WriteString(s, text)
	return err
}

// rewind returns a reader of all that was written.
func (s *spool) rewind() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.buf.Bytes()), nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

// Close frees what the spool holds.
func (s *spool) Close() error {
	s.buf = bytes.Buffer{}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

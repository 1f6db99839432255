package smarthttp

import (
	"errors"
	"io"
)

// The bands of a multiplexed stream.
const (
	bandData     = 1
	bandProgress = 2
	bandFatal    = 3
)

// A sideband reads band 1 of a multiplexed stream. It ends with io.EOF only
// after the flush that ends the stream and the end of the reply.
type sideband struct {
	pkt  *pktReader
	left int   // of the data of the current pkt-line
	err  error // sticky

	// progress gets the text of band 2. Nil drops it.
	progress func([]byte)
}

func (s *sideband) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for s.err == nil && s.left == 0 {
		s.err = s.advance()
	}
	if s.left == 0 {
		return 0, s.err
	}
	n, err := s.pkt.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	if err != nil {
		s.left, s.err = 0, cut(err)
		return n, s.err
	}
	return n, nil
}

// advance reads up to the data of the next pkt-line of band 1. One without data
// keeps the connection alive.
func (s *sideband) advance() error {
	kind, n, err := s.pkt.header()
	switch {
	case err != nil:
		return cut(err)
	case kind == packetFlush:
		if err := s.pkt.end(); err != nil {
			return err
		}
		return io.EOF
	case kind != packetData || n == 0:
		return violates("pkt-line without a band")
	}
	band, err := s.pkt.r.ReadByte()
	if err != nil {
		return cut(err)
	}
	n--
	switch band {
	case bandData:
		s.left = n
		return nil
	case bandProgress, bandFatal:
		text := make([]byte, min(n, maxMessages))
		if _, err := io.ReadFull(s.pkt.r, text); err != nil {
			return cut(err)
		}
		if _, err := s.pkt.r.Discard(n - len(text)); err != nil {
			return cut(err)
		}
		if band == bandFatal {
			return &fatalError{text: string(text)}
		}
		if s.progress != nil {
			s.progress(text)
		}
		return nil
	}
	if band == 'R' && n >= 2 {
		if rest, _ := s.pkt.r.Peek(2); string(rest) == "R " {
			return violates("error in place of a band: " + excerpt(s.pkt.peek(n)))
		}
	}
	return violates("unknown band")
}

// A fatalError is what a server says on band 3 before it gives up.
type fatalError struct{ text string }

func (e *fatalError) Error() string { return e.text }

// asFatal returns the text of band 3, where that is what err is.
func asFatal(err error) (string, bool) {
	f, ok := errors.AsType[*fatalError](err)
	if !ok {
		return "", false
	}
	return f.text, true
}

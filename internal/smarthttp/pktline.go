package smarthttp

import (
	"bufio"
	"fmt"
	"io"
)

// maxPayload is the most that one pkt-line can hold.
const maxPayload = 65516

// A packet is the kind of a pkt-line.
type packet int

const (
	packetData packet = iota
	packetFlush
	packetDelim
	packetResponseEnd
)

// A pktReader reads pkt-lines.
type pktReader struct {
	r   *bufio.Reader
	buf []byte
}

func newPktReader(r io.Reader) *pktReader {
	return &pktReader{r: bufio.NewReaderSize(r, 32<<10)}
}

// header reads the length of the next pkt-line and returns what kind it is and
// how long its payload. It returns io.EOF only before the first byte.
func (p *pktReader) header() (packet, int, error) {
	var digits [4]byte
	if _, err := io.ReadFull(p.r, digits[:]); err != nil {
		return 0, 0, err
	}
	n := 0
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return 0, 0, violates("not a pkt-line: " + excerpt(append(digits[:], p.peek(64)...)))
		}
	}
	switch {
	case n == 0:
		return packetFlush, 0, nil
	case n == 1:
		return packetDelim, 0, nil
	case n == 2:
		return packetResponseEnd, 0, nil
	case n < 4 || n-4 > maxPayload:
		return 0, 0, violates(fmt.Sprintf("pkt-line of length %d", n))
	}
	return packetData, n - 4, nil
}

// peek returns up to n bytes that are already here or come with one read.
func (p *pktReader) peek(n int) []byte {
	if p.r.Buffered() == 0 {
		_, _ = p.r.Peek(1)
	}
	b, _ := p.r.Peek(min(n, p.r.Buffered()))
	return b
}

// next reads a pkt-line. The payload is valid until the next call. It returns
// io.EOF only between pkt-lines.
func (p *pktReader) next() (packet, []byte, error) {
	kind, n, err := p.header()
	if err != nil || kind != packetData {
		return kind, nil, err
	}
	if cap(p.buf) < n {
		p.buf = make([]byte, max(n, 1024))
	}
	b := p.buf[:n]
	if _, err := io.ReadFull(p.r, b); err != nil {
		return 0, nil, cut(err)
	}
	return packetData, b, nil
}

// end reads the end of the stream, where there must be nothing more.
func (p *pktReader) end() error {
	kind, _, err := p.header()
	if err == nil && kind == packetResponseEnd {
		_, _, err = p.header()
	}
	switch err {
	case nil:
		return violates("data after the end")
	case io.EOF: //nolint:errorlint // header returns it bare
		return nil
	}
	return err
}

// cut makes an end inside of something an unexpected one.
func cut(err error) error {
	if err == io.EOF { //nolint:errorlint // only the bare one means an end
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendPkt appends a pkt-line to b.
func appendPkt(b []byte, payload string) []byte {
	return fmt.Appendf(b, "%04x%s", len(payload)+4, payload)
}

const (
	flushPkt = "0000"
	delimPkt = "0001"
)

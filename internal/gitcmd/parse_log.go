package gitcmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

const (
	// commitFields is how many fields a commit has.
	commitFields = 10

	// maxField is the longest field of a commit that is read, a message of
	// two mebibytes.
	maxField = 2 << 20
)

// ReadLog yields the commits of the output of [Repo.Log] as they come. After it
// has yielded an error it ends. A loop that ends early leaves the rest of r
// unread.
func ReadLog(r io.Reader) iter.Seq2[*Commit, error] {
	return func(yield func(*Commit, error) bool) {
		br := bufio.NewReader(r)
		if s, err := readField(br, 64); err != nil {
			yield(nil, err)
			return
		} else if s != "log" {
			yield(nil, fmt.Errorf("%w: %.40q instead of a log", ErrOutput, s))
			return
		}
		for {
			c, err := readCommit(br)
			if err != nil {
				yield(nil, err)
				return
			}
			if c == nil || !yield(c, nil) {
				return
			}
		}
	}
}

// readCommit reads a commit, nil at the end.
func readCommit(br *bufio.Reader) (*Commit, error) {
	var fields [commitFields]string
	for i := range fields {
		s, err := readField(br, maxField)
		if err != nil {
			return nil, err
		}
		if i == 0 && s == "end" {
			if _, err := br.ReadByte(); !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("%w: output after the end", ErrOutput)
			}
			return nil, nil
		}
		fields[i] = s
	}
	return parseCommit(&fields)
}

// readField reads up to a NUL, and no more than most bytes.
func readField(br *bufio.Reader, most int) (string, error) {
	var b []byte
	for {
		chunk, err := br.ReadSlice(0)
		if len(b)+len(chunk) > most {
			return "", fmt.Errorf("%w: a field of more than %d bytes", ErrOutput, most)
		}
		b = append(b, chunk...)
		switch {
		case err == nil:
			return string(b[:len(b)-1]), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return "", fmt.Errorf("%w: it ends early", ErrOutput)
		default:
			return "", err
		}
	}
}

func parseCommit(f *[commitFields]string) (*Commit, error) {
	c := &Commit{Hash: f[0], Tree: f[1], Message: strings.TrimRight(f[9], "\n")}
	if err := checkOID(c.Hash); err != nil {
		return nil, err
	}
	if err := checkOID(c.Tree); err != nil {
		return nil, err
	}
	if f[2] != "" {
		c.Parents = strings.Split(f[2], " ")
	}
	for _, p := range c.Parents {
		if err := checkOID(p); err != nil {
			return nil, err
		}
	}
	author, err := parseTime(f[5])
	if err != nil {
		return nil, err
	}
	committer, err := parseTime(f[8])
	if err != nil {
		return nil, err
	}
	c.Author = Signature{Name: f[3], Email: f[4], Time: author}
	c.Committer = Signature{Name: f[6], Email: f[7], Time: committer}
	return c, nil
}

// parseTime parses "SECONDS +HHMM". A commit whose date git cannot read has none.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	bad := fmt.Errorf("%w: date %.60q", ErrOutput, s)
	seconds, zone, _ := strings.Cut(s, " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(zone) != 5 || (zone[0] != '+' && zone[0] != '-') {
		return time.Time{}, bad
	}
	z, err := number(zone[1:])
	if err != nil {
		return time.Time{}, bad
	}
	offset := (z/100*60 + z%100) * 60
	if zone[0] == '-' {
		offset = -offset
	}
	return time.Unix(n, 0).In(time.FixedZone("", offset)), nil
}

package gitcmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxProofs    = 4096
	maxProofSize = 4 << 20
	maxProofSum  = 32 << 20

	// maxHeader is the longest field before a pack.
	maxHeader = 4096
)

// ReadPack reads what a step prints before its pack, and leaves r at the first
// byte of the pack. Where there is none, it has read to the end.
func ReadPack(r *bufio.Reader) (*Packed, error) {
	p := &Packed{}
	var committed, count string
	if err := readFields(r, "packed", &p.Branch, &p.Head, &committed, &p.Tree, &p.Parent); err != nil {
		return nil, err
	}
	p.Committed = committed == "1"
	if err := checkOIDs(p.Head, p.Tree, p.Parent); err != nil {
		return nil, err
	}
	if p.Committed && (p.Head == "" || p.Tree == "") {
		return nil, fmt.Errorf("%w: a commit without a tree", ErrOutput)
	}
	if err := readFields(r, "proofs", &count); err != nil {
		return nil, err
	}
	n, err := number(count)
	if err != nil {
		return nil, err
	}
	if n > maxProofs {
		return nil, fmt.Errorf("%w: %d proofs", ErrOutput, n)
	}
	sum := 0
	for range n {
		o, err := readObject(r)
		if err != nil {
			return nil, err
		}
		if sum += len(o.Data); sum > maxProofSum {
			return nil, fmt.Errorf("%w: proofs of more than %d bytes", ErrOutput, maxProofSum)
		}
		p.Proofs = append(p.Proofs, *o)
	}
	what, err := readField(r, maxHeader)
	if err != nil {
		return nil, err
	}
	switch what {
	case "pack":
		if p.Head == "" {
			return nil, fmt.Errorf("%w: a pack without a head", ErrOutput)
		}
		p.HasPack = true
		return p, nil
	case "none":
		return p, readEnd(r)
	default:
		return nil, fmt.Errorf("%w: %.40q instead of a pack", ErrOutput, what)
	}
}

// ReadIntegrated reads the output of [Repo.Integrate] and [Repo.Continue]. Where
// their arguments had a Then, [ReadPack] reads what follows.
func ReadIntegrated(r *bufio.Reader) (*Integrated, error) {
	var i Integrated
	var how, replayed, end string
	if err := readFields(r, "integrated", &how, &i.Before, &i.After, &replayed, &end); err != nil {
		return nil, err
	}
	i.How = How(how)
	switch i.How {
	case UpToDate, FastForward, Rebased, Merged:
	default:
		return nil, fmt.Errorf("%w: outcome %.40q", ErrOutput, how)
	}
	if err := checkOIDs(i.Before); err != nil {
		return nil, err
	}
	if err := checkOID(i.After); err != nil {
		return nil, err
	}
	if end != "end" {
		return nil, fmt.Errorf("%w: %.40q instead of the end", ErrOutput, end)
	}
	var err error
	i.Replayed, err = number(replayed)
	return &i, err
}

// readFields reads the name of a record and its fields.
func readFields(r *bufio.Reader, name string, to ...*string) error {
	s, err := readField(r, maxHeader)
	if err != nil {
		return err
	}
	if s != name {
		return fmt.Errorf("%w: %.40q instead of %q", ErrOutput, s, name)
	}
	for _, p := range to {
		if *p, err = readField(r, maxHeader); err != nil {
			return err
		}
	}
	return nil
}

func readEnd(r *bufio.Reader) error {
	s, err := readField(r, maxHeader)
	if err != nil {
		return err
	}
	if s != "end" {
		return fmt.Errorf("%w: %.40q instead of the end", ErrOutput, s)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: output after the end", ErrOutput)
	}
	return nil
}

// readObject reads what git cat-file --batch prints of an object.
func readObject(r *bufio.Reader) (*Object, error) {
	head, err := r.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: no object", ErrOutput)
	}
	bad := fmt.Errorf("%w: object %.120q", ErrOutput, head)
	fields := strings.Split(strings.TrimSuffix(string(head), "\n"), " ")
	if len(fields) != 3 || !isOID(fields[0]) {
		return nil, bad
	}
	switch fields[1] {
	case "commit", "tree", "blob", "tag":
	default:
		return nil, bad
	}
	size, err := number(fields[2])
	if err != nil || size > maxProofSize {
		return nil, bad
	}
	data := make([]byte, size+1)
	if _, err := io.ReadFull(r, data); err != nil || data[size] != '\n' {
		return nil, bad
	}
	return &Object{OID: fields[0], Type: fields[1], Data: data[:size]}, nil
}

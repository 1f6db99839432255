package gitcmd

import (
	"fmt"
	"strings"
)

// ParseClone parses the output of [Repo.Clone].
func ParseClone(out []byte) (*Clone, error) {
	r := &records{buf: out}
	var c Clone
	if err := r.expect("clone"); err != nil {
		return nil, err
	}
	if err := r.fields(&c.Branch, &c.Head, &c.GitVersion); err != nil {
		return nil, err
	}
	if err := checkOIDs(c.Head); err != nil {
		return nil, err
	}
	return &c, r.end()
}

// ParseCommitted parses the output of [Repo.Commit].
func ParseCommitted(out []byte) (*Committed, error) {
	r := &records{buf: out}
	var c Committed
	if err := r.expect("committed"); err != nil {
		return nil, err
	}
	if err := r.fields(&c.Branch, &c.Commit, &c.Tree, &c.Parent); err != nil {
		return nil, err
	}
	if err := checkOID(c.Commit); err != nil {
		return nil, err
	}
	if err := checkOID(c.Tree); err != nil {
		return nil, err
	}
	if err := checkOIDs(c.Parent); err != nil {
		return nil, err
	}
	return &c, r.end()
}

// ParsePosition parses the output of the steps that move HEAD.
func ParsePosition(out []byte) (*Position, error) {
	r := &records{buf: out}
	var p Position
	if err := r.expect("position"); err != nil {
		return nil, err
	}
	if err := r.fields(&p.Branch, &p.Head, &p.Before); err != nil {
		return nil, err
	}
	if err := checkOIDs(p.Head, p.Before); err != nil {
		return nil, err
	}
	return &p, r.end()
}

// ParseFetched parses the output of [Repo.Fetch].
func ParseFetched(out []byte) (*Fetched, error) {
	r := &records{buf: out}
	if err := r.expect("fetched"); err != nil {
		return nil, err
	}
	s, err := r.next()
	if err != nil {
		return nil, err
	}
	return &Fetched{Shallow: s != ""}, r.end()
}

// ParseDone parses the output of the steps that report nothing.
func ParseDone(out []byte) error {
	r := &records{buf: out}
	if err := r.expect("done"); err != nil {
		return err
	}
	return r.end()
}

// ParseBranches parses the output of [Repo.Branches].
func ParseBranches(out []byte) ([]Branch, error) {
	r := &records{buf: out}
	var current, upstream string
	if err := r.expect("branches"); err != nil {
		return nil, err
	}
	if err := r.fields(&current, &upstream); err != nil {
		return nil, err
	}
	var list []Branch
	for {
		oid, err := r.next()
		if err != nil {
			return nil, err
		}
		if oid == "" {
			break
		}
		var name, subject string
		if err := r.fields(&name, &subject); err != nil {
			return nil, err
		}
		if err := checkOID(oid); err != nil {
			return nil, err
		}
		short, ok := strings.CutPrefix(name, "refs/heads/")
		if !ok || short == "" {
			return nil, fmt.Errorf("%w: %.60q is no branch", ErrOutput, name)
		}
		list = append(list, Branch{Name: short, OID: oid, Subject: subject, Current: short == current})
	}
	counts := map[string][2]int{}
	for {
		oid, err := r.next()
		if err != nil {
			return nil, err
		}
		if oid == "" {
			break
		}
		s, err := r.next()
		if err != nil {
			return nil, err
		}
		left, right, _ := strings.Cut(s, "\t")
		ahead, err := number(left)
		if err != nil {
			return nil, err
		}
		behind, err := number(right)
		if err != nil {
			return nil, err
		}
		counts[oid] = [2]int{ahead, behind}
	}
	for i := range list {
		n, ok := counts[list[i].OID]
		list[i].HasUpstream = ok
		list[i].Ahead, list[i].Behind = n[0], n[1]
	}
	return list, r.end()
}

// ParseListing parses the output of [Repo.List].
func ParseListing(out []byte) (*Listing, error) {
	r := &records{buf: out}
	if err := r.expect("list"); err != nil {
		return nil, err
	}
	body, code, err := trailer(r.buf)
	if err != nil {
		return nil, err
	}
	l := &Listing{}
	r.buf = body
	for len(r.buf) > 0 {
		name, err := r.next()
		if err != nil {
			break
		}
		if name == "" {
			return nil, fmt.Errorf("%w: an empty name", ErrOutput)
		}
		l.Paths = append(l.Paths, name)
	}
	l.Truncated = len(r.buf) > 0 || code != "0"
	return l, nil
}

// ParseMatches parses the output of [Repo.Search].
func ParseMatches(out []byte) (*Matches, error) {
	r := &records{buf: out}
	if err := r.expect("search"); err != nil {
		return nil, err
	}
	body, code, err := trailer(r.buf)
	if err != nil {
		return nil, err
	}
	m := &Matches{Truncated: code == "141"}
	for len(body) > 0 {
		// name NUL line NUL text LF
		name, rest, ok1 := strings.Cut(string(body[:min(len(body), 8192)]), "\x00")
		line, _, ok2 := strings.Cut(rest, "\x00")
		if !ok1 || !ok2 {
			m.Truncated = true
			break
		}
		n, err := number(line)
		if err != nil {
			return nil, err
		}
		body = body[len(name)+1+len(line)+1:]
		text, after, ok := cutLine(body)
		if !ok {
			m.Truncated = true
			break
		}
		body = after
		m.Matches = append(m.Matches, Match{Path: name, Line: n, Text: text})
	}
	return m, nil
}

// ParseFile parses the output of [Repo.ShowFile].
func ParseFile(out []byte) (*File, error) {
	r := &records{buf: out}
	var f File
	var size string
	if err := r.expect("file"); err != nil {
		return nil, err
	}
	if err := r.fields(&f.Mode, &f.OID, &size); err != nil {
		return nil, err
	}
	if err := checkOID(f.OID); err != nil {
		return nil, err
	}
	if _, err := fmt.Sscanf(size, "%d", &f.Size); err != nil || f.Size < 0 {
		return nil, fmt.Errorf("%w: %.40q is no size", ErrOutput, size)
	}
	data, ok := strings.CutSuffix(string(r.buf), "\x00end\x00")
	if !ok {
		return nil, fmt.Errorf("%w: it ends early", ErrOutput)
	}
	f.Data = r.buf[:len(data)]
	f.Truncated = int64(len(data)) < f.Size
	return &f, nil
}

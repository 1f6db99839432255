package gitcmd

import (
	"fmt"
	"strings"
)

// ParseStatus parses the output of [Repo.Status]: a header of our own, and what
// git status --porcelain=v2 -z --branch prints.
func ParseStatus(out []byte) (*Status, error) {
	r := &records{buf: out}
	var s Status
	if err := r.expect("status"); err != nil {
		return nil, err
	}
	if err := r.fields(&s.Branch, &s.Head, &s.Upstream, &s.Operation, &s.MergeHead); err != nil {
		return nil, err
	}
	if err := checkOIDs(s.Head, s.MergeHead); err != nil {
		return nil, err
	}
	upstream := s.Upstream
	s.Upstream = "" // until there are counts: the clone may lack its object
	for {
		line, err := r.next()
		if err != nil {
			return nil, err
		}
		if line == "end" {
			break
		}
		kind, rest, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("%w: status line %.60q", ErrOutput, line)
		}
		if kind == "#" {
			counted, err := s.header(rest)
			if err != nil {
				return nil, err
			}
			if counted {
				s.Upstream = upstream
			}
			continue
		}
		f, err := parseFileStatus(kind, rest, r)
		if err != nil {
			return nil, err
		}
		s.Files = append(s.Files, *f)
	}
	if len(r.buf) > 0 {
		return nil, fmt.Errorf("%w: output after the end", ErrOutput)
	}
	return &s, nil
}

// header takes the counts, and tells whether these were they; the names are those
// of the quarantine.
func (s *Status) header(line string) (counted bool, err error) {
	counts, ok := strings.CutPrefix(line, "branch.ab ")
	if !ok {
		return false, nil
	}
	ahead, behind, _ := strings.Cut(counts, " ")
	if !strings.HasPrefix(ahead, "+") || !strings.HasPrefix(behind, "-") {
		return false, fmt.Errorf("%w: status header %.60q", ErrOutput, line)
	}
	if s.Ahead, err = number(ahead[1:]); err != nil {
		return false, err
	}
	s.Behind, err = number(behind[1:])
	return true, err
}

// parseFileStatus parses one entry. How many fields precede the path depends on
// its kind.
func parseFileStatus(kind, rest string, r *records) (*FileStatus, error) {
	bad := fmt.Errorf("%w: status entry %.60q", ErrOutput, kind+" "+rest)
	if kind == "?" || kind == "!" {
		if rest == "" {
			return nil, bad
		}
		return &FileStatus{Path: rest, Index: kind[0], Worktree: kind[0]}, nil
	}
	before, ok := map[string]int{"1": 7, "2": 8, "u": 9}[kind]
	if !ok {
		return nil, bad
	}
	fields := strings.SplitN(rest, " ", before+1)
	if len(fields) != before+1 || len(fields[0]) != 2 || len(fields[1]) != 4 || fields[before] == "" {
		return nil, bad
	}
	xy := fields[0]
	f := &FileStatus{
		Path:      fields[before],
		Index:     xy[0],
		Worktree:  xy[1],
		Submodule: fields[1][0] == 'S',
	}
	switch kind {
	case "1", "2":
		if strings.IndexByte(".MTADRC", xy[0]) < 0 || strings.IndexByte(".MTADRC", xy[1]) < 0 {
			return nil, bad
		}
	case "u":
		f.Unmerged = true
		switch xy {
		case "DD", "AU", "UD", "UA", "DU", "AA", "UU":
		default:
			return nil, bad
		}
	}
	if kind == "2" {
		from, err := r.next()
		if err != nil {
			return nil, err
		}
		if from == "" {
			return nil, bad
		}
		f.From = from
	}
	return f, nil
}

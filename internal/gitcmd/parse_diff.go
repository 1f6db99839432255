package gitcmd

import (
	"bytes"
	"fmt"
	"strings"
)

// maxSummary is how much of the output is for the list of files, beside the
// patch: some ten thousand files.
const maxSummary = 2 << 20

// ParseDiff parses the output of [Repo.Diff]: git diff --raw --numstat -z
// --patch.
func ParseDiff(out []byte) (*Diff, error) {
	r := &records{buf: out}
	limit, most, err := diffHeader(r)
	if err != nil {
		return nil, err
	}
	return parseDiff(r, limit, most)
}

// ParseShown parses the output of [Repo.ShowCommit].
func ParseShown(out []byte) (*Shown, error) {
	r := &records{buf: out}
	limit, most, err := diffHeader(r)
	if err != nil {
		return nil, err
	}
	if err := r.expect("commit"); err != nil {
		return nil, err
	}
	var fields [commitFields]string
	for i := range fields {
		if fields[i], err = r.next(); err != nil {
			return nil, err
		}
	}
	c, err := parseCommit(&fields)
	if err != nil {
		return nil, err
	}
	d, err := parseDiff(r, limit, most)
	if err != nil {
		return nil, err
	}
	return &Shown{Commit: c, Diff: d}, nil
}

func diffHeader(r *records) (limit, most int, err error) {
	if err := r.expect("diff"); err != nil {
		return 0, 0, err
	}
	var a, b string
	if err := r.fields(&a, &b); err != nil {
		return 0, 0, err
	}
	if limit, err = number(a); err != nil {
		return 0, 0, err
	}
	most, err = number(b)
	return limit, most, err
}

// trailer takes the end off output that may hold anything, and the field before
// it.
func trailer(b []byte) (body []byte, field string, err error) {
	b, ok := bytes.CutSuffix(b, []byte("\x00end\x00"))
	i := bytes.LastIndexByte(b, 0)
	if !ok || i < 0 {
		return nil, "", fmt.Errorf("%w: it ends early", ErrOutput)
	}
	return b[:i], string(b[i+1:]), nil
}

func parseDiff(r *records, limit, most int) (*Diff, error) {
	body, ok := bytes.CutSuffix(r.buf, []byte("\x00end\x00"))
	if !ok {
		return nil, fmt.Errorf("%w: it ends early", ErrOutput)
	}
	cut := len(body) >= limit
	r.buf = body
	d := &Diff{}
	// The summary is the raw entries, then the counts in the same order, then
	// an empty field, or nothing at all.
	for len(r.buf) > 0 && r.buf[0] == ':' {
		f, err := parseRaw(r)
		if err != nil {
			if cut {
				d.FilesTruncated = true
				break
			}
			return nil, err
		}
		d.Files = append(d.Files, *f)
	}
	for i := 0; i < len(d.Files) && !d.FilesTruncated; i++ {
		if d.Files[i].Status == 'U' {
			continue // an unmerged file has no counts
		}
		if err := parseCounts(r, &d.Files[i]); err != nil {
			if cut {
				d.FilesTruncated = true
				break
			}
			return nil, err
		}
	}
	if d.FilesTruncated {
		d.Truncated = true
		return d, nil
	}
	if len(r.buf) == 0 {
		return d, nil
	}
	if r.buf[0] != 0 {
		return nil, fmt.Errorf("%w: no patch after the summary", ErrOutput)
	}
	patch := r.buf[1:]
	if cut || len(patch) > most {
		d.Truncated = true
		patch = cutPatch(patch, most)
	}
	d.Patch = patch
	return d, nil
}

// parseRaw parses ":mode mode oid oid status" and one name, or two.
func parseRaw(r *records) (*FileDiff, error) {
	head, err := r.next()
	if err != nil {
		return nil, err
	}
	bad := fmt.Errorf("%w: diff entry %.120q", ErrOutput, head)
	fields := strings.Split(strings.TrimPrefix(head, ":"), " ")
	if len(fields) != 5 || !isMode(fields[0]) || !isMode(fields[1]) || fields[4] == "" {
		return nil, bad
	}
	if checkOID(fields[2]) != nil || checkOID(fields[3]) != nil {
		return nil, bad
	}
	f := &FileDiff{
		OldMode: fields[0], NewMode: fields[1],
		OldOID: fields[2], NewOID: fields[3],
		Status: fields[4][0],
	}
	if strings.IndexByte("ACDMRTU", f.Status) < 0 {
		return nil, bad
	}
	if f.Status == 'R' || f.Status == 'C' {
		if f.From, err = r.next(); err != nil {
			return nil, err
		}
		if f.From == "" {
			return nil, bad
		}
	}
	if f.Path, err = r.next(); err != nil {
		return nil, err
	}
	if f.Path == "" {
		return nil, bad
	}
	return f, nil
}

func isMode(s string) bool {
	return len(s) == 6 && strings.Trim(s, "01234567") == ""
}

// parseCounts parses "added TAB deleted TAB name", or the names of a rename as
// further fields.
func parseCounts(r *records, f *FileDiff) error {
	line, err := r.next()
	if err != nil {
		return err
	}
	bad := fmt.Errorf("%w: diff counts %.120q of %.120q", ErrOutput, line, f.Path)
	fields := strings.SplitN(line, "\t", 3)
	if len(fields) != 3 {
		return bad
	}
	from, path := "", fields[2]
	if path == "" {
		if err := r.fields(&from, &path); err != nil {
			return err
		}
	}
	if path != f.Path || from != f.From {
		return bad
	}
	if fields[0] == "-" && fields[1] == "-" {
		f.Binary = true
		return nil
	}
	if f.Additions, err = number(fields[0]); err != nil {
		return err
	}
	f.Deletions, err = number(fields[1])
	return err
}

// cutLine splits off a line without its end.
func cutLine(b []byte) (line string, rest []byte, ok bool) {
	before, rest, ok := bytes.Cut(b, []byte("\n"))
	return string(before), rest, ok
}

// cutPatch returns the longest part of a patch that is at most most bytes long
// and ends with a hunk, or with a file that has none. The lines of a hunk are
// counted, since they can look like anything.
func cutPatch(patch []byte, most int) []byte {
	end, pos := 0, 0
	bare := false // the current file has had no hunk so far
	for pos <= most && pos < len(patch) {
		n := bytes.IndexByte(patch[pos:], '\n')
		if n < 0 {
			break
		}
		line := patch[pos : pos+n]
		switch {
		case bytes.HasPrefix(line, []byte("diff --git ")), bytes.HasPrefix(line, []byte("* Unmerged path")):
			if bare && pos <= most {
				end = pos
			}
			bare = true
			pos += n + 1
		case bytes.HasPrefix(line, []byte("@@ ")):
			bare = false
			next, ok := skipHunk(patch, pos)
			if !ok || next > most {
				return patch[:end]
			}
			end, pos = next, next
		default:
			pos += n + 1
		}
	}
	return patch[:end]
}

// skipHunk returns where the hunk at pos ends.
func skipHunk(patch []byte, pos int) (int, bool) {
	old, now, ok := hunkCounts(patch[pos:])
	if !ok {
		return 0, false
	}
	pos += bytes.IndexByte(patch[pos:], '\n') + 1
	for old > 0 || now > 0 || bytes.HasPrefix(patch[pos:], []byte(`\ `)) {
		n := bytes.IndexByte(patch[pos:], '\n')
		if n < 0 {
			return 0, false
		}
		switch {
		case n == 0 || patch[pos] == ' ':
			old--
			now--
		case patch[pos] == '-':
			old--
		case patch[pos] == '+':
			now--
		case patch[pos] == '\\':
		default:
			return 0, false
		}
		pos += n + 1
	}
	return pos, old == 0 && now == 0
}

// hunkCounts reads "@@ -1,2 +3,4 @@".
func hunkCounts(b []byte) (old, now int, ok bool) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := strings.SplitN(string(line[:min(len(line), 100)]), " ", 4)
	if len(fields) < 4 || !strings.HasPrefix(fields[1], "-") || !strings.HasPrefix(fields[2], "+") {
		return 0, 0, false
	}
	old, ok1 := hunkCount(fields[1])
	now, ok2 := hunkCount(fields[2])
	return old, now, ok1 && ok2
}

func hunkCount(s string) (int, bool) {
	_, count, ok := strings.Cut(s, ",")
	if !ok {
		return 1, true
	}
	n, err := number(count)
	return n, err == nil
}

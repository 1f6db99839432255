package gitsandbox

import (
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
)

const (
	// defaultMaxSearch bounds what [Sandbox.Search] returns: some ten thousand
	// lines.
	defaultMaxSearch = 1 << 20

	// maxFileList bounds the names that [Sandbox.ListFiles] returns, together.
	maxFileList = 4 << 20

	maxPattern = 4 << 10
)

// A FileList are files of a clone.
type FileList struct {
	// Paths are relative to the clone, sorted, as bytes. A directory that is a
	// repository of its own ends in a slash.
	Paths []string

	// Truncated says that there are more.
	Truncated bool
}

// ListFiles returns the names of the files in the clone, those that git ignores
// left out. Paths limits them to these files and directories; none means all. At
// most 4 MiB of names are returned.
func (s *Sandbox) ListFiles(ctx context.Context, paths ...string) (*FileList, error) {
	clean, err := checkPaths("paths", paths)
	if err != nil {
		return nil, s.refuse("list_files", err)
	}
	return use(ctx, s, "list_files", false, func(ctx context.Context, _ *operation) (*FileList, error) {
		rec := s.live.snapshot()
		out, err := s.step(ctx, "list_files", rec.repo("").List(&gitcmd.ListArgs{Paths: clean, MaxBytes: maxFileList}))
		if err != nil {
			return nil, err
		}
		list, err := gitcmd.ParseListing(out)
		if list, err = parsed("list_files", list, err); err != nil {
			return nil, err
		}
		return &FileList{Paths: sortedStrings(list.Paths), Truncated: list.Truncated}, nil
	})
}

// SearchOptions are the options of [Sandbox.Search].
type SearchOptions struct {
	// Regexp takes the pattern for a POSIX extended regular expression.
	// Default: it is a plain string.
	Regexp bool

	// IgnoreCase ignores the case of letters.
	IgnoreCase bool

	// Paths limits the search to these files and directories.
	Paths []string

	// MaxBytes bounds what is returned, lines with their names. Default 1 MiB,
	// at most 32 MiB.
	MaxBytes int
}

// A Match is a line that a search found.
type Match struct {
	Path string
	Line int    // counted from 1
	Text string // without the end of the line, as bytes
}

// A SearchResult is what [Sandbox.Search] found.
type SearchResult struct {
	Matches   []Match
	Truncated bool // there are more
}

// Search looks for a pattern in the text files of the clone, line by line, those
// that git ignores left out. Finding nothing is no error. A regular expression
// that cannot be read is a [*CommandError].
func (s *Sandbox) Search(ctx context.Context, pattern string, opts *SearchOptions) (*SearchResult, error) {
	var o SearchOptions
	if opts != nil {
		o = *opts
	}
	paths, err := checkPaths("Paths", o.Paths)
	switch {
	case err != nil:
	case pattern == "" || len(pattern) > maxPattern || strings.ContainsAny(pattern, "\x00\n") || !utf8.ValidString(pattern):
		err = invalid("pattern: empty, more than %d bytes, not UTF-8, or with a line feed or a NUL", maxPattern)
	case o.MaxBytes < 0 || o.MaxBytes > maxDiff:
		err = invalid("MaxBytes: %d is not between 0 and %d", o.MaxBytes, maxDiff)
	}
	if err != nil {
		return nil, s.refuse("search", err)
	}
	return use(ctx, s, "search", false, func(ctx context.Context, _ *operation) (*SearchResult, error) {
		rec := s.live.snapshot()
		most := cmp.Or(o.MaxBytes, defaultMaxSearch)
		out, err := s.stepUpTo(ctx, "search", rec.repo("").Search(&gitcmd.SearchArgs{
			Pattern: pattern, Regexp: o.Regexp, IgnoreCase: o.IgnoreCase, Paths: paths, MaxBytes: most,
		}), most+maxStepHeader)
		if err != nil {
			return nil, err
		}
		found, err := gitcmd.ParseMatches(out)
		if found, err = parsed("search", found, err); err != nil {
			return nil, err
		}
		result := &SearchResult{Truncated: found.Truncated, Matches: make([]Match, len(found.Matches))}
		for i, m := range found.Matches {
			result.Matches[i] = Match(m)
		}
		return result, nil
	})
}

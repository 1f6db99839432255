package gitsandbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
)

func TestListFilesLeavesIgnoredOnesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, ".gitignore", "*.log\n")
	w.write(s, "src/b.go", "package b\n")
	w.write(s, "src/a.go", "package a\n")
	w.write(s, "x.log", "x\n")
	list, err := s.ListFiles(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &gitsandbox.FileList{Paths: []string{".gitignore", "README.md", "src/a.go", "src/b.go"}}, list)
	list, err = s.ListFiles(t.Context(), "src")
	require.NoError(t, err)
	assert.Equal(t, []string{"src/a.go", "src/b.go"}, list.Paths)
	_, err = s.ListFiles(t.Context(), "../x")
	require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument)
}

func TestSearchFindsLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.clone("a", "t")
	w.write(s, "a.go", "one\nTwo (2)\n-three\n")
	w.write(s, "b/c.go", "two (2)\n")
	search := func(pattern string, o gitsandbox.SearchOptions) []gitsandbox.Match {
		t.Helper()
		res, err := s.Search(t.Context(), pattern, &o)
		require.NoError(t, err)
		assert.False(t, res.Truncated)
		return res.Matches
	}
	assert.Equal(t, []gitsandbox.Match{{"b/c.go", 1, "two (2)"}}, search("two (2)", gitsandbox.SearchOptions{}))
	assert.Equal(t, []gitsandbox.Match{{"a.go", 2, "Two (2)"}, {"b/c.go", 1, "two (2)"}}, search("two (2)", gitsandbox.SearchOptions{IgnoreCase: true}))
	assert.Equal(t, []gitsandbox.Match{{"a.go", 1, "one"}, {"a.go", 3, "-three"}}, search("^one$|^-", gitsandbox.SearchOptions{Regexp: true}))
	assert.Equal(t, []gitsandbox.Match{{"a.go", 3, "-three"}}, search("-three", gitsandbox.SearchOptions{Paths: []string{"a.go"}}))
	assert.Empty(t, search("nowhere", gitsandbox.SearchOptions{}))

	w.write(s, "long.txt", strings.Repeat("match\n", 1000))
	res, err := s.Search(t.Context(), "match", &gitsandbox.SearchOptions{MaxBytes: 200})
	require.NoError(t, err)
	assert.True(t, res.Truncated)
	assert.NotEmpty(t, res.Matches)
	assert.Less(t, len(res.Matches), 20)

	for _, pattern := range []string{"", "a\nb", "a\x00", strings.Repeat("x", 5000)} {
		_, err := s.Search(t.Context(), pattern, nil)
		require.ErrorIs(t, err, gitsandbox.ErrInvalidArgument, "%.20q", pattern)
	}
	_, err = s.Search(t.Context(), "(", &gitsandbox.SearchOptions{Regexp: true})
	var failed *gitsandbox.CommandError
	require.ErrorAs(t, err, &failed)
}

package fake

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) b) S 1 12 12 0 -1"))
	f.Add([]byte("12 (x) Z 7 8 9 34816"))
	f.Add([]byte(")"))
	f.Fuzz(func(_ *testing.T, b []byte) { parseStat(b) })
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	st, ok := parseStat([]byte("12 (a) R 9) S 1 12 13 0 -1 4194560"))
	assert.True(t, ok)
	assert.Equal(t, stat{ppid: 1, pgrp: 12, sid: 13}, st)
	st, ok = parseStat([]byte("12 (x) Z 7 8 9 34816 0"))
	assert.True(t, ok)
	assert.Equal(t, stat{ppid: 7, pgrp: 8, sid: 9, tty: true, zombie: true}, st)
	_, ok = parseStat([]byte("12 (x"))
	assert.False(t, ok)
}

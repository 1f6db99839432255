package gitsandbox

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

var (
	hashA = Hash(strings.Repeat("a", 40))
	hashB = Hash(strings.Repeat("b", 40))
)

func testRecord() *record {
	r := &record{
		Version: recordVersion, URL: "https://example.com/o/r", Route: RouteRelay, Base: "main", Branch: "agent-a-t",
		AgentID: "a", TaskID: "t", Sparse: []string{"src", "docs"}, Identity: Signature{"Ada", "ada@example.com"},
		Remote:     map[string]Hash{"main": hashA, "agent-a-t": hashB},
		Sandbox:    attachment{SandboxID: "i1", AccessToken: "tok", EndAt: time.Unix(1000, 0).UTC()},
		Integrated: hashA,
		Protected:  map[Hash]*smarthttp.Protected{},
	}
	r.know(hashA, hashB)
	return r
}

func TestRecordSurvivesTheCache(t *testing.T) {
	t.Parallel()
	r := testRecord()
	r.Conflict = &keptConflict{Ours: hashA, Theirs: hashB, Branch: "main"}
	data, err := json.Marshal(r)
	require.NoError(t, err)
	got, err := parseRecord(data, "i1")
	require.NoError(t, err)
	assert.Equal(t, r, got)
	_, err = parseRecord(data, "i2")
	require.Error(t, err, "the record of another sandbox")
}

func TestRecordSurvivesTheMetadata(t *testing.T) {
	t.Parallel()
	r := testRecord()
	got, err := recordFromMetadata(&e2b.SandboxInfo{SandboxID: "i1", Metadata: r.metadata()})
	require.NoError(t, err)
	assert.Equal(t, r.URL, got.URL)
	assert.Equal(t, r.Remote, got.Remote)
	assert.ElementsMatch(t, r.Known, got.Known)
	assert.Equal(t, r.Sparse, got.Sparse)
	assert.Equal(t, r.Identity, got.Identity)
	assert.Equal(t, hashA, got.Integrated)
	for key, bad := range map[string]string{
		metaURL: "ext::sh", metaRoute: "exposed", metaBase: "--x", metaBranch: "refs/heads/x", metaSparse: "../x",
	} {
		m := r.metadata()
		m[key] = bad
		_, err := recordFromMetadata(&e2b.SandboxInfo{SandboxID: "i1", Metadata: m})
		require.Error(t, err, key)
	}
}

func TestRecordForgetsTheOldestCommits(t *testing.T) {
	t.Parallel()
	r := &record{}
	for i := range maxKnown + 10 {
		r.know(Hash(strings.Repeat(string(rune('a'+i%6)), 39) + string(rune('0'+i%10)) + strings.Repeat("x", i)))
	}
	assert.Len(t, r.Known, maxKnown)
	last := r.Known[maxKnown-1]
	first := r.Known[0]
	r.know(first)
	assert.Equal(t, first, r.Known[maxKnown-1], "what is used again is young again")
	assert.Equal(t, last, r.Known[maxKnown-2])
}

func TestCloneKeyTellsItsPartsApart(t *testing.T) {
	t.Parallel()
	assert.NotEqual(t, cloneKey("u", "", "b", "", ""), cloneKey("ub", "", "", "", ""))
	assert.NotEqual(t, cloneKey("u", "", "b", "a", "t"), cloneKey("u", "", "b", "t", "a"))
	assert.NotEqual(t, cloneKey("u", "x", "b", "a", "t"), cloneKey("u", "y", "b", "a", "t"))
	assert.Equal(t, cloneKey("https://h/r.git", "", "b", "a", "t"), cloneKey("https://h/r", "", "b", "a", "t"))
	assert.NotContains(t, cloneKey("https://example.com/r", "", "b", "a", "t"), "example")
}

func FuzzParseRecord(f *testing.F) {
	data, err := json.Marshal(testRecord())
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"version":1,"sandbox":{"sandbox_id":"i1"},"remote":null,"known":[""]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data, "i1")
		if err != nil {
			return
		}
		// What was taken can be used.
		c := r.clone()
		c.know(hashA)
		_ = c.repo("x")
		_ = c.metadata()
		_ = c.mode(PullAuto)
	})
}

func TestSpoolHoldsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, spoolMemory, spoolMemory + 1, 3 * spoolMemory} {
		data := make([]byte, size)
		_, _ = rand.Read(data)
		var s spool
		for chunk := data; len(chunk) > 0; {
			n, err := s.Write(chunk[:min(len(chunk), 100_000)])
			require.NoError(t, err)
			chunk = chunk[n:]
		}
		assert.EqualValues(t, size, s.size)
		for range 2 { // a push can be sent again
			r, err := s.rewind()
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(data, got))
		}
		require.NoError(t, s.Close())
	}
}

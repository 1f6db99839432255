package smarthttp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
)

// fetch fetches into a scratch repository.
func fetch(t *testing.T, c *Client, r *Remote, into *repo, opts *FetchOptions, args ...string) *FetchResult {
	t.Helper()
	result, err := c.Fetch(t.Context(), r, opts)
	require.NoError(t, err)
	into.index(result.Pack, args...)
	require.NoError(t, result.Pack.Close())
	return result
}

func TestFetch(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	tip, err := server.Commit("app", "main", "second", map[string]string{"b": "2\n"})
	require.NoError(t, err)
	into := newRepo(t)
	result := fetch(t, newClient(t), r, into, &FetchOptions{Wants: []string{tip}})
	assert.Empty(t, result.Shallow)
	into.git("reset", "--hard", tip)
	assert.Equal(t, "2", into.git("rev-list", "--count", "HEAD"))
	assert.Equal(t, "2", into.git("show", "HEAD:b"))
	into.git("fsck", "--strict")
	assert.Len(t, server.Requests(), 1)
}

func TestFetchShallowThenDeeper(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	second, err := server.Commit("app", "main", "second", map[string]string{"a": "2\n"})
	require.NoError(t, err)
	third, err := server.Commit("app", "main", "third", map[string]string{"a": "3\n"})
	require.NoError(t, err)
	into, c := newRepo(t), newClient(t)
	into.write(map[string]string{".git/shallow": third + "\n"})
	result := fetch(t, c, r, into, &FetchOptions{Wants: []string{third}, Depth: 1})
	assert.Equal(t, []string{third}, result.Shallow)
	into.git("reset", "--hard", third)
	assert.Equal(t, "1", into.git("rev-list", "--count", "HEAD"))

	into.write(map[string]string{".git/shallow": second + "\n"})
	result = fetch(t, c, r, into, &FetchOptions{Wants: []string{third}, Haves: []string{third}, Shallow: []string{third}, Depth: 2})
	assert.Equal(t, []string{second}, result.Shallow)
	assert.Equal(t, []string{third}, result.Unshallow)
	assert.Equal(t, "2", into.git("rev-list", "--count", "HEAD"))
	assert.Equal(t, "2", into.git("show", "HEAD~:a"))
}

func TestFetchThinPackOfWhatIsNew(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line of text that compresses, but not to nothing\n", 500)
	noise := make([]byte, 20_000)
	for i := range noise {
		noise[i] = byte('a' + rand.IntN(26))
	}
	server, r := newServer(t, map[string]string{"a": long + string(noise)})
	first, err := server.Ref("app", "main")
	require.NoError(t, err)
	into, c := newRepo(t), newClient(t)
	fetch(t, c, r, into, &FetchOptions{Wants: []string{first}})
	second, err := server.Commit("app", "main", "second", map[string]string{"a": long + string(noise) + "one more\n"})
	require.NoError(t, err)

	result, err := c.Fetch(t.Context(), r, &FetchOptions{Wants: []string{second}, Haves: []string{first}, ThinPack: true})
	require.NoError(t, err)
	pack, err := io.ReadAll(result.Pack)
	require.NoError(t, err)
	require.NoError(t, result.Pack.Close())
	assert.Less(t, len(pack), 2000, "a delta against an object of the haves")
	into.index(bytes.NewReader(pack), "--fix-thin")
	assert.Equal(t, strings.TrimSpace(long+string(noise)+"one more"), into.git("show", second+":a"))
}

func TestFetchFiltered(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n", "dir/b": "2\n"})
	tip, err := server.Ref("app", "main")
	require.NoError(t, err)
	for filter, want := range map[string]string{"blob:none": "commit tree tree", "tree:0": "commit", "blob:limit=1k": "blob blob commit tree tree"} {
		into := newRepo(t)
		result, err := newClient(t).Fetch(t.Context(), r, &FetchOptions{Wants: []string{tip}, Filter: filter})
		require.NoError(t, err)
		_, err = into.try(result.Pack, "unpack-objects", "-q")
		require.NoError(t, err)
		require.NoError(t, result.Pack.Close())
		types := into.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)", "--unordered")
		got := strings.Fields(types)
		assert.ElementsMatch(t, strings.Fields(want), got, filter)
	}
}

func TestFetchOfAnObjectThatTheRemoteLacks(t *testing.T) {
	t.Parallel()
	_, r := newServer(t, map[string]string{"a": "1\n"})
	_, err := newClient(t).Fetch(t.Context(), r, &FetchOptions{Wants: []string{id1}})
	e := asError(t, err, "fetch", ErrRejected)
	assert.Equal(t, "upload-pack: not our ref "+id1, e.Message)
}

func TestFetchArguments(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*FetchOptions{
		"nil":     nil,
		"nothing": {},
		"want":    {Wants: []string{"HEAD"}},
		"zero":    {Wants: []string{ZeroID}},
		"have":    {Wants: []string{id1}, Haves: []string{"refs/heads/main"}},
		"shallow": {Wants: []string{id1}, Shallow: []string{id1 + "\n"}},
		"depth":   {Wants: []string{id1}, Depth: -1},
		"filter":  {Wants: []string{id1}, Filter: "sparse:oid=x"},
		"filter2": {Wants: []string{id1}, Filter: "blob:limit=1\n"},
	} {
		_, err := newClient(t).Fetch(t.Context(), &Remote{URL: "http://127.0.0.1:1/app"}, opts)
		asError(t, err, "fetch", ErrInvalid)
		assert.NotEmpty(t, name)
	}
}

// band makes a pkt-line of a band.
func band(n byte, s string) string { return string([]byte{n}) + s }

func TestFetchReplies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body []byte
		kind error
		want string
	}{
		"empty":          {nil, ErrProtocol, "empty reply: the server does not speak protocol version 2, or its objects are not SHA-1"},
		"v0":             {pkts("NAK\n"), ErrProtocol, "unexpected section: NAK"},
		"flush":          {pkts("0000"), ErrProtocol, "unexpected pkt-line in place of a section"},
		"shallow":        {pkts("shallow-info\n", "shallow x\n"), ErrProtocol, "not a shallow commit: shallow x"},
		"shallow flush":  {pkts("shallow-info\n", "0000"), ErrProtocol, "unexpected pkt-line among shallow commits"},
		"cut":            {pkts("packfile\n"), ErrNetwork, "the reply was cut short"},
		"cut data":       {pkts("packfile\n", band(1, "PACK"))[:20], ErrNetwork, "the reply was cut short"},
		"no flush":       {pkts("packfile\n", band(1, "PACK")), ErrNetwork, "the reply was cut short"},
		"no band":        {pkts("packfile\n", ""), ErrProtocol, "pkt-line without a band"},
		"band 4":         {pkts("packfile\n", band(4, "x")), ErrProtocol, "unknown band"},
		"delim":          {pkts("packfile\n", "0001"), ErrProtocol, "pkt-line without a band"},
		"fatal":          {pkts("packfile\n", band(1, "PA"), band(3, "out of\x1b memory, "+password+"\n")), ErrUnavailable, `out of\x1b memory, [redacted]`},
		"fatal, long":    {pkts("packfile\n", band(3, strings.Repeat("x", 60000))), ErrUnavailable, strings.Repeat("x", 1024) + "..."},
		"after the end":  {pkts("packfile\n", band(1, "PA"), "0000", "x"), ErrProtocol, "data after the end"},
		"garbage at end": {append(pkts("packfile\n", band(1, "PA"), "0000"), "zzzz"...), ErrProtocol, "not a pkt-line: zzzz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := newClient(t).Fetch(t.Context(), answer(t, "upload-pack-result", tc.body), &FetchOptions{Wants: []string{id1}})
			if err == nil {
				_, err = io.ReadAll(result.Pack)
				_, again := result.Pack.Read(make([]byte, 1))
				assert.Equal(t, err, again, "the error stays")
				require.NoError(t, result.Pack.Close())
			}
			e := asError(t, err, "fetch", tc.kind)
			assert.Equal(t, tc.want, e.Message)
		})
	}
}

func TestFetchDemultiplexes(t *testing.T) {
	t.Parallel()
	body := pkts("shallow-info\n", "shallow "+id1+"\n", "unshallow "+id2+"\n", "0001", "packfile\n",
		band(2, "counting"), band(1, ""), band(1, "PA"), band(2, strings.Repeat("y", 60000)), band(1, "CK"), "0000", "0002")
	result, err := newClient(t).Fetch(t.Context(), answer(t, "upload-pack-result", body), &FetchOptions{Wants: []string{id1}})
	require.NoError(t, err)
	pack, err := io.ReadAll(result.Pack)
	require.NoError(t, err)
	require.NoError(t, result.Pack.Close())
	assert.Equal(t, "PACK", string(pack))
	assert.Equal(t, []string{id1}, result.Shallow)
	assert.Equal(t, []string{id2}, result.Unshallow)
}

func TestFetchCutAnywhereIsNeverWhole(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": strings.Repeat("text\n", 100)})
	tip, err := server.Ref("app", "main")
	require.NoError(t, err)
	c := newClient(t)
	result, err := c.Fetch(t.Context(), r, &FetchOptions{Wants: []string{tip}})
	require.NoError(t, err)
	whole, err := io.ReadAll(result.Pack)
	require.NoError(t, err)
	require.NoError(t, result.Pack.Close())

	for at := int64(1); at < int64(len(whole)); at += 29 {
		remove := server.Inject(remote.Fault{Operation: "fetch", DropAfter: at})
		result, err := c.Fetch(t.Context(), r, &FetchOptions{Wants: []string{tip}})
		if err == nil {
			_, err = io.ReadAll(result.Pack)
			require.NoError(t, result.Pack.Close())
		}
		asError(t, err, "fetch", ErrNetwork)
		remove()
	}
}

func TestFetchStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	r := newFakeServer(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write(pkts("packfile\n", band(1, "PACK")))
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	result, err := newClient(t).Fetch(ctx, r, &FetchOptions{Wants: []string{id1}})
	require.NoError(t, err)
	_, err = io.ReadFull(result.Pack, make([]byte, 4))
	require.NoError(t, err)
	cancel()
	_, err = result.Pack.Read(make([]byte, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, result.Pack.Close())
	<-ended
}

func TestCloseEndsAFetch(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	r := newFakeServer(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write(pkts("packfile\n", band(1, "PACK")))
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		close(ended)
	})
	result, err := newClient(t).Fetch(t.Context(), r, &FetchOptions{Wants: []string{id1}})
	require.NoError(t, err)
	require.NoError(t, result.Pack.Close())
	<-ended
}

// TestFetchIsStreamed moves a pack of 200 MB that does not compress. It is not
// parallel, since it measures the heap.
//
//nolint:paralleltest // see above
func TestFetchIsStreamed(t *testing.T) {
	const size = 200 << 20
	r := newFakeServer(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write(pkts("packfile\n"))
		random := rand.New(rand.NewPCG(1, 2))
		line := make([]byte, 4+65516)
		copy(line, "fff0\x01")
		for sent := 0; sent < size; sent += len(line) - 5 {
			for i := 5; i+8 <= len(line); i += 8 {
				binary.LittleEndian.PutUint64(line[i:], random.Uint64())
			}
			if rest := size - sent; rest < len(line)-5 {
				line = line[:5+rest]
				copy(line, fmt.Sprintf("%04x", len(line)))
			}
			if _, err := w.Write(line); err != nil {
				return
			}
		}
		_, _ = w.Write(pkts("0000"))
	})
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	result, err := newClient(t).Fetch(t.Context(), r, &FetchOptions{Wants: []string{id1}})
	require.NoError(t, err)
	peak := uint64(0)
	buf := make([]byte, 64<<10)
	total, reads := 0, 0
	for {
		n, err := result.Pack.Read(buf)
		total += n
		if reads++; reads%500 == 0 {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.NoError(t, result.Pack.Close())
	assert.Equal(t, size, total)
	assert.Less(t, int64(peak)-int64(before.HeapAlloc), int64(16<<20))
}

func TestFetchIsBounded(t *testing.T) {
	t.Parallel()
	body := pkts("packfile\n")
	for range 100 {
		body = append(body, pkts(band(1, strings.Repeat("x", 1000)))...)
	}
	c := &Client{Limits: Limits{MaxFetchBytes: 50_000}}
	t.Cleanup(c.CloseIdleConnections)
	result, err := c.Fetch(t.Context(), answer(t, "upload-pack-result", append(body, "0000"...)), &FetchOptions{Wants: []string{id1}})
	require.NoError(t, err)
	defer result.Pack.Close()
	_, err = io.Copy(io.Discard, result.Pack)
	e := asError(t, err, "fetch", ErrProtocol)
	assert.Equal(t, "reply of more than 50000 bytes", e.Message)
}

func TestAdvertisement(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	tip, err := server.Ref("app", "main")
	require.NoError(t, err)
	_, err = server.Commit("app", "Agent-1", "x", map[string]string{"b": "2"})
	require.NoError(t, err)
	a, err := newClient(t).Advertisement(t.Context(), r, []string{"refs/heads/main", "refs/heads/agent-1"})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"refs/heads/main": tip}, a.Refs)
	assert.Equal(t, tip, a.ID("refs/heads/main"))
	assert.Equal(t, ZeroID, a.ID("refs/heads/agent-1"))
	assert.Equal(t, []string{"refs/heads/Agent-1"}, a.Alike)
	assert.True(t, a.Supports("report-status"))
	assert.True(t, a.Supports("atomic"))
	assert.True(t, a.Supports("agent"))
	assert.False(t, a.Supports("age"))
	assert.Len(t, server.Requests(), 1)

	_, err = newClient(t).Advertisement(t.Context(), r, []string{"main"})
	asError(t, err, "advertisement", ErrInvalid)
}

func TestAdvertisementOfAnEmptyRepository(t *testing.T) {
	t.Parallel()
	_, r := newServer(t, nil)
	a, err := newClient(t).Advertisement(t.Context(), r, []string{"refs/heads/main"})
	require.NoError(t, err)
	assert.Empty(t, a.Refs)
	assert.True(t, a.Supports("report-status"))
}

func TestAdvertisementReplies(t *testing.T) {
	t.Parallel()
	const first = "# service=git-receive-pack\n"
	caps := " capabilities^{}\x00report-status\n"
	for name, tc := range map[string]struct {
		body []byte
		kind error
		want string
	}{
		"empty":       {nil, ErrNetwork, "the reply was cut short"},
		"dumb":        {[]byte("ref: x\trefs/heads/main\n"), ErrProtocol, "not a pkt-line: ref: x refs/heads/main"},
		"service":     {pkts("# service=git-upload-pack\n"), ErrProtocol, "not an advertisement: # service=git-upload-pack"},
		"no refs":     {pkts(first, "0000", "0000"), ErrProtocol, "unexpected pkt-line in the advertisement"},
		"no caps":     {pkts(first, "0000", id1+" refs/heads/main\n", "0000"), ErrProtocol, "not an advertisement: " + id1 + " refs/heads/main"},
		"no flush":    {pkts(first, "0000", ZeroID+caps), ErrNetwork, "the reply was cut short"},
		"sha256":      {pkts(first, "0000", ZeroID+ZeroID[:24]+" capabilities^{}\x00object-format=sha256\n", "0000"), ErrProtocol, "the repository has objects of format sha256, which is not supported"},
		"refusal":     {pkts(first, "0000", "ERR go away\n"), ErrRejected, "go away"},
		"bad id":      {pkts(first, "0000", ZeroID+caps, strings.Repeat("g", 40)+" refs/heads/main\n", "0000"), ErrProtocol, "object ID: " + strings.Repeat("g", 40)},
		"bad line":    {pkts(first, "0000", ZeroID+caps, "hello\n", "0000"), ErrProtocol, "not a line of an advertisement: hello"},
		"after end":   {pkts(first, "0000", ZeroID+caps, "0000", "0000"), ErrProtocol, "data after the end"},
		"above limit": {pkts(first, "0000", ZeroID+caps, id1+" "+strings.Repeat("x", 5000)+"\n", "0000"), ErrProtocol, "reply of more than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Client{Limits: Limits{MaxAdvertisementBytes: 4096}}
			t.Cleanup(c.CloseIdleConnections)
			_, err := c.Advertisement(t.Context(), answer(t, "receive-pack-advertisement", tc.body), []string{"refs/heads/main"})
			e := asError(t, err, "advertisement", tc.kind)
			assert.Equal(t, strings.ReplaceAll(tc.want, "\t", " "), strings.ReplaceAll(e.Message, `\t`, " "))
		})
	}
}

// TestAdvertisementOfManyRefs is not parallel, since it measures allocations.
//
//nolint:paralleltest // see above
func TestAdvertisementOfManyRefs(t *testing.T) {
	pr, pw := io.Pipe()
	go func() {
		_, _ = pw.Write(pkts("# service=git-receive-pack\n", "0000", id1+" refs/heads/a\x00report-status\n"))
		var b []byte
		for i := range 200_000 {
			b = appendPkt(b, id2+" refs/heads/agent-"+strconv.Itoa(i)+"\n")
			if len(b) > 1<<16 {
				_, _ = pw.Write(b)
				b = b[:0]
			}
		}
		_, _ = pw.Write(append(b, flushPkt...))
		pw.Close()
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := readAdvertisement(pr, []string{"refs/heads/agent-199999"})
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	assert.Equal(t, id2, a.ID("refs/heads/agent-199999"))
	assert.Len(t, a.Refs, 1)
	// The goroutine that writes makes 8 bytes and a string for each ref.
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(40<<20))
}

func FuzzReadAdvertisement(f *testing.F) {
	f.Add(pkts("# service=git-receive-pack\n", "0000", id1+" refs/heads/main\x00report-status\n", id2+" .have\n", "0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAdvertisement(bytes.NewReader(b), []string{"refs/heads/main"})
		if err != nil {
			return
		}
		assert.LessOrEqual(t, len(a.Refs), 1)
		for _, id := range a.Refs {
			assert.True(t, validID(id))
		}
	})
}

func FuzzFetchReply(f *testing.F) {
	f.Add(pkts("shallow-info\n", "shallow "+id1+"\n", "0001", "packfile\n", band(2, "x"), band(1, "PACK"), "0000"))
	f.Add(pkts("packfile\n", band(3, "no")))
	f.Fuzz(func(t *testing.T, b []byte) {
		pkt := newPktReader(bytes.NewReader(b))
		result := new(FetchResult)
		if result.readSections(pkt) != nil {
			return
		}
		pack, err := io.ReadAll(&sideband{pkt: pkt})
		if err != nil {
			return
		}
		assert.Less(t, len(pack), len(b))
		end := b[max(0, len(b)-8):]
		assert.True(t, bytes.HasSuffix(end, []byte("0000")) || bytes.HasSuffix(end, []byte("00000002")), "%q", end)
	})
}

func FuzzPktLine(f *testing.F) {
	f.Add([]byte("0005a0000"))
	f.Add([]byte("000100020003"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPktReader(bytes.NewReader(b))
		read := 0
		for {
			_, line, err := p.next()
			if err != nil {
				break
			}
			read += 4 + len(line)
		}
		assert.LessOrEqual(t, read, len(b))
	})
}

func TestIdleConnectionsAreReused(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	tip, err := server.Ref("app", "main")
	require.NoError(t, err)
	c := newClient(t)
	fetch(t, c, r, newRepo(t), &FetchOptions{Wants: []string{tip}})
	start := time.Now()
	_, err = c.LsRefs(t.Context(), r, nil)
	require.NoError(t, err)
	assert.Less(t, time.Since(start), 10*time.Second)
}

package smarthttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
)

// clone makes a scratch repository with what the remote has on main.
func clone(t *testing.T, server *remote.Remote) (*repo, string) {
	t.Helper()
	r := newRepo(t)
	r.git("fetch", "--quiet", server.Dir("app"), "main")
	r.git("reset", "--quiet", "--hard", "FETCH_HEAD")
	return r, r.git("rev-parse", "HEAD")
}

const agentRef = "refs/heads/agent-1"

func TestPushCreatesThenUpdates(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	c := newClient(t)
	first := local.commit("first", map[string]string{"b": "2\n"})
	a, err := c.Advertisement(t.Context(), r, []string{agentRef})
	require.NoError(t, err)
	opts := push(agentRef, a.ID(agentRef), first, local.pack(first, base))
	opts.Capabilities = a.Capabilities
	_, err = c.Push(t.Context(), r, opts)
	require.NoError(t, err)

	second := local.commit("second", map[string]string{"c": strings.Repeat("3\n", 10)})
	pack := local.pack(second, first)
	opts = push(agentRef, first, second, pack)
	opts.Pack, opts.PackSize = iotest.OneByteReader(bytes.NewReader(pack)), int64(len(pack))
	_, err = c.Push(t.Context(), r, opts)
	require.NoError(t, err)

	tip, err := server.Ref("app", agentRef)
	require.NoError(t, err)
	assert.Equal(t, second, tip)
	log, err := server.Log("app", agentRef)
	require.NoError(t, err)
	assert.Len(t, log, 3)
	var operations []string
	for _, req := range server.Requests() {
		operations = append(operations, req.Operation)
	}
	assert.Equal(t, []string{"advertisement", "push", "push"}, operations)
}

func TestPushOfNoObjects(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	_, err := newClient(t).Push(t.Context(), r, push(agentRef, ZeroID, base, local.pack(base, base)))
	require.NoError(t, err)
	tip, err := server.Ref("app", agentRef)
	require.NoError(t, err)
	assert.Equal(t, base, tip)
}

func TestPushOfALargePack(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	noise := local.dir + "/noise"
	require.NoError(t, writeNoise(noise, 3<<20))
	id := local.commit("noise", nil)
	pack := local.pack(id, base)
	require.Greater(t, len(pack), 3<<20)
	c := newClient(t)
	for i, size := range []int64{0, int64(len(pack))} {
		ref := agentRef + string(rune('a'+i))
		opts := push(ref, ZeroID, id, pack)
		opts.PackSize = size
		_, err := c.Push(t.Context(), r, opts)
		require.NoError(t, err)
		tip, err := server.Ref("app", ref)
		require.NoError(t, err)
		assert.Equal(t, id, tip)
	}
	for _, said := range []int{len(pack) - 1, len(pack) + 1} {
		opts := push(agentRef, ZeroID, id, pack)
		opts.PackSize = int64(said)
		_, err := c.Push(t.Context(), r, opts)
		require.Error(t, err)
		_, err = server.Ref("app", agentRef)
		require.Error(t, err)
	}
}

func TestPushOfARefThatMoved(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	id := local.commit("mine", map[string]string{"b": "2\n"})
	pack := local.pack(id, base)
	c := newClient(t)

	theirs, err := server.Commit("app", "agent-1", "theirs", map[string]string{"b": "3\n"})
	require.NoError(t, err)
	for name, old := range map[string]string{"exists already": ZeroID, "is elsewhere": base} {
		_, err = c.Push(t.Context(), r, push(agentRef, old, id, pack))
		e := asError(t, err, "push", ErrStale)
		assert.Contains(t, e.Message, "cannot lock ref", name)
		assert.False(t, e.Ambiguous, name)
	}
	require.NoError(t, server.DeleteBranch("app", "agent-1"))
	_, err = c.Push(t.Context(), r, push(agentRef, theirs, id, pack))
	asError(t, err, "push", ErrStale)

	// Between the advertisement and the push.
	require.NoError(t, server.DeleteBranch("app", "agent-1"))
	server.Inject(remote.Fault{Operation: "push", Before: func(remote.Request) {
		_, err := server.Commit("app", "agent-1", "theirs", map[string]string{"b": "4\n"})
		assert.NoError(t, err)
	}})
	_, err = c.Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
	asError(t, err, "push", ErrStale)
}

func TestPushesAtTheSameTime(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	c := newClient(t)
	const n = 6
	ids, packs, errs := make([]string, n), make([][]byte, n), make([]error, n)
	for i := range n {
		local.git("reset", "--quiet", "--hard", base)
		ids[i] = local.commit("mine", map[string]string{"b": strings.Repeat("x", i+1)})
		packs[i] = local.pack(ids[i], base)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = c.Push(t.Context(), r, push(agentRef, ZeroID, ids[i], packs[i])) })
	}
	wg.Wait()
	tip, err := server.Ref("app", agentRef)
	require.NoError(t, err)
	for i, err := range errs {
		if err == nil {
			assert.Equal(t, tip, ids[i])
			continue
		}
		var e *Error
		require.ErrorAs(t, err, &e)
		assert.True(t, errors.Is(err, ErrStale) || errors.Is(err, ErrUnavailable), err)
		assert.False(t, e.Ambiguous)
		assert.NotEqual(t, tip, ids[i])
	}
}

func TestPushThatIsRefused(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	id := local.commit("mine", map[string]string{"b": "2\n"})
	pack := local.pack(id, base)
	c := newClient(t)

	require.NoError(t, server.ProtectBranch("app", "main"))
	_, err := c.Push(t.Context(), r, push("refs/heads/main", base, id, pack))
	e := asError(t, err, "push", ErrRejected)
	assert.Equal(t, "hook declined", e.Message)
	assert.Contains(t, e.Detail, "GH006: Protected branch update failed for refs/heads/main.\n")
	assert.False(t, e.Ambiguous)

	require.NoError(t, server.RefusePushes("app", "no \x1b[31m non-fast-forward "+password+" \u202eevil"))
	_, err = c.Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
	e = asError(t, err, "push", ErrRejected)
	assert.Equal(t, "pre-receive hook declined", e.Message)
	assert.Equal(t, `no \x1b[31m non-fast-forward [redacted] \u202eevil`, e.Detail)

	require.NoError(t, server.RefusePushes("app", strings.Repeat("x", 3<<20)))
	_, err = c.Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
	e = asError(t, err, "push", ErrRejected)
	assert.Less(t, len(e.Detail), 9000)

	require.NoError(t, server.RefusePushes("app", ""))
	_, err = c.Push(t.Context(), r, push("refs/heads/agent-1/x", ZeroID, id, pack))
	require.NoError(t, err)
	_, err = c.Push(t.Context(), r, push("refs/heads/agent-1", ZeroID, id, pack))
	asError(t, err, "push", ErrRejected) // a file where there is a directory
}

func TestPushOfABadPack(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	id := local.commit("mine", map[string]string{"b": "2\n"})
	pack := local.pack(id, base)
	pack[len(pack)-1] ^= 1
	_, err := newClient(t).Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
	e := asError(t, err, "push", ErrRejected)
	assert.Contains(t, e.Message, "unpack")
	_, err = server.Ref("app", agentRef)
	require.Error(t, err)
}

func TestPushWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	id := local.commit("mine", map[string]string{"b": "2\n"})
	pack := local.pack(id, base)
	c := newClient(t)
	server.Inject(remote.Fault{Operation: "push", Nth: 1, LoseReply: true})
	_, err := c.Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
	e := asError(t, err, "push", ErrNetwork)
	assert.True(t, e.Ambiguous)
	a, err := c.Advertisement(t.Context(), r, []string{agentRef})
	require.NoError(t, err)
	assert.Equal(t, id, a.ID(agentRef))
}

func TestPushReplyCutAnywhereIsAmbiguous(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	id := local.commit("mine", map[string]string{"b": "2\n"})
	pack := local.pack(id, base)
	c := newClient(t)
	for at := int64(1); at < 40; at += 7 {
		require.NoError(t, server.DeleteBranch("app", "agent-1"))
		remove := server.Inject(remote.Fault{Operation: "push", DropAfter: at})
		_, err := c.Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
		e := asError(t, err, "push", ErrNetwork)
		assert.True(t, e.Ambiguous)
		remove()
	}
}

func TestPushStatus(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	local, base := clone(t, server)
	id := local.commit("mine", map[string]string{"b": "2\n"})
	pack := local.pack(id, base)
	c := newClient(t)
	for _, tc := range []struct {
		status    int
		kind      error
		ambiguous bool
	}{
		{401, ErrAuth, false},
		{403, ErrForbidden, false},
		{404, ErrNotFound, false},
		{429, ErrRateLimited, false},
		{500, ErrUnavailable, true},
		{502, ErrUnavailable, true},
		{503, ErrUnavailable, false},
		{504, ErrUnavailable, true},
		{413, ErrProtocol, false},
	} {
		remove := server.Inject(remote.Fault{Operation: "push", Status: tc.status})
		_, err := c.Push(t.Context(), r, push(agentRef, ZeroID, id, pack))
		e := asError(t, err, "push", tc.kind)
		assert.Equal(t, tc.ambiguous, e.Ambiguous, tc.status)
		remove()
	}
	_, err := c.Push(t.Context(), &Remote{URL: r.URL, Password: readOnly}, push(agentRef, ZeroID, id, pack))
	asError(t, err, "push", ErrForbidden)
}

func TestPushThatTheServerDoesNotRead(t *testing.T) {
	t.Parallel()
	// The answer comes at once, the body is large, and the connection closes.
	r := newFakeServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
	})
	opts := push(agentRef, ZeroID, id1, nil)
	opts.Pack = io.LimitReader(zeros{}, 64<<20)
	_, err := newClient(t).Push(t.Context(), r, opts)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.False(t, e.Ambiguous, "the end of the pack was never sent")
	assert.True(t, errors.Is(err, ErrForbidden) || errors.Is(err, ErrNetwork), err)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestPushWhosePackFails(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	broken := errors.New("disk on fire")
	for name, pack := range map[string]io.Reader{
		"at once": iotest.ErrReader(broken),
		"later":   io.MultiReader(io.LimitReader(zeros{}, 1<<20), iotest.ErrReader(broken)),
	} {
		opts := push(agentRef, ZeroID, id1, nil)
		opts.Pack = pack
		_, err := newClient(t).Push(t.Context(), r, opts)
		require.ErrorIs(t, err, broken, name)
		var e *Error
		require.ErrorAs(t, err, &e)
		assert.NoError(t, e.Kind)
		assert.False(t, e.Ambiguous)
	}
	_, err := server.Ref("app", agentRef)
	require.Error(t, err)
}

func TestPushStopsReadingThePack(t *testing.T) {
	t.Parallel()
	server, r := newServer(t, map[string]string{"a": "1\n"})
	ctx, cancel := context.WithCancel(t.Context())
	server.Inject(remote.Fault{Operation: "push", Before: func(remote.Request) { cancel() }})
	opts := push(agentRef, ZeroID, id1, nil)
	// The race detector sees a read after Push has returned.
	pack := &plainReader{}
	opts.Pack = pack
	_, err := newClient(t).Push(ctx, r, opts)
	require.ErrorIs(t, err, context.Canceled)
	pack.reads = 0
}

type plainReader struct{ reads int }

func (p *plainReader) Read(b []byte) (int, error) { p.reads++; clear(b); return len(b), nil }

func TestPushArguments(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*PushOptions){
		"ref":       func(o *PushOptions) { o.Ref = "main" },
		"HEAD":      func(o *PushOptions) { o.Ref = "HEAD" },
		"two lines": func(o *PushOptions) { o.Ref = "refs/heads/x\n0000" },
		"old":       func(o *PushOptions) { o.Old = "" },
		"new":       func(o *PushOptions) { o.New = "HEAD" },
		"delete":    func(o *PushOptions) { o.New = ZeroID },
		"same":      func(o *PushOptions) { o.Old = o.New },
		"no pack":   func(o *PushOptions) { o.Pack = nil },
		"size":      func(o *PushOptions) { o.PackSize = -1 },
	} {
		opts := push(agentRef, ZeroID, id1, nil)
		change(opts)
		_, err := newClient(t).Push(t.Context(), &Remote{URL: "http://127.0.0.1:1/app"}, opts)
		require.Error(t, err, name)
		asError(t, err, "push", ErrInvalid)
	}
	opts := push(agentRef, ZeroID, id1, nil)
	opts.Capabilities = []string{"delete-refs"}
	_, err := newClient(t).Push(t.Context(), &Remote{URL: "http://127.0.0.1:1/app"}, opts)
	asError(t, err, "push", ErrProtocol)
}

func TestPushRequestIsExact(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		offered []string
		want    string
	}{
		"all": {
			[]string{"report-status", "delete-refs", "side-band-64k", "quiet", "atomic", "push-options", "object-format=sha1", "agent=git/x"},
			"00c7" + ZeroID + " " + id1 + " refs/heads/agent-1\x00 report-status side-band-64k atomic object-format=sha1 agent=git/gitsandbox0000PACK",
		},
		"few": {[]string{"report-status"}, "0078" + ZeroID + " " + id1 + " refs/heads/agent-1\x00 report-status0000PACK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			var length int64
			r := newFakeServer(t, func(w http.ResponseWriter, req *http.Request) {
				got, _ = io.ReadAll(req.Body)
				length = req.ContentLength
				w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
				reply := pkts("unpack ok\n", "ok refs/heads/agent-1\n", "0000")
				if len(tc.offered) > 1 {
					reply = pkts(band(2, "hi\x07\n"), band(1, string(reply[:10])), band(1, string(reply[10:])), "0000")
				}
				_, _ = w.Write(reply)
			})
			report, err := newClient(t).Push(t.Context(), r, &PushOptions{
				Ref: agentRef, Old: ZeroID, New: id1, Pack: iotest.DataErrReader(strings.NewReader("PACK")), Capabilities: tc.offered,
			})
			require.NoError(t, err)
			assert.Equal(t, tc.want[4:], string(got[4:]))
			assert.Equal(t, int64(len(got)), length)
			if len(tc.offered) > 1 {
				assert.Equal(t, `hi\x07`, report.Messages)
			}
		})
	}
}

func TestPushReplies(t *testing.T) {
	t.Parallel()
	const ref = agentRef
	wrap := func(lines ...string) []byte { return pkts(band(1, string(pkts(lines...))), "0000") }
	for name, tc := range map[string]struct {
		body      []byte
		kind      error
		want      string
		ambiguous bool
	}{
		"empty":          {nil, ErrNetwork, "the reply was cut short", true},
		"only flush":     {pkts("0000"), ErrProtocol, "the server did not say what became of the push", true},
		"no ref":         {wrap("unpack ok\n", "0000"), ErrProtocol, "incomplete report of a push", true},
		"other ref":      {wrap("unpack ok\n", "ok refs/heads/other\n", "0000"), ErrProtocol, "not a report of a push: ok refs/heads/other", true},
		"no unpack":      {wrap("ok "+ref+"\n", "0000"), ErrProtocol, "not a report of a push: ok refs/heads/agent-1", true},
		"two":            {wrap("unpack ok\n", "ok "+ref+"\n", "ng "+ref+" x\n", "0000"), ErrProtocol, "not a report of a push: ng refs/heads/agent-1 x", true},
		"no inner flush": {wrap("unpack ok\n", "ok "+ref+"\n"), ErrNetwork, "the reply was cut short", true},
		"no outer flush": {wrap("unpack ok\n", "ok "+ref+"\n", "0000")[:50], ErrNetwork, "the reply was cut short", true},
		"fatal":          {pkts(band(3, "internal error")), ErrUnavailable, "internal error", true},
		"refused":        {wrap("ERR read only\n"), ErrRejected, "read only", false},
		"unpack":         {wrap("unpack index-pack abnormal exit\n", "ng "+ref+" unpacker error\n", "0000"), ErrRejected, "unpack: index-pack abnormal exit", false},
		"unpack only":    {wrap("unpack no space\n", "0000"), ErrRejected, "unpack: no space", false},
		"unpack, ok":     {wrap("unpack failed\n", "ok "+ref+"\n", "0000"), ErrRejected, "unpack: failed", false},
		"non-ff":         {wrap("unpack ok\n", "ng "+ref+" non-fast-forward\n", "0000"), ErrStale, "non-fast-forward", false},
		"fetch first":    {wrap("unpack ok\n", "ng "+ref+" fetch first\n", "0000"), ErrStale, "fetch first", false},
		"stale info":     {wrap("unpack ok\n", "ng "+ref+" stale info\n", "0000"), ErrStale, "stale info", false},
		"exists":         {wrap("unpack ok\n", "ng "+ref+" reference already exists\n", "0000"), ErrStale, "reference already exists", false},
		"failed":         {wrap("unpack ok\n", "ng "+ref+" failed to update ref\n", "0000"), ErrStale, "failed to update ref", false},
		"github": {
			wrap("unpack ok\n", "ng "+ref+" cannot lock ref 'refs/heads/agent-1': is at "+id1+" but expected "+id2+"\n", "0000"),
			ErrStale, "cannot lock ref 'refs/heads/agent-1': is at " + id1 + " but expected " + id2, false,
		},
		"locked": {
			pkts(band(2, "error: cannot lock ref 'refs/heads/agent-1': Unable to create '/x/agent-1.lock': File exists.\n\n"),
				band(1, string(pkts("unpack ok\n", "ng "+ref+" failed to update ref\n", "0000"))), "0000"),
			ErrUnavailable, "failed to update ref: cannot lock ref 'refs/heads/agent-1': Unable to create '/x/agent-1.lock': File exists.", false,
		},
		"directory": {
			pkts(band(2, "error: cannot lock ref 'refs/heads/agent-1': 'refs/heads/agent-1/x' exists; cannot create 'refs/heads/agent-1'\n"),
				band(1, string(pkts("unpack ok\n", "ng "+ref+" failed to update ref\n", "0000"))), "0000"),
			ErrRejected, "failed to update ref: cannot lock ref 'refs/heads/agent-1': 'refs/heads/agent-1/x' exists; cannot create 'refs/heads/agent-1'", false,
		},
		"protected": {wrap("unpack ok\n", "ng "+ref+" protected branch hook declined\n", "0000"), ErrRejected, "protected branch hook declined", false},
		"rules":     {wrap("unpack ok\n", "ng "+ref+" push declined due to repository rule violations\n", "0000"), ErrRejected, "push declined due to repository rule violations", false},
		"hidden":    {wrap("unpack ok\n", "ng "+ref+" deny updating a hidden ref\n", "0000"), ErrRejected, "deny updating a hidden ref", false},
		"garbage":   {[]byte("hello"), ErrProtocol, "not a pkt-line: hello", true},
		"too long":  {bytes.Repeat(pkts(band(2, strings.Repeat("x", 1000))), 10), ErrProtocol, "reply of more than 4096 bytes", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Client{Limits: Limits{MaxReportBytes: 4096}}
			t.Cleanup(c.CloseIdleConnections)
			_, err := c.Push(t.Context(), answer(t, "receive-pack-result", tc.body), push(ref, ZeroID, id1, []byte("PACK")))
			e := asError(t, err, "push", tc.kind)
			assert.Equal(t, tc.want, e.Message)
			assert.Equal(t, tc.ambiguous, e.Ambiguous)
		})
	}
}

func FuzzReadReport(f *testing.F) {
	f.Add(pkts("unpack ok\n", "ok refs/heads/agent-1\n", "0000"), "")
	f.Add(pkts("unpack ok\n", "ng refs/heads/agent-1 failed to update ref\n", "0000"), "cannot lock ref 'x': is at")
	f.Fuzz(func(t *testing.T, b []byte, messages string) {
		result, err := readReport(newPktReader(bytes.NewReader(b)), agentRef)
		if err != nil {
			return
		}
		if e := result.failure(messages); e == nil {
			assert.Contains(t, string(b), "unpack ok")
			assert.Contains(t, string(b), "ok "+agentRef)
		}
	})
}

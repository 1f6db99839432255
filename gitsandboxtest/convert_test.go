package gitsandboxtest

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
	"github.com/gitsandbox/gitsandbox/internal/fake/wire"
)

// requireFilled fails where a field is zero: a field that a conversion forgot,
// or one that the other side has gained.
func requireFilled(t *testing.T, s any) {
	t.Helper()
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), "%T.%s is zero", s, v.Type().Field(i).Name)
	}
}

func TestConstantsAreTheEngines(t *testing.T) {
	t.Parallel()
	for op, want := range map[string]string{
		OpCreate: fake.OpCreate, OpConnect: fake.OpConnect, OpGet: fake.OpGet, OpList: fake.OpList,
		OpKill: fake.OpKill, OpPause: fake.OpPause, OpResume: fake.OpResume, OpSetTimeout: fake.OpSetTimeout,
		OpFork: fake.OpFork, OpSnapshot: fake.OpSnapshot, OpDeleteSnapshot: fake.OpDeleteSnapshot,
		OpListSnapshots: fake.OpListSnapshots, OpNetwork: fake.OpNetwork, OpHealth: fake.OpHealth,
		OpExec: fake.OpExec, OpConnectProcess: fake.OpConnectProcess, OpListProcesses: fake.OpListProcesses,
		OpStdin: fake.OpStdin, OpSignal: fake.OpSignal, OpReadFile: fake.OpReadFile, OpWriteFile: fake.OpWriteFile,
		OpStat: fake.OpStat, OpListDir: fake.OpListDir, OpMakeDir: fake.OpMakeDir, OpMove: fake.OpMove,
		OpRemove: fake.OpRemove, OpWatch: fake.OpWatch,
		ControlPlane: wire.ControlPlane, Envd: wire.Envd,
	} {
		assert.Equal(t, want, op)
	}
	for kind, want := range map[FaultKind]fake.FaultKind{
		Refuse: fake.Refuse, RateLimit: fake.RateLimit, Delay: fake.Delay, LoseReply: fake.LoseReply,
		DropStream: fake.DropStream, KillSandbox: fake.KillSandbox, ExpireToken: fake.ExpireToken,
		FullDisk: fake.FullDisk,
	} {
		assert.Equal(t, want, fake.FaultKind(kind))
	}
	for ns, want := range map[Namespace]fake.Namespace{
		NamespaceAuto: fake.NamespaceAuto, NamespaceOff: fake.NamespaceOff, NamespaceOn: fake.NamespaceOn,
	} {
		assert.Equal(t, want, fake.Namespace(ns))
	}
}

func TestOptionsReachTheEngine(t *testing.T) {
	t.Parallel()
	assert.Nil(t, (*Options)(nil).internal())

	clock := NewManualClock(time.Time{})
	env := map[string]string{"LANG": "C"}
	in := (&Options{
		Dir: "/d", Clock: clock,
		Templates:   map[string]Template{"go": {Setup: func(string) error { return assert.AnError }, Env: env}},
		MaxLifetime: 2 * time.Hour, MaxSandboxes: 3, Path: "/bin", Namespace: NamespaceOff, KillGrace: 4 * time.Second,
	}).internal()
	requireFilled(t, *in)
	requireFilled(t, in.Templates["go"])
	env["LANG"] = "fr"
	assert.Equal(t, map[string]string{"LANG": "C"}, in.Templates["go"].Env, "a copy")
	require.ErrorIs(t, in.Templates["go"].Setup(""), assert.AnError)
	assert.Same(t, clock, in.Clock)
	in.Templates, in.Clock = nil, nil
	assert.Equal(t, &fake.Options{
		Dir: "/d", MaxLifetime: 2 * time.Hour, MaxSandboxes: 3, Path: "/bin", Namespace: fake.NamespaceOff,
		KillGrace: 4 * time.Second,
	}, in)
	assert.Nil(t, (&Options{}).internal().Clock, "so that the engine takes its default")
}

func TestFaultsReachTheEngine(t *testing.T) {
	t.Parallel()
	var got *Call
	in := Fault{
		Op: OpExec, SandboxID: "i1", Match: func(c *Call) bool { got = c; return c.Op == OpKill },
		Nth: 2, Times: 3, Kind: FullDisk, Status: 409, Message: "no", Code: "slug",
		RetryAfter: 4 * time.Second, Delay: 5 * time.Second, After: 6,
	}.internal()
	requireFilled(t, in)
	call := fake.Call{Op: OpKill, SandboxID: "i2", Args: []string{"a"}, Time: time.Unix(7, 0)}
	assert.True(t, in.Match(&call))
	assert.Equal(t, &Call{Op: OpKill, SandboxID: "i2", Args: []string{"a"}, Time: time.Unix(7, 0)}, got)
	assert.False(t, in.Match(&fake.Call{Op: OpExec}))
	in.Match = nil
	assert.Equal(t, fake.Fault{
		Op: "exec", SandboxID: "i1", Nth: 2, Times: 3, Kind: fake.FullDisk, Status: 409, Message: "no", Code: "slug",
		RetryAfter: 4 * time.Second, Delay: 5 * time.Second, After: 6,
	}, in)
	assert.Nil(t, Fault{}.internal().Match)
}

func TestRemoteFaultsReachTheServer(t *testing.T) {
	t.Parallel()
	var got RemoteRequest
	in := RemoteFault{
		Operation: "push", Repo: "shop", Nth: 1, Times: 2, Before: func(r RemoteRequest) { got = r },
		Delay: 3 * time.Second, Status: 500, RetryAfter: 4 * time.Second, Redirect: "/r", Body: "b",
		ContentType: "text/plain", LoseReply: true, DropAfter: 5,
	}.internal()
	requireFilled(t, in)
	in.Before(remote.Request{Operation: "fetch", Method: "POST", Path: "/p", Query: "q", Repo: "r", Username: "u"})
	assert.Equal(t, RemoteRequest{Operation: "fetch", Method: "POST", Path: "/p", Query: "q", Repo: "r", Username: "u"}, got)
	in.Before = nil
	assert.Equal(t, remote.Fault{
		Operation: "push", Repo: "shop", Nth: 1, Times: 2, Delay: 3 * time.Second, Status: 500,
		RetryAfter: 4 * time.Second, Redirect: "/r", Body: "b", ContentType: "text/plain", LoseReply: true, DropAfter: 5,
	}, in)
	assert.Nil(t, RemoteFault{}.internal().Before)
}

package gitsandbox_test

import (
	"context"
	"crypto/rand"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// packCounter counts the bytes of the packs that are uploaded.
type packCounter struct {
	*gitsandboxtest.Transport
	bytes atomic.Int64
}

func (p *packCounter) Create(ctx context.Context, opts *e2b.CreateOptions) (e2b.Sandbox, error) {
	sb, err := p.Transport.Create(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &countedSandbox{sb, p}, nil
}

type countedSandbox struct {
	e2b.Sandbox
	p *packCounter
}

func (s *countedSandbox) WriteFile(ctx context.Context, name string, data io.Reader) error {
	if !strings.HasSuffix(name, ".pack") {
		return s.Sandbox.WriteFile(ctx, name, data)
	}
	return s.Sandbox.WriteFile(ctx, name, io.TeeReader(data, writerFunc(func(b []byte) (int, error) {
		s.p.bytes.Add(int64(len(b)))
		return len(b), nil
	})))
}

// measured is a world with Metrics, a registry, and what a Trace saw of the
// requests.
type measured struct {
	*world
	packs    *packCounter
	metrics  *gitsandbox.Metrics
	registry *prometheus.Registry

	mu   sync.Mutex
	seen map[[3]string]float64
}

func newMeasured(t *testing.T, opts *gitsandbox.Options) *measured {
	t.Helper()
	m := &measured{
		world: newWorld(t, nil), metrics: gitsandbox.NewMetrics(nil), registry: prometheus.NewPedanticRegistry(),
		seen: map[[3]string]float64{},
	}
	require.NoError(t, m.registry.Register(m.metrics))
	m.packs = &packCounter{Transport: m.sandboxes}
	m.client = m.newClient(opts)
	return m
}

func (m *measured) newClient(opts *gitsandbox.Options) *gitsandbox.Client {
	m.t.Helper()
	o := *opts
	o.Metrics = m.metrics
	o.Credentials = gitsandbox.StaticToken(m.remote.Host(), token)
	o.Retry = gitsandbox.Backoff{Base: 1, Max: 1}
	o.Trace = append(o.Trace, &gitsandbox.Trace{
		RequestDone: func(_ context.Context, i gitsandbox.RequestInfo, _ time.Duration, err error) {
			status := "success"
			if err != nil {
				status = gitsandbox.ErrorType(err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.seen[[3]string{i.Target, i.Kind, status}]++
		},
	})
	c, err := gitsandbox.New(m.packs, &o)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, c.Close()) })
	return c
}

// want checks the counters of a metric whose only label has the given values.
func (m *measured) want(t *testing.T, name string, want map[string]float64) {
	t.Helper()
	for value, n := range want {
		assert.InDelta(t, n, sum(t, m.registry, name, value), 0, "%s %s", name, value)
	}
}

func TestMetricsOfPushes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newMeasured(t, &gitsandbox.Options{Policy: &gitsandbox.PushPolicy{MaxPackBytes: 64 << 10}})
	s := m.clone("a", "t")
	fetched := float64(m.packs.bytes.Load())
	assert.Positive(t, fetched)
	m.want(t, "gitsandbox_relay_bytes_total", map[string]float64{"fetch": fetched, "push": 0})

	// Published.
	m.write(s, "a.txt", "a\n")
	res, err := s.Push(ctx, &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	published := float64(res.PackBytes)
	m.want(t, "gitsandbox_relay_bytes_total", map[string]float64{"fetch": fetched, "push": published})
	m.want(t, "gitsandbox_pack_checks_total", map[string]float64{"passed": 1, "refused": 0})

	// Nothing to publish: no pack was checked.
	_, err = s.Push(ctx, nil)
	require.NoError(t, err)
	m.want(t, "gitsandbox_pack_checks_total", map[string]float64{"passed": 1, "refused": 0})

	// Refused before there is a pack.
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Branch: "main"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)
	m.want(t, "gitsandbox_policy_refusals_total", map[string]float64{"ref": 1, "protected_path": 0, "size": 0, "fast_forward": 0})
	m.want(t, "gitsandbox_pack_checks_total", map[string]float64{"passed": 1, "refused": 0})

	// A commit that was published is amended: the pack is refused, and a
	// rebase mends it.
	_, err = s.Exec(ctx, &e2b.Command{Args: []string{
		"git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "--amend", "-m", "Amended", "--date", "2001-01-01T00:00:00Z",
	}})
	require.NoError(t, err)
	m.write(s, "b.txt", "b\n")
	res, err = s.Push(ctx, &gitsandbox.PushOptions{Message: "Add b"})
	require.NoError(t, err)
	assert.Equal(t, gitsandbox.PushRebased, res.Outcome)
	m.want(t, "gitsandbox_policy_refusals_total", map[string]float64{"ref": 1, "protected_path": 0, "size": 0, "fast_forward": 1})
	m.want(t, "gitsandbox_pack_checks_total", map[string]float64{"passed": 2, "refused": 1})
	published += float64(res.PackBytes)

	// Refused for what the whole pack holds, and before its end.
	m.write(s, ".github/workflows/ci.yml", "on: push\n")
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Message: "Change the CI"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)
	m.want(t, "gitsandbox_policy_refusals_total", map[string]float64{"ref": 1, "protected_path": 1, "size": 0, "fast_forward": 1})
	noise := make([]byte, 128<<10)
	_, _ = rand.Read(noise)
	m.write(s, "noise.bin", string(noise))
	_, err = s.Push(ctx, &gitsandbox.PushOptions{Message: "Noise"})
	require.ErrorIs(t, err, gitsandbox.ErrPolicy)
	m.want(t, "gitsandbox_policy_refusals_total", map[string]float64{
		"ref": 1, "protected_path": 1, "size": 1, "fast_forward": 1, "foreign_object": 0, "malformed": 0,
	})
	m.want(t, "gitsandbox_pack_checks_total", map[string]float64{"passed": 2, "refused": 3})
	m.want(t, "gitsandbox_relay_bytes_total", map[string]float64{"fetch": float64(m.packs.bytes.Load()), "push": published})

	// Stats say the same.
	stats := m.client.Stats()
	assert.EqualValues(t, m.packs.bytes.Load(), stats.FetchedBytes)
	assert.InDelta(t, published, float64(stats.PushedBytes), 0)
	assert.Equal(t, []int64{2, 3, 4}, []int64{stats.PacksPassed, stats.PacksRefused, stats.PolicyRefusals})
}

func TestMetricsOfRequestsAreThoseThatATraceSees(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newMeasured(t, &gitsandbox.Options{})
	m.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpCreate, Nth: 1, Kind: gitsandboxtest.Refuse, Status: 503})
	m.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpCreate, Nth: 2, Kind: gitsandboxtest.LoseReply})
	s := m.clone("a", "t")
	m.clone("b", "t")
	m.write(s, "a.txt", "a\n")
	m.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Status: 503})
	_, err := s.Push(ctx, &gitsandbox.PushOptions{Message: "Add a"})
	require.NoError(t, err)
	m.commit("main", "News", map[string]string{"news.txt": "news\n"})
	_, err = s.Pull(ctx, nil)
	require.NoError(t, err)
	_, err = s.ReadFile(ctx, "news.txt")
	require.NoError(t, err)
	other := m.newClient(&gitsandbox.Options{})
	o, err := other.Open(ctx, s.ID())
	require.NoError(t, err)
	require.NoError(t, o.Kill(ctx))
	_, err = s.Status(ctx, nil)
	require.ErrorIs(t, err, gitsandbox.ErrSandboxNotFound)
	m.remote.ExpirePassword()
	_, err = m.client.Clone(ctx, m.url, nil)
	require.ErrorIs(t, err, gitsandbox.ErrAuth)

	m.mu.Lock()
	defer m.mu.Unlock()
	total := 0.0
	for k, n := range m.seen {
		assert.InDelta(t, n, sum(t, m.registry, "gitsandbox_requests_total", k[0], k[1], k[2]), 0, "%v", k)
		total += n
	}
	assert.InDelta(t, total, sum(t, m.registry, "gitsandbox_requests_total"), 0, "and no others")
	failed := total - sum(t, m.registry, "gitsandbox_requests_total", "success")
	one, two := m.client.Stats(), other.Stats()
	assert.InDelta(t, total, float64(one.Requests+two.Requests), 0)
	assert.InDelta(t, failed, float64(one.RequestErrors+two.RequestErrors), 0)
	for _, k := range [][3]string{
		{"control", "create", "network"},
		{"control", "create", "success"},
		{"control", "list", "success"},
		{"control", "connect", "success"},
		{"control", "kill", "success"},
		{"sandbox", "exec", "success"},
		{"sandbox", "exec", "sandbox_not_found"},
		{"sandbox", "upload", "success"},
		{"sandbox", "download", "success"},
		{"remote", "ls-refs", "success"},
		{"remote", "ls-refs", "auth"},
		{"remote", "fetch", "success"},
		{"remote", "advertisement", "success"},
		{"remote", "receive-pack", "network"},
		{"remote", "receive-pack", "success"},
	} {
		assert.Positive(t, m.seen[k], "%v", k)
	}
}

// Two Clients on one Metrics add up, as two processes on one dashboard do.
func TestTwoClientsOnOneMetrics(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	shared := gitsandbox.NewMemoryCache(nil)
	m := newMeasured(t, &gitsandbox.Options{Cache: shared})
	s := m.clone("a", "t")

	second := m.newClient(&gitsandbox.Options{Cache: shared})
	_, err := second.Open(ctx, s.ID())
	require.NoError(t, err)
	third := m.newClient(&gitsandbox.Options{})
	o, err := third.Open(ctx, s.ID())
	require.NoError(t, err)
	_, err = third.Open(ctx, s.ID())
	require.NoError(t, err)
	m.want(t, "gitsandbox_sandbox_starts_total", map[string]float64{"created": 1, "cache": 1, "e2b": 1})

	for _, sandbox := range []*gitsandbox.Sandbox{s, o} {
		_, err := sandbox.Status(ctx, nil)
		require.NoError(t, err)
	}
	assert.InDelta(t, 2, sum(t, m.registry, "git_operation_total", "status", "success"), 0)
	assert.InDelta(t, 3, sum(t, m.registry, "git_operation_total", "open", "success"), 0)
}

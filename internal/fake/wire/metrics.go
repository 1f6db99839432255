package wire

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// opMetrics is an operation that only this door has.
const opMetrics = "metrics"

// metricJSON is a sample of what a sandbox uses.
type metricJSON struct {
	TimestampUnix int64     `json:"timestampUnix"`
	Timestamp     time.Time `json:"timestamp"`
	CPUCount      int       `json:"cpuCount"`
	CPUUsedPct    float64   `json:"cpuUsedPct"`
	MemUsed       int64     `json:"memUsed"`
	MemTotal      int64     `json:"memTotal"`
	MemCache      int64     `json:"memCache"`
	DiskUsed      int64     `json:"diskUsed"`
	DiskTotal     int64     `json:"diskTotal"`
}

// sample measures a sandbox: the memory and processor time of its processes,
// where this machine has a /proc, and the size of its files.
func (s *Server) sample(ctx context.Context, info *fake.Info) *metricJSON {
	now := s.engine.Clock().Now()
	m := &metricJSON{
		TimestampUnix: now.Unix(), Timestamp: now.UTC().Truncate(time.Second), CPUCount: info.CPUCount,
		MemTotal: int64(info.MemoryMB) << 20, DiskTotal: int64(info.DiskSizeMB) << 20,
	}
	if info.State != e2b.StateRunning {
		return m
	}
	sandbox, err := s.engine.Reach(ctx, info.SandboxID)
	if err != nil {
		return m
	}
	var busy time.Duration
	for _, p := range sandbox.Processes() {
		m.MemUsed += residentMemory(p.PID())
		busy += processorTime(p.PID())
	}
	if up := time.Since(info.CreatedAt); up > 0 && info.CPUCount > 0 {
		m.CPUUsedPct = min(100, 100*float64(busy)/float64(up)/float64(info.CPUCount))
	}
	m.DiskUsed = diskUse(ctx, sandbox.Dir())
	return m
}

// residentMemory returns the bytes of memory of a process, or 0.
func residentMemory(pid int) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm")) //nolint:gosec // the path is made of a number
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// processorTime returns how long a process has computed, or 0.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")) //nolint:gosec // the path is made of a number
	if err != nil {
		return 0
	}
	// The name of the program, in parentheses, may hold spaces.
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= system {
		return 0
	}
	u, _ := strconv.ParseInt(fields[user], 10, 64)
	k, _ := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+k) * tick
}

// diskUse returns the size of all files in a directory. It looks at no more
// than maxFiles.
func diskUse(ctx context.Context, dir string) (size int64) {
	const maxFiles = 100_000
	count := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { //nolint:gosec // the directory is the engine's own
		if count++; count > maxFiles || ctx.Err() != nil {
			return filepath.SkipAll
		}
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what is gone has no size
		}
		if fi, err := d.Info(); err == nil {
			size += fi.Size()
		}
		return nil
	})
	return size
}

// metrics returns the samples of a sandbox between two times. There is one,
// of now.
func (s *Server) metrics(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	start, err := unixTime(q.Get("start"), 0)
	if err != nil {
		return err
	}
	end, err := unixTime(q.Get("end"), 1<<62)
	if err != nil {
		return err
	}
	if err := s.call(r, opMetrics, id); err != nil {
		return err
	}
	info, err := s.engine.Get(id)
	if err != nil {
		return err
	}
	samples := []*metricJSON{}
	if m := s.sample(r.Context(), info); start <= m.TimestampUnix && m.TimestampUnix <= end {
		samples = append(samples, m)
	}
	writeJSON(x, http.StatusOK, samples)
	return nil
}

func unixTime(text string, def int64) (int64, error) {
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badRequest("validation error: %q is no time in seconds", text)
	}
	return n, nil
}

// metricsOfMany returns one sample of each of several sandboxes.
func (s *Server) metricsOfMany(x *exchange, r *http.Request) error {
	ids := strings.Split(r.URL.Query().Get("sandbox_ids"), ",")
	if len(ids) > maxPage {
		return badRequest("validation error: at most %d sandbox_ids", maxPage)
	}
	if err := s.call(r, opMetrics, ""); err != nil {
		return err
	}
	found := make(map[string]*metricJSON)
	for _, id := range ids {
		if info, err := s.engine.Get(id); err == nil {
			found[id] = s.sample(r.Context(), info)
		}
	}
	writeJSON(x, http.StatusOK, map[string]any{"sandboxes": found})
	return nil
}

// envdMetrics is a sample as envd itself reports it.
func (s *Server) envdMetrics(w http.ResponseWriter, r *http.Request) {
	x := exchangeOf(r.Context())
	if _, err := s.begin(r.Context(), fake.Call{Op: opMetrics}); err != nil {
		x.fail(err)
		return
	}
	m := s.sample(r.Context(), x.sandbox.Info())
	writeJSON(w, http.StatusOK, map[string]any{
		"ts": m.TimestampUnix, "cpu_count": m.CPUCount, "cpu_used_pct": m.CPUUsedPct,
		"mem_total": m.MemTotal, "mem_used": m.MemUsed, "mem_cache": m.MemCache,
		"mem_total_mib": m.MemTotal >> 20, "mem_used_mib": m.MemUsed >> 20,
		"disk_used": m.DiskUsed, "disk_total": m.DiskTotal,
	})
}

// health tells that envd lives.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if _, err := s.begin(r.Context(), fake.Call{Op: fake.OpHealth}); err != nil {
		exchangeOf(r.Context()).fail(err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// envs returns the environment of every process of the sandbox.
func (s *Server) envs(w http.ResponseWriter, r *http.Request) {
	env := exchangeOf(r.Context()).sandbox.Info().Env
	if env == nil {
		env = map[string]string{}
	}
	writeJSON(w, http.StatusOK, env)
}

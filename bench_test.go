package gitsandbox_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

// The benchmarks run an operation and the same git commands by hand in turn,
// in sandboxes of the same fake, and report how many times as long the
// operation took ("ratio"). Figures and how to make them are in
// docs/benchmarks.md.

// benchFiles is how many files the repository of a benchmark has.
const benchFiles = 5000

func benchWorld(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, nil)
	files := map[string]string{}
	for i := range benchFiles {
		files[fmt.Sprintf("dir%02d/file%04d.txt", i%50, i)] = strings.Repeat(fmt.Sprintf("line of file %d\n", i), 40)
	}
	w.commit("main", "Files", files)
	return w
}

// pair measures two functions in turn. Each of them gets the number of the
// round.
func pair(b *testing.B, ours, byHand func(round int)) {
	b.Helper()
	var a, h time.Duration
	round := 0
	for b.Loop() {
		start := time.Now()
		ours(round)
		middle := time.Now()
		byHand(round)
		a += middle.Sub(start)
		h += time.Since(middle)
		round++
	}
	b.ReportMetric(float64(a)/float64(h), "ratio")
	b.ReportMetric(float64(a.Microseconds())/float64(round)/1000, "ours-ms/op")
	b.ReportMetric(float64(h.Microseconds())/float64(round)/1000, "hand-ms/op")
}

// hand is a sandbox in which git is used as everybody uses it, with the
// token in the URL.
type hand struct {
	b  *testing.B
	sb e2b.Sandbox
}

func newHand(b *testing.B, w *world) *hand {
	b.Helper()
	sb, err := w.sandboxes.Create(b.Context(), nil)
	require.NoError(b, err)
	return &hand{b, sb}
}

func (h *hand) run(script string, args ...string) {
	h.b.Helper()
	res, err := h.sb.Exec(h.b.Context(), &e2b.Command{Args: append([]string{"/bin/sh", "-c", script, "sh"}, args...)})
	require.NoError(h.b, err)
	require.Zero(h.b, res.ExitCode, "%s", res.Stderr)
}

// settle lets git see that no file can have changed within the second in which
// the index was written, on both sides. Otherwise whoever writes its index later
// reads fewer files, and the ratio is one of chance.
func settle(b *testing.B, s *gitsandbox.Sandbox, h *hand) {
	b.Helper()
	h.run(`sleep 1.1; cd repo && git status >/dev/null`)
	_, err := s.Status(b.Context(), nil)
	require.NoError(b, err)
}

func BenchmarkStatus(b *testing.B) {
	w := benchWorld(b)
	s := w.clone("a", "t")
	w.write(s, "dir01/file0001.txt", "changed\n")
	h := newHand(b, w)
	h.run(`git clone -q "$1" repo && echo changed >repo/dir01/file0001.txt`, w.urlWithToken())
	settle(b, s, h)
	pair(b,
		func(int) {
			_, err := s.Status(b.Context(), nil)
			require.NoError(b, err)
		},
		func(int) { h.run(`cd repo && git status --porcelain=v2 --branch -z --untracked-files=all`) })
}

func BenchmarkDiff(b *testing.B) {
	w := benchWorld(b)
	s := w.clone("a", "t")
	h := newHand(b, w)
	h.run(`git clone -q "$1" repo`, w.urlWithToken())
	for i := range 20 {
		name := fmt.Sprintf("dir%02d/file%04d.txt", i, i)
		w.write(s, name, "changed\n")
		h.run(`echo changed >"repo/$1"`, name)
	}
	settle(b, s, h)
	pair(b,
		func(int) {
			_, err := s.Diff(b.Context(), nil)
			require.NoError(b, err)
		},
		func(int) { h.run(`cd repo && git diff --raw --numstat --patch -z HEAD`) })
}

func BenchmarkCommitAndPush(b *testing.B) {
	w := benchWorld(b)
	s := w.clone("a", "t")
	h := newHand(b, w)
	h.run(`git clone -q "$1" repo && cd repo && git checkout -q -b by-hand &&
		git config user.name x && git config user.email x@example.com`, w.urlWithToken())
	settle(b, s, h)
	pair(b,
		func(round int) {
			w.write(s, "work.txt", fmt.Sprintf("round %d\n", round))
			_, err := s.Push(b.Context(), &gitsandbox.PushOptions{Message: "Work"})
			require.NoError(b, err)
		},
		func(round int) {
			require.NoError(b, h.sb.WriteFile(b.Context(), "repo/work.txt", strings.NewReader(fmt.Sprintf("round %d\n", round))))
			h.run(`cd repo && git add -A && git commit -q -m Work && git push -q origin HEAD`)
		})
}

func BenchmarkCloneThroughTheRelay(b *testing.B) {
	w := benchWorld(b)
	pair(b,
		func(round int) {
			s := w.clone("a", fmt.Sprintf("t%d", round))
			require.NoError(b, s.Kill(b.Context()))
		},
		func(int) {
			h := newHand(b, w)
			h.run(`git clone -q "$1" repo && cd repo && git checkout -q -b work`, w.urlWithToken())
			require.NoError(b, h.sb.Kill(b.Context()))
		})
}

// BenchmarkRelayMemory clones a repository with a pack of about 200 MB and
// reports how far the heap of this process rises above what it was. The fake
// runs in another way than E2B, but it too gets the pack as a stream.
func BenchmarkRelayMemory(b *testing.B) {
	w := newWorld(b, nil)
	w.commitRandom("main", 25, 8<<20)
	for b.Loop() {
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		var peak atomic.Uint64
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				peak.Store(max(peak.Load(), now.HeapAlloc))
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		}()
		s := w.clone("a", "t")
		close(stop)
		<-stopped
		require.NoError(b, s.Kill(b.Context()))
		b.ReportMetric(float64(peak.Load()-before.HeapAlloc)/(1<<20), "MiB-above-idle")
	}
}

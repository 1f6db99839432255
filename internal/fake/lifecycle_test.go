package fake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/e2b"
)

func TestCreateInfoListGet(t *testing.T) {
	t.Parallel()
	clock := NewManualClock(time.Time{})
	tr := newTransport(t, &Options{Clock: clock})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	one := create(t, tr, &e2b.CreateOptions{Metadata: map[string]string{"k": "1", "all": "x"}, Timeout: 1500 * time.Millisecond})
	clock.Advance(time.Second)
	two := create(t, tr, &e2b.CreateOptions{Metadata: map[string]string{"k": "2", "all": "x"}})

	info := one.Info()
	assert.Regexp(t, `^i[a-z0-9]{20}$`, info.SandboxID)
	assert.Equal(t, start, info.StartedAt)
	assert.Equal(t, start.Add(2*time.Second), info.EndAt, "whole seconds, rounded up")
	assert.Equal(t, e2b.StateRunning, info.State)
	assert.Equal(t, "base", info.Alias)
	assert.Len(t, string(info.AccessToken), 64)
	assert.NotEqual(t, one.Info().AccessToken, two.Info().AccessToken)
	info.Metadata["k"] = "changed"
	assert.Equal(t, "1", one.Info().Metadata["k"])

	list := func(opts *e2b.ListOptions) []string {
		var ids []string
		for info, err := range tr.List(t.Context(), opts) {
			require.NoError(t, err)
			assert.Empty(t, info.AccessToken)
			ids = append(ids, info.SandboxID)
		}
		return ids
	}
	assert.Equal(t, []string{two.id, one.id}, list(nil))
	tr.engine.ResetCalls()
	assert.Equal(t, []string{two.id, one.id}, list(&e2b.ListOptions{PageSize: 1}))
	assert.Len(t, tr.engine.Calls(), 2, "one call for each page")
	assert.Equal(t, []string{one.id}, list(&e2b.ListOptions{Metadata: map[string]string{"k": "1", "all": "x"}}))
	assert.Empty(t, list(&e2b.ListOptions{Metadata: map[string]string{"k": "1", "none": ""}}))
	require.NoError(t, two.Pause(t.Context()))
	assert.Equal(t, []string{two.id}, list(&e2b.ListOptions{States: []e2b.State{e2b.StatePaused}}))

	got, err := tr.Get(t.Context(), two.id)
	require.NoError(t, err)
	assert.Equal(t, e2b.StatePaused, got.State)
	_, err = tr.Get(t.Context(), "i0000")
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	_, err = tr.Get(t.Context(), "../etc")
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
}

func TestExpiryByTheManualClock(t *testing.T) {
	t.Parallel()
	clock := NewManualClock(time.Time{})
	tr := newTransport(t, &Options{Clock: clock})
	short := create(t, tr, &e2b.CreateOptions{Timeout: time.Minute})
	long := create(t, tr, &e2b.CreateOptions{Timeout: time.Minute})
	keep := create(t, tr, &e2b.CreateOptions{Timeout: time.Minute, AutoPause: true})
	dir := dirOf(t, short)
	require.NoError(t, long.SetTimeout(t.Context(), 2*time.Minute))

	clock.Advance(time.Minute - 1)
	output(t, short, "true")
	clock.Advance(1)
	assert.NoDirExists(t, dir, "gone when Advance returns")
	_, err := short.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	info, err := tr.Get(t.Context(), keep.id)
	require.NoError(t, err)
	assert.Equal(t, e2b.StatePaused, info.State)
	assert.Equal(t, clock.Now(), info.EndAt)

	output(t, long, "true")
	_, err = tr.Connect(t.Context(), long.id, &e2b.ConnectOptions{Timeout: time.Second})
	require.NoError(t, err)
	clock.Advance(30 * time.Second)
	output(t, long, "true") // Connect has not shortened the lifetime
	require.NoError(t, long.SetTimeout(t.Context(), time.Second))
	clock.Advance(time.Second)
	require.ErrorIs(t, long.Kill(t.Context()), e2b.ErrSandboxNotFound)
}

func TestExpiryByTheRealClock(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, &e2b.CreateOptions{Timeout: time.Second})
	s, err := tr.engine.Find(sb.id)
	require.NoError(t, err)
	_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"sleep", "1000"}})
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
	<-s.Gone()
}

func TestPlanLimits(t *testing.T) {
	t.Parallel()
	clock := NewManualClock(time.Time{})
	tr := newTransport(t, &Options{MaxLifetime: time.Hour, MaxSandboxes: 1, Clock: clock})
	sb := create(t, tr, &e2b.CreateOptions{Timeout: 5 * time.Hour})
	assert.Equal(t, clock.Now().Add(time.Hour), sb.Info().EndAt, "a client takes what the plan allows")
	_, err := tr.Create(t.Context(), nil)
	require.ErrorIs(t, err, e2b.ErrRateLimited)
	assert.True(t, e2b.Retryable(err))
	require.NoError(t, sb.Pause(t.Context()))
	other := create(t, tr, nil)
	require.NoError(t, other.Kill(t.Context()))

	_, err = tr.engine.Create(t.Context(), &CreateSpec{Timeout: 2 * time.Hour})
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	assert.ErrorContains(t, err, "Timeout cannot be greater than 1 hours")
	_, err = tr.engine.Create(t.Context(), &CreateSpec{})
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, &Options{Templates: map[string]Template{"mine": {
		Setup: func(dir string) error { return os.WriteFile(dir+"/home/user/hello", []byte("hi"), 0o600) },
		Env:   map[string]string{"FROM": "template"},
	}}})
	for _, name := range []string{"mine", "mine:latest", templateID("mine")} {
		sb := create(t, tr, &e2b.CreateOptions{Template: name})
		assert.Equal(t, "hi template\n", output(t, sb, `echo "$(cat hello) $FROM"`))
		assert.Equal(t, "mine", sb.Info().Alias)
	}
	for _, name := range []string{"other", "base:v7", "mine:"} {
		_, err := tr.Create(t.Context(), &e2b.CreateOptions{Template: name})
		require.ErrorIs(t, err, e2b.ErrTemplateNotFound, name)
	}
}

func TestPauseStopsAndConnectResumes(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTransport(t, &opts)
			sb := create(t, tr, nil)
			p, err := sb.Start(t.Context(), &e2b.Command{
				Args: []string{"sh", "-c", "env -i setsid sleep 1000 >/dev/null 2>&1 & echo $! >pid; mkfifo go; echo $$ >me; read x <go; echo $x"},
			})
			require.NoError(t, err)
			dir := dirOf(t, sb)
			child, me := readPID(t, dir+"/home/user/pid"), readPID(t, dir+"/home/user/me")
			require.NoError(t, sb.Pause(t.Context()))
			for _, pid := range []int{child, me} {
				assert.Contains(t, status(t, pid), "State:\tT")
			}
			require.ErrorIs(t, sb.Pause(t.Context()), e2b.ErrConflict)
			_, err = sb.Exec(t.Context(), &e2b.Command{Args: []string{"true"}})
			require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
			_, err = sb.ReadFile(t.Context(), "me")
			require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
			require.ErrorIs(t, sb.SetTimeout(t.Context(), time.Hour), e2b.ErrConflict)

			again, err := tr.Connect(t.Context(), sb.id, nil)
			require.NoError(t, err)
			assert.Equal(t, e2b.StateRunning, again.Info().State)
			assert.NotContains(t, status(t, child), "State:\tT")
			require.NoError(t, p.Stop(t.Context()))
			_, err = p.Wait(t.Context())
			require.NoError(t, err)
		})
	}
}

func status(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	return string(b)
}

func TestAutoResume(t *testing.T) {
	t.Parallel()
	clock := NewManualClock(time.Time{})
	tr := newTransport(t, &Options{Clock: clock})
	sb := create(t, tr, &e2b.CreateOptions{Timeout: time.Minute, AutoPause: true, AutoResume: true})
	clock.Advance(time.Hour)
	info, err := tr.Get(t.Context(), sb.id)
	require.NoError(t, err)
	require.Equal(t, e2b.StatePaused, info.State, "a look does not resume it")
	assert.Equal(t, "up\n", output(t, sb, "echo up"))
	info, err = tr.Get(t.Context(), sb.id)
	require.NoError(t, err)
	assert.Equal(t, clock.Now().Add(5*time.Minute), info.EndAt)
}

func TestForkAndSnapshot(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTransport(t, &opts)
			sb := create(t, tr, &e2b.CreateOptions{Env: map[string]string{"A": "1"}, Metadata: map[string]string{"m": "x"}})
			output(t, sb, `mkdir d; echo one >d/f; chmod 750 d; chmod 4711 d/f; touch -d 2020-02-02T02:02:02Z d/f d; ln -s "$PWD/d/f" abs; ln -s d/f rel; mkfifo pipe; git init -q repo`)
			forks, err := sb.Fork(t.Context(), 2, nil)
			require.NoError(t, err)
			require.Len(t, forks, 2)
			id, err := sb.Snapshot(t.Context(), "snap")
			require.NoError(t, err)
			require.NoError(t, sb.WriteFile(t.Context(), "d/f", strings.NewReader("two\n")))
			copies := append([]e2b.Sandbox{}, forks...)
			for _, name := range []string{id, "snap"} {
				copies = append(copies, create(t, tr, &e2b.CreateOptions{Template: name}))
			}
			require.NoError(t, sb.Kill(t.Context()))
			for _, c := range copies {
				assert.Equal(t, "one\none\n", output(t, c, "cat abs rel"))
				assert.Equal(t, "4711 750 1580608922 1580608922\n", output(t, c, `echo $(stat -c %a d/f d) $(stat -c %Y d/f d)`))
				assert.Equal(t, "1 "+c.Info().SandboxID+"\n", output(t, c, `echo $A $E2B_SANDBOX_ID`))
				output(t, c, "git -C repo status && ! [ -e pipe ]")
			}
			assert.Equal(t, "x", forks[0].Info().Metadata["m"])
			require.NoError(t, forks[0].WriteFile(t.Context(), "d/f", strings.NewReader("three")))
			assert.Equal(t, "one\n", read(t, forks[1], "d/f"), "copies are apart")

			assert.Equal(t, []SnapshotInfo{{ID: id, Name: "snap", SandboxID: sb.id}}, tr.engine.Snapshots())
			require.NoError(t, tr.engine.DeleteSnapshot(id))
			require.ErrorIs(t, tr.engine.DeleteSnapshot(id), e2b.ErrTemplateNotFound)
			_, err = tr.Create(t.Context(), &e2b.CreateOptions{Template: id})
			require.ErrorIs(t, err, e2b.ErrTemplateNotFound)
		})
	}
}

func TestNetworkRulesAreStored(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	rules := &e2b.Network{
		AllowOut: []string{"example.com"}, DenyOut: []string{"0.0.0.0/0"}, DenyPublicTraffic: true,
		Headers: map[string]map[string]string{"example.com": {"X-A": "b"}},
	}
	sb := create(t, tr, &e2b.CreateOptions{Network: rules})
	assert.Len(t, string(sb.Info().TrafficAccessToken), 64)
	info, err := tr.engine.Get(sb.id)
	require.NoError(t, err)
	assert.Equal(t, *rules, info.Network.Network)
	rules.Headers["example.com"]["X-A"] = "changed"
	info, err = tr.engine.Get(sb.id)
	require.NoError(t, err)
	assert.Equal(t, "b", info.Network.Headers["example.com"]["X-A"])
	require.NoError(t, sb.UpdateNetwork(t.Context(), nil))
	info, err = tr.engine.Get(sb.id)
	require.NoError(t, err)
	assert.Nil(t, info.Network)

	long := strings.Repeat("x", 2049)
	for name, n := range map[string]*e2b.Network{
		"host without deny": {AllowOut: []string{"example.com"}},
		"denied host":       {DenyOut: []string{"example.com"}},
		"unspecified":       {AllowOut: []string{"::"}},
		"long header":       {Headers: map[string]map[string]string{"a.b": {"X": long}}},
		"long host":         {Headers: map[string]map[string]string{long: {}}},
	} {
		require.ErrorIs(t, sb.UpdateNetwork(t.Context(), n), e2b.ErrInvalidArgument, name)
		_, err := tr.Create(t.Context(), &e2b.CreateOptions{Network: n})
		require.ErrorIs(t, err, e2b.ErrInvalidArgument, name)
	}
}

func TestForkIsBounded(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	for _, n := range []int{-1, 0, 101} {
		_, err := sb.Fork(t.Context(), n, nil)
		require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	}
}

func TestKillEndsWhatHasEscaped(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTransport(t, &opts)
			sb := create(t, tr, nil)
			dir := dirOf(t, sb)
			// Each has left the group and the session of the command, and its
			// parent is gone.
			output(t, sb, `
			(setsid sh -c 'echo $$ >a; exec sleep 1000' >/dev/null 2>&1 &)
			(env -i setsid sh -c 'echo $$ >b; exec /bin/sleep 1000' >/dev/null 2>&1 &)
			(setsid sh -c 'cd /; trap "" TERM HUP; echo $$ >'"$PWD"'/c; exec sleep 1000' >/dev/null 2>&1 &)`)
			var pids []int
			for _, name := range []string{"a", "b", "c"} {
				pids = append(pids, readPID(t, dir+"/home/user/"+name))
			}
			require.NoError(t, sb.Kill(t.Context()))
			for _, pid := range pids {
				assert.False(t, alive(pid))
			}
			assert.NoDirExists(t, dir)
			require.ErrorIs(t, sb.Kill(t.Context()), e2b.ErrSandboxNotFound)
		})
	}
}

func TestCloseWhileForking(t *testing.T) {
	t.Parallel()
	for name, opts := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := New(&opts)
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, e.Close()) })
			tr := NewTransport(e)
			var ids []string
			for range 2 {
				sb := create(t, tr, nil)
				ids = append(ids, sb.id)
				// A chain of processes, each of which starts the next and ends,
				// and makes files.
				_, err := sb.Start(t.Context(), &e2b.Command{Args: []string{
					"sh", "-c",
					`echo 'echo x >f$$; mkdir -p d/$$; sh chain >/dev/null 2>&1 & sh -c "sleep 0.05" & exit' >chain; sh chain; touch go`,
				}})
				require.NoError(t, err)
				readyFile := filepath.Join(dirOf(t, sb), "home/user/go")
				require.Eventually(t, func() bool { _, err := os.Stat(readyFile); return err == nil }, 10*time.Second, time.Millisecond)
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { assert.NoError(t, e.Close()) })
			}
			wg.Wait()
			assert.NoDirExists(t, e.Dir())
			procs, err := os.ReadDir("/proc")
			require.NoError(t, err)
			for _, p := range procs {
				env, err := os.ReadFile("/proc/" + p.Name() + "/environ")
				if err != nil {
					continue
				}
				for _, id := range ids {
					assert.NotContains(t, string(env), "E2B_SANDBOX_ID="+id, "process %s is left", p.Name())
				}
			}
			_, err = tr.Create(t.Context(), nil)
			require.ErrorIs(t, err, e2b.ErrClosed)
		})
	}
}

func TestKillEndsARunningExec(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	sb := create(t, tr, nil)
	done := make(chan error)
	go func() {
		_, err := sb.Exec(t.Context(), &e2b.Command{Args: []string{"sh", "-c", "echo $$ >pid; sleep 1000"}})
		done <- err
	}()
	readPID(t, dirOf(t, sb)+"/home/user/pid")
	require.NoError(t, tr.Kill(t.Context(), sb.id))
	require.ErrorIs(t, <-done, e2b.ErrSandboxNotFound)
}

func TestReadOnlyDirectoriesAreRemoved(t *testing.T) {
	t.Parallel()
	sb := create(t, newTransport(t, nil), nil)
	dir := dirOf(t, sb)
	output(t, sb, "mkdir -p ro/deep; touch ro/deep/f; chmod 500 ro/deep ro")
	require.NoError(t, sb.Kill(t.Context()))
	assert.NoDirExists(t, dir)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	_, err := s.MakeDir("w", "")
	require.NoError(t, err)
	w, err := s.Watch("w", "", true)
	require.NoError(t, err)
	defer w.Close()
	until := func(want string) Change {
		for {
			c, err := w.Next(t.Context())
			require.NoError(t, err)
			if fmt.Sprint(c.Type, " ", c.Name) == want {
				return c
			}
		}
	}
	_, err = s.WriteFile("w/a/b", "", strings.NewReader("x"))
	require.NoError(t, err)
	assert.Equal(t, TypeDirectory, until("1 a").Entry.Type)
	assert.Equal(t, "/home/user/w/a/b", until("1 a/b").Entry.Path)
	_, err = s.WriteFile("w/a/c", "", strings.NewReader("y"))
	require.NoError(t, err)
	until("2 a/c")
	require.NoError(t, s.Remove("w/a/c", ""))
	assert.Nil(t, until("3 a/c").Entry)
	_, err = s.Watch("w/a/b", "", false)
	require.ErrorIs(t, err, e2b.ErrInvalidArgument)
	_, err = s.Watch("none", "", false)
	require.ErrorIs(t, err, e2b.ErrFileNotFound)
	require.NoError(t, s.engine.Kill(t.Context(), s.ID()))
	for err = nil; err == nil; {
		_, err = w.Next(t.Context())
	}
	require.ErrorIs(t, err, e2b.ErrSandboxNotFound)
}

func TestParallelUse(t *testing.T) {
	t.Parallel()
	tr := newTransport(t, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			sb, err := tr.Create(t.Context(), nil)
			if !assert.NoError(t, err) {
				return
			}
			for j := range 3 {
				wg.Go(func() {
					name := fmt.Sprintf("f%d", j)
					err := sb.WriteFile(t.Context(), name, strings.NewReader(name))
					r, execErr := sb.Exec(t.Context(), &e2b.Command{Args: []string{"cat", name}})
					if i%2 == 1 { // it is killed in the middle of this
						for _, err := range []error{err, execErr} {
							assert.True(t, err == nil || errors.Is(err, e2b.ErrSandboxNotFound), "%v", err)
						}
						return
					}
					if assert.NoError(t, err) && assert.NoError(t, execErr) {
						assert.Equal(t, name, string(r.Stdout))
					}
				})
			}
			if i%2 == 1 {
				assert.NoError(t, sb.Kill(t.Context()))
			}
			for _, err := range tr.List(t.Context(), nil) {
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkCreateAndKill(b *testing.B) {
	for name, mode := range map[string]Namespace{"off": NamespaceOff, "on": NamespaceOn} {
		b.Run("namespace "+name, func(b *testing.B) {
			e, err := New(&Options{Namespace: mode})
			if err != nil {
				b.Skip(err)
			}
			b.Cleanup(func() { _ = e.Close() })
			tr := NewTransport(e)
			for b.Loop() {
				sb, err := tr.Create(b.Context(), nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := sb.Kill(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

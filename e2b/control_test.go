package e2b

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCreateRequest(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var body string
	s.api = func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, testKey, r.Header.Get("X-Api-Key"))
		assert.Equal(t, "gitsandbox-go", r.Header.Get("User-Agent"))
		body = readBody(r)
		reply(w, http.StatusCreated, newSandboxReply())
	}
	before := time.Now()
	box, err := s.client(nil).Create(t.Context(), &CreateOptions{
		Template: "git:v1", Timeout: 90*time.Second + 1, Metadata: map[string]string{"k": "v"}, Env: map[string]string{"A": "b"},
		AutoPause: true, AutoResume: true, DenyInternetAccess: true,
		Network: &Network{
			AllowOut: []string{"github.com"}, DenyOut: []string{"0.0.0.0/0"}, DenyPublicTraffic: true,
			Headers: map[string]map[string]string{"github.com": {"Authorization": "Basic ${e2b.secrets.x}"}},
		},
	})
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"templateID": "git:v1", "timeout": 91, "metadata": {"k": "v"}, "envVars": {"A": "b"},
		"autoPause": true, "autoResume": {"enabled": true}, "allow_internet_access": false,
		"network": {
			"allowOut": ["github.com"], "denyOut": ["0.0.0.0/0"], "allowPublicTraffic": false,
			"rules": {"github.com": [{"transform": {"headers": {"Authorization": "Basic ${e2b.secrets.x}"}}}]}
		}
	}`, body)
	info := box.Info()
	assert.Equal(t, testID, info.SandboxID)
	assert.Equal(t, StateRunning, info.State)
	assert.Equal(t, map[string]string{"k": "v"}, info.Metadata)
	assert.Equal(t, testToken, string(info.AccessToken))
	assert.Equal(t, 91*time.Second, info.EndAt.Sub(info.StartedAt))
	assert.WithinRange(t, info.StartedAt, before, time.Now())
	assert.Equal(t, []string{"POST /v2/sandboxes"}, s.paths())
}

func TestCreateDefaults(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		assert.JSONEq(t, `{"templateID": "base", "timeout": 300}`, readBody(r))
		reply(w, http.StatusCreated, newSandboxReply())
	}
	_, err := s.client(nil).Create(t.Context(), nil)
	require.NoError(t, err)
}

func TestCreateFallsBackToV1(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]http.HandlerFunc{
		"404 text": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"404 JSON": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusNotFound, apiError(404, "no matching operation was found"))
		},
		"405": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/v2/") {
					refuse(w, r)
					return
				}
				var body map[string]any
				assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
				if r.URL.Path == "/sandboxes" {
					assert.Equal(t, true, body["secure"])
				}
				v := newSandboxReply()
				v["metadata"] = map[string]string{}
				reply(w, http.StatusCreated, v)
			}
			c := s.client(nil)
			for range 2 {
				_, err := c.Create(t.Context(), nil)
				require.NoError(t, err)
			}
			_, err := c.Connect(t.Context(), testID, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{
				"POST /v2/sandboxes", "POST /sandboxes", "POST /sandboxes", "POST /sandboxes/" + testID + "/connect",
			}, s.paths(), "what was learnt is remembered")
		})
	}
}

func TestCreateUnknownTemplateIsNoMissingRoute(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusNotFound, apiError(404, "template 'x' not found"))
	}
	_, err := s.client(nil).Create(t.Context(), &CreateOptions{Template: "x"})
	require.ErrorIs(t, err, ErrTemplateNotFound)
	assert.Equal(t, []string{"POST /v2/sandboxes"}, s.paths())
}

func TestUnclear404IsNotRemembered(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
	c := s.client(nil)
	for range 2 {
		_, err := c.Connect(t.Context(), testID, nil)
		require.ErrorIs(t, err, ErrSandboxNotFound)
	}
	assert.Equal(t, 2, s.count("POST /v2/sandboxes/"+testID+"/connect"))
	assert.Equal(t, 2, s.count("POST /sandboxes/"+testID+"/connect"))
}

func TestConnectUnknownSandboxIsNoMissingRoute(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusNotFound, apiError(404, `Sandbox "`+testID+`" doesn't exist or you don't have access to it`))
	}
	_, err := s.client(nil).Connect(t.Context(), testID, nil)
	require.ErrorIs(t, err, ErrSandboxNotFound)
	assert.Len(t, s.paths(), 1)
}

func TestCreateClampsLifetime(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var timeouts []int64
	s.api = func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Timeout int64 }
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		timeouts = append(timeouts, body.Timeout)
		if body.Timeout > 3600 {
			reply(w, http.StatusBadRequest, apiError(400, "Timeout cannot be greater than 1 hours"))
			return
		}
		reply(w, http.StatusCreated, newSandboxReply())
	}
	c := s.client(nil)
	for range 2 {
		box, err := c.Create(t.Context(), &CreateOptions{Timeout: 24 * time.Hour})
		require.NoError(t, err)
		assert.Equal(t, time.Hour, box.Info().EndAt.Sub(box.Info().StartedAt))
	}
	assert.Equal(t, []int64{86400, 3600, 3600}, timeouts)
}

func TestCreateClampIsBounded(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	hours := 10
	s.api = func(w http.ResponseWriter, _ *http.Request) {
		hours--
		reply(w, http.StatusBadRequest, apiError(400, fmt.Sprintf("Timeout cannot be greater than %d hours", hours)))
	}
	_, err := s.client(nil).Create(t.Context(), &CreateOptions{Timeout: 24 * time.Hour})
	require.ErrorIs(t, err, ErrInvalidArgument)
	assert.Len(t, s.paths(), 2)
}

func TestLifetimeLimit(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]int64{
		"Timeout cannot be greater than 24 hours": 86400,
		"Timeout cannot be greater than 1 hour":   3600,
		"Timeout cannot be greater than 0 hours":  0,
		"Timeout cannot be greater than -1 hours": 0,
		"Timeout cannot be greater than 9 days":   0,
		"Timeout cannot be greater than":          0,
		"other":                                   0,
	} {
		got, ok := lifetimeLimit(&Error{Status: 400, Message: message})
		assert.Equal(t, want, got, message)
		assert.Equal(t, want > 0, ok, message)
	}
	_, ok := lifetimeLimit(&Error{Status: 500, Message: "Timeout cannot be greater than 24 hours"})
	assert.False(t, ok)
	_, ok = lifetimeLimit(nil)
	assert.False(t, ok)
}

// TestLostReplies tests what is repeatable when the reply does not come.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do        func(ctx context.Context, c *Client, box *sandbox) error
		retryable bool
	}{
		"create": {func(ctx context.Context, c *Client, _ *sandbox) error { _, err := c.Create(ctx, nil); return err }, false},
		"connect": {func(ctx context.Context, c *Client, _ *sandbox) error {
			_, err := c.Connect(ctx, testID, nil)
			return err
		}, true},
		"get":         {func(ctx context.Context, c *Client, _ *sandbox) error { _, err := c.Get(ctx, testID); return err }, true},
		"kill":        {func(ctx context.Context, c *Client, _ *sandbox) error { return c.Kill(ctx, testID) }, true},
		"set timeout": {func(ctx context.Context, _ *Client, b *sandbox) error { return b.SetTimeout(ctx, time.Minute) }, true},
		"pause":       {func(ctx context.Context, _ *Client, b *sandbox) error { return b.Pause(ctx) }, false},
		"snapshot":    {func(ctx context.Context, _ *Client, b *sandbox) error { _, err := b.Snapshot(ctx, ""); return err }, false},
		"fork":        {func(ctx context.Context, _ *Client, b *sandbox) error { _, err := b.Fork(ctx, 1, nil); return err }, false},
		"network":     {func(ctx context.Context, _ *Client, b *sandbox) error { return b.UpdateNetwork(ctx, nil) }, true},
		"list": {func(ctx context.Context, c *Client, _ *sandbox) error {
			for _, err := range c.List(ctx, nil) {
				return err
			}
			return nil
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(http.ResponseWriter, *http.Request) { cut() }
			c := s.client(nil)
			err := test.do(t.Context(), c, attach(t, c, "0.6.13"))
			require.ErrorIs(t, err, ErrNetwork)
			assert.Equal(t, test.retryable, Retryable(err))
			if name == "create" {
				assert.Len(t, s.paths(), 1, "a create is never sent twice")
			}
		})
	}
}

func TestNoReplyInTime(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(_ http.ResponseWriter, r *http.Request) { readBody(r); <-r.Context().Done() }
	c := s.client(&ClientOptions{RequestTimeout: 100 * time.Millisecond})
	_, err := c.Create(t.Context(), nil)
	require.ErrorIs(t, err, ErrNetwork)
	assert.False(t, Retryable(err))
	assert.NotErrorIs(t, err, context.DeadlineExceeded, "it is not the caller's deadline")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Get(ctx, testID)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, Retryable(err))
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c, err := NewClient(testKey, &ClientOptions{APIURL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	_, err = c.Create(t.Context(), nil)
	require.ErrorIs(t, err, ErrNetwork)
	assert.True(t, Retryable(err), "it was never sent")
	assert.NotContains(t, err.Error(), "http://", "the URL stays out")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	t.Run("waits as told", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		var calls atomic.Int32
		s.api = func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) == 1 {
				w.Header().Set("Retry-After", "1")
				reply(w, http.StatusTooManyRequests, apiError(429, "slow down"))
				return
			}
			reply(w, http.StatusCreated, newSandboxReply())
		}
		begin := time.Now()
		_, err := s.client(nil).Create(t.Context(), nil)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(begin), time.Second)
		assert.Equal(t, int32(2), calls.Load())
	})
	t.Run("three times", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		s.api = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			reply(w, http.StatusTooManyRequests, apiError(429, "slow down"))
		}
		err := s.client(nil).Kill(t.Context(), testID)
		require.ErrorIs(t, err, ErrRateLimited)
		assert.True(t, Retryable(err))
		assert.Len(t, s.paths(), 4)
	})
	for name, after := range map[string]string{
		"no Retry-After": "", "a date": "Wed, 21 Oct 2026 07:28:00 GMT", "a fraction": "0.5", "too long": "3600", "zero": "0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", after)
				reply(w, http.StatusTooManyRequests, apiError(429, "too many sandboxes"))
			}
			_, err := s.client(nil).Create(t.Context(), nil)
			require.ErrorIs(t, err, ErrRateLimited)
			assert.True(t, Retryable(err), "nothing has happened")
			assert.Len(t, s.paths(), 1)
		})
	}
	t.Run("not beyond the deadline", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		s.api = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			reply(w, http.StatusTooManyRequests, apiError(429, "slow down"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := s.client(nil).Get(ctx, testID)
		e, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		assert.Equal(t, 30*time.Second, e.RetryAfter)
		assert.Less(t, time.Since(begin), 5*time.Second)
	})
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status    int
		want      error
		get, make bool // whether get and create are retryable
	}{
		{301, ErrProtocol, false, false},
		{307, ErrProtocol, false, false},
		{400, ErrInvalidArgument, false, false},
		{401, ErrAuth, false, false},
		{403, ErrForbidden, false, false},
		{409, ErrConflict, false, false},
		{500, nil, true, false},
		{502, ErrNetwork, true, false},
		{503, ErrUnavailable, true, true},
		{504, ErrNetwork, true, false},
	} {
		t.Run(strconv.Itoa(test.status), func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/elsewhere") {
					t.Error("a redirect was followed")
				}
				w.Header().Set("Location", "/elsewhere")
				reply(w, test.status, map[string]any{"code": test.status, "message": "m", "error_code": "slug"})
			}
			c := s.client(nil)
			for _, retryable := range []bool{test.get, test.make} {
				_, err := c.Get(t.Context(), testID)
				if retryable != test.get {
					_, err = c.Create(t.Context(), nil)
				}
				e, ok := errors.AsType[*Error](err)
				require.True(t, ok)
				assert.Equal(t, test.want, e.Kind)
				assert.Equal(t, test.status, e.Status)
				assert.Equal(t, "slug", e.Code)
				assert.Equal(t, retryable, e.Retryable)
			}
		})
	}
}

func TestHostileReplies(t *testing.T) {
	t.Parallel()
	with := func(key string, value any) map[string]any {
		v := newSandboxReply()
		v[key] = value
		return v
	}
	for name, body := range map[string]any{
		"not JSON":           json.RawMessage(`"`),
		"another type":       []int{1},
		"no ID":              map[string]any{},
		"ID":                 with("sandboxID", "../../x"),
		"domain with path":   with("domain", "evil.example/x?"),
		"domain with user":   with("domain", "e2b.app@evil.example"),
		"domain with a line": with("domain", "evil\r\n.example"),
		"token with a line":  with("envdAccessToken", "a\r\nb"),
		"long token":         with("envdAccessToken", strings.Repeat("x", 10_000)),
		"version":            with("envdVersion", strings.Repeat("1", 100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(w http.ResponseWriter, _ *http.Request) {
				if raw, ok := body.(json.RawMessage); ok {
					_, _ = w.Write(raw)
					return
				}
				reply(w, http.StatusCreated, body)
			}
			c := s.client(nil)
			_, err := c.Create(t.Context(), nil)
			require.ErrorIs(t, err, ErrProtocol)
			assert.False(t, Retryable(err))
			_, err = c.Connect(t.Context(), testID, nil)
			require.ErrorIs(t, err, ErrProtocol)
		})
	}
}

func TestReplyAboutAnotherSandbox(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, newSandboxReply()) }
	c := s.client(nil)
	_, err := c.Connect(t.Context(), "ianother", nil)
	require.ErrorIs(t, err, ErrProtocol)
	_, err = c.Get(t.Context(), "ianother")
	require.ErrorIs(t, err, ErrProtocol)
}

func TestReplyIsBounded(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		block := []byte(strings.Repeat(" ", 1<<20))
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	_, err := s.client(nil).Get(t.Context(), testID)
	require.ErrorIs(t, err, ErrProtocol)
}

func TestConnectAsksForMetadata(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		v := newSandboxReply()
		if r.Method == http.MethodGet {
			v["metadata"] = map[string]string{"k": "v"}
			v["startedAt"], v["endAt"], v["state"], v["cpuCount"] = start, start.Add(time.Hour), "running", 2
		} else {
			assert.JSONEq(t, `{"timeout": 300}`, readBody(r))
		}
		reply(w, http.StatusOK, v)
	}
	box, err := s.client(nil).Connect(t.Context(), testID, nil)
	require.NoError(t, err)
	info := box.Info()
	assert.Equal(t, map[string]string{"k": "v"}, info.Metadata)
	assert.Equal(t, start, info.StartedAt)
	assert.Equal(t, start.Add(time.Hour), info.EndAt)
	assert.Equal(t, 2, info.CPUCount)
	assert.Equal(t, testToken, string(info.AccessToken))
}

func TestConnectRefusesBeforeIO(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	c := s.client(nil)
	for _, id := range []string{"", "I", "a/b", "a-b-c", "-a", "a-", strings.Repeat("a", 200), "a%2f", "é"} {
		_, err := c.Connect(t.Context(), id, nil)
		require.ErrorIs(t, err, ErrInvalidArgument, id)
		_, err = c.Get(t.Context(), id)
		require.ErrorIs(t, err, ErrInvalidArgument, id)
		require.ErrorIs(t, c.Kill(t.Context(), id), ErrInvalidArgument, id)
	}
	assert.Empty(t, s.paths())
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var queries []string
	s.api = func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		v := newSandboxReply()
		v["state"] = "paused"
		if len(queries) == 1 {
			w.Header().Set("X-Next-Token", "n/1")
		}
		reply(w, http.StatusOK, []any{v})
	}
	var ids []string
	for info, err := range s.client(nil).List(t.Context(), &ListOptions{
		Metadata: map[string]string{"a b": "c&d", "x": "é"}, States: []State{StatePaused}, PageSize: 7,
	}) {
		require.NoError(t, err)
		assert.Equal(t, StatePaused, info.State)
		ids = append(ids, info.SandboxID)
	}
	assert.Equal(t, []string{testID, testID}, ids)
	// Key and value are encoded twice, and the whole once more by the query.
	assert.Equal(t, []string{
		"limit=7&metadata=a%252520b%3Dc%252526d%26x%3D%2525C3%2525A9&state=paused",
		"limit=7&metadata=a%252520b%3Dc%252526d%26x%3D%2525C3%2525A9&nextToken=n%2F1&state=paused",
	}, queries)
}

func TestListAsksPageByPage(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Next-Token", r.URL.Query().Get("nextToken")+"x")
		reply(w, http.StatusOK, []any{newSandboxReply()})
	}
	n := 0
	for _, err := range s.client(nil).List(t.Context(), nil) {
		require.NoError(t, err)
		if n++; n == 3 {
			break
		}
	}
	assert.Len(t, s.paths(), 3)
}

func TestListEndlessPages(t *testing.T) {
	t.Parallel()
	for name, grow := range map[string]bool{"empty pages": true, "the same page": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.api = func(w http.ResponseWriter, r *http.Request) {
				next := "x"
				if grow {
					next += r.URL.Query().Get("nextToken")
				}
				w.Header().Set("X-Next-Token", next)
				reply(w, http.StatusOK, []any{})
			}
			errs := 0
			for _, err := range s.client(nil).List(t.Context(), nil) {
				require.ErrorIs(t, err, ErrProtocol)
				errs++
			}
			assert.Equal(t, 1, errs)
			assert.LessOrEqual(t, len(s.paths()), maxEmptyPages+1)
		})
	}
}

func TestForkPartly(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		assert.JSONEq(t, `{"count": 3, "timeout": 300}`, readBody(r))
		v := newSandboxReply()
		v["sandboxID"], v["metadata"] = "icopy", map[string]string{"k": "v"}
		reply(w, http.StatusCreated, []any{
			map[string]any{"sandbox": v},
			map[string]any{"error": apiError(503, "no\ncapacity")},
		})
	}
	boxes, err := attach(t, s.client(nil), "0.6.13").Fork(t.Context(), 3, nil)
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, err, ErrProtocol, "the third is missing")
	assert.NotContains(t, err.Error(), "\n")
	require.Len(t, boxes, 1)
	assert.Equal(t, "icopy", boxes[0].Info().SandboxID)
	assert.Equal(t, map[string]string{"k": "v"}, boxes[0].Info().Metadata)
}

func TestSandboxRequests(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var got []string
	s.api = func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.Path+" "+readBody(r))
		if strings.HasSuffix(r.URL.Path, "/snapshots") {
			reply(w, http.StatusCreated, map[string]any{"snapshotID": "snap:1", "names": []string{}})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	box := attach(t, s.client(nil), "0.6.13")
	require.NoError(t, box.SetTimeout(t.Context(), 1500*time.Millisecond))
	require.NoError(t, box.UpdateNetwork(t.Context(), nil))
	require.NoError(t, box.Pause(t.Context()))
	assert.Equal(t, StatePaused, box.Info().State)
	id, err := box.Snapshot(t.Context(), "n")
	require.NoError(t, err)
	assert.Equal(t, "snap:1", id)
	require.NoError(t, box.Kill(t.Context()))
	require.ErrorIs(t, box.SetTimeout(t.Context(), -1), ErrInvalidArgument)
	require.ErrorIs(t, box.UpdateNetwork(t.Context(), &Network{DenyPublicTraffic: true}), ErrInvalidArgument)
	path := "/sandboxes/" + testID
	assert.Equal(t, []string{
		"POST " + path + `/timeout {"timeout":2}`,
		"PUT " + path + "/network {}",
		"POST " + path + "/pause {}",
		"POST " + path + `/snapshots {"name":"n"}`,
		"DELETE " + path + " ",
	}, got)
}

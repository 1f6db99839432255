package wire

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

func TestCreateV2(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	r := f.api(http.MethodPost, "/v2/sandboxes", `{"templateID":"base","metadata":{"k":"v"},"unknown":1}`)
	require.Equal(t, http.StatusCreated, r.status, r.body)
	assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	made := into[map[string]any](t, r)
	assert.Regexp(t, `^i[a-z0-9]{20}$`, made["sandboxID"])
	assert.Equal(t, "0.6.13", made["envdVersion"])
	assert.Equal(t, "base", made["alias"])
	assert.NotEmpty(t, made["envdAccessToken"])
	assert.Nil(t, made["trafficAccessToken"])
	assert.Nil(t, made["domain"])

	got := into[map[string]any](t, f.api(http.MethodGet, "/sandboxes/"+made["sandboxID"].(string), ""))
	assert.Equal(t, "2026-01-01T00:00:00Z", got["startedAt"])
	assert.Equal(t, "2026-01-01T00:05:00Z", got["endAt"], "300 s by default")
	assert.Equal(t, "running", got["state"])
	assert.Equal(t, map[string]any{"k": "v"}, got["metadata"])
	assert.Equal(t, map[string]any{"onTimeout": "kill", "autoResume": false}, got["lifecycle"])
	assert.Equal(t, made["envdAccessToken"], got["envdAccessToken"])
}

func TestCreateV1HasNoTokenUnlessSecure(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	open := into[sandboxJSON](t, f.api(http.MethodPost, "/sandboxes", `{"templateID":"base"}`))
	assert.Empty(t, open.EnvdAccessToken)
	got := into[detailJSON](t, f.api(http.MethodGet, "/sandboxes/"+open.SandboxID, ""))
	assert.Empty(t, got.EnvdAccessToken)
	assert.Equal(t, 15*time.Second, got.EndAt.Sub(got.StartedAt))
	b := &box{f: f, id: open.SandboxID}
	assert.Contains(t, b.stream(startPath, sh("exit 0")), `{"event":{"end":{"exited":true,"status":"exit status 0"}}}`)
	assert.Equal(t, http.StatusOK, b.envd(http.MethodPost, "/files?path=a", "x", "Content-Type", "application/octet-stream").status)

	secure := into[sandboxJSON](t, f.api(http.MethodPost, "/sandboxes", `{"templateID":"base","secure":true}`))
	assert.NotEmpty(t, secure.EnvdAccessToken)
	b = &box{f: f, id: secure.SandboxID}
	assert.Equal(t, http.StatusUnauthorized, b.rpc("/process.Process/List", "{}").status)
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{MaxSandboxes: 1, MaxLifetime: time.Hour})
	for name, c := range map[string]struct {
		body    string
		status  int
		message string
	}{
		"no body":           {"", 400, "value is required"},
		"no JSON":           {"{", 400, "not JSON"},
		"no template":       {"{}", 400, `"templateID" is missing`},
		"wrong type":        {`{"templateID":"base","timeout":"1"}`, 400, `field "timeout" cannot be a string`},
		"unknown template":  {`{"templateID":"none"}`, 404, "template 'none' not found"},
		"unknown tag":       {`{"templateID":"base:v9"}`, 404, "tag 'v9' does not exist for template 'base'"},
		"no lifetime":       {`{"templateID":"base","timeout":0}`, 400, "Timeout must be greater than 0"},
		"endless":           {`{"templateID":"base","timeout":3601}`, 400, "Timeout cannot be greater than 1 hours"},
		"memory alone":      {`{"templateID":"base","autoPauseMemory":false}`, 400, "autoPauseMemory requires autoPause"},
		"disk-only resume":  {`{"templateID":"base","autoPause":true,"autoPauseMemory":false,"autoResume":{"enabled":true}}`, 400, "autoResume requires"},
		"volumes":           {`{"templateID":"base","volumeMounts":[{"name":"v","path":"/v"}]}`, 400, "volumes are not available"},
		"domain allow only": {`{"templateID":"base","network":{"allowOut":["a.example"]}}`, 400, "0.0.0.0/0"},
	} {
		r := f.api(http.MethodPost, "/v2/sandboxes", c.body)
		assert.Equal(t, c.status, r.status, name)
		e := into[apiError](t, r)
		assert.Equal(t, c.status, e.Code, name)
		assert.Contains(t, e.Message, c.message, name)
	}
	f.create(`{"templateID":"base"}`)
	r := f.api(http.MethodPost, "/v2/sandboxes", `{"templateID":"base"}`)
	assert.Equal(t, http.StatusTooManyRequests, r.status)
	assert.Empty(t, r.header.Get("Retry-After"), "a limit of the plan has none")
}

func TestV1OnlyHasNoV2(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	f.SetV1Only(true)
	r := f.api(http.MethodPost, "/v2/sandboxes", `{"templateID":"base"}`)
	assert.Equal(t, http.StatusNotFound, r.status)
	id := into[sandboxJSON](t, f.api(http.MethodPost, "/sandboxes", `{"templateID":"base"}`)).SandboxID
	assert.Equal(t, http.StatusNotFound, f.api(http.MethodPost, "/v2/sandboxes/"+id+"/connect", `{}`).status)
	assert.Equal(t, http.StatusBadRequest, f.api(http.MethodPost, "/sandboxes/"+id+"/connect", `{}`).status, "timeout is required")
	assert.Equal(t, http.StatusOK, f.api(http.MethodPost, "/sandboxes/"+id+"/connect", `{"timeout":60}`).status)
	f.SetV1Only(false)
	assert.Equal(t, http.StatusOK, f.api(http.MethodPost, "/v2/sandboxes/"+id+"/connect", "").status)
}

func TestKeyIsNeeded(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	for key, message := range map[string]string{
		"":             "no credentials found",
		"abc":          "invalid API key format",
		"e2b_00112233": "Cannot get the team for the given API key",
	} {
		r := f.do(http.MethodGet, "/v2/sandboxes", "", "X-API-Key", key)
		assert.Equal(t, http.StatusUnauthorized, r.status)
		assert.Equal(t, apiError{Code: 401, Message: message}, into[apiError](t, r))
	}
	assert.Equal(t, http.StatusOK, f.do(http.MethodGet, "/health", "").status)
}

func TestUnknownRoutesAndIDs(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	for path, want := range map[string]int{
		"GET /volumes":                    404,
		"GET /secrets":                    404,
		"GET /nowhere":                    404,
		"PATCH /v2/sandboxes":             405,
		"GET /sandboxes/A":                400,
		"GET /sandboxes/a-b-c":            400,
		"GET /sandboxes/iabc":             404,
		"GET /sandboxes/iabc-6532622b":    404,
		"DELETE /sandboxes/iabc":          404,
		"POST /sandboxes/iabc/pause":      404,
		"POST /sandboxes/iabc/resume":     404,
		"POST /sandboxes/iabc/fork":       404,
		"POST /sandboxes/iabc/refreshes":  404,
		"POST /v2/sandboxes/iabc/connect": 404,
		"DELETE /templates/none":          404,
		"GET /sandboxes/iabc/metrics":     404,
		"GET /v2/sandboxes/iabc/logs":     404,
	} {
		method, path, _ := strings.Cut(path, " ")
		r := f.api(method, path, "")
		assert.Equal(t, want, r.status, path)
		e := into[apiError](t, r)
		assert.Equal(t, want, e.Code, path)
		assert.NotEmpty(t, e.Message, path)
	}
	r := f.api(http.MethodGet, "/sandboxes/iabc", "")
	assert.Equal(t, `Sandbox "iabc" doesn't exist or you don't have access to it`, into[apiError](t, r).Message)
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base","timeout":100}`)
	end := func() string {
		return into[detailJSON](t, f.api(http.MethodGet, "/sandboxes/"+b.id, "")).EndAt.Format(time.TimeOnly)
	}
	assert.Equal(t, "00:01:40", end())
	assert.Equal(t, 204, f.api(http.MethodPost, "/sandboxes/"+b.id+"/timeout", `{"timeout":20}`).status)
	assert.Equal(t, "00:00:20", end())
	assert.Equal(t, 204, f.api(http.MethodPost, "/sandboxes/"+b.id+"/refreshes", `{"duration":5}`).status)
	assert.Equal(t, "00:00:20", end(), "a refresh is for 15 s at least, and never shortens")
	assert.Equal(t, 204, f.api(http.MethodPost, "/sandboxes/"+b.id+"/refreshes", `{"duration":30}`).status)
	assert.Equal(t, "00:00:30", end())
	assert.Equal(t, 200, f.api(http.MethodPost, "/v2/sandboxes/"+b.id+"/connect", `{"timeout":10}`).status)
	assert.Equal(t, "00:00:30", end(), "connect never shortens")
	assert.Equal(t, 200, f.api(http.MethodPost, "/v2/sandboxes/"+b.id+"-6532622b/connect", ``).status)
	assert.Equal(t, "00:05:00", end())
	assert.Equal(t, 400, f.api(http.MethodPost, "/sandboxes/"+b.id+"/timeout", `{}`).status)
	assert.Equal(t, 204, f.api(http.MethodPost, "/sandboxes/"+b.id+"/timeout", `{"timeout":-7}`).status)
	f.clock.Advance(0)
	assert.Equal(t, 404, f.api(http.MethodGet, "/sandboxes/"+b.id, "").status)
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base","autoPause":true}`)
	path := "/sandboxes/" + b.id
	assert.Equal(t, 409, f.api(http.MethodPost, path+"/resume", "").status)
	assert.Equal(t, 204, f.api(http.MethodPost, path+"/pause", "").status)
	assert.Equal(t, 409, f.api(http.MethodPost, path+"/pause", `{"memory":true}`).status)
	assert.Equal(t, 409, f.api(http.MethodPost, path+"/timeout", `{"timeout":20}`).status)
	assert.Equal(t, "paused", string(into[detailJSON](t, f.api(http.MethodGet, path, "")).State))
	assert.Equal(t, 502, b.envd(http.MethodGet, "/health", "").status)
	assert.Equal(t, 201, f.api(http.MethodPost, path+"/resume", `{"autoPause":false}`).status)
	got := into[detailJSON](t, f.api(http.MethodGet, path, ""))
	assert.Equal(t, 15*time.Second, got.EndAt.Sub(got.StartedAt))
	assert.Equal(t, "kill", got.Lifecycle.OnTimeout)
	assert.Equal(t, 204, f.api(http.MethodPost, path+"/pause", "").status)
	assert.Equal(t, 201, f.api(http.MethodPost, "/v2"+path+"/connect", "").status)
	assert.Equal(t, 204, b.envd(http.MethodGet, "/health", "").status)
	assert.Equal(t, 204, f.api(http.MethodDelete, path, "").status)
	assert.Equal(t, 404, f.api(http.MethodDelete, path, "").status)
}

func TestSnapshotsAndForks(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	path := "/sandboxes/" + b.id
	assert.Equal(t, 400, f.api(http.MethodPost, path+"/snapshots", "").status)
	var ids []string
	for i := range 3 {
		r := f.api(http.MethodPost, path+"/snapshots", fmt.Sprintf(`{"name":"n%d"}`, i))
		require.Equal(t, 201, r.status, r.body)
		made := into[snapshotJSON](t, r)
		assert.Equal(t, []string{fmt.Sprintf("n%d", i)}, made.Names)
		ids = append(ids, made.SnapshotID)
	}
	first := f.api(http.MethodGet, "/snapshots?limit=2&sandboxID="+b.id, "")
	assert.Equal(t, []snapshotJSON{{ids[2], []string{"n2"}}, {ids[1], []string{"n1"}}}, into[[]snapshotJSON](t, first))
	second := f.api(http.MethodGet, "/snapshots?limit=2&nextToken="+first.header.Get("X-Next-Token"), "")
	assert.Equal(t, []snapshotJSON{{ids[0], []string{"n0"}}}, into[[]snapshotJSON](t, second))
	assert.Empty(t, second.header.Get("X-Next-Token"))
	assert.Equal(t, []snapshotJSON{{ids[1], []string{"n1"}}}, into[[]snapshotJSON](t, f.api(http.MethodGet, "/snapshots?name=n1", "")))
	assert.Equal(t, "[]", f.api(http.MethodGet, "/snapshots?sandboxID=iother", "").body)
	assert.Equal(t, 400, f.api(http.MethodGet, "/snapshots?nextToken=x", "").status)
	assert.Equal(t, 204, f.api(http.MethodDelete, "/templates/"+ids[0], "").status)
	assert.Equal(t, 404, f.api(http.MethodDelete, "/templates/"+ids[0], "").status)

	forks := into[[]forkJSON](t, f.api(http.MethodPost, path+"/fork", `{"count":2,"timeout":40}`))
	require.Len(t, forks, 2)
	assert.NotEqual(t, forks[0].Sandbox.SandboxID, forks[1].Sandbox.SandboxID)
	assert.NotEqual(t, b.token, forks[0].Sandbox.EnvdAccessToken)
	assert.Equal(t, 400, f.api(http.MethodPost, path+"/fork", `{"count":101}`).status)
}

func TestForkReportsEachFailure(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{MaxSandboxes: 2})
	b := f.create(`{"templateID":"base"}`)
	r := f.api(http.MethodPost, "/sandboxes/"+b.id+"/fork", `{"count":2}`)
	require.Equal(t, 201, r.status, r.body)
	forks := into[[]forkJSON](t, r)
	require.Len(t, forks, 2)
	assert.NotNil(t, forks[0].Sandbox)
	assert.Nil(t, forks[1].Sandbox)
	require.NotNil(t, forks[1].Error)
	assert.Equal(t, 429, forks[1].Error.Code)
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base","network":{"allowPublicTraffic":false,"egressProxy":{"address":"p:1080","username":"u","password":"secret"},
		"rules":{"git.example":[{"transform":{"headers":{"Authorization":"Basic x"}}}]}},"allow_internet_access":true}`)
	r := f.api(http.MethodGet, "/sandboxes/"+b.id, "")
	assert.NotContains(t, r.body, "secret")
	got := into[detailJSON](t, r)
	assert.Equal(t, "Basic x", got.Network.Rules["git.example"][0].Transform.Headers["Authorization"])
	assert.Equal(t, &egressProxy{Address: "p:1080", Username: "u"}, got.Network.EgressProxy)
	assert.True(t, *got.AllowInternetAccess)

	put := func(body string) int {
		return f.api(http.MethodPut, "/sandboxes/"+b.id+"/network", body).status
	}
	assert.Equal(t, 204, put(`{"allowOut":["10.0.0.1","*.a.example"],"denyOut":["0.0.0.0/0"]}`))
	got = into[detailJSON](t, f.api(http.MethodGet, "/sandboxes/"+b.id, ""))
	assert.Equal(t, []string{"10.0.0.1", "*.a.example"}, got.Network.AllowOut)
	assert.Nil(t, got.Network.Rules, "an update replaces everything")
	assert.Equal(t, 400, put(`{"denyOut":["a.example"]}`))
	assert.Equal(t, 400, put(`{"allowOut":["0.0.0.0"],"denyOut":["0.0.0.0/0"]}`))
	assert.Equal(t, 400, put(`{"egressProxy":{}}`))
	assert.Equal(t, 400, put(`{"rules":{"a.example":[{},{}]}}`))
	assert.Equal(t, 400, put(`{"rules":{"a.example":[{"transform":{"headers":{"N":"`+strings.Repeat("v", 2049)+`"}}}]}}`))
	assert.Equal(t, 400, put(`{"rules":{`+strings.TrimSuffix(strings.Repeat(`"h":[],`, 10), ",")+`,"`+strings.Repeat("a", 129)+`":[]}}`))
	assert.Equal(t, 204, put(`{}`))
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	body := strings.Repeat("x", 5000)
	require.Equal(t, 200, b.envd(http.MethodPost, "/files?path=a", body, "Content-Type", "application/octet-stream").status)
	path := "/sandboxes/" + b.id + "/metrics"
	samples := into[[]metricJSON](t, f.api(http.MethodGet, path, ""))
	require.Len(t, samples, 1)
	assert.Equal(t, int64(1767225600), samples[0].TimestampUnix)
	assert.Equal(t, 2, samples[0].CPUCount)
	assert.GreaterOrEqual(t, samples[0].DiskUsed, int64(5000))
	assert.Equal(t, int64(512<<20), samples[0].MemTotal)
	assert.Equal(t, "[]", f.api(http.MethodGet, path+"?end=1767225599", "").body)
	assert.Equal(t, 400, f.api(http.MethodGet, path+"?start=x", "").status)
	many := into[map[string]map[string]metricJSON](t, f.api(http.MethodGet, "/sandboxes/metrics?sandbox_ids="+b.id+",iother", ""))
	assert.Len(t, many["sandboxes"], 1)
	assert.Contains(t, many["sandboxes"], b.id)
	own := into[map[string]float64](t, b.envd(http.MethodGet, "/metrics", ""))
	assert.InDelta(t, 512, own["mem_total_mib"], 0)
	assert.GreaterOrEqual(t, own["disk_used"], 5000.0)
}

func TestLogs(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	b.stream(startPath, sh("exit 0"))
	f.clock.Advance(time.Second)
	require.Equal(t, 200, b.envd(http.MethodPost, "/files?path=a", "", "Content-Type", "application/octet-stream").status)
	get := func(query string) []string {
		r := f.api(http.MethodGet, "/v2/sandboxes/"+b.id+"/logs"+query, "")
		require.Equal(t, 200, r.status, r.body)
		var lines []string
		for _, l := range into[map[string][]logJSON](t, r)["logs"] {
			lines = append(lines, l.Level+" "+l.Message+" "+l.Fields["args"])
		}
		return lines
	}
	assert.Equal(t, []string{"debug exec /bin/sh -c exit 0", "info write_file a"}, get("")[:2])
	assert.Equal(t, []string{"debug exec /bin/sh -c exit 0"}, get("?search=exit"))
	assert.Equal(t, []string{"info write_file a"}, get("?level=info&search=write"))
	assert.Equal(t, "info write_file a", get("?cursor=1767225601000")[0])
	assert.Equal(t, []string{"debug exec /bin/sh -c exit 0"}, get("?direction=backward&cursor=1767225600500"))
	assert.Len(t, get("?limit=1"), 1)
	for _, bad := range []string{"?limit=-1", "?cursor=x", "?direction=up", "?level=loud"} {
		assert.Equal(t, 400, f.api(http.MethodGet, "/v2/sandboxes/"+b.id+"/logs"+bad, "").status, bad)
	}
}

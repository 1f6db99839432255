package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// TestRecordedExchange is an exchange that was recorded with envd.
func TestRecordedExchange(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	got := b.stream(startPath, `{"process":{"cmd":"/bin/bash","args":["-l","-c","echo out; exit 3"]},"stdin":false}`,
		"Connect-Timeout-Ms", "60000", "Keepalive-Ping-Interval", "50", "Authorization", "Basic dXNlcjo=")
	require.Len(t, got, 4)
	assert.Regexp(t, `^{"event":{"start":{"pid":[1-9][0-9]*}}}$`, got[0])
	assert.Equal(t, `{"event":{"data":{"stdout":"b3V0Cg=="}}}`, got[1])
	assert.Equal(t, `{"event":{"end":{"exitCode":3,"exited":true,"status":"exit status 3","error":"exit status 3"}}}`, got[2])
	assert.Equal(t, `{}`, got[3])
}

func TestStartOutcomes(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for name, c := range map[string]struct{ request, last, end string }{
		"zero is left out":   {sh("true"), `{"event":{"end":{"exited":true,"status":"exit status 0"}}}`, `{}`},
		"killed":             {sh("kill -9 $$"), `{"event":{"end":{"exitCode":-1,"status":"signal: killed","error":"signal: killed"}}}`, `{}`},
		"missing program":    {`{"process":{"cmd":"no-such-program"}}`, `{"event":{"end":{"exitCode":127,"exited":true,"status":"exit status 127","error":"exit status 127"}}}`, `{}`},
		"missing directory":  {`{"process":{"cmd":"true","cwd":"/no/dir"}}`, ``, `{"error":{"code":"invalid_argument","message":"cwd '/no/dir' does not exist"}}`},
		"argument too long":  {sh(strings.Repeat("x", 1<<17)), ``, `{"error":{"code":"invalid_argument","message":"fork/exec /bin/sh: argument list too long"}}`},
		"no process":         {`{}`, ``, `{"error":{"code":"invalid_argument","message":"process is missing"}}`},
		"bad timeout header": {sh("true"), ``, `"code":"invalid_argument"`},
	} {
		var header []string
		if name == "bad timeout header" {
			header = []string{"Connect-Timeout-Ms", "soon"}
		}
		r := b.envd(http.MethodPost, startPath, frame(0, c.request), append(header, "Content-Type", "application/connect+json")...)
		require.Equal(t, 200, r.status, name)
		got, _ := frames(t, r.body)
		require.NotEmpty(t, got, name)
		assert.Contains(t, got[len(got)-1], c.end, name)
		if c.last == "" {
			assert.Len(t, got, 1, name)
		} else {
			assert.Equal(t, c.last, got[len(got)-2], name)
		}
	}
}

func TestTimeoutKillsTheTopProcessAndHasNoEndEvent(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	got := b.stream(startPath, sh("echo $$; sleep 100 & sleep 100"), "Connect-Timeout-Ms", "300")
	require.GreaterOrEqual(t, len(got), 2)
	assert.Equal(t, `{"error":{"code":"deadline_exceeded","message":"context deadline exceeded"}}`, got[len(got)-1])
	assert.Len(t, got, 3, "start, output, and no end event: %q", got)
}

func TestUnaryAndRoutingErrors(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for name, c := range map[string]struct {
		procedure, body string
		status          int
		reply           string
	}{
		"signal of nobody":  {"SendSignal", `{"process":{"pid":999999999},"signal":"SIGNAL_SIGKILL"}`, 404, `{"code":"not_found","message":"process with pid 999999999 not found"}`},
		"input of nobody":   {"SendInput", `{"process":{"tag":"x"},"input":{"stdin":"YQ=="}}`, 404, `{"code":"not_found","message":"process with tag x not found"}`},
		"no selector":       {"CloseStdin", `{}`, 501, `{"code":"unimplemented","message":"invalid input type"}`},
		"resize of nobody":  {"Update", `{"process":{"pid":999999999},"pty":{"size":{"cols":1,"rows":1}}}`, 404, `{"code":"not_found","message":"process with pid 999999999 not found"}`},
		"list":              {"List", `{}`, 200, `{}`},
		"unknown fields":    {"List", `{"more":1}`, 200, `{}`},
		"unknown procedure": {"Nothing", `{}`, 404, ``},
	} {
		r := b.rpc("/process.Process/"+c.procedure, c.body)
		assert.Equal(t, c.status, r.status, name)
		if c.reply != "" {
			assert.JSONEq(t, c.reply, r.body, name)
		}
	}
	assert.Equal(t, 415, b.envd(http.MethodPost, "/process.Process/List", "{}", "Content-Type", "text/plain").status)
	assert.Equal(t, 405, b.envd(http.MethodGet, startPath, "").status)
}

func TestProcessLife(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	// "stdin" that is absent means true.
	s := b.open(startPath, `{"process":{"cmd":"cat","envs":{"A":"b"},"cwd":"~"},"tag":"cats"}`)
	pid := s.pid()
	r := b.rpc("/process.Process/List", "{}")
	assert.JSONEq(t, `{"processes":[{"pid":`+pid+`,"tag":"cats","config":{"cmd":"cat","envs":{"A":"b"},"cwd":"~"}}]}`, r.body)
	assert.Equal(t, 200, b.rpc("/process.Process/SendInput", `{"process":{"pid":`+pid+`},"input":{"stdin":"aGk="}}`).status)
	assert.Equal(t, `{"event":{"data":{"stdout":"aGk="}}}`, s.until("stdout"))
	r = b.rpc("/process.Process/SendInput", `{"process":{"pid":`+pid+`},"input":{"pty":"aGk="}}`)
	assert.Equal(t, 500, r.status, "it has no terminal")
	r = b.rpc("/process.Process/SendSignal", `{"process":{"pid":`+pid+`},"signal":3}`)
	assert.Equal(t, 501, r.status)

	// A second subscriber gets what comes from now on.
	late := b.open("/process.Process/Connect", `{"process":{"tag":"cats"}}`)
	assert.Equal(t, pid, late.pid())
	in := frame(0, `{"start":{"process":{"pid":`+pid+`}}}`) + frame(0, `{"keepalive":{}}`) +
		frame(0, `{"data":{"input":{"stdin":"YQ=="}}}`) + frame(0, `{"data":{"input":{"stdin":"Yg=="}}}`)
	r = b.envd(http.MethodPost, "/process.Process/StreamInput", in, "Content-Type", "application/connect+json")
	got, ended := frames(t, r.body)
	assert.True(t, ended)
	assert.Equal(t, []string{"{}", "{}"}, got)
	assert.Equal(t, 200, b.rpc("/process.Process/CloseStdin", `{"process":{"pid":`+pid+`}}`).status)
	assert.Equal(t, 200, b.rpc("/process.Process/CloseStdin", `{"process":{"pid":`+pid+`}}`).status, "twice is fine")
	assert.Contains(t, late.until("stdout"), "Y")
	for _, stream := range []*openStream{s, late} {
		assert.Contains(t, stream.until("end"), "exit status 0")
		end, err := stream.next()
		require.NoError(t, err)
		assert.Equal(t, "{}", end)
	}

	// The end can be had for 30 seconds more.
	f.clock.Advance(29 * time.Second)
	got = b.stream("/process.Process/Connect", `{"process":{"pid":`+pid+`}}`)
	require.Len(t, got, 3)
	assert.Contains(t, got[1], "exit status 0")
	r = b.rpc("/process.Process/SendInput", `{"process":{"pid":`+pid+`},"input":{"stdin":"YQ=="}}`)
	assert.JSONEq(t, `{"code":"internal","message":"stdin not enabled or closed"}`, r.body)
	f.clock.Advance(2 * time.Second)
	got = b.stream("/process.Process/Connect", `{"process":{"pid":`+pid+`}}`)
	assert.Equal(t, []string{`{"error":{"code":"not_found","message":"process with pid ` + pid + ` not found"}}`}, got)
}

func TestStreamInputNeedsAStart(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for in, code := range map[string]string{
		frame(0, `{"data":{"input":{"stdin":"YQ=="}}}`): "invalid_argument",
		frame(0, `{}`): "unimplemented",
		frame(0, `{"start":{"process":{"pid":999999999}}}`): "not_found",
	} {
		r := b.envd(http.MethodPost, "/process.Process/StreamInput", in, "Content-Type", "application/connect+json")
		got, _ := frames(t, r.body)
		require.Len(t, got, 1)
		assert.Contains(t, got[0], `"code":"`+code+`"`)
	}
}

func TestDisconnectLeavesTheProcessAlone(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	s := b.open(startPath, `{"process":{"cmd":"/bin/sh","args":["-c","read x; echo $x > got"]}}`)
	pid := s.pid()
	s.cancel()
	assert.Equal(t, 200, b.rpc("/process.Process/SendInput", `{"process":{"pid":`+pid+`},"input":{"stdin":"aGkK"}}`).status)
	got := b.stream("/process.Process/Connect", `{"process":{"pid":`+pid+`}}`)
	assert.Contains(t, got[len(got)-2], "exit status 0")
	assert.Equal(t, "hi\n", b.envd(http.MethodGet, "/files?path=got", "").body)
}

func TestKeepaliveEvents(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	s := b.open(startPath, `{"process":{"cmd":"cat"}}`, "Keepalive-Ping-Interval", "1")
	s.pid()
	for range 2 {
		msg, err := s.next()
		require.NoError(t, err)
		assert.Equal(t, `{"event":{"keepalive":{}}}`, msg)
	}
}

func TestKillOfTheSandboxCutsStreams(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	s := b.open(startPath, sh("sleep 100"))
	s.pid()
	require.Equal(t, 204, f.api(http.MethodDelete, "/sandboxes/"+b.id, "").status)
	_, err := s.next()
	require.Error(t, err, "no end frame")
	assert.Equal(t, 502, b.envd(http.MethodGet, "/health", "").status)
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/ptmx"); err != nil {
		t.Skip("this system has no pseudo terminals")
	}
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	s := b.open(startPath, `{"process":{"cmd":"/bin/sh","args":["-c","stty size; read x; stty size"]},"pty":{"size":{"cols":70,"rows":20}}}`)
	pid := s.pid()
	assert.Equal(t, `{"event":{"data":{"pty":"`+base64.StdEncoding.EncodeToString([]byte("20 70\r\n"))+`"}}}`, s.until("pty"))
	assert.Equal(t, 200, b.rpc("/process.Process/Update", `{"process":{"pid":`+pid+`},"pty":{"size":{"cols":71,"rows":21}}}`).status)
	assert.Equal(t, 500, b.rpc("/process.Process/SendInput", `{"process":{"pid":`+pid+`},"input":{"stdin":"Cg=="}}`).status)
	assert.Equal(t, 500, b.rpc("/process.Process/CloseStdin", `{"process":{"pid":`+pid+`}}`).status)
	assert.Equal(t, 200, b.rpc("/process.Process/SendInput", `{"process":{"pid":`+pid+`},"input":{"pty":"Cg=="}}`).status)
	var typed strings.Builder
	for {
		msg, err := s.next()
		require.NoError(t, err)
		var ev struct {
			Event struct{ Data struct{ Pty []byte } }
		}
		require.NoError(t, json.Unmarshal([]byte(msg), &ev))
		typed.Write(ev.Event.Data.Pty)
		if strings.Contains(msg, "exit status 0") {
			break
		}
	}
	assert.Equal(t, "\r\n21 71\r\n", typed.String(), "the echo, and the new size")
}

// TestOtherProtocols calls the services with binary messages and with the
// protocols of gRPC.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	for name, opts := range map[string][]connect.ClientOption{
		"connect binary": nil,
		"connect JSON":   {connect.WithProtoJSON()},
		"gRPC-web":       {connect.WithGRPCWeb()},
	} {
		client := processpbconnect.NewProcessClient(f.client, f.URL(), opts...)
		call := func(timeout, script string) (string, error) {
			req := connect.NewRequest(&processpb.StartRequest{
				Process: &processpb.ProcessConfig{Cmd: "/bin/sh", Args: []string{"-c", script}}, Stdin: new(false),
			})
			all := b.headers()
			for i := 0; i < len(all); i += 2 {
				req.Header().Set(all[i], all[i+1])
			}
			if timeout != "" {
				req.Header().Set("Grpc-Timeout", timeout)
			}
			stream, err := client.Start(t.Context(), req)
			if err != nil {
				return "", err
			}
			defer stream.Close()
			var out strings.Builder
			for stream.Receive() {
				out.Write(stream.Msg().GetEvent().GetData().GetStdout())
				if end := stream.Msg().GetEvent().GetEnd(); end != nil {
					fmt.Fprint(&out, end.GetExitCode())
				}
			}
			return out.String(), stream.Err()
		}
		out, err := call("", "echo hi; exit 7")
		require.NoError(t, err, name)
		assert.Equal(t, "hi\n7", out, name)
		if name == "gRPC-web" {
			_, err = call("200m", "exec sleep 100")
			assert.Equal(t, connect.CodeDeadlineExceeded, connect.CodeOf(err), name)
		}
	}
}

func TestProcessIsInItsSandbox(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base","envVars":{"FROM":"create"}}`)
	b.stream(startPath, sh(`printf %s "$FROM $USER" > made`))
	sandbox, err := f.Engine().Reach(t.Context(), b.id)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(sandbox.Dir(), "home/user/made"))
	require.NoError(t, err)
	assert.Equal(t, "create user", string(data))
}

func TestKillOfTheSandboxFreesTheHandlerOfASlowClient(t *testing.T) {
	t.Parallel()
	f := setup(t, fake.Options{})
	b := f.create(`{"templateID":"base"}`)
	slow := b.open(startPath, sh("cat /dev/zero")) // and nobody reads on
	slow.pid()
	require.Equal(t, 204, f.api(http.MethodDelete, "/sandboxes/"+b.id, "").status)
	assert.Eventually(t, func() bool {
		f.dead.mu.Lock()
		defer f.dead.mu.Unlock()
		return len(f.dead.requests) == 0
	}, 10*time.Second, 10*time.Millisecond)
}

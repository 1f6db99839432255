package e2b

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/internal/envd/processpb"
	"github.com/gitsandbox/gitsandbox/internal/envd/processpb/processpbconnect"
)

const (
	testKey   = "e2b_0123456789abcdef"
	testToken = "token-of-the-sandbox"
	testID    = "i0123456789abcdefghij"
)

// A script is a server that is both control plane and envd, of which each test
// sets what it needs. What is not set fails the test.
type script struct {
	t   *testing.T
	url string

	api    func(w http.ResponseWriter, r *http.Request) // the control plane
	files  func(w http.ResponseWriter, r *http.Request)
	health int // status of GET /health

	start   func(ctx context.Context, r *connect.Request[processpb.StartRequest], s *connect.ServerStream[processpb.StartResponse]) error
	join    func(ctx context.Context, r *connect.Request[processpb.ConnectRequest], s *connect.ServerStream[processpb.ConnectResponse]) error
	input   func(ctx context.Context, s *connect.ClientStream[processpb.StreamInputRequest]) error
	running func() []*processpb.ProcessInfo
	closed  func() error // answers CloseStdin
	signal  func(pid uint32, sig processpb.Signal) error

	processpbconnect.UnimplementedProcessHandler

	mu       sync.Mutex
	requests []string // method and path, without a query
	conns    map[string]bool
}

// newScript starts the server, with a health that says alive.
func newScript(t *testing.T) *script {
	t.Helper()
	s := &script{t: t, health: http.StatusNoContent, conns: map[string]bool{}}
	mux := http.NewServeMux()
	mux.Handle(processpbconnect.NewProcessHandler(s))
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if s.health == http.StatusBadGateway {
			reply(w, s.health, map[string]any{"sandboxId": testID, "message": "The sandbox was not found", "code": 502})
			return
		}
		w.WriteHeader(s.health)
	})
	mux.HandleFunc("/files", func(w http.ResponseWriter, r *http.Request) { s.files(w, r) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.api(w, r) })
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.conns[r.RemoteAddr] = true
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// count returns how many requests with the method and path came.
func (s *script) count(request string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if r == request {
			n++
		}
	}
	return n
}

// paths returns all requests, as method and path.
func (s *script) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// connections returns how many connections were made.
func (s *script) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// client returns a client of the script.
func (s *script) client(opts *ClientOptions) *Client {
	s.t.Helper()
	if opts == nil {
		opts = &ClientOptions{}
	}
	opts.APIURL, opts.SandboxURL = s.url, s.url
	c, err := NewClient(testKey, opts)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, c.Close()) })
	return c
}

// box returns the handle of a sandbox on the script.
func (s *script) box() *sandbox {
	s.t.Helper()
	return attach(s.t, s.client(nil), "0.6.13")
}

// impatientBox returns a handle that gives a silent stream up soon.
func (s *script) impatientBox() *sandbox {
	s.t.Helper()
	box := s.box()
	box.client.silence = 300 * time.Millisecond
	return box
}

func attach(t *testing.T, c *Client, version string) *sandbox {
	t.Helper()
	box, err := c.Attach(&SandboxInfo{SandboxID: testID, AccessToken: testToken, EnvdVersion: version})
	require.NoError(t, err)
	return box.(*sandbox)
}

// reply writes a JSON reply.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// apiError is the body of an error of the control plane.
func apiError(status int, message string) map[string]any {
	return map[string]any{"code": status, "message": message}
}

// newSandboxReply is a reply of create and connect.
func newSandboxReply() map[string]any {
	return map[string]any{
		"sandboxID": testID, "templateID": "tpl", "clientID": "ignored",
		"envdVersion": "0.6.13", "envdAccessToken": testToken, "trafficAccessToken": nil, "domain": nil,
	}
}

func (s *script) Start(ctx context.Context, r *connect.Request[processpb.StartRequest], stream *connect.ServerStream[processpb.StartResponse]) error {
	return s.start(ctx, r, stream)
}

func (s *script) Connect(ctx context.Context, r *connect.Request[processpb.ConnectRequest], stream *connect.ServerStream[processpb.ConnectResponse]) error {
	return s.join(ctx, r, stream)
}

func (s *script) StreamInput(ctx context.Context, stream *connect.ClientStream[processpb.StreamInputRequest]) (*connect.Response[processpb.StreamInputResponse], error) {
	if err := s.input(ctx, stream); err != nil {
		return nil, err
	}
	return connect.NewResponse(&processpb.StreamInputResponse{}), nil
}

func (s *script) CloseStdin(context.Context, *connect.Request[processpb.CloseStdinRequest]) (*connect.Response[processpb.CloseStdinResponse], error) {
	if s.closed != nil {
		if err := s.closed(); err != nil {
			return nil, err
		}
	}
	return connect.NewResponse(&processpb.CloseStdinResponse{}), nil
}

func (s *script) List(context.Context, *connect.Request[processpb.ListRequest]) (*connect.Response[processpb.ListResponse], error) {
	return connect.NewResponse(&processpb.ListResponse{Processes: s.running()}), nil
}

func (s *script) SendSignal(_ context.Context, r *connect.Request[processpb.SendSignalRequest]) (*connect.Response[processpb.SendSignalResponse], error) {
	if err := s.signal(r.Msg.GetProcess().GetPid(), r.Msg.GetSignal()); err != nil {
		return nil, err
	}
	return connect.NewResponse(&processpb.SendSignalResponse{}), nil
}

type connKey struct{}

// hangUp closes the connection of the request, also where the handler would
// read on before it breaks.
func hangUp(ctx context.Context) { _ = ctx.Value(connKey{}).(net.Conn).Close() }

// cut breaks the connection of the request, as a lost network does.
func cut() { panic(http.ErrAbortHandler) }

func startEvent(pid uint32) *processpb.ProcessEvent {
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_Start{Start: &processpb.ProcessEvent_StartEvent{Pid: pid}}}
}

func stdoutEvent(text string) *processpb.ProcessEvent {
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_Data{Data: &processpb.ProcessEvent_DataEvent{
		Output: &processpb.ProcessEvent_DataEvent_Stdout{Stdout: []byte(text)},
	}}}
}

func exitEvent(code int32) *processpb.ProcessEvent {
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_End{End: &processpb.ProcessEvent_EndEvent{
		ExitCode: code, Exited: true, Status: "exit status",
	}}}
}

func killedEvent(status string) *processpb.ProcessEvent {
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_End{End: &processpb.ProcessEvent_EndEvent{
		ExitCode: -1, Status: status,
	}}}
}

func keepaliveEvent() *processpb.ProcessEvent {
	return &processpb.ProcessEvent{Event: &processpb.ProcessEvent_Keepalive{Keepalive: &processpb.ProcessEvent_KeepAlive{}}}
}

// started sends events on the stream of a start.
func started(s *connect.ServerStream[processpb.StartResponse], events ...*processpb.ProcessEvent) {
	for _, e := range events {
		_ = s.Send(&processpb.StartResponse{Event: e})
	}
}

// joined sends events on the stream of a connect.
func joined(s *connect.ServerStream[processpb.ConnectResponse], events ...*processpb.ProcessEvent) {
	for _, e := range events {
		_ = s.Send(&processpb.ConnectResponse{Event: e})
	}
}

// process returns the entry of a running process.
func running(pid uint32, tag string) []*processpb.ProcessInfo {
	return []*processpb.ProcessInfo{{
		Pid: pid, Tag: &tag, Config: &processpb.ProcessConfig{Cmd: timeoutProgram, Args: []string{"-k", killAfter, "0", "true"}},
	}}
}

// readBody returns the whole body of a request.
func readBody(r *http.Request) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// maxBody bounds the body of a request to the control plane.
const maxBody = 1 << 20

// controlPlane returns the handler of the REST API.
func (s *Server) controlPlane() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Health check successful")
	})
	for pattern, h := range map[string]func(*exchange, *http.Request) error{
		"POST /sandboxes":                 s.createV1,
		"POST /v2/sandboxes":              s.createV2,
		"POST /sandboxes/{id}/connect":    s.connectV1,
		"POST /v2/sandboxes/{id}/connect": s.connectV2,
		"POST /sandboxes/{id}/resume":     s.resume,
		"POST /sandboxes/{id}/pause":      s.pause,
		"DELETE /sandboxes/{id}":          s.kill,
		"GET /sandboxes/{id}":             s.get,
		"POST /sandboxes/{id}/timeout":    s.setTimeout,
		"POST /sandboxes/{id}/refreshes":  s.refresh,
		"PUT /sandboxes/{id}/network":     s.updateNetwork,
		"POST /sandboxes/{id}/snapshots":  s.snapshot,
		"POST /sandboxes/{id}/fork":       s.fork,
		"GET /snapshots":                  s.listSnapshots,
		"DELETE /templates/{id}":          s.deleteSnapshot,
		"GET /sandboxes":                  s.listRunning,
		"GET /v2/sandboxes":               s.list,
		"GET /sandboxes/{id}/metrics":     s.metrics,
		"GET /sandboxes/metrics":          s.metricsOfMany,
		"GET /v2/sandboxes/{id}/logs":     s.logs,
	} {
		mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) {
			x := exchangeOf(r.Context())
			if err := h(x, r); err != nil {
				x.fail(err)
			}
		})
	}
	known := plainErrors(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			if err := s.checkKey(r); err != nil {
				writeError(w, err)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		known.ServeHTTP(w, r)
	})
}

// checkKey refuses a request without the API key.
func (s *Server) checkKey(r *http.Request) *e2b.Error {
	switch key := r.Header.Get("X-Api-Key"); {
	case key == "":
		return unauthorized("no credentials found")
	case !strings.HasPrefix(key, "e2b_"):
		return unauthorized("invalid API key format")
	case key != s.key:
		return unauthorized("Cannot get the team for the given API key")
	}
	return nil
}

// sandboxPath finds the sandbox ID in a path of the control plane.
var sandboxPath = regexp.MustCompile(`^(?:/v2)?/sandboxes/([a-z0-9]{1,64})(?:-[a-z0-9]+)?(?:/|$)`)

func sandboxOfPath(path string) string {
	m := sandboxPath.FindStringSubmatch(path)
	if m == nil || m[1] == "metrics" {
		return ""
	}
	return m[1]
}

// sandboxID returns the sandbox ID of the path, without the client ID that old
// clients put behind it.
func sandboxID(r *http.Request) (string, error) {
	id, client, old := strings.Cut(r.PathValue("id"), "-")
	if !isSandboxID(id) || old && !isSandboxID(client) {
		return "", badRequest("Invalid sandbox ID")
	}
	return id, nil
}

// decode reads the JSON body of a request into v. An empty body leaves v as it
// is, where that is allowed.
func decode(r *http.Request, v any, mayBeEmpty bool) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return badRequest("error reading the body: %s", err)
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		if mayBeEmpty {
			return nil
		}
		return badRequest("validation error: request body has an error: value is required but missing")
	}
	if err := json.Unmarshal(body, v); err != nil {
		if typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return badRequest("validation error: field %q cannot be a %s", typeErr.Field, typeErr.Value)
		}
		return badRequest("validation error: request body is not JSON: %s", err)
	}
	return nil
}

// seconds returns a number of seconds as a duration, and def for none. What
// no lifetime can be is cut, so that it does not overflow.
func seconds(n *int64, def int64) time.Duration {
	v := def
	if n != nil {
		v = *n
	}
	const limit = 1 << 30
	return time.Duration(min(max(v, -limit), limit)) * time.Second
}

// call is begin for an operation of the control plane.
func (s *Server) call(r *http.Request, op, id string, args ...string) error {
	_, err := s.begin(r.Context(), fake.Call{Op: op, SandboxID: id, Args: args})
	return err
}

// isV2Missing answers as a backend does that has no V2 form of the endpoint.
func (s *Server) isV2Missing() error {
	if s.noV2.Load() {
		return &e2b.Error{Status: http.StatusNotFound, Message: "no matching operation was found"}
	}
	return nil
}

func (s *Server) connectV1(x *exchange, r *http.Request) error { return s.connect(x, r, true) }

func (s *Server) connectV2(x *exchange, r *http.Request) error {
	if err := s.isV2Missing(); err != nil {
		return err
	}
	return s.connect(x, r, false)
}

func (s *Server) connect(x *exchange, r *http.Request, needsTimeout bool) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Timeout *int64 `json:"timeout"`
		Memory  *bool  `json:"memory"`
	}
	if err := decode(r, &body, !needsTimeout); err != nil {
		return err
	}
	if needsTimeout && body.Timeout == nil {
		return badRequest(`validation error: property "timeout" is missing`)
	}
	if err := s.call(r, fake.OpConnect, id); err != nil {
		return err
	}
	sandbox, resumed, err := s.engine.Connect(r.Context(), id, seconds(body.Timeout, 300))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if resumed {
		status = http.StatusCreated
	}
	writeJSON(x, status, s.sandboxReply(sandbox.Info()))
	return nil
}

func (s *Server) resume(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Timeout   *int64 `json:"timeout"`
		AutoPause *bool  `json:"autoPause"`
	}
	if err := decode(r, &body, true); err != nil {
		return err
	}
	if err := s.call(r, fake.OpResume, id); err != nil {
		return err
	}
	sandbox, err := s.engine.Resume(r.Context(), id, seconds(body.Timeout, 15), body.AutoPause)
	if err != nil {
		return err
	}
	writeJSON(x, http.StatusCreated, s.sandboxReply(sandbox.Info()))
	return nil
}

func (s *Server) pause(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Memory *bool `json:"memory"`
	}
	if err := decode(r, &body, true); err != nil {
		return err
	}
	if err := s.call(r, fake.OpPause, id); err != nil {
		return err
	}
	if err := s.engine.Pause(r.Context(), id); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) kill(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	if err := s.call(r, fake.OpKill, id); err != nil {
		return err
	}
	if err := s.engine.Kill(r.Context(), id); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) get(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	if err := s.call(r, fake.OpGet, id); err != nil {
		return err
	}
	info, err := s.engine.Get(id)
	if err != nil {
		return err
	}
	writeJSON(x, http.StatusOK, s.detailReply(info))
	return nil
}

func (s *Server) setTimeout(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Timeout *int64 `json:"timeout"`
	}
	if err := decode(r, &body, false); err != nil {
		return err
	}
	if body.Timeout == nil {
		return badRequest(`validation error: property "timeout" is missing`)
	}
	if err := s.call(r, fake.OpSetTimeout, id); err != nil {
		return err
	}
	if err := s.engine.SetTimeout(id, seconds(body.Timeout, 0)); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) refresh(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Duration *int64 `json:"duration"`
	}
	if err := decode(r, &body, true); err != nil {
		return err
	}
	if body.Duration != nil && (*body.Duration < 0 || *body.Duration > 3600) {
		return badRequest("validation error: duration must be between 0 and 3600")
	}
	if err := s.call(r, fake.OpSetTimeout, id); err != nil {
		return err
	}
	if err := s.engine.Refresh(id, seconds(body.Duration, 15)); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

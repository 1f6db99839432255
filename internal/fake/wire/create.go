package wire

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// newSandbox is the body of a create.
type newSandbox struct {
	TemplateID          string            `json:"templateID"`
	Timeout             *int64            `json:"timeout"`
	Metadata            map[string]string `json:"metadata"`
	EnvVars             map[string]string `json:"envVars"`
	AutoPause           bool              `json:"autoPause"`
	AutoPauseMemory     *bool             `json:"autoPauseMemory"`
	AutoResume          *autoResume       `json:"autoResume"`
	Secure              bool              `json:"secure"`
	AllowInternetAccess *bool             `json:"allow_internet_access"`
	Network             *networkRules     `json:"network"`
	VolumeMounts        []json.RawMessage `json:"volumeMounts"`
}

type autoResume struct {
	Enabled bool `json:"enabled"`
}

func (s *Server) createV1(x *exchange, r *http.Request) error {
	return s.create(x, r, 15, false)
}

func (s *Server) createV2(x *exchange, r *http.Request) error {
	if err := s.isV2Missing(); err != nil {
		return err
	}
	return s.create(x, r, 300, true)
}

func (s *Server) create(x *exchange, r *http.Request, defaultTimeout int64, secure bool) error {
	var body newSandbox
	if err := decode(r, &body, false); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	network, err := body.Network.store(body.AllowInternetAccess)
	if err != nil {
		return err
	}
	if err := s.call(r, fake.OpCreate, "", body.TemplateID); err != nil {
		return err
	}
	sandbox, err := s.engine.Create(r.Context(), &fake.CreateSpec{
		Template:   body.TemplateID,
		Timeout:    seconds(body.Timeout, defaultTimeout),
		Metadata:   body.Metadata,
		Env:        body.EnvVars,
		AutoPause:  body.AutoPause,
		AutoResume: body.AutoResume != nil && body.AutoResume.Enabled,
		Network:    network,
	})
	if err != nil {
		return err
	}
	if !secure && !body.Secure {
		s.open.add(sandbox.ID())
	}
	writeJSON(x, http.StatusCreated, s.sandboxReply(sandbox.Info()))
	return nil
}

// check refuses what the schema of the API does not allow.
func (b *newSandbox) check() error {
	switch {
	case b.TemplateID == "":
		return badRequest(`validation error: property "templateID" is missing`)
	case b.AutoPauseMemory != nil && !b.AutoPause:
		return badRequest("autoPauseMemory requires autoPause")
	case b.AutoPauseMemory != nil && !*b.AutoPauseMemory && b.AutoResume != nil && b.AutoResume.Enabled:
		return badRequest("autoResume requires autoPauseMemory")
	case len(b.VolumeMounts) > 0:
		return badRequest("volumes are not available")
	}
	return nil
}

// sandboxJSON is a sandbox as create, connect and fork return it.
type sandboxJSON struct {
	SandboxID          string  `json:"sandboxID"`
	TemplateID         string  `json:"templateID"`
	Alias              string  `json:"alias,omitempty"`
	ClientID           string  `json:"clientID"`
	EnvdVersion        string  `json:"envdVersion"`
	EnvdAccessToken    string  `json:"envdAccessToken,omitempty"`
	TrafficAccessToken *string `json:"trafficAccessToken"`
	Domain             *string `json:"domain"`
}

// clientID stands where old backends named the machine of a sandbox.
const clientID = "6532622b"

func (s *Server) sandboxReply(i *fake.Info) *sandboxJSON {
	reply := &sandboxJSON{
		SandboxID: i.SandboxID, TemplateID: i.TemplateID, Alias: i.Alias, ClientID: clientID,
		EnvdVersion: i.EnvdVersion, EnvdAccessToken: s.accessToken(i),
	}
	if i.TrafficAccessToken != "" {
		reply.TrafficAccessToken = new(string(i.TrafficAccessToken))
	}
	return reply
}

// accessToken is the token of a sandbox, empty for one that asks for none.
func (s *Server) accessToken(i *fake.Info) string {
	if s.open.has(i.SandboxID) {
		return ""
	}
	return string(i.AccessToken)
}

// listedJSON is a sandbox as the lists return it.
type listedJSON struct {
	SandboxID   string            `json:"sandboxID"`
	TemplateID  string            `json:"templateID"`
	Alias       string            `json:"alias,omitempty"`
	ClientID    string            `json:"clientID"`
	EnvdVersion string            `json:"envdVersion"`
	StartedAt   time.Time         `json:"startedAt"`
	EndAt       time.Time         `json:"endAt"`
	State       e2b.State         `json:"state"`
	CPUCount    int               `json:"cpuCount"`
	MemoryMB    int               `json:"memoryMB"`
	DiskSizeMB  int               `json:"diskSizeMB"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

func listedReply(i *fake.Info) *listedJSON {
	return &listedJSON{
		SandboxID: i.SandboxID, TemplateID: i.TemplateID, Alias: i.Alias, ClientID: clientID,
		EnvdVersion: i.EnvdVersion, StartedAt: i.StartedAt.UTC(), EndAt: i.EndAt.UTC(), State: i.State,
		CPUCount: i.CPUCount, MemoryMB: i.MemoryMB, DiskSizeMB: i.DiskSizeMB, Metadata: i.Metadata,
	}
}

// detailJSON is a sandbox as get returns it.
type detailJSON struct {
	listedJSON

	EnvdAccessToken     string        `json:"envdAccessToken,omitempty"`
	Domain              *string       `json:"domain"`
	AllowInternetAccess *bool         `json:"allowInternetAccess"`
	Network             *networkRules `json:"network,omitempty"`
	Lifecycle           lifecycleJSON `json:"lifecycle"`
}

type lifecycleJSON struct {
	OnTimeout  string `json:"onTimeout"`
	AutoResume bool   `json:"autoResume"`
}

func (s *Server) detailReply(i *fake.Info) *detailJSON {
	reply := &detailJSON{
		listedJSON:      *listedReply(i),
		EnvdAccessToken: s.accessToken(i),
		Network:         storedRules(i.Network),
		Lifecycle:       lifecycleJSON{OnTimeout: "kill", AutoResume: i.AutoResume},
	}
	if i.AutoPause {
		reply.Lifecycle.OnTimeout = "pause"
	}
	if i.Network != nil {
		reply.AllowInternetAccess = i.Network.AllowInternetAccess
	}
	return reply
}

// unsecured are the sandboxes that were made without an access token, which
// only the V1 form of create can do.
type unsecured struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (u *unsecured) add(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ids == nil {
		u.ids = make(map[string]struct{})
	}
	u.ids[id] = struct{}{}
}

func (u *unsecured) has(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.ids[id]
	return ok
}

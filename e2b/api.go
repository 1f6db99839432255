package e2b

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// newSandboxJSON is the body of create. The names are E2B's, which are mixed.
type newSandboxJSON struct {
	TemplateID          string            `json:"templateID"`
	Timeout             int64             `json:"timeout"`
	Metadata            map[string]string `json:"metadata,omitempty"`
	EnvVars             map[string]string `json:"envVars,omitempty"`
	AutoPause           bool              `json:"autoPause,omitempty"`
	AutoResume          *autoResumeJSON   `json:"autoResume,omitempty"`
	AllowInternetAccess *bool             `json:"allow_internet_access,omitempty"`
	Network             *networkJSON      `json:"network,omitempty"`
	Secure              *bool             `json:"secure,omitempty"` // only in the first version
}

type autoResumeJSON struct {
	Enabled bool `json:"enabled"`
}

type timeoutJSON struct {
	Timeout int64 `json:"timeout"`
}

type forkJSON struct {
	Count   int   `json:"count"`
	Timeout int64 `json:"timeout"`
}

type forkedJSON struct {
	Sandbox *sandboxJSON `json:"sandbox"`
	Error   *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

type snapshotJSON struct {
	Name string `json:"name,omitempty"`
}

type snapshotReplyJSON struct {
	SnapshotID string `json:"snapshotID"`
}

type networkJSON struct {
	AllowOut           []string              `json:"allowOut,omitempty"`
	DenyOut            []string              `json:"denyOut,omitempty"`
	AllowPublicTraffic *bool                 `json:"allowPublicTraffic,omitempty"`
	Rules              map[string][]ruleJSON `json:"rules,omitempty"`
}

type ruleJSON struct {
	Transform transformJSON `json:"transform"`
}

type transformJSON struct {
	Headers map[string]string `json:"headers"`
}

// newNetworkJSON returns nil for nil.
func newNetworkJSON(n *Network) *networkJSON {
	if n == nil {
		return nil
	}
	j := &networkJSON{AllowOut: n.AllowOut, DenyOut: n.DenyOut}
	if n.DenyPublicTraffic {
		j.AllowPublicTraffic = new(bool)
	}
	for host, headers := range n.Headers {
		if j.Rules == nil {
			j.Rules = make(map[string][]ruleJSON, len(n.Headers))
		}
		j.Rules[host] = []ruleJSON{{Transform: transformJSON{Headers: headers}}}
	}
	return j
}

// sandboxJSON is a sandbox in a reply: of create and connect, with the tokens;
// of get, with all but the traffic token; of list, with neither.
type sandboxJSON struct {
	SandboxID          string            `json:"sandboxID"`
	TemplateID         string            `json:"templateID"`
	Alias              string            `json:"alias"`
	EnvdVersion        string            `json:"envdVersion"`
	EnvdAccessToken    Secret            `json:"envdAccessToken"`
	TrafficAccessToken Secret            `json:"trafficAccessToken"`
	Domain             string            `json:"domain"`
	StartedAt          time.Time         `json:"startedAt"`
	EndAt              time.Time         `json:"endAt"`
	State              State             `json:"state"`
	CPUCount           int               `json:"cpuCount"`
	MemoryMB           int               `json:"memoryMB"`
	DiskSizeMB         int               `json:"diskSizeMB"`
	Metadata           map[string]string `json:"metadata"`
}

// info returns the sandbox of a reply after a check of all that is used to
// reach it.
func (j *sandboxJSON) info() (*SandboxInfo, error) {
	info := &SandboxInfo{
		SandboxID:          j.SandboxID,
		TemplateID:         clean(j.TemplateID),
		Alias:              clean(j.Alias),
		State:              j.State,
		StartedAt:          j.StartedAt,
		EndAt:              j.EndAt,
		CPUCount:           j.CPUCount,
		MemoryMB:           j.MemoryMB,
		DiskSizeMB:         j.DiskSizeMB,
		Metadata:           j.Metadata,
		EnvdVersion:        j.EnvdVersion,
		Domain:             j.Domain,
		AccessToken:        j.EnvdAccessToken,
		TrafficAccessToken: j.TrafficAccessToken,
	}
	if info.State == "" {
		info.State = StateRunning // create and connect do not say it
	}
	if err := validateInfo(info); err != nil {
		return nil, err
	}
	return info, nil
}

// validateInfo checks what will be part of a URL or a header.
func validateInfo(info *SandboxInfo) error {
	if err := validateSandboxID(info.SandboxID); err != nil {
		return err
	}
	if info.Domain != "" && !isHostName(info.Domain) {
		return errors.New("the domain of the sandbox is not a host name")
	}
	if !isHeaderSafe(string(info.AccessToken)) || !isHeaderSafe(string(info.TrafficAccessToken)) {
		return errors.New("a token of the sandbox has characters that no token has")
	}
	if len(info.EnvdVersion) > 64 || !isHeaderSafe(info.EnvdVersion) {
		return errors.New("the envd version of the sandbox is not a version")
	}
	if info.State != StateRunning && info.State != StatePaused {
		return fmt.Errorf("%q is not a state of a sandbox", clean(string(info.State)))
	}
	return nil
}

func cloneInfo(info *SandboxInfo) *SandboxInfo {
	c := *info
	c.Metadata = maps.Clone(info.Metadata)
	return &c
}

// wholeSeconds rounds up, since E2B's wire has whole seconds.
func wholeSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

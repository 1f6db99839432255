package gitsandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// recordVersion changes when a record of the older form must not be read.
const recordVersion = 1

// maxKnown bounds the list of known commits. Forgetting an old one makes a
// pack larger, nothing else.
const maxKnown = 256

// record is what this side knows of a sandbox: all that is needed to use it
// again without a request to E2B. It is what the Cache holds. What the remote
// has is in here because this process or one like it saw it there, never
// because the sandbox said so.
type record struct {
	Version int   `json:"version"`
	Seq     int64 `json:"seq"` // grows with each change, so that the newest wins

	Sandbox attachment `json:"sandbox"`
	Key     string     `json:"key"` // of the Clone that made it

	URL      string    `json:"url"`
	Route    Route     `json:"route"`
	Base     string    `json:"base"`
	Branch   string    `json:"branch"`
	AgentID  string    `json:"agent_id"`
	TaskID   string    `json:"task_id"`
	Owner    string    `json:"owner,omitempty"`
	Filter   string    `json:"filter,omitempty"`
	Sparse   []string  `json:"sparse,omitempty"`
	Identity Signature `json:"identity"`

	// Remote are the branches of the remote as last seen there.
	Remote map[string]Hash `json:"remote"`

	// Known are commits that the sandbox got from the remote or that were
	// pushed from it, oldest first.
	Known []Hash `json:"known"`

	// Shallow are the commits whose parents the clone does not have.
	Shallow []string `json:"shallow,omitempty"`

	// Integrated is the base tip that the clone's work was last put on.
	Integrated Hash `json:"integrated,omitempty"`

	// Policy names the protected paths that Protected is about.
	Policy string `json:"policy,omitempty"`

	// Protected are the protected paths of known tips, as proven.
	Protected map[Hash]*smarthttp.Protected `json:"protected,omitempty"`

	// Conflict is the merge that waits in the working tree, or nil.
	Conflict *keptConflict `json:"conflict,omitempty"`
}

// keptConflict names the two parents of a merge that was kept unfinished.
type keptConflict struct {
	Ours   Hash `json:"ours"`
	Theirs Hash `json:"theirs"`
	// Branch is the remote branch whose tip is Theirs.
	Branch string `json:"branch"`
}

// attachment is the part of e2b.SandboxInfo that reaches a sandbox.
type attachment struct {
	SandboxID          string    `json:"sandbox_id"`
	TemplateID         string    `json:"template_id,omitempty"`
	EnvdVersion        string    `json:"envd_version,omitempty"`
	Domain             string    `json:"domain,omitempty"`
	AccessToken        string    `json:"access_token,omitempty"`
	TrafficAccessToken string    `json:"traffic_access_token,omitempty"`
	StartedAt          time.Time `json:"started_at"`
	EndAt              time.Time `json:"end_at"`
}

func newAttachment(i *e2b.SandboxInfo) attachment {
	return attachment{
		SandboxID: i.SandboxID, TemplateID: i.TemplateID, EnvdVersion: i.EnvdVersion, Domain: i.Domain,
		AccessToken: string(i.AccessToken), TrafficAccessToken: string(i.TrafficAccessToken),
		StartedAt: i.StartedAt, EndAt: i.EndAt,
	}
}

func (a attachment) info() *e2b.SandboxInfo {
	return &e2b.SandboxInfo{
		SandboxID: a.SandboxID, TemplateID: a.TemplateID, EnvdVersion: a.EnvdVersion, Domain: a.Domain,
		AccessToken: e2b.Secret(a.AccessToken), TrafficAccessToken: e2b.Secret(a.TrafficAccessToken),
		StartedAt: a.StartedAt, EndAt: a.EndAt, State: e2b.StateRunning,
	}
}

// know adds commits that the sandbox shares with the remote.
func (r *record) know(hashes ...Hash) {
	for _, h := range hashes {
		if h == "" {
			continue
		}
		r.Known = append(slices.DeleteFunc(r.Known, func(k Hash) bool { return k == h }), h)
	}
	if n := len(r.Known) - maxKnown; n > 0 {
		r.Known = slices.Delete(r.Known, 0, n)
	}
	for h := range r.Protected {
		if !slices.Contains(r.Known, h) {
			delete(r.Protected, h)
		}
	}
}

func (r *record) knows(h Hash) bool { return slices.Contains(r.Known, h) }

// remoteTips returns the distinct tips that the remote was last seen with.
func (r *record) remoteTips() []string {
	var out []string
	for _, branch := range []string{r.Base, r.Branch} {
		if h := string(r.Remote[branch]); h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

func (r *record) clone() record {
	c := *r
	c.Remote, c.Protected = maps.Clone(r.Remote), maps.Clone(r.Protected)
	c.Known, c.Shallow = slices.Clone(r.Known), slices.Clone(r.Shallow)
	if r.Conflict != nil {
		k := *r.Conflict
		c.Conflict = &k
	}
	return c
}

// parseRecord reads a record from the cache, which other processes write.
func parseRecord(data []byte, sandboxID string) (*record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("cache record of %s: %w", sandboxID, err)
	}
	if r.Version != recordVersion || r.Sandbox.SandboxID != sandboxID {
		return nil, fmt.Errorf("cache record of %s: version %d of %q", sandboxID, r.Version, r.Sandbox.SandboxID)
	}
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("cache record of %s: %w", sandboxID, err)
	}
	return &r, nil
}

// validate checks what did not come from a Clone of this process, and makes the
// maps that are missing.
func (r *record) validate() error {
	if _, err := checkURL("url", r.URL); err != nil {
		return err
	}
	if r.Route != RouteRelay && r.Route != RouteDirect {
		return fmt.Errorf("route %q", r.Route)
	}
	branches := []string{r.Base, r.Branch}
	hashes := slices.Concat(r.Known, slices.Collect(maps.Values(r.Remote)), slices.Collect(maps.Keys(r.Protected)))
	if r.Integrated != "" {
		hashes = append(hashes, r.Integrated)
	}
	if r.Conflict != nil {
		branches = append(branches, r.Conflict.Branch)
		hashes = append(hashes, r.Conflict.Ours, r.Conflict.Theirs)
	}
	for _, b := range slices.AppendSeq(branches, maps.Keys(r.Remote)) {
		if err := checkBranch("branch", b); err != nil {
			return err
		}
	}
	for _, h := range hashes {
		if !h.valid() {
			return fmt.Errorf("commit %q", h)
		}
	}
	for _, p := range r.Protected {
		if p == nil {
			return errors.New("protected paths are null")
		}
	}
	if _, err := checkSparse("sparse", r.Sparse); err != nil {
		return err
	}
	if r.Filter != "" && r.Filter != "blob:none" && r.Filter != "tree:0" {
		return fmt.Errorf("filter %q", r.Filter)
	}
	if r.Remote[r.Base] == "" || len(r.Known) == 0 {
		return errors.New("nothing is known of the remote")
	}
	if r.Protected == nil {
		r.Protected = map[Hash]*smarthttp.Protected{}
	}
	var err error
	r.Identity, err = r.Identity.normalise("identity", defaultIdentity())
	return err
}

func sandboxKey(id string) string { return "gitsandbox:sandbox:" + id }

// cloneKey is the cache key under which the sandbox of a Clone is found again.
// A URL with and without ".git" is the same repository on every common forge.
func cloneKey(url, owner, branch, agentID, taskID string) string {
	h := sha256.New()
	for _, s := range []string{strings.TrimSuffix(url, ".git"), owner, branch, agentID, taskID} {
		fmt.Fprintf(h, "%d:%s,", len(s), s)
	}
	return "gitsandbox:clone:" + hex.EncodeToString(h.Sum(nil))
}

// The metadata of a sandbox say what it is for, so that a process that has no
// record of it can make one. Only holders of the team's API key can set them.
const (
	metaURL       = "gitsandbox.url"
	metaRoute     = "gitsandbox.route"
	metaBase      = "gitsandbox.base"
	metaBaseTip   = "gitsandbox.base_tip"
	metaBranch    = "gitsandbox.branch"
	metaBranchTip = "gitsandbox.branch_tip"
	metaAgent     = "gitsandbox.agent_id"
	metaTask      = "gitsandbox.task_id"
	metaOwner     = "gitsandbox.owner"
	metaFilter    = "gitsandbox.filter"
	metaSparse    = "gitsandbox.sparse"
	metaName      = "gitsandbox.identity_name"
	metaEmail     = "gitsandbox.identity_email"
	metaRequest   = "gitsandbox.request"
)

func (r *record) metadata() map[string]string {
	m := map[string]string{
		metaURL: r.URL, metaRoute: string(r.Route), metaBase: r.Base, metaBranch: r.Branch,
		metaAgent: r.AgentID, metaTask: r.TaskID, metaOwner: r.Owner, metaFilter: r.Filter, metaSparse: strings.Join(r.Sparse, "\n"),
		metaName: r.Identity.Name, metaEmail: r.Identity.Email,
		metaBaseTip: string(r.Remote[r.Base]), metaBranchTip: string(r.Remote[r.Branch]),
	}
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

var errNoClone = errors.New("the sandbox holds no clone")

// recordFromMetadata makes the record of a sandbox that another process made.
// It fails for one that holds no clone.
func recordFromMetadata(info *e2b.SandboxInfo) (*record, error) {
	m := info.Metadata
	url, err := checkURL(metaURL, m[metaURL])
	if err != nil {
		// Not %w: it is no invalid argument of the caller's.
		return nil, errNoClone
	}
	r := &record{
		Version: recordVersion, Sandbox: newAttachment(info),
		URL: url, Route: Route(m[metaRoute]), Base: m[metaBase], Branch: m[metaBranch],
		AgentID: m[metaAgent], TaskID: m[metaTask], Owner: m[metaOwner], Filter: m[metaFilter],
		Identity: Signature{m[metaName], m[metaEmail]},
		Remote:   map[string]Hash{}, Protected: map[Hash]*smarthttp.Protected{},
	}
	for branch, tip := range map[string]Hash{r.Base: Hash(m[metaBaseTip]), r.Branch: Hash(m[metaBranchTip])} {
		if tip.valid() {
			r.Remote[branch] = tip
			r.know(tip)
		}
	}
	if v := m[metaSparse]; v != "" {
		r.Sparse = strings.Split(v, "\n")
	}
	r.Integrated = r.Remote[r.Base]
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("%w: %v", errNoClone, err) //nolint:errorlint // as above
	}
	r.Key = cloneKey(r.URL, r.Owner, r.Branch, r.AgentID, r.TaskID)
	return r, nil
}

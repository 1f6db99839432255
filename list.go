package gitsandbox

import (
	"context"
	"iter"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// A SandboxInfo describes a sandbox that [Client.List] found.
type SandboxInfo struct {
	ID         string
	Owner      string // CloneOptions.Owner
	RepoURL    string
	Branch     string // the agent branch
	BaseBranch string
	AgentID    string
	TaskID     string

	Paused    bool
	StartedAt time.Time
	EndAt     time.Time // of its lifetime, as it is now
}

// ListOptions are the options of [Client.List]. A sandbox has to meet all of them;
// an empty one is met by every sandbox.
type ListOptions struct {
	Owner   string
	RepoURL string
	AgentID string
	TaskID  string
}

// List yields the sandboxes with a clone, of all processes of the team, newest
// first, as E2B knows them. It gets the next page when the loop gets there, and is not
// tried again, since the loop may have begun. The whole loop is one operation: it has
// Options.Timeout, may use the Client, and must not close it. After List has yielded
// an error it ends.
func (c *Client) List(ctx context.Context, opts *ListOptions) iter.Seq2[*SandboxInfo, error] {
	return func(yield func(*SandboxInfo, error) bool) {
		filter, err := opts.metadata()
		if err != nil {
			yield(nil, &Error{Op: "list", Err: err})
			return
		}
		ctx, o, err := c.begin(ctx, OperationInfo{Operation: "list"})
		if err != nil {
			yield(nil, err)
			return
		}
		defer o.release() // also where the loop panics
		o.attempts = 1
		_, err = request(ctx, c, RequestInfo{Target: "control", Kind: "list"}, func(ctx context.Context) (struct{}, error) {
			for info, err := range c.transport.List(ctx, &e2b.ListOptions{Metadata: filter}) {
				if err != nil {
					return struct{}{}, err
				}
				if info.Metadata[metaURL] != "" && !yield(newSandboxInfo(info), nil) {
					break
				}
			}
			return struct{}{}, nil
		})
		if err = o.end(ctx, fromE2B(err)); err != nil {
			yield(nil, err)
		}
	}
}

func (o *ListOptions) metadata() (map[string]string, error) {
	if o == nil {
		return nil, nil
	}
	m := map[string]string{}
	if o.RepoURL != "" {
		url, err := checkURL("RepoURL", o.RepoURL)
		if err != nil {
			return nil, err
		}
		m[metaURL] = url
	}
	for key, value := range map[string]string{metaOwner: o.Owner, metaAgent: o.AgentID, metaTask: o.TaskID} {
		if value != "" {
			m[key] = value
		}
	}
	return m, nil
}

func newSandboxInfo(i *e2b.SandboxInfo) *SandboxInfo {
	m := i.Metadata
	return &SandboxInfo{
		ID: i.SandboxID, Owner: m[metaOwner], RepoURL: m[metaURL], Branch: m[metaBranch], BaseBranch: m[metaBase],
		AgentID: m[metaAgent], TaskID: m[metaTask],
		Paused: i.State == e2b.StatePaused, StartedAt: i.StartedAt, EndAt: i.EndAt,
	}
}

package gitsandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// cloneDir is the directory of the clone, below the home directory.
const cloneDir = gitcmd.Dir

// CloneOptions are the options of [Client.Clone]. The zero value of each field
// is its default.
type CloneOptions struct {
	// Branch is the base branch. Default: Options.DefaultBranch, or else the
	// branch that the remote's HEAD names.
	Branch string

	// AgentID and TaskID say whom the clone is for, in letters, digits, '.',
	// '_' and '-'. The agent branch is named after them. Default: random
	// ones, so that the sandbox is always a new one.
	AgentID, TaskID string

	// AgentBranch is the name of the agent branch. Default
	// "agent-{AgentID}-{TaskID}".
	AgentBranch string

	// Owner says whom the sandbox belongs to, in a service that serves several:
	// any text of at most 128 bytes. Clones of different owners never share a
	// sandbox. [Sandbox.Owner] tells it, in every process; nothing here checks
	// it. Default: none.
	Owner string

	// Depth limits the history to so many commits. Default: all of it.
	Depth int

	// Sparse are the directories to check out, beside the files at the top.
	// Default: everything.
	Sparse []string

	// Filter makes a partial clone, such as "blob:none". It needs
	// [RouteDirect], since only a sandbox that reaches the remote can get the
	// missing objects when it needs them.
	Filter string

	// Route is how objects get into the sandbox. Default [RouteAuto].
	Route Route

	// Credentials are for this sandbox instead of Options.Credentials.
	Credentials CredentialSource

	// Identity is for this sandbox instead of Options.Identity.
	Identity Signature

	// Template is for this sandbox instead of Options.Template. One that does
	// not exist is an [ErrInvalidArgument].
	Template string

	// Env are environment variables of every command that runs in the
	// sandbox. They are no place for secrets.
	Env map[string]string
}

// clonePlan is a Clone whose arguments were checked.
type clonePlan struct {
	CloneOptions

	url         string
	key         string
	named       string // the base branch, where the caller named one
	credentials CredentialSource
}

func (c *Client) planClone(repoURL string, opts *CloneOptions) (*clonePlan, error) {
	p := &clonePlan{credentials: c.credentials}
	if opts != nil {
		p.CloneOptions = *opts
	}
	var err error
	if p.url, err = checkURL("repoURL", repoURL); err != nil {
		return nil, err
	}
	p.named = p.Branch
	if p.Branch == "" {
		p.Branch = c.defaultBranch
	}
	if p.Branch != "" {
		if err := checkBranch("Branch", p.Branch); err != nil {
			return nil, err
		}
	}
	if p.AgentID == "" {
		p.AgentID = randomID()[:8]
	}
	if p.TaskID == "" {
		p.TaskID = randomID()[:8]
	}
	if err := checkName("AgentID", p.AgentID); err != nil {
		return nil, err
	}
	if err := checkName("TaskID", p.TaskID); err != nil {
		return nil, err
	}
	if len(p.Owner) > maxOwner || !validText(p.Owner) {
		return nil, invalid("Owner: more than %d bytes, not UTF-8, or with a control character", maxOwner)
	}
	if p.AgentBranch == "" {
		p.AgentBranch = "agent-" + p.AgentID + "-" + p.TaskID
	}
	if err := checkBranch("AgentBranch", p.AgentBranch); err != nil {
		return nil, err
	}
	if p.Depth < 0 || p.Depth > math.MaxInt32 {
		return nil, invalid("Depth: %d is negative or too large", p.Depth)
	}
	if p.Sparse, err = checkSparse("Sparse", p.Sparse); err != nil {
		return nil, err
	}
	if err := checkEnv("Env", p.Env); err != nil {
		return nil, err
	}
	if p.Template != "" && !templatePattern.MatchString(p.Template) {
		return nil, invalid("Template: %q is not the name of a template", p.Template)
	}
	switch p.Route {
	case RouteAuto, RouteDirect, RouteRelay:
	default:
		return nil, invalid("Route: %q", p.Route)
	}
	if p.Filter != "" {
		if p.Filter != "blob:none" && p.Filter != "tree:0" {
			return nil, invalid("Filter: %q is not blob:none or tree:0", p.Filter)
		}
		if p.Route != RouteDirect {
			return nil, invalid("Filter: needs RouteDirect")
		}
	}
	if p.Identity, err = p.Identity.normalise("Identity", c.identity); err != nil {
		return nil, err
	}
	if p.Template == "" {
		p.Template = c.template
	}
	if p.Credentials != nil {
		p.credentials = p.Credentials
	}
	p.key = cloneKey(p.url, p.Owner, p.AgentBranch, p.AgentID, p.TaskID)
	return p, nil
}

// randomID returns 32 hexadecimal digits.
func randomID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Clone makes a clone of a repository in a sandbox of its own, on an agent
// branch that starts at the base branch, or where the remote has that branch
// already, at what it holds. Where the [Cache] knows a sandbox of the same
// repository, agent, task, owner and agent branch, and it lives, Clone returns that one,
// with what is new on the base branch integrated if that goes without a conflict.
// A Branch or Route that is not that sandbox's is then an [ErrInvalidArgument]; of
// the other options only the Credentials have an effect. Clones of the same agent and
// task take turns in this process.
//
// The sandbox lives until [Sandbox.Kill], or until nobody has used it for
// Options.CacheTTL.
//
// A failed Clone leaves no sandbox behind. Errors: [ErrInvalidArgument],
// [ErrAuth], [ErrForbidden], [ErrRepoNotFound], [ErrRefNotFound] for a base
// branch that does not exist, [ErrBudgetExceeded], and those of every
// operation.
func (c *Client) Clone(ctx context.Context, repoURL string, opts *CloneOptions) (*Sandbox, error) {
	p, err := c.planClone(repoURL, opts)
	if err != nil {
		return nil, &Error{Op: "clone", Err: err}
	}
	ctx, o, err := c.begin(ctx, OperationInfo{Operation: "clone", URL: p.url})
	if err != nil {
		return nil, err
	}
	defer o.release() // also where a function of the caller's panics
	s, err := c.clone(ctx, o, p)
	return s, o.end(ctx, err)
}

func (c *Client) clone(ctx context.Context, o *operation, p *clonePlan) (*Sandbox, error) {
	release, err := c.fleet.cloneTurn(ctx, p.key)
	if err != nil {
		return nil, err
	}
	defer release()

	if s := c.lookup(ctx, p.key); s != nil {
		if err := p.fits(s); err != nil {
			return nil, err
		}
		s.credentials = p.credentials
		o.info.SandboxID = s.ID()
		err := c.refresh(ctx, o, s)
		if !errors.Is(err, ErrSandboxNotFound) {
			if err != nil {
				return nil, err
			}
			return s, nil
		}
		o.info.SandboxID = ""
	}

	n := &newClone{c: c, p: p, opID: randomID()}
	err = o.retry(ctx, func(ctx context.Context) error { return n.attempt(ctx, o) })
	if err != nil {
		n.undo(ctx)
		return nil, err
	}
	n.s.live = c.fleet.add(n.s.live, true, n.age()) //nolint:contextcheck // the upkeep lives as long as the Client
	c.store(ctx, n.s.live)
	n.release()
	return n.s, nil
}

// fits refuses a sandbox that was found and is not what was asked for.
func (p *clonePlan) fits(s *Sandbox) error {
	rec := s.live.snapshot()
	switch {
	case p.named != "" && p.named != rec.Base:
		return invalid("Branch: the sandbox of this agent and task is based on %q", rec.Base)
	case p.Route != RouteAuto && p.Route != rec.Route:
		return invalid("Route: the sandbox of this agent and task has %q", rec.Route)
	}
	return nil
}

// lookup returns the sandbox of an earlier Clone with the same key, or nil.
func (c *Client) lookup(ctx context.Context, key string) *Sandbox {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	id, err := c.cache.Get(ctx, key)
	if err != nil || checkSandboxID(string(id)) != nil {
		if err != nil && !errors.Is(err, ErrCacheMiss) {
			c.cacheFailed(ctx, "", err)
		}
		c.meter.cacheLookup(false)
		return nil
	}
	s, err := c.attach(ctx, string(id))
	if err != nil {
		return nil
	}
	return s
}

// refresh brings a sandbox that was found up to date. What keeps it from being
// so without a loss is for the caller to see later, with Pull.
func (c *Client) refresh(ctx context.Context, o *operation, s *Sandbox) error {
	return s.within(ctx, true, func() error {
		err := o.retry(ctx, func(ctx context.Context) error {
			// A look first: it shows that the clone is there, also when there is
			// nothing to pull.
			if _, err := s.status(ctx, &StatusOptions{}); err != nil {
				return err
			}
			_, err := s.pull(ctx, o, &PullOptions{}, randomID())
			return err
		})
		for _, harmless := range []error{ErrConflict, ErrUncommittedChanges, ErrUnfinished, ErrBusy} {
			if errors.Is(err, harmless) {
				c.log.LogAttrs(ctx, slog.LevelInfo, "sandbox not brought up to date",
					slog.String("sandbox_id", s.ID()), slog.String("reason", harmless.Error()))
				return nil
			}
		}
		return err
	})
}

// newClone is what a Clone keeps between its attempts.
type newClone struct {
	c       *Client
	p       *clonePlan
	opID    string
	asked   time.Time // when E2B was asked for the sandbox
	release func()    // of the place in the fleet
	s       *Sandbox
}

func (n *newClone) attempt(ctx context.Context, o *operation) error {
	r, err := n.c.remote(ctx, n.p.credentials, n.p.url)
	if err != nil {
		return err
	}
	rec, err := n.look(ctx, r)
	if err != nil {
		return err
	}
	if n.s == nil {
		if err := n.create(ctx, rec); err != nil {
			return err
		}
		o.info.SandboxID = n.s.ID()
	} else {
		rec.Sandbox = n.s.live.rec.Sandbox
		n.s.live.rec = *rec
	}
	err = n.fill(ctx, r)
	if errors.Is(err, ErrSandboxNotFound) {
		// It died young. The next attempt makes another one.
		n.undo(ctx)
		return &cause{kind: ErrSandboxNotFound, err: err, retryable: true}
	}
	return err
}

// look asks the remote for its branches and makes the record of the clone.
func (n *newClone) look(ctx context.Context, r *remote) (*record, error) {
	p := n.p
	branches := []string{p.AgentBranch}
	if p.Branch != "" {
		branches = append(branches, p.Branch)
	}
	refs, err := r.refs(ctx, branches...)
	if err != nil {
		return nil, err
	}
	base := p.Branch
	if base == "" {
		if base = branchName(refs.Head); checkBranch("HEAD", base) != nil {
			return nil, &cause{kind: ErrRefNotFound, err: errors.New("the remote's HEAD names no branch; CloneOptions.Branch can")}
		}
	}
	tips := map[string]Hash{}
	for _, b := range []string{base, p.AgentBranch} {
		if id, ok := refs.ID(branchRef(b)); ok {
			tips[b] = Hash(id)
		}
	}
	if id, ok := refs.ID("HEAD"); ok && refs.Head == branchRef(base) {
		tips[base] = Hash(id)
	}
	if tips[base] == "" {
		return nil, &cause{kind: ErrRefNotFound, err: fmt.Errorf("base branch %q", base)}
	}
	route := p.Route
	if route == RouteAuto {
		route = RouteRelay
		if r.anonymous() {
			route = RouteDirect
		}
	}
	rec := &record{
		Version: recordVersion, Key: p.key, URL: p.url, Route: route, Base: base, Branch: p.AgentBranch,
		AgentID: p.AgentID, TaskID: p.TaskID, Owner: p.Owner, Filter: p.Filter, Sparse: p.Sparse, Identity: p.Identity,
		Remote: tips, Protected: map[Hash]*smarthttp.Protected{}, Integrated: tips[base],
	}
	rec.know(tips[base], tips[p.AgentBranch])
	return rec, nil
}

// create starts the sandbox.
func (n *newClone) create(ctx context.Context, rec *record) error {
	if n.release == nil {
		release, err := n.c.fleet.reserve()
		if err != nil {
			return err
		}
		n.release = release
	}
	n.asked = time.Now()
	sb, err := n.c.create(ctx, n.p, rec)
	if err != nil {
		return err
	}
	info := sb.Info()
	rec.Sandbox = newAttachment(info)
	if rec.Sandbox.StartedAt.IsZero() {
		rec.Sandbox.StartedAt = time.Now()
	}
	l := newLive(sb, rec)
	l.capped = !info.EndAt.IsZero() && info.EndAt.Sub(rec.Sandbox.StartedAt) < n.c.fleet.lifetime()-time.Minute
	n.s = &Sandbox{c: n.c, live: l, credentials: n.p.credentials}
	return nil
}

// age is how long the sandbox has run, by E2B's clock as far as that can be true.
func (n *newClone) age() time.Duration {
	return min(time.Since(n.s.live.rec.Sandbox.StartedAt), time.Since(n.asked))
}

// findTimeout bounds how long a sandbox is looked for that may have been made.
const findTimeout = 10 * time.Second

// create asks E2B for a sandbox. A create whose reply was lost may have made
// one: it is found by its metadata, so that none is left behind.
func (c *Client) create(ctx context.Context, p *clonePlan, rec *record) (e2b.Sandbox, error) {
	meta := rec.metadata()
	meta[metaRequest] = randomID()
	start := time.Now()
	sb, err := request(ctx, c, RequestInfo{Target: "control", Kind: "create"},
		func(ctx context.Context) (e2b.Sandbox, error) {
			return c.transport.Create(ctx, &e2b.CreateOptions{
				Template: p.Template, Timeout: c.fleet.lifetime(), Metadata: meta, Env: p.Env,
			})
		})
	if err != nil && !e2b.Retryable(err) && (errors.Is(err, e2b.ErrNetwork) || ctx.Err() != nil) {
		// The caller may be gone already. The attempt then ends with this context,
		// and what was found is ended with it.
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), findTimeout)
		defer cancel()
		if found, findErr := c.findCreated(look, meta[metaRequest]); findErr == nil && found != nil {
			sb, err = found, nil
		}
	}
	if err != nil {
		return nil, fromE2B(err)
	}
	c.meter.creation(time.Since(start))
	c.meter.started(startCreated)
	return sb, nil
}

func (c *Client) findCreated(ctx context.Context, requestID string) (e2b.Sandbox, error) {
	return request(ctx, c, RequestInfo{Target: "control", Kind: "list"},
		func(ctx context.Context) (e2b.Sandbox, error) {
			for info, err := range c.transport.List(ctx, &e2b.ListOptions{Metadata: map[string]string{metaRequest: requestID}}) {
				if err != nil {
					return nil, err
				}
				return c.transport.Connect(ctx, info.SandboxID, &e2b.ConnectOptions{Timeout: c.fleet.lifetime()})
			}
			return nil, nil
		})
}

// fill makes the clone in the sandbox.
func (n *newClone) fill(ctx context.Context, r *remote) error {
	s, rec := n.s, n.s.live.snapshot()
	tips := rec.remoteTips()
	g := &got{fetch: gitcmd.Fetch{URL: rec.URL, OIDs: tips, Depth: n.p.Depth, Filter: rec.Filter}}
	if rec.Route == RouteRelay {
		var err error
		if g, err = s.relay(ctx, r, &smarthttp.FetchOptions{Wants: tips, Depth: n.p.Depth}); err != nil {
			return err
		}
	}
	head := rec.Remote[rec.Branch]
	if head == "" {
		head = rec.Remote[rec.Base]
	}
	out, err := s.step(ctx, "clone", rec.repo(n.opID).Clone(&gitcmd.CloneArgs{
		URL: rec.URL, Base: rec.Base, Branch: rec.Branch, Head: string(head), Fetch: g.fetch,
	}))
	if err != nil {
		return err
	}
	done, err := gitcmd.ParseClone(out)
	if done, err = parsed("clone", done, err); err != nil {
		return err
	}
	if Hash(done.Head) != head {
		return &cause{kind: ErrProtocol, err: fmt.Errorf("the clone is at %q", done.Head)}
	}
	s.live.update(func(r *record) {
		r.Shallow = g.cut
		// Taken up again, the agent's work may be behind the base branch.
		if head != r.Remote[r.Base] {
			r.Integrated = ""
		}
	})
	return nil
}

// undo ends the sandbox of a Clone that failed, also when the context ended.
func (n *newClone) undo(ctx context.Context) {
	if n.s != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), upkeepTimeout)
		defer cancel()
		err := doRetry(ctx, n.c.retry, func(int) error {
			err := n.c.control(ctx, "kill", n.s.ID(), func(ctx context.Context) error { return n.s.live.sandbox.Kill(ctx) })
			return again(err)
		}, func(int, time.Duration, error) {})
		if err != nil && !errors.Is(err, ErrSandboxNotFound) {
			n.c.log.LogAttrs(ctx, slog.LevelWarn, "sandbox of a failed clone not ended",
				slog.String("sandbox_id", n.s.ID()), slog.String("error", n.c.redact.String(err.Error())))
		}
		n.s = nil
	}
	if n.release != nil {
		n.release()
		n.release = nil
	}
}

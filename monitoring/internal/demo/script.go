package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// SlowCreation is what the third sandbox of [Service.Script] takes to start, at
// the least.
const SlowCreation = 1100 * time.Millisecond

// Script does the same each time that it gets another task, so that what the
// metrics say can be compared with figures worked out by hand. On a Service that
// has done nothing yet:
//
//	clone    10, of which 1 fails (other): 5 agents, 2 of them again, a pair on one branch, a repository that is not there
//	push     11, of which 3 fail (conflict, other, auth): 5 agents, 3 of the pair and its conflict, a CI definition, a password that expired
//	status    4, of which 1 fails (sandbox_not_found)
//	diff      1
//	log       1
//
// 27 operations, 5 of them failed. Of 39 look-ups in the cache 31 hit: one for
// each operation on a sandbox (11 files written, 11 pushes, 3 statuses, a diff,
// a log) and two for each clone that finds its sandbox; 8 clones find none. 7
// sandboxes start, one of them slowly, and 2 are ended. Three pushes of the pair
// need a further attempt, and one meets a conflict.
func (s *Service) Script(ctx context.Context, task string) error {
	defer s.sandboxes.Inject(gitsandboxtest.Fault{Op: gitsandboxtest.OpCreate, Nth: 3, Kind: gitsandboxtest.Delay, Delay: SlowCreation})()
	var agents []*gitsandbox.Sandbox
	for i := range 5 {
		name := fmt.Sprintf("a%d", i+1)
		sb, err := s.clone(ctx, name, task, "")
		if err != nil {
			return err
		}
		if err := push(ctx, sb, name+".txt", "hello\n"); err != nil {
			return err
		}
		agents = append(agents, sb)
	}
	for range 3 {
		if _, err := agents[0].Status(ctx, nil); err != nil {
			return err
		}
	}
	if _, err := agents[1].Diff(ctx, nil); err != nil {
		return err
	}
	for _, err := range agents[2].Log(ctx, &gitsandbox.LogOptions{Max: 1}) {
		if err != nil {
			return err
		}
	}
	for _, name := range []string{"a1", "a2"} {
		if _, err := s.clone(ctx, name, task, ""); err != nil {
			return err
		}
	}
	if err := s.pair(ctx, task); err != nil {
		return err
	}
	return s.failures(ctx, agents)
}

// pair lets two agents work on one branch: a push that is rebased, and one
// that meets a conflict. Clone 2, push 4 of which 1 fails, 3 further attempts:
// all but the first push find that the other one was faster.
func (s *Service) pair(ctx context.Context, task string) error {
	branch := "pair-" + task
	cleo, err := s.clone(ctx, "cleo", task, branch)
	if err != nil {
		return err
	}
	dan, err := s.clone(ctx, "dan", task, branch)
	if err != nil {
		return err
	}
	s.kept = append(s.kept, cleo, dan)
	if err := push(ctx, cleo, "a.txt", "a\n"); err != nil {
		return err
	}
	if err := push(ctx, dan, "b.txt", "b\n"); err != nil {
		return err
	}
	if err := push(ctx, cleo, "plan.txt", "1. look\n2. sleep on it\n3. do\n"); err != nil {
		return err
	}
	return expect(push(ctx, dan, "plan.txt", "1. look\n2. ask\n3. do\n"), gitsandbox.ErrConflict)
}

// failures lets operations fail that are none of the remote's or E2B's doing.
func (s *Service) failures(ctx context.Context, agents []*gitsandbox.Sandbox) error {
	if err := expect(push(ctx, agents[3], ".github/workflows/ci.yml", "on: push\n"), gitsandbox.ErrPolicy); err != nil {
		return err
	}
	_, err := s.client.Clone(ctx, s.remote.URL("nowhere"), nil)
	if err := expect(err, gitsandbox.ErrRepoNotFound); err != nil {
		return err
	}
	s.remote.ExpirePassword()
	err = expect(push(ctx, agents[4], "late.txt", "late\n"), gitsandbox.ErrAuth)
	s.remote.SetPassword(password)
	if err != nil {
		return err
	}
	for _, sb := range agents[2:4] {
		if err := sb.Kill(ctx); err != nil {
			return err
		}
	}
	_, err = agents[2].Status(ctx, nil)
	return expect(err, gitsandbox.ErrSandboxNotFound)
}

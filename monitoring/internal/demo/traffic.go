package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

const (
	// keep is how many sandboxes the traffic keeps: enough for an alert.
	keep = 12

	// pause is the time between two rounds.
	pause = 200 * time.Millisecond
)

// Traffic lets agents work, round after round, until the context ends, and
// returns nil then. Now and then sandboxes start slowly, agents meet a conflict,
// touch what the policy protects, or ask for what is not there.
func (s *Service) Traffic(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := s.oneRound(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		timer.Reset(pause)
	}
}

func (s *Service) oneRound(ctx context.Context) error {
	s.round++
	n := s.round
	late := gitsandboxtest.Fault{
		Op: gitsandboxtest.OpCreate, Nth: 1, Kind: gitsandboxtest.Delay, Delay: time.Duration(n%5) * 300 * time.Millisecond,
	}
	defer s.sandboxes.Inject(late)()

	sb, err := s.clone(ctx, fmt.Sprintf("agent%d", n), "t", "")
	if err != nil {
		return err
	}
	s.kept = append(s.kept, sb)
	for i := range 2 {
		if err := push(ctx, sb, fmt.Sprintf("part%d.txt", i), fmt.Sprintf("round %d\n", n)); err != nil {
			return err
		}
	}
	if _, err := sb.Status(ctx, nil); err != nil {
		return err
	}
	if _, err := sb.Diff(ctx, nil); err != nil {
		return err
	}
	if _, err := sb.Pull(ctx, nil); err != nil {
		return err
	}
	if err := s.trouble(ctx, sb, n); err != nil {
		return err
	}
	return s.endOldest(ctx)
}

// trouble lets every other round end badly.
func (s *Service) trouble(ctx context.Context, sb *gitsandbox.Sandbox, n int) error {
	switch n % 6 {
	case 1:
		return s.pair(ctx, fmt.Sprintf("t%d", n))
	case 3:
		return expect(push(ctx, sb, ".github/workflows/ci.yml", "on: push\n"), gitsandbox.ErrPolicy)
	case 5:
		_, err := s.client.Clone(ctx, s.remote.URL("nowhere"), nil)
		return expect(err, gitsandbox.ErrRepoNotFound)
	}
	return nil
}

// endOldest ends the sandboxes beyond those to keep.
func (s *Service) endOldest(ctx context.Context) error {
	for len(s.kept) > keep {
		if err := s.kept[0].Kill(ctx); err != nil {
			return err
		}
		s.kept = s.kept[1:]
	}
	return nil
}

package gitwire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

// maxRaces is how often an update starts over because others were faster.
const maxRaces = 50

// View implements [gitops.Transport]. It asks the server where the branch is,
// and fetches what is new.
func (t *Transport) View(ctx context.Context, branch string, fn func(gitops.Tree) error) error {
	b, err := t.use(branch)
	if err != nil {
		return err
	}
	defer b.release()
	snap, err := b.current(ctx)
	if err != nil {
		return err
	}
	tip, err := b.tree(snap)
	if err != nil {
		return err
	}
	return fn(tip)
}

func (b *branch) tree(s *snapshot) (*tree, error) {
	c, ok := s.store.commit(s.tip)
	if !ok {
		return nil, unavailable("read branch "+b.name, errMissing)
	}
	return &tree{branch: b, snap: s, commit: c}, nil
}

// Update implements [gitops.Transport]. If the branch is known from an earlier
// call, fn runs on it unasked, and the push itself asks whether that still
// holds.
func (t *Transport) Update(ctx context.Context, branch string, fn func(gitops.Tree) (gitops.Commit, error)) (gitops.Receipt, error) {
	b, err := t.use(branch)
	if err != nil {
		return gitops.Receipt{}, err
	}
	defer b.release()
	ctx, cancel := context.WithTimeoutCause(ctx, t.opts.Patience, fmt.Errorf("update took more than %s: %w", t.opts.Patience, context.DeadlineExceeded))
	defer cancel()
	if err := b.lock(ctx); err != nil {
		return gitops.Receipt{}, err
	}
	defer b.unlock()

	snap := b.cached()
	told := snap == nil // whether the server said in this call that snap is the tip
	if told {
		if snap, err = b.current(ctx); err != nil {
			return gitops.Receipt{}, err
		}
	}
	for races := 0; races < maxRaces; races++ {
		if races > 0 {
			if err := pause(ctx, races); err != nil {
				return gitops.Receipt{}, unavailable("push to branch "+b.name+": others were faster", err)
			}
		}
		c, err := b.propose(snap, fn)
		if err != nil {
			if told {
				return gitops.Receipt{}, err
			}
			now, tipErr := b.current(ctx)
			if tipErr != nil {
				return gitops.Receipt{}, tipErr
			}
			told = true
			if now.tip == snap.tip {
				return gitops.Receipt{}, err
			}
			snap = now
			continue
		}
		if ctx.Err() != nil {
			return gitops.Receipt{}, unavailable("push to branch "+b.name, context.Cause(ctx))
		}
		now, err := b.push(ctx, snap, c)
		if err != nil {
			return gitops.Receipt{}, err
		}
		if now == nil {
			return gitops.Receipt{Revision: c.id.String(), Parent: c.parent.String()}, nil
		}
		t.opts.Log.Debug("others have pushed meanwhile; starting over", "branch", b.name, "tip", now.tip.String())
		snap, told = now, true
	}
	return gitops.Receipt{}, unavailable("push to branch "+b.name, fmt.Errorf("others were faster %d times", maxRaces))
}

// propose runs fn on a snapshot and makes a commit of its result.
func (b *branch) propose(snap *snapshot, fn func(gitops.Tree) (gitops.Commit, error)) (*candidate, error) {
	tip, err := b.tree(snap)
	if err != nil {
		b.forget()
		return nil, err
	}
	c, err := fn(tip)
	if err != nil {
		return nil, err
	}
	return newCandidate(snap, c)
}

// pause waits before the n-th new try, so that those who are in each other's
// way get out of it.
func pause(ctx context.Context, n int) error {
	most := min(10*time.Millisecond<<min(n, 6), 500*time.Millisecond)
	select {
	case <-time.After(most/4 + rand.N(most)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

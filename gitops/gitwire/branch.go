package gitwire

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/tidebot-dev/tidebot/gitops"
)

const (
	// maxBranches is how many branches are remembered.
	maxBranches = 32
	// keepCommits is how many commits of a branch are remembered, without
	// their files.
	keepCommits = 2500
	// slack is what a branch may hold beside twice the files at its tip.
	slack = 16 << 20
)

// depths are the steps in which history is fetched.
var depths = [...]int{1, 20, 100, 500, 2500, 12500}

// A snapshot is a branch as of one commit.
type snapshot struct {
	tip   hash
	store *store

	// deepening is held by who fetches more history; depth counts the steps
	// taken.
	deepening chan struct{}
	depth     int
}

func newSnapshot(tip hash, s *store, depth int) *snapshot {
	return &snapshot{tip: tip, store: s, depth: depth, deepening: make(chan struct{}, 1)}
}

// A branch is what is remembered of one.
type branch struct {
	t    *Transport
	name string
	// writer is held by the one who pushes; those who wait are served in
	// order.
	writer chan struct{}
	users  int // guarded by t.mu

	mu    sync.Mutex
	snap  *snapshot
	depth int            // the step that readers of the history needed
	floor int            // bytes of the store when it was last compacted
	refs  *advertisement // as last told
}

// use returns a branch, which must be given back with release.
func (t *Transport) use(name string) (*branch, error) {
	if err := gitops.CheckBranch(name); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.branches[name]
	if b == nil {
		if len(t.branches) >= maxBranches {
			for k, old := range t.branches {
				if old.users == 0 {
					delete(t.branches, k)
					break
				}
			}
		}
		b = &branch{t: t, name: name, writer: make(chan struct{}, 1)}
		t.branches[name] = b
	}
	b.users++
	return b, nil
}

func (b *branch) release() {
	b.t.mu.Lock()
	defer b.t.mu.Unlock()
	b.users--
}

func (b *branch) cached() *snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snap
}

// keep remembers a snapshot, and drops what it does not need if that has
// become much.
func (b *branch) keep(s *snapshot) *snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if size := s.store.bytes(); size > 2*b.floor+slack || len(s.store.border()) > 64 {
		small, err := s.store.compact(s.tip, keepCommits)
		if err != nil {
			b.t.opts.Log.Warn("files in memory are not complete; will be fetched anew", "branch", b.name, "error", err)
			b.snap = nil
			return s
		}
		b.floor = small.bytes()
		s = newSnapshot(s.tip, small, 0)
	}
	b.snap = s
	return s
}

// forget drops what is remembered.
func (b *branch) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snap = nil
}

// tip asks the server where the branch is.
func (b *branch) tip(ctx context.Context) (*advertisement, error) {
	ctx, cancel := context.WithTimeout(ctx, b.t.opts.Timeout)
	defer cancel()
	a, err := b.t.wire.advertise(ctx, uploadPack, b.name)
	if err != nil {
		return nil, unavailable("read branch "+b.name, err)
	}
	if err := b.exists(a); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.refs = a
	b.mu.Unlock()
	return a, nil
}

func (b *branch) exists(a *advertisement) error {
	switch {
	case a.empty:
		return unavailable("read branch "+b.name, errors.New("repository is empty"))
	case a.tip.IsZero():
		return unavailable("read branch "+b.name, errors.New("no such branch in the repository"))
	}
	return nil
}

// current returns the branch as the server has it.
func (b *branch) current(ctx context.Context) (*snapshot, error) {
	a, err := b.tip(ctx)
	if err != nil {
		return nil, err
	}
	return b.at(ctx, a)
}

// at returns the branch where the server said it is, or later.
func (b *branch) at(ctx context.Context, a *advertisement) (*snapshot, error) {
	base := b.cached()
	if base != nil && base.tip == a.tip {
		return base, nil
	}
	b.mu.Lock()
	depth := b.depth
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, b.t.opts.Timeout)
	defer cancel()
	if base != nil {
		tip, err := b.fetch(ctx, a, a.tip, base.tip, base.store, depths[depth])
		if err == nil {
			base.store.join()
			return b.keep(newSnapshot(tip, base.store, depth)), nil
		}
		if ctx.Err() != nil {
			return nil, unavailable("fetch branch "+b.name, err)
		}
		// Perhaps the server cannot make sense of what is known here: its
		// history may have been rewritten. From the start, then.
		b.t.opts.Log.Info("cannot fetch what is new; fetching all", "branch", b.name, "error", err)
	}
	s := newStore()
	tip, err := b.fetch(ctx, a, a.tip, hash{}, s, depths[depth])
	if err != nil {
		return nil, unavailable("fetch branch "+b.name, err)
	}
	return b.keep(newSnapshot(tip, s, depth)), nil
}

// fetch gets what is above and below have, and returns the commit it got.
func (b *branch) fetch(ctx context.Context, a *advertisement, want, have hash, into *store, depth int) (hash, error) {
	answer, err := b.t.wire.exchange(ctx, uploadPack, b.name, func(now *advertisement) ([]byte, error) {
		if now != nil { // it serves only what it just told
			if err := b.exists(now); err != nil {
				return nil, err
			}
			a, want = now, now.tip
		}
		return fetchRequest{want: want, have: have, cut: into.border(), depth: depth}.encode(a)
	})
	if err != nil {
		return hash{}, err
	}
	defer answer.Close()
	if err := readFetched(answer, into); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return hash{}, plainNetError(err)
	}
	c, ok := into.commit(want)
	if ok {
		_, ok = into.get(c.tree, plumbing.TreeObject)
	}
	if !ok {
		return hash{}, fmt.Errorf("server did not send commit %s", want)
	}
	return want, nil
}

// deepen fetches more history of a snapshot, a step at a time.
func (b *branch) deepen(ctx context.Context, s *snapshot) error {
	before := func() int { s.store.mu.RLock(); defer s.store.mu.RUnlock(); return len(s.store.objects) }
	n := before()
	select {
	case s.deepening <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.deepening }()
	if before() > n {
		return nil // somebody else has got more meanwhile
	}
	if s.depth+1 >= len(depths) {
		return fmt.Errorf("history is not there, or goes back more than %d commits", depths[s.depth])
	}
	ctx, cancel := context.WithTimeout(ctx, b.t.opts.Timeout)
	defer cancel()
	b.mu.Lock()
	a := b.refs
	b.mu.Unlock()
	s.depth++
	if _, err := b.fetch(ctx, a, s.tip, s.tip, s.store, depths[s.depth]); err != nil {
		return unavailable("fetch history of branch "+b.name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.depth = max(b.depth, min(s.depth, 2))
	return nil
}

// lock makes the caller the only one who pushes to the branch.
func (b *branch) lock(ctx context.Context) error {
	select {
	case b.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for other pushes to branch %s: %w: %w", b.name, gitops.ErrUnavailable, context.Cause(ctx))
	}
}

func (b *branch) unlock() { <-b.writer }

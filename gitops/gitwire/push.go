package gitwire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

const (
	// maxSends is how often the bytes of one commit are sent.
	maxSends = 4
	// maxLooks is how often it is tried to read a branch after a push.
	maxLooks = 3
	// maxSearch is how many commits are looked through for one.
	maxSearch = 2000
)

// A verdict is what is known after one try to push.
type verdict int

const (
	accepted  verdict = iota // the server reports that the branch moved
	denied                   // the server reports that it did not
	overtaken                // the branch was elsewhere; nothing was sent
	failed                   // nothing came of it
	lost                     // it may have come into effect, or still may
)

// An attempt is one try to push.
type attempt struct {
	verdict verdict
	report  *report // if accepted or denied
	err     error   // if failed or lost
	// untaken is set if the server did not deal with the push as one: it may
	// want to be asked for its refs first.
	untaken bool
	// over is set if a lost push is known to have no effect any more.
	over bool
}

// send tries to push once. Unless ask is set, or the server was not met
// before, it does so without asking the server for its refs.
func (b *branch) send(ctx context.Context, c *candidate, ask bool) attempt {
	ctx, cancel := context.WithTimeout(ctx, b.t.opts.Timeout)
	defer cancel()
	b.t.mu.Lock()
	known := b.t.receiver
	ask = b.t.wire.stateless() && (ask || b.t.askFirst || known == nil)
	b.t.mu.Unlock()

	errOvertaken := errors.New("branch is elsewhere")
	met := func(a *advertisement) error {
		b.t.mu.Lock()
		known, b.t.receiver = a, a
		b.t.mu.Unlock()
		if a.tip != c.parent {
			return errOvertaken
		}
		return nil
	}
	if ask {
		a, err := b.t.wire.advertise(ctx, receivePack, b.name)
		if err != nil {
			return attempt{verdict: failed, err: err}
		}
		if met(a) != nil {
			return attempt{verdict: overtaken}
		}
	}
	answer, err := b.t.wire.exchange(ctx, receivePack, b.name, func(now *advertisement) ([]byte, error) {
		if now != nil {
			if err := met(now); err != nil {
				return nil, err
			}
		}
		return encodePush(known, b.name, c)
	})
	if errors.Is(err, errOvertaken) {
		return attempt{verdict: overtaken}
	}
	if e := new(exchangeError); errors.As(err, &e) {
		a := attempt{verdict: failed, err: err, untaken: e.refused && !ask, over: e.over}
		if e.sent {
			a.verdict = lost
		}
		return a
	}
	if err != nil {
		return attempt{verdict: lost, err: err}
	}
	defer answer.Close()
	r, err := readReport(answer, b.name)
	switch {
	case err != nil:
		untaken := ctx.Err() == nil && !ask
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return attempt{verdict: lost, err: plainNetError(err), untaken: untaken}
	case r.ok:
		return attempt{verdict: accepted, report: r}
	}
	return attempt{verdict: denied, report: r}
}

// push brings a commit to the branch. It returns nil if it is there; where the
// branch is now if others were faster; and an error otherwise.
//
// The end of the caller's context does not undo what was sent, so the push
// goes on without it for a while, until it is known what became of it.
func (b *branch) push(ctx context.Context, snap *snapshot, c *candidate) (*snapshot, error) {
	sending, cancel := detach(ctx, b.t.opts.Settle)
	defer cancel()
	what := "push to branch " + b.name
	unsure := false // whether a try was lost
	open := false   // whether a lost try may yet come into effect
	untaken := false
	for try := 1; ; try++ {
		a := b.send(sending, c, untaken)
		switch a.verdict {
		case accepted:
			if untaken {
				b.t.opts.Log.Info("server wants to be asked for its refs before a push", "branch", b.name)
				b.t.mu.Lock()
				b.t.askFirst = true
				b.t.mu.Unlock()
			}
			b.landed(snap, c)
			return nil, nil
		case failed:
			if a.untaken && try < maxSends {
				untaken = true
				continue
			}
			if !unsure {
				return nil, unavailable(what, a.err)
			}
		case lost:
			unsure, open, untaken = true, open || !a.over, untaken || a.untaken
			b.t.opts.Log.Info("answer to a push is missing; looking at the branch", "branch", b.name, "commit", c.id.String(), "error", a.err)
		}

		now, there, err := b.look(ctx, c, unsure)
		switch {
		case err != nil && unsure:
			return nil, fmt.Errorf("%s: %w: %w", what, gitops.ErrUnknown, errors.Join(a.err, err))
		case err != nil && a.verdict == denied:
			return nil, unavailable(what, fmt.Errorf("server refused (%s), and then: %w", a.report.refusal(), err))
		case err != nil:
			return nil, unavailable(what, err)
		case there:
			if now == nil {
				b.landed(snap, c)
			}
			return nil, nil
		case now != nil:
			return now, nil
		}

		// The branch is where it was.
		last := try >= maxSends || pause(sending, 2*try) != nil
		switch {
		case a.verdict == denied && (last || !a.report.racy()):
			return nil, fmt.Errorf("%s: %w: %s", what, gitops.ErrRejected, a.report.refusal())
		case last && open:
			return nil, fmt.Errorf("%s: %w: %w", what, gitops.ErrUnknown, a.err)
		case last && a.err == nil:
			return nil, unavailable(what, errors.New("the server says now that the branch has moved, now that it has not"))
		case last:
			return nil, unavailable(what, a.err)
		}
	}
}

// detach returns a context that outlives ctx by so much.
func detach(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	detached, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(by):
			cancel(context.Cause(ctx))
		case <-detached.Done():
		}
	})
	return detached, func() {
		stop()
		cancel(nil)
	}
}

// landed remembers that a commit is at the tip.
func (b *branch) landed(snap *snapshot, c *candidate) {
	if err := snap.store.add(c.objects, nil, nil); err != nil {
		b.forget()
		return
	}
	b.keep(newSnapshot(c.id, snap.store, snap.depth))
}

// look finds out where the branch is. It is nil if the branch is where the
// commit was built on. there says that the commit is on the branch; below the
// tip it is only looked for if it may be.
func (b *branch) look(ctx context.Context, c *candidate, mayBe bool) (now *snapshot, there bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.t.opts.Settle)
	defer cancel()
	for n := 1; ; n++ {
		now, there, err = b.lookOnce(ctx, c, mayBe)
		if err == nil || n == maxLooks || pause(ctx, 2*n) != nil {
			return now, there, err
		}
	}
}

func (b *branch) lookOnce(ctx context.Context, c *candidate, mayBe bool) (now *snapshot, there bool, err error) {
	a, err := b.tip(ctx)
	switch {
	case err != nil:
		return nil, false, err
	case a.tip == c.id:
		return nil, true, nil
	case a.tip == c.parent:
		return nil, false, nil
	}
	if now, err = b.at(ctx, a); err != nil || !mayBe {
		return now, false, err
	}
	tip, err := b.tree(now)
	if err != nil {
		return nil, false, err
	}
	// That the server has the commit proves nothing, as it keeps those of the
	// losers too. It must be reachable from the branch.
	n := 0
	for t, err := range tip.log(ctx, c.parent) {
		switch {
		case err != nil:
			return nil, false, err
		case t.commit.id == c.id:
			return now, true, nil
		}
		if n++; n > maxSearch {
			return nil, false, fmt.Errorf("commit %s is not among the last %d", c.id, maxSearch)
		}
	}
	return now, false, nil
}

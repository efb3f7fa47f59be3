package gitops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/tidebot-dev/tidebot/manifest"
)

const (
	// skew is how far the clocks of the provider and of those who commit may
	// be apart.
	skew = 5 * time.Minute
	// maxRecall is how many commits are looked at before a command that may
	// have been carried out already is refused for want of certainty.
	maxRecall = 2000
	// maxHistory is how many commits are looked at for what is only told.
	maxHistory = 500
)

// maxAge is how old a command may be that has no commit yet. Nobody waits for
// it any more, and much may have been said since.
const maxAge = 15 * time.Minute

// maxBefore is how old a command may be for which it is looked up, before it is
// refused, whether it was carried out; without a bound the question would cost
// whatever a front-end likes.
const maxBefore = 24 * time.Hour

// oldInARow is how many commits in a row must be older than a command before
// the search for it ends. One alone may come from a clock that is slow.
const oldInARow = 20

// An earlier is the error that says that a command has its commit already.
type earlier struct {
	revision  string
	allowedBy string
	changes   []FieldChange
	// overtaken is set if what it changed was changed again since.
	overtaken *refusal
	// holds is set if all that the plan wants is there now.
	holds bool
}

func (e *earlier) Error() string { return "carried out before, in commit " + e.revision }

// An unsureError refuses a command that may have been carried out before.
type unsureError struct{ *refusal }

func (e *unsureError) Unwrap() error { return e.refusal }

// recall keeps two promises by the branch's history alone: a command is carried
// out once (*earlier), and never over a newer one (*refusal). It looks at the
// commits back to when the command was made. A command from a terminal is never
// overtaken: its person is there now, whatever the clocks say.
func (d *Deployer) recall(ctx context.Context, tree Tree, in *inquiry, id string, p *plan) error {
	at := in.at
	var overtaken *refusal
	seen, old := 0, 0
	for t, err := range tree.Log(ctx) {
		if err != nil {
			return fmt.Errorf("read the history of %s: %w", p.env.Branch, err)
		}
		info := t.Info()
		if !info.Committed.Before(at.Add(-skew)) {
			old = 0
		} else if old++; old > oldInARow {
			break
		}
		if seen++; seen > maxRecall {
			return &unsureError{&refusal{
				fmt.Sprintf("Nothing done now: the command has more than %d commits after it, and may have been carried out before them.", maxRecall),
				[]string{"If it was not, say it again."},
			}}
		}
		dep, ok := parseDeployment(info, d.opts.Config.Committer)
		switch {
		case ok && dep.command == id:
			changes, err := d.changesOf(ctx, t, d.targetsOf(dep))
			if err != nil {
				return err
			}
			stands, holds, err := d.standing(ctx, tree, changes, p.edits)
			if err != nil {
				return err
			}
			if !stands && overtaken == nil {
				overtaken = newer(p, "somebody", info.Committed)
			}
			return &earlier{info.Revision, dep.allowedBy, changes, overtaken, holds}
		case overtaken != nil || in.direct != nil:
		case ok:
			// The bot writes the provider's time, a terminal its own.
			credible := !strings.HasPrefix(dep.command, terminal) || d.credible(dep.at, at)
			if credible && dep.after(at, id) && dep.touches(p.env.Name, p.serviceNames()...) {
				overtaken = newer(p, "a later command of "+code(dep.by), dep.at)
			}
		case d.credible(info.Committed, at) && info.Committed.After(at):
			// Nobody's command, but somebody may have changed a field by hand.
			changes, err := d.changesOf(ctx, t, p.targets())
			if err != nil {
				return err
			}
			if len(changes) > 0 {
				overtaken = newer(p, "a later commit by "+code(info.Author.Name), info.Committed)
			}
		}
	}
	if overtaken != nil {
		return overtaken
	}
	return nil
}

// credible tells that a time which somebody's own clock has set can be true.
// One that lies in the future would overtake every command until it has come.
func (d *Deployer) credible(at, command time.Time) bool {
	return !at.After(latest(d.opts.Now(), command).Add(skew))
}

// latest is the later one of two times. The own clock may be slow: a time of the
// provider's has come already.
func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// standing tells whether the tip has what was changed, and all that is wanted.
func (d *Deployer) standing(ctx context.Context, tip Tree, changes []FieldChange, edits []wanted) (stands, holds bool, err error) {
	stands, holds = true, true
	for _, c := range changes {
		_, v, err := d.value(ctx, tip, c.Target)
		if err != nil {
			return false, false, err
		}
		stands = stands && v.Value == c.New
	}
	for _, e := range edits {
		_, v, err := d.value(ctx, tip, e.target)
		if err != nil {
			return false, false, err
		}
		holds = holds && v.Value == e.value
	}
	return stands, holds, nil
}

func newer(p *plan, by string, at time.Time) *refusal {
	return &refusal{
		fmt.Sprintf("Not deployed, nothing changed: %s was set by %s, at %s.", p.subject(), by, at.UTC().Format("2006-01-02 15:04:05 UTC")),
		[]string{"Say it again if you still want it."},
	}
}

// before looks for the commit of a command that is about to be refused: if it
// was carried out before its answer was lost, "nothing changed" would be a lie.
func (d *Deployer) before(ctx context.Context, in *inquiry, id string, p *plan) error {
	return d.opts.Transports[p.env.Repository].View(ctx, p.env.Branch, func(tree Tree) error {
		err := d.recall(ctx, tree, in, id, p)
		if errors.As(err, new(*refusal)) && !errors.As(err, new(*unsureError)) {
			return nil // it is being refused already
		}
		return err
	})
}

// targetsOf are the targets that a deployment of the past was about.
func (d *Deployer) targetsOf(dep deployment) []Target {
	var targets []Target
	env, ok := lookup(d.opts.Config.Environments, dep.environment)
	for _, c := range dep.changes {
		s, known := lookup(d.opts.Config.Services, c.service)
		if ok && known && !slices.ContainsFunc(targets, func(t Target) bool { return t.Service == s.Name }) {
			targets = append(targets, s.Targets[env.Name]...)
		}
	}
	return targets
}

// changesOf returns what a commit changed in the targets, against its first
// parent. A file or field that was not there is no change of it.
func (d *Deployer) changesOf(ctx context.Context, tree Tree, targets []Target) ([]FieldChange, error) {
	parent, err := tree.Parent(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the parent of %s: %w", tree.Info().Revision, err)
	}
	var changes []FieldChange
	for _, t := range targets {
		before, old, err := d.value(ctx, parent, t)
		if err != nil {
			return nil, err
		}
		after, now, err := d.value(ctx, tree, t)
		if err != nil {
			return nil, err
		}
		if old.Line > 0 && now.Line > 0 && old.Value != now.Value {
			changes = append(changes, FieldChange{
				Target: t, Old: old.Value, New: now.Value, Line: now.Line,
				OldText: lineOf(before, old.Line), NewText: lineOf(after, now.Line),
			})
		}
	}
	return changes, nil
}

// value reads a target at a commit of the past; a zero Line says that it has
// no value there.
func (d *Deployer) value(ctx context.Context, tree Tree, t Target) ([]byte, manifest.Value, error) {
	src, err := tree.ReadFile(ctx, t.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, manifest.Value{}, nil
	}
	if err != nil {
		return nil, manifest.Value{}, fmt.Errorf("read %s at %s: %w", t.File, tree.Info().Revision, err)
	}
	values, err := d.opts.Editor.Get(src, t.Location())
	if _, refused := errors.AsType[*manifest.Error](err); refused {
		return nil, manifest.Value{}, nil
	}
	if err != nil {
		return nil, manifest.Value{}, fmt.Errorf("read %s at %s: %w", t.File, tree.Info().Revision, err)
	}
	return src, values[0], nil
}

// replaced says whose deployments in the tree would be replaced. It is told
// beside the result, so that not finding out is no failure. The transport
// knows the recent history, so that this costs no request where it matters.
func (d *Deployer) replaced(ctx context.Context, in *inquiry, tree Tree, p *plan, changes []FieldChange) []string {
	standing := make(map[string]string) // the old value by service
	for _, c := range changes {
		if c.Old != c.Target.Default {
			standing[c.Target.Service] = c.Old
		}
	}
	if len(standing) == 0 && !p.toDefault {
		return []string{"Replaces the default."}
	}
	var details []string
	err := d.eachDeployment(ctx, tree, func(t Tree, dep deployment) bool {
		for service, old := range standing {
			if !dep.touches(p.env.Name, service) {
				continue
			}
			delete(standing, service)
			line := fmt.Sprintf("Replaces %s, which was set by hand.", code(old))
			if dep.wrote(service, old) {
				line = fmt.Sprintf("Replaces %s of %s%s, there since %s.",
					code(old), code(dep.by), from(dep.pullRequest), t.Info().Committed.UTC().Format("2006-01-02 15:04 UTC"))
			}
			if !slices.Contains(details, line) {
				details = append(details, line)
			}
		}
		return len(standing) > 0
	})
	if err != nil {
		in.log.WarnContext(ctx, "replaced deployment not found", "env", p.env.Name, "error", err)
	}
	return details
}

// eachDeployment calls fn for the deployments in the tree's history, newest
// first, as long as it returns true and maxHistory commits are not passed.
func (d *Deployer) eachDeployment(ctx context.Context, tree Tree, fn func(Tree, deployment) bool) error {
	seen := 0
	for t, err := range tree.Log(ctx) {
		if err != nil {
			return fmt.Errorf("read the history: %w", err)
		}
		if seen++; seen > maxHistory {
			return nil
		}
		if dep, ok := parseDeployment(t.Info(), d.opts.Config.Committer); ok && !fn(t, dep) {
			return nil
		}
	}
	return nil
}

func from(pullRequest string) string {
	if pullRequest == "" {
		return ""
	}
	return " from " + pullRequest
}

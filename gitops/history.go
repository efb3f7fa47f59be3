package gitops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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

// An earlier is the error that says that a command has its commit already.
type earlier struct {
	revision string
	changes  []FieldChange
}

func (e *earlier) Error() string { return "carried out before, in commit " + e.revision }

// recall keeps two promises by the branch's history alone: a command is carried
// out once (*earlier), and never over a newer one (*refusal). It looks at the
// commits back to when the command was made.
func (d *Deployer) recall(ctx context.Context, tree Tree, at time.Time, id string, p *plan) error {
	var overtaken *refusal
	seen := 0
	for t, err := range tree.Log(ctx) {
		if err != nil {
			return fmt.Errorf("read the history of %s: %w", p.env.Branch, err)
		}
		info := t.Info()
		if info.Committed.Before(at.Add(-skew)) {
			break
		}
		if seen++; seen > maxRecall {
			return &refusal{
				fmt.Sprintf("Not deployed, nothing changed: the command is so old that it has more than %d commits after it.", maxRecall),
				[]string{"Say it again."},
			}
		}
		dep, ok := parseDeployment(info, d.Config.Committer)
		switch {
		case ok && dep.command == id:
			changes, err := d.changesOf(ctx, t, p)
			if err != nil {
				return err
			}
			return &earlier{info.Revision, changes}
		case overtaken != nil:
		case ok:
			if dep.at.After(at) && dep.touches(p.env.Name, p.serviceNames()...) {
				overtaken = newer(p, "a later command of "+code(dep.by), dep.at)
			}
		case info.Committed.After(at):
			// Nobody's command, but somebody may have changed a field by hand.
			changes, err := d.changesOf(ctx, t, p)
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

func newer(p *plan, by string, at time.Time) *refusal {
	return &refusal{
		fmt.Sprintf("Not deployed, nothing changed: %s was set by %s, at %s.", p.subject(), by, at.UTC().Format("15:04:05 UTC")),
		[]string{"Say it again if you still want it."},
	}
}

// changesOf returns what a commit changed in the plan's targets, against its
// first parent. A file or field that was not there is no change of it.
func (d *Deployer) changesOf(ctx context.Context, tree Tree, p *plan) ([]FieldChange, error) {
	parent, err := tree.Parent(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", p.env.Branch, err)
	}
	var changes []FieldChange
	for _, e := range p.edits {
		before, old, err := d.value(ctx, parent, e.target)
		if err != nil {
			return nil, err
		}
		after, now, err := d.value(ctx, tree, e.target)
		if err != nil {
			return nil, err
		}
		if old.Line > 0 && now.Line > 0 && old.Value != now.Value {
			changes = append(changes, FieldChange{
				Target: e.target, Old: old.Value, New: now.Value, Line: now.Line,
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
	values, err := d.Editor.Get(src, t.Location())
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
func (d *Deployer) replaced(ctx context.Context, tree Tree, p *plan, changes []FieldChange) []string {
	standing := make(map[string]string) // the old value by service
	for _, c := range changes {
		if c.Old != c.Target.Default {
			standing[c.Target.Service] = c.Old
		}
	}
	if len(standing) == 0 && p.follows != "the default" {
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
		d.Log.WarnContext(ctx, "replaced deployment not found", "env", p.env.Name, "error", err)
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
		if dep, ok := parseDeployment(t.Info(), d.Config.Committer); ok && !fn(t, dep) {
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

package gitops

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// status tells what runs where.
func (d *Deployer) status(ctx context.Context, in *inquiry, cmd Command) CommandResult {
	services := d.services(in)
	environments := slices.Sorted(maps.Keys(d.opts.Config.Environments))
	if cmd.Environment != "" {
		env, ok := lookup(d.opts.Config.Environments, cmd.Environment)
		if !ok {
			return (&refusal{fmt.Sprintf("There is no environment %s.", code(cmd.Environment)), d.usable(ctx, in)}).result()
		}
		environments = []string{env.Name}
	}
	names := slices.Sorted(maps.Keys(services))
	if len(cmd.Services) > 0 {
		names = nil
		for _, name := range cmd.Services {
			s, ok := lookup(services, name)
			if !ok {
				return (&refusal{fmt.Sprintf("There is no service %s that can be deployed from here.", code(name)), nil}).result()
			}
			names = append(names, s.Name)
		}
	}

	c := CommandResult{Outcome: Told}
	away, unread := 0, 0
	for _, name := range environments {
		env := d.opts.Config.Environments[name]
		var targets []Target
		for _, s := range names {
			targets = append(targets, services[s].Targets[name]...)
		}
		if len(targets) == 0 {
			continue
		}
		found, err := d.fieldStatus(ctx, env, targets)
		if err != nil {
			in.log.WarnContext(ctx, "status not read", "env", name, "error", err)
			c.Details = append(c.Details, fmt.Sprintf("%s could not be read: %s", code(name), oneLine(err.Error(), 300)))
			unread++
			continue
		}
		c.Status = append(c.Status, found...)
		for _, f := range found {
			if !f.Default && f.Problem == "" {
				away++
			}
		}
	}
	switch {
	case len(c.Status) == 0 && unread > 0:
		c.Outcome, c.Summary = Failed, "The config repository could not be read."
	case len(c.Status) == 0:
		c.Summary = "Nothing of this repository is there."
	case away == 0:
		c.Summary = "Everything follows its default."
	default:
		c.Summary = fmt.Sprintf("%d of %d off the default.", away, len(c.Status))
	}
	return c
}

// fieldStatus reads targets of one environment and looks up who set them.
func (d *Deployer) fieldStatus(ctx context.Context, env Environment, targets []Target) ([]FieldStatus, error) {
	var found []FieldStatus
	err := d.opts.Transports[env.Repository].View(ctx, env.Branch, func(tree Tree) error {
		found = make([]FieldStatus, len(targets))
		open := make(map[string][]*FieldStatus) // by service, not yet found in the history
		for i, t := range targets {
			f := &found[i]
			f.Target = t
			src, err := tree.ReadFile(ctx, t.File)
			if err != nil {
				f.Problem = oneLine(fmt.Sprintf("read %s: %v", t.File, err), 300)
				continue
			}
			values, err := d.opts.Editor.Get(src, t.Location())
			if err != nil {
				f.Problem = oneLine(fmt.Sprintf("%s: %v", t.File, err), 300)
				continue
			}
			f.Value, f.Line = values[0].Value, values[0].Line
			f.Default = f.Value == t.Default
			open[t.Service] = append(open[t.Service], f)
		}
		if len(open) == 0 {
			return nil
		}
		return d.eachDeployment(ctx, tree, func(t Tree, dep deployment) bool {
			for service, fields := range open {
				if !dep.touches(env.Name, service) {
					continue
				}
				delete(open, service)
				for _, f := range fields {
					if f.ByHand = !dep.wrote(service, f.Value); !f.ByHand {
						f.By, f.PullRequest, f.Since, f.Revision = dep.by, dep.pullRequest, t.Info().Committed, t.Info().Revision
					}
				}
			}
			return len(open) > 0
		})
	})
	return found, err
}

// help tells the commands, and where this actor can use them.
func (d *Deployer) help(ctx context.Context, in *inquiry) CommandResult {
	c := CommandResult{Outcome: Told, Summary: "These are the commands."}
	for _, v := range Verbs() {
		c.Details = append(c.Details, code(v.Usage)+" "+v.Short)
	}
	c.Details = append(c.Details, d.usable(ctx, in)...)
	return c
}

package gitops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidebot-dev/tidebot/manifest"
)

// deploy carries out a command that sets fields, or says what it would do.
func (d *Deployer) deploy(ctx context.Context, in *inquiry, id string, cmd Command, report func(Progress)) CommandResult {
	p, err := d.plan(ctx, in, cmd)
	asks := cmd.Verb == Diff || cmd.DryRun
	switch {
	case asks && err == nil:
		return d.preview(ctx, cmd, p)
	case err == nil && p.obstacle == nil:
		report(Progress{Phase: Running, Message: "changing " + strings.Join(p.serviceNames(), ", ") + " on " + p.env.Name})
		return d.push(ctx, in, id, p)
	case err == nil:
		err = p.obstacle
	}
	if !asks && p.env.Repository != "" && d.opts.Now().Sub(in.at) < maxBefore {
		found := d.before(ctx, in, id, p)
		if e := new(earlier); errors.As(found, &e) {
			return d.doneBefore(p, e)
		}
		if found != nil {
			return p.failedTry(found)
		}
	}
	return failure(err)
}

// errUnchanged is the edit function's verdict that there is nothing to commit.
var errUnchanged = errors.New("unchanged")

// push appends the plan's commit to the environment's branch.
func (d *Deployer) push(ctx context.Context, in *inquiry, id string, p *plan) CommandResult {
	c := CommandResult{Outcome: Changed, AllowedBy: p.decision.by.String(), Details: p.notes}
	var changes []FieldChange
	var replaces []string
	var recalled bool // that it was not carried out before is known
	transport := d.opts.Transports[p.env.Repository]
	receipt, err := transport.Update(ctx, p.env.Branch, func(tree Tree) (Commit, error) {
		if err := d.recall(ctx, tree, in, id, p); err != nil {
			return Commit{}, err
		}
		recalled = true
		var files map[string][]byte
		var err error
		if files, changes, err = d.edit(ctx, tree, p.edits); err != nil {
			return Commit{}, err
		}
		if len(files) == 0 {
			return Commit{}, errUnchanged
		}
		replaces = d.replaced(ctx, in, tree, p, changed(changes))
		return d.commit(in, id, p, files, changes), nil
	})

	var before *earlier
	switch {
	case err == nil:
		c.Changes, c.Revision = changed(changes), receipt.Revision
		c.Details = append(replaces, c.Details...)
	case errors.As(err, &before):
		return d.doneBefore(p, before)
	case errors.Is(err, errUnchanged):
		c.Outcome = Unchanged
		c.Summary = fmt.Sprintf("%s already %s %s: nothing to change.", p.subject(), p.verb(), p.follows)
		return c
	case errors.Is(err, ErrUnknown):
		in.log.ErrorContext(ctx, "outcome of push not known", "error", err)
		c.Outcome = Unknown
		c.Summary = fmt.Sprintf("It is not known whether %s was changed: the connection to the config repository broke, and it does not answer.", p.subject())
		c.Details = []string{"See " + code("/status "+p.env.Name) + " in a while."}
		return c
	default:
		in.log.WarnContext(ctx, "not pushed", "error", err)
		if !recalled {
			return p.failedTry(err)
		}
		return failure(err)
	}
	c.URL = p.commitURL(c.Revision)
	c.Summary = fmt.Sprintf("%s now %s %s.", p.subject(), p.verb(), p.follows)
	c.Details = append(c.Details, p.outlook()...)
	return c
}

// failedTry is the result of a command that failed before it was known whether
// it had been carried out before.
func (p *plan) failedTry(err error) CommandResult {
	c := failure(err)
	if c.Outcome == Failed {
		c.Summary = strings.Replace(c.Summary, "nothing changed", "nothing changed by this try", 1)
		c.Details = []string{"See " + code("/status "+p.env.Name)}
	}
	return c
}

// doneBefore is the result of a command that was carried out before its answer
// was lost: what it would have been then, if that is still so.
func (d *Deployer) doneBefore(p *plan, e *earlier) CommandResult {
	c := CommandResult{Outcome: Changed, AllowedBy: e.allowedBy, Changes: e.changes, Revision: e.revision, URL: p.commitURL(e.revision)}
	switch {
	case e.overtaken != nil:
		c.Summary = fmt.Sprintf("%s was changed, and changed again since.", code(p.env.Name))
		c.Details = []string{"See " + code("/status "+p.env.Name)}
	case len(p.edits) == 0 || p.obstacle != nil || !e.holds:
		c.Summary = fmt.Sprintf("%s was changed as asked.", code(p.env.Name))
	default:
		c.Summary = fmt.Sprintf("%s now %s %s.", p.subject(), p.verb(), p.follows)
		c.Details = p.outlook()
	}
	return c
}

func (p *plan) commitURL(revision string) string {
	if p.env.WebURL == "" {
		return ""
	}
	return p.env.WebURL + "/commit/" + revision
}

// subject is the services and where they are: `a`, `b` on `qa1`.
func (p *plan) subject() string {
	names := p.serviceNames()
	for i := range names {
		names[i] = code(names[i])
	}
	return strings.Join(names, ", ") + " on " + code(p.env.Name)
}

func (p *plan) verb() string {
	if len(p.services) > 1 {
		return "follow"
	}
	return "follows"
}

// outlook says what happens next.
func (p *plan) outlook() []string {
	back := "Back to the default: " + code(p.back.String())
	switch {
	case p.toDefault:
		return []string{"The cluster takes the newest image that matches."}
	case p.pinned:
		return []string{"The cluster takes the image of that commit; later pushes do not change it.", back}
	}
	return []string{fmt.Sprintf("The cluster takes the newest image that matches; later pushes to %s follow.", p.follows), back}
}

// preview says what the command would change and whether it would be allowed.
func (d *Deployer) preview(ctx context.Context, cmd Command, p *plan) CommandResult {
	c := CommandResult{Outcome: Told, Details: p.notes}
	err := d.opts.Transports[p.env.Repository].View(ctx, p.env.Branch, func(tree Tree) error {
		_, changes, err := d.edit(ctx, tree, p.edits)
		c.Changes = changed(changes)
		return err
	})
	if err != nil {
		return failure(err)
	}
	c.Summary = fmt.Sprintf("%s would then %s %s. Nothing was changed.", p.subject(), strings.TrimSuffix(p.verb(), "s"), p.follows)
	if len(c.Changes) == 0 {
		c.Summary = fmt.Sprintf("%s already %s %s: there is nothing to change.", p.subject(), p.verb(), p.follows)
	}
	if p.obstacle != nil {
		c.Details = append(c.Details, "But it would be refused: "+strings.TrimPrefix(p.obstacle.summary, "Not deployed, nothing changed: "))
		c.Details = append(c.Details, p.obstacle.details...)
		return c
	}
	if cmd.Verb == Diff {
		cmd.Verb = Deploy
	}
	cmd.DryRun = false
	c.AllowedBy = p.decision.by.String()
	c.Details = append(c.Details, fmt.Sprintf("It would be allowed by %s: %s", p.decision.by, code(cmd.String())))
	return c
}

// edit makes the wanted edits in memory and proves them. It returns the files
// that differ, and a change for each edit, in their order.
func (d *Deployer) edit(ctx context.Context, tree Tree, edits []wanted) (map[string][]byte, []FieldChange, error) {
	byFile := make(map[string][]int)
	var order []string
	for i, e := range edits {
		if byFile[e.target.File] == nil {
			order = append(order, e.target.File)
		}
		byFile[e.target.File] = append(byFile[e.target.File], i)
	}
	files := make(map[string][]byte)
	changes := make([]FieldChange, len(edits))
	for _, file := range order {
		before, err := tree.ReadFile(ctx, file)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", file, err)
		}
		var wants []manifest.Edit
		for _, i := range byFile[file] {
			wants = append(wants, manifest.Edit{Location: edits[i].target.Location(), Value: edits[i].value})
		}
		after, done, err := d.opts.Editor.Edit(before, wants...)
		if err != nil {
			return nil, nil, fmt.Errorf("edit %s: %w", file, err)
		}
		if string(after) != string(before) {
			if err := d.opts.Verify(before, after, wants...); err != nil {
				return nil, nil, fmt.Errorf("the guard does not let the edit of %s pass: %w", file, err)
			}
			files[file] = after
		}
		for n, i := range byFile[file] {
			changes[i] = fieldChange(edits[i].target, before, after, done[n])
		}
	}
	return files, changes, nil
}

func fieldChange(t Target, before, after []byte, c manifest.Change) FieldChange {
	return FieldChange{
		Target: t, Old: c.Old, New: c.New, Line: c.Line,
		OldText: lineOf(before, c.Line), NewText: lineOf(after, c.Line),
	}
}

// lineOf returns a line of a file, counted from 1, without its end.
func lineOf(src []byte, n int) string {
	for line := range strings.SplitSeq(string(src), "\n") {
		if n--; n == 0 {
			return strings.TrimSuffix(line, "\r")
		}
	}
	return ""
}

// changed leaves out the changes that are none.
func changed(changes []FieldChange) []FieldChange {
	return slices.DeleteFunc(slices.Clone(changes), func(c FieldChange) bool { return c.Old == c.New })
}

// commit is the commit of a plan whose edits were made.
func (d *Deployer) commit(in *inquiry, id string, p *plan, files map[string][]byte, changes []FieldChange) Commit {
	dep := deployment{
		environment: p.env.Name, command: id, at: in.at, sources: p.revisions,
		by: in.people.name + "/" + in.actor.Login, allowedBy: p.decision.by.String(),
	}
	if in.pr != nil {
		dep.pullRequest = in.pr.URL
	}
	for _, c := range changes {
		// All fields of a service are told once one of them changes, so that
		// its newest deployment is found in one commit.
		if slices.ContainsFunc(changes, func(o FieldChange) bool { return o.Target.Service == c.Target.Service && o.Old != o.New }) {
			dep.changes = append(dep.changes, valueChange{c.Target.Service, c.Old, c.New})
		}
	}
	author := Signature{Name: in.actor.Login, Email: in.actor.Email}
	if in.actor.Name != "" {
		author.Name = in.actor.Name
	}
	if author.Email == "" {
		author.Email = in.actor.Login + "@users.noreply." + in.people.name
	}
	author.Name, author.Email = oneLine(author.Name, 100), oneLine(author.Email, 200)
	subject := fmt.Sprintf("Deploy %s of %s to %s", strings.Trim(p.follows, "`"), strings.Join(p.serviceNames(), ", "), p.env.Name)
	if p.toDefault {
		subject = fmt.Sprintf("Return %s on %s to the default", strings.Join(p.serviceNames(), ", "), p.env.Name)
	}
	body := "Asked for by " + in.actor.Login
	if in.pr != nil {
		body += fmt.Sprintf(" on %s#%d", in.pr.Ref.Repo.Path, in.pr.Ref.Number)
	}
	committer := d.opts.Config.Committer
	if in.direct != nil {
		// A person at a terminal pushes with credentials of their own.
		committer = author
	}
	return Commit{
		Files: files, Author: author, Committer: committer, Time: latest(d.opts.Now(), in.at).Truncate(time.Second),
		Message: dep.message(subject, body+"."),
	}
}

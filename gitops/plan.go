package gitops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidebot-dev/tidebot/vcs"
)

// A plan is what a command means: which fields get which values.
type plan struct {
	env      Environment
	services []Service
	sources  []vcs.Repo
	decision decision
	edits    []wanted
	// follows is what the fields follow afterwards, for people: a branch, a
	// commit, or the default. back is the command that undoes it.
	follows           string
	toDefault, pinned bool
	back              Command
	// revisions are the commits that the sources' branch pointed to.
	revisions []string
	// notes are told beside the result.
	notes []string
	// obstacle is why it may not be carried out, although it could be.
	obstacle *refusal
}

// A wanted value of a target.
type wanted struct {
	target Target
	value  string
}

// A refusal is a no in words: what is refused and why, and the way out.
type refusal struct {
	summary string
	details []string
}

func (r *refusal) Error() string { return r.summary }

func (r *refusal) result() CommandResult {
	return CommandResult{Outcome: Refused, Summary: r.summary, Details: r.details}
}

func (p *plan) targets() []Target {
	targets := make([]Target, len(p.edits))
	for i, e := range p.edits {
		targets[i] = e.target
	}
	return targets
}

func (p *plan) serviceNames() []string {
	names := make([]string, len(p.services))
	for i, s := range p.services {
		names[i] = s.Name
	}
	return names
}

// plan finds out what a command of verb deploy, default or diff would do. What
// cannot be done at all is an error, a *refusal or a failure, beside the plan as
// far as it was made; what only may not be done is the plan's obstacle.
func (d *Deployer) plan(ctx context.Context, in *inquiry, cmd Command) (*plan, error) {
	p := new(plan)
	var ok bool
	if p.env, ok = lookup(d.opts.Config.Environments, cmd.Environment); !ok {
		return p, &refusal{
			fmt.Sprintf("Nothing done: there is no environment %s.", code(cmd.Environment)),
			d.usable(ctx, in),
		}
	}
	p.back = Command{Verb: Default, Environment: p.env.Name, Services: cmd.Services}
	if err := d.pickServices(in, cmd, p); err != nil {
		return p, err
	}
	p.decision = authorize(ctx, in.people, p.env, p.sources)

	var err error
	if cmd.Verb == Default {
		err = p.wantDefault()
	} else {
		err = d.toBranch(ctx, in, cmd, p)
	}
	if err != nil {
		return p, err
	}
	p.obstacle = d.obstacle(ctx, in, cmd, p)
	return p, nil
}

// pickServices finds the services that the command means, and their sources.
func (d *Deployer) pickServices(in *inquiry, cmd Command, p *plan) error {
	candidates := d.services(in)
	if len(cmd.Services) == 0 && in.pr == nil {
		return &refusal{"Nothing done: say which service is meant.", serviceList(candidates, p.env)}
	}
	for _, name := range cmd.Services {
		s, ok := lookup(candidates, name)
		if !ok || s.Targets[p.env.Name] == nil {
			return &refusal{
				fmt.Sprintf("Nothing done: there is no service %s on %s that can be deployed from here.", code(name), code(p.env.Name)),
				serviceList(candidates, p.env),
			}
		}
		if !slices.ContainsFunc(p.services, func(t Service) bool { return t.Name == s.Name }) {
			p.services = append(p.services, s)
		}
	}
	if len(cmd.Services) == 0 {
		for _, name := range slices.Sorted(maps.Keys(candidates)) {
			if s := candidates[name]; s.Targets[p.env.Name] != nil {
				p.services = append(p.services, s)
			}
		}
	}
	if len(p.services) == 0 {
		return &refusal{
			fmt.Sprintf("Nothing done: no service of this repository is on %s.", code(p.env.Name)), nil,
		}
	}
	for _, s := range p.services {
		if !slices.ContainsFunc(p.sources, s.Source.Same) {
			p.sources = append(p.sources, s.Source)
		}
	}
	return nil
}

// services are those that the request can be about: the services of the pull
// request's own repository. Only a person at a terminal has them all.
func (d *Deployer) services(in *inquiry) map[string]Service {
	if in.pr == nil {
		return d.opts.Config.Services
	}
	own := make(map[string]Service)
	for name, s := range d.opts.Config.Services {
		if s.Source.Same(in.pr.Ref.Repo) {
			own[name] = s
		}
	}
	return own
}

// wantDefault wants the default of each target.
func (p *plan) wantDefault() error {
	p.follows, p.toDefault = "the default", true
	for _, s := range p.services {
		for _, t := range s.Targets[p.env.Name] {
			if t.Default == "" {
				return &refusal{
					fmt.Sprintf("Nothing done: %s has no default on %s.", code(s.Name), code(p.env.Name)),
					[]string{"Whoever keeps Tidebot's configuration can set one."},
				}
			}
			p.edits = append(p.edits, wanted{t, t.Default})
		}
	}
	return nil
}

// toBranch wants the pattern of the branch for each target, or with @sha the
// pattern of that one commit.
func (d *Deployer) toBranch(ctx context.Context, in *inquiry, cmd Command, p *plan) error {
	if in.branch == "" {
		return &refusal{"Nothing done: say which branch or pull request is meant.", nil}
	}
	sha, err := pin(ctx, in, cmd)
	if err != nil {
		return err
	}
	p.follows = code(in.branch)
	if sha != "" {
		p.follows, p.pinned = code(in.branch+"@"+sha), true
	}
	others := make(map[vcs.Repo][]string)
	for _, source := range p.sources {
		names, head, err := branches(ctx, in, source)
		if err != nil {
			return err
		}
		others[source] = names
		if head != "" {
			p.revisions = append(p.revisions, head)
		}
	}
	for _, s := range p.services {
		tag, err := s.Tag.Tag(in.branch)
		if err != nil {
			return &refusal{fmt.Sprintf("Nothing done: no image of %s can be named: %v.", code(in.branch), err), nil}
		}
		for _, t := range s.Targets[p.env.Name] {
			value := ""
			switch {
			case sha == "":
				value, err = t.PatternFor(tag)
			case t.Pinned == "":
				return &refusal{
					fmt.Sprintf("Nothing done: %s cannot be pinned to a commit on %s.", code(s.Name), code(p.env.Name)),
					[]string{"Whoever keeps Tidebot's configuration can set a pinned pattern."},
				}
			default:
				value, err = t.PinnedFor(tag, sha)
			}
			if err != nil {
				return &refusal{fmt.Sprintf("Nothing done: no pattern for %s can be made: %v.", code(in.branch), err), nil}
			}
			p.edits = append(p.edits, wanted{t, value})
			if sha != "" {
				continue
			}
			for _, b := range overlapping(value, in.branch, others[s.Source], s.Tag) {
				note := fmt.Sprintf("Careful: the pattern takes images of the branch %s too.", code(b))
				if !slices.Contains(p.notes, note) {
					p.notes = append(p.notes, note)
				}
			}
		}
	}
	return nil
}

// pin is the full SHA of the commit after @; empty if there is none.
func pin(ctx context.Context, in *inquiry, cmd Command) (string, error) {
	if cmd.SHA == "" {
		return "", nil
	}
	lister, ok := in.provider.(vcs.Commits)
	if !ok || in.pr == nil {
		return "", &refusal{"Nothing done: a commit can be pinned only on a pull request.", nil}
	}
	shas, err := retry(ctx, func() ([]string, error) { return lister.Commits(ctx, in.pr.Ref) })
	if err != nil {
		return "", fmt.Errorf("list the commits of the pull request: %w", err)
	}
	var found string
	for _, sha := range shas {
		if strings.HasPrefix(sha, strings.ToLower(cmd.SHA)) {
			if found != "" {
				return "", &refusal{fmt.Sprintf("Nothing done: several commits begin with %s; give more digits.", code(cmd.SHA)), nil}
			}
			found = sha
		}
	}
	if found == "" {
		return "", &refusal{fmt.Sprintf("Nothing done: the pull request has no commit %s.", code(cmd.SHA)), nil}
	}
	return found, nil
}

// branches returns the names of the source's branches that begin like the
// request's own, and where that one points. On a pull request the names only
// serve to tell of overlap, so that not getting them is no obstacle.
func branches(ctx context.Context, in *inquiry, source vcs.Repo) (names []string, head string, err error) {
	if in.pr != nil {
		head = in.head
	}
	lister, ok := in.provider.(vcs.Branches)
	if !ok || source.Provider != in.people.name {
		return nil, head, nil
	}
	// A tag rule turns punctuation into dashes, so that only what comes
	// before it must be the same in branches with like tags.
	stem := in.branch
	if i := strings.IndexAny(stem, "-/._"); i > 0 {
		stem = stem[:i]
	}
	found, err := lister.Branches(ctx, source, stem)
	if in.pr != nil {
		return branchNames(found), head, nil
	}
	own := func(b vcs.Branch) bool { return b.Name == in.branch }
	if err == nil && !slices.ContainsFunc(found, own) {
		found, err = lister.Branches(ctx, source, in.branch)
	}
	if err != nil {
		return nil, "", fmt.Errorf("look for branch %s of %s: %w", in.branch, source, err)
	}
	i := slices.IndexFunc(found, own)
	if i < 0 || found[i].SHA == "" {
		return nil, "", &refusal{fmt.Sprintf("Nothing done: %s has no branch %s.", code(source.Path), code(in.branch)), nil}
	}
	return branchNames(found), found[i].SHA, nil
}

func branchNames(branches []vcs.Branch) (names []string) {
	for _, b := range branches {
		names = append(names, b.Name)
	}
	return names
}

// obstacle is why the actor may not carry out the plan now.
func (d *Deployer) obstacle(ctx context.Context, in *inquiry, cmd Command, p *plan) *refusal {
	if !p.decision.allowed {
		return d.denied(ctx, in, cmd, p)
	}
	if age := d.opts.Now().Sub(in.at); age > maxAge && cmd.Verb != Diff && !cmd.DryRun {
		return &refusal{
			summary: fmt.Sprintf("Nothing done: the command came here only %d minutes after it was made.", int(age.Minutes())),
			details: []string{"Say it again if you still want it."},
		}
	}
	if cmd.Verb == Default || in.pr == nil {
		return nil
	}
	switch {
	case in.pr.Fork:
		return &refusal{
			"Not deployed, nothing changed: the pull request comes from a fork.",
			[]string{"Images are built from branches of the repository itself: push the branch there and open a pull request of it."},
		}
	case in.pr.State != vcs.Open:
		return &refusal{
			fmt.Sprintf("Not deployed, nothing changed: the pull request is %s.", in.pr.State),
			[]string{fmt.Sprintf("Reopen it, or go back to the default: %s", code(p.back.String()))},
		}
	}
	return nil
}

// denied says who may, and what the actor can do instead.
func (d *Deployer) denied(ctx context.Context, in *inquiry, cmd Command, p *plan) *refusal {
	what := "Not deployed, nothing changed"
	if p.decision.err != nil {
		in.log.WarnContext(ctx, "permission not known", "actor", in.actor.Login, "env", p.env.Name, "error", p.decision.err)
		return &refusal{
			fmt.Sprintf("%s: it could not be found out whether %s may deploy to %s.", what, code(in.actor.Login), code(p.env.Name)),
			[]string{"The provider did not answer as it should. Say it again in a while."},
		}
	}
	rules := make([]string, len(p.env.Allow))
	for i, r := range p.env.Allow {
		rules[i] = r.String()
	}
	who := "nobody, by its configuration"
	if len(rules) > 0 {
		who = strings.Join(rules, ", or ")
	}
	r := &refusal{summary: fmt.Sprintf("%s: %s is for %s.", what, code(p.env.Name), who)}
	r.details = append(r.details, fmt.Sprintf("%s is none of these (asked at %s).", code(in.actor.Login), d.opts.Now().UTC().Format("15:04 UTC")))
	r.details = append(r.details, d.usable(ctx, in)...)
	if len(rules) > 0 {
		r.details = append(r.details, fmt.Sprintf("Or ask one of them to say %s here.", code(cmd.String())))
	}
	return r
}

// usable lists the environments that the actor can deploy to from here.
func (d *Deployer) usable(ctx context.Context, in *inquiry) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.opts.Config.Environments)) {
		if d.canUse(ctx, in, d.opts.Config.Environments[name]) {
			names = append(names, code(name))
		}
	}
	if len(names) == 0 {
		return []string{"There is no environment that you can deploy to from here."}
	}
	return []string{"You can deploy to " + strings.Join(names, ", ") + "."}
}

func (d *Deployer) canUse(ctx context.Context, in *inquiry, env Environment) bool {
	for _, s := range d.services(in) {
		if s.Targets[env.Name] != nil && authorize(ctx, in.people, env, []vcs.Repo{s.Source}).allowed {
			return true
		}
	}
	return false
}

// serviceList lists the services that there are in the environment.
func serviceList(services map[string]Service, env Environment) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if services[name].Targets[env.Name] != nil {
			names = append(names, code(name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("On %s there is %s.", code(env.Name), strings.Join(names, ", "))}
}

// lookup finds a name without regard to case. The configuration has no two
// names that differ by case only.
func lookup[T any](m map[string]T, name string) (T, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for k, v := range m {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	var zero T
	return zero, false
}

// code puts outside text between the backticks that mark names and commands in
// summaries and details.
func code(s string) string {
	return "`" + strings.ReplaceAll(oneLine(s, 250), "`", "'") + "`"
}

// failure is the result of something that broke before anything was changed.
func failure(err error) CommandResult {
	if r := new(refusal); errors.As(err, &r) {
		return r.result()
	}
	return CommandResult{
		Outcome: Failed,
		Summary: "Failed, nothing changed: " + strings.ReplaceAll(oneLine(err.Error(), 500), "`", "'") + ".",
	}
}

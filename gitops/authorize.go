package gitops

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidebot-dev/tidebot/vcs"
)

// people answers what one actor may do, from the provider where the actor has
// the account. It asks each question once.
type people struct {
	provider vcs.Provider
	name     string // of the provider
	actor    string // login

	mu          sync.Mutex
	permissions map[vcs.Repo]vcs.Permission
	teams       map[string]bool
	open        map[vcs.Repo]bool
}

func (p *people) permission(ctx context.Context, repo vcs.Repo) (vcs.Permission, error) {
	if repo.Provider != p.name {
		// A login at one provider says nothing about the same login elsewhere.
		return vcs.None, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if level, ok := p.permissions[repo]; ok {
		return level, nil
	}
	level, err := retry(ctx, func() (vcs.Permission, error) { return p.provider.Permission(ctx, repo, p.actor) })
	if err != nil {
		return vcs.None, err
	}
	if p.permissions == nil {
		p.permissions = make(map[vcs.Repo]vcs.Permission)
	}
	p.permissions[repo] = level
	return level, nil
}

func (p *people) member(ctx context.Context, team string) (bool, error) {
	asker, ok := p.provider.(vcs.Teams)
	if !ok {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if is, ok := p.teams[team]; ok {
		return is, nil
	}
	org, name, _ := strings.Cut(team, "/")
	is, err := retry(ctx, func() (bool, error) { return asker.TeamMember(ctx, org, name, p.actor) })
	if err != nil {
		return false, err
	}
	if p.teams == nil {
		p.teams = make(map[string]bool)
	}
	p.teams[team] = is
	return is, nil
}

// public tells whether everybody can read the repository. A provider that
// cannot say might show it to everybody.
func (p *people) public(ctx context.Context, repo vcs.Repo) (bool, error) {
	asker, ok := p.provider.(vcs.Visibility)
	if !ok {
		return true, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if is, ok := p.open[repo]; ok {
		return is, nil
	}
	is, err := retry(ctx, func() (bool, error) { return asker.Public(ctx, repo) })
	if err != nil {
		return true, err
	}
	if p.open == nil {
		p.open = make(map[vcs.Repo]bool)
	}
	p.open[repo] = is
	return is, nil
}

// A decision says whether an actor may deploy to an environment.
type decision struct {
	allowed bool
	// by is the rule that allows it.
	by Rule
	// err is why a rule could not be asked; without permission by another
	// rule that is a no, but one that may change by itself.
	err error
}

// authorize is the one place where it is decided who may deploy. One rule of
// the environment must allow the actor, for each of the sources.
func authorize(ctx context.Context, p *people, env Environment, sources []vcs.Repo) decision {
	var d decision
	rules := slices.Clone(env.Allow)
	// The rules that need no question come first.
	slices.SortStableFunc(rules, func(a, b Rule) int { return cost(a) - cost(b) })
	for _, rule := range rules {
		ok, err := allows(ctx, p, rule, sources)
		if err != nil {
			d.err = fmt.Errorf("ask about %s: %w", rule, err)
			continue
		}
		if ok {
			return decision{allowed: true, by: rule}
		}
	}
	return d
}

func cost(r Rule) int {
	switch {
	case r.Login != "":
		return 0
	case r.Permission != vcs.None:
		return 1
	}
	return 2
}

func allows(ctx context.Context, p *people, rule Rule, sources []vcs.Repo) (bool, error) {
	switch {
	case rule.Login != "":
		return rule.Provider == p.name && strings.EqualFold(rule.Login, p.actor), nil
	case rule.Team != "":
		if rule.Provider != p.name {
			return false, nil
		}
		return p.member(ctx, rule.Team)
	case rule.Permission != vcs.None:
		for _, source := range sources {
			level, err := p.permission(ctx, source)
			if err != nil || level < rule.Permission {
				return false, err
			}
			if level > vcs.Read {
				continue
			}
			// On a public repository everybody has read permission, so that
			// it allows nobody.
			if public, err := p.public(ctx, source); err != nil || public {
				return false, err
			}
		}
		return len(sources) > 0, nil
	}
	return false, nil
}

// stranger tells that the author has nothing to do with the repository, and
// gets no answer: a public repository must not be talked into noise, and
// policy is not shown. On a public repository everybody has read permission,
// so that only a rule of an environment makes such an author ours.
func (d *Deployer) stranger(ctx context.Context, in *inquiry, permission vcs.Permission) (bool, error) {
	if permission > vcs.Read || permission == vcs.Read && !in.pr.Public {
		return false, nil
	}
	var failed error
	for _, env := range d.opts.Config.Environments {
		for _, rule := range env.Allow {
			if rule.Permission != vcs.None {
				continue
			}
			ok, err := allows(ctx, in.people, rule, nil)
			if ok {
				return false, nil
			}
			failed = cmp.Or(failed, err)
		}
	}
	return failed == nil, failed
}

package gitops

import (
	"fmt"
	"strings"

	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// Config says what can be deployed where, and who may. Package
// [github.com/tidebot-dev/tidebot/gitops/config] reads one from a file.
type Config struct {
	// Committer is the bot in commits. Trailers count only in commits that
	// bear this address.
	Committer    Signature
	Environments map[string]Environment
	Services     map[string]Service
}

// An Environment is where services are deployed to.
type Environment struct {
	Name string
	// Repository is the name of the config repository, a key of
	// [Options.Transports], and WebURL its address for people, under which
	// /commit/<revision> shows a commit; empty if it has none.
	Repository, WebURL string
	Branch             string
	// Allow says who may deploy; any one rule suffices. Nobody may if it is
	// empty.
	Allow []Rule
}

// A Service is what is deployed.
type Service struct {
	Name string
	// Source is the repository whose pull requests may deploy the service.
	Source vcs.Repo
	// Tag makes an image tag of a branch.
	Tag TagRule
	// Targets are the fields of the service in each environment it exists
	// in, by the environment's name.
	Targets map[string][]Target
}

// A Target is a field behind a service in an environment. Where it lies
// (repository and branch) is the environment's.
type Target struct {
	Service, Environment string
	// File is the manifest's path in the config repository.
	File   string
	Object manifest.Object
	Field  manifest.Field
	// Pattern, with {branch} in it, becomes the value when a branch is
	// deployed; Pinned, with {sha} and perhaps {branch}, when one commit is;
	// Default is the value to return to. Pinned and Default may be empty:
	// that command is then refused.
	Pattern, Pinned, Default string
}

// Location is the target's field in its file.
func (t Target) Location() manifest.Location {
	return manifest.Location{Object: t.Object, Field: t.Field}
}

// A Rule allows some people to deploy to an environment. Just one of Team,
// Permission and Login is set.
type Rule struct {
	// Provider is the name of the provider whose accounts are meant. It is
	// empty for Permission, which means the provider of the source.
	Provider string
	// Team is org/team.
	Team string
	// Permission is the least one on the service's source repository.
	Permission vcs.Permission
	// Login is one account.
	Login string
}

// ParseRule reads a rule: team:org/team, source:permission or user:login.
// Team and user may begin with the name of one of the providers and a slash;
// that name must be given if there is more than one.
func ParseRule(s string, providers ...string) (Rule, error) {
	kind, arg, _ := strings.Cut(s, ":")
	var r Rule
	rest := arg
	if kind == "team" || kind == "user" {
		for _, p := range providers {
			if tail, ok := strings.CutPrefix(arg, p+"/"); ok {
				r.Provider, rest = p, tail
			}
		}
		if r.Provider == "" {
			if len(providers) != 1 {
				return Rule{}, fmt.Errorf("rule %q: say which provider is meant: %s:%s/%s", s, kind, "<provider>", arg)
			}
			r.Provider = providers[0]
		}
	}
	switch kind {
	case "team":
		org, team, ok := strings.Cut(rest, "/")
		if !ok || org == "" || team == "" {
			return Rule{}, fmt.Errorf("rule %q: want team:org/team", s)
		}
		r.Team = rest
	case "user":
		if rest == "" || strings.ContainsAny(rest, "/ ") {
			return Rule{}, fmt.Errorf("rule %q: want user:login", s)
		}
		r.Login = rest
	case "source":
		p, err := vcs.ParsePermission(rest)
		if err != nil || p == vcs.None {
			return Rule{}, fmt.Errorf("rule %q: want one of source:read, triage, write, maintain, admin", s)
		}
		r.Permission = p
	default:
		return Rule{}, fmt.Errorf("rule %q: want team:org/team, source:permission or user:login", s)
	}
	return r, nil
}

// String writes the rule for people.
func (r Rule) String() string {
	switch {
	case r.Team != "":
		return "team " + r.Team
	case r.Login != "":
		return "user " + r.Login
	}
	return r.Permission.String() + " permission on the source repository"
}

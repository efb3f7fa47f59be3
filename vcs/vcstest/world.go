package vcstest

import (
	"fmt"
	"strings"

	"github.com/tidebot-dev/tidebot/vcs"
)

// A World is what is in a forge when it starts. Names are compared without
// regard to case, and whoever is named must be among Users.
type World struct {
	Users []User
	// Tokens are the accepted tokens, with the login of their owner.
	Tokens map[string]string
	Orgs   []Org
	Teams  []Team
	Repos  []Repo
}

// A User is an account.
type User struct {
	Login, Name string
	Bot         bool
}

// An Org is an organization. Its teams are seen by its members only.
type Org struct {
	Login string
	// Members have joined.
	Members []string
}

// A Team is a team of an organization.
type Team struct {
	Org, Slug string
	// Parent is the slug of the team above; members of this one count there.
	Parent string
	// Active members have joined, Pending ones are invited.
	Active, Pending []string
}

// A Repo is a repository.
type Repo struct {
	// Path is owner/name.
	Path string
	// Private hides it from whoever is not in Access.
	Private bool
	// Access is what users were given. Everybody else may read and comment
	// if the repository is public.
	Access map[string]vcs.Permission
	// Roles are names of custom roles, by login; the role is based on the
	// permission in Access.
	Roles map[string]string
	// Branches are the commits that branches point to.
	Branches     map[string]string
	PullRequests []PullRequest
	// Issues are the numbers of issues that are no pull requests.
	Issues []int64
}

// A PullRequest is a pull request.
type PullRequest struct {
	Number int64
	Author string
	State  vcs.State
	// HeadRepo is where the head branch is; empty means the repository
	// itself, [Deleted] that the fork is gone.
	HeadRepo               string
	HeadBranch, BaseBranch string
	// Commits are the SHAs, oldest first; the last one is the head.
	Commits []string
}

// Deleted stands for a repository that was deleted.
const Deleted = "-"

type user struct {
	User
	id int64
}

type repo struct {
	Repo
	id     int64
	access map[string]vcs.Permission
	roles  map[string]string
}

// build fills the forge with the world.
func (f *Forge) build(w World) error {
	for _, u := range w.Users {
		if f.users[fold(u.Login)] != nil || u.Login == "" {
			return fmt.Errorf("user %q: empty, or there twice", u.Login)
		}
		f.users[fold(u.Login)] = &user{u, f.newID()}
	}
	known := func(where string, logins ...string) error {
		for _, l := range logins {
			if f.users[fold(l)] == nil {
				return fmt.Errorf("%s: no user %q", where, l)
			}
		}
		return nil
	}
	for token, login := range w.Tokens {
		if err := known("token", login); err != nil {
			return err
		}
		f.tokens[token] = login
	}
	for _, o := range w.Orgs {
		if err := known("organization "+o.Login, o.Members...); err != nil {
			return err
		}
		f.orgs[fold(o.Login)] = o
	}
	for _, t := range w.Teams {
		if _, ok := f.orgs[fold(t.Org)]; !ok {
			return fmt.Errorf("team %s: no organization %q", t.Slug, t.Org)
		}
		if err := known("team "+t.Slug, append(t.Active, t.Pending...)...); err != nil {
			return err
		}
		f.teams[fold(t.Org+"/"+t.Slug)] = t
	}
	for _, r := range w.Repos {
		owner, name, ok := strings.Cut(r.Path, "/")
		if !ok || owner == "" || name == "" || f.repos[fold(r.Path)] != nil {
			return fmt.Errorf("repository %q: not owner/name, or there twice", r.Path)
		}
		n := &repo{Repo: r, id: f.newID(), access: map[string]vcs.Permission{}, roles: map[string]string{}}
		for login, p := range r.Access {
			if err := known("repository "+r.Path, login); err != nil {
				return err
			}
			n.access[fold(login)] = p
		}
		for login, role := range r.Roles {
			n.roles[fold(login)] = role
		}
		for _, pr := range r.PullRequests {
			if err := known(fmt.Sprintf("pull request %d", pr.Number), pr.Author); err != nil {
				return err
			}
			if pr.Number <= 0 || len(pr.Commits) == 0 {
				return fmt.Errorf("pull request %d: no number or no commits", pr.Number)
			}
		}
		f.repos[fold(r.Path)] = n
	}
	return nil
}

// permission returns what a user may do.
func (r *repo) permission(login string) vcs.Permission {
	if p, ok := r.access[fold(login)]; ok {
		return p
	}
	if r.Private {
		return vcs.None
	}
	return vcs.Read
}

// pull returns a pull request, or nil.
func (r *repo) pull(number int64) *PullRequest {
	for i := range r.PullRequests {
		if r.PullRequests[i].Number == number {
			return &r.PullRequests[i]
		}
	}
	return nil
}

// issue tells whether there is an issue or pull request with the number.
func (r *repo) issue(number int64) bool {
	for _, n := range r.Issues {
		if n == number {
			return true
		}
	}
	return r.pull(number) != nil
}

// member tells whether the user is in the team or in one below it: "active",
// "pending" or nothing.
func (f *Forge) member(t Team, login string, depth int) string {
	state := ""
	for _, l := range t.Pending {
		if fold(l) == fold(login) {
			state = "pending"
		}
	}
	for _, l := range t.Active {
		if fold(l) == fold(login) {
			return "active"
		}
	}
	for _, child := range f.teams {
		if fold(child.Org) == fold(t.Org) && child.Parent != "" && fold(child.Parent) == fold(t.Slug) && depth > 0 {
			if f.member(child, login, depth-1) == "active" {
				return "active"
			}
		}
	}
	return state
}

func fold(s string) string { return strings.ToLower(s) }

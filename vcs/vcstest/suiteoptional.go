package vcstest

import (
	"slices"
	"testing"

	"github.com/tidebot-dev/tidebot/vcs"
)

func testTeams(t *testing.T, s suite) {
	p := s.begin(t)
	teams, ok := p.Provider.(vcs.Teams)
	if !ok {
		return // the provider has no teams
	}
	for _, test := range []struct {
		name, org, team, login string
		want                   bool
	}{
		{"an active member", "acme", "dev", "ann", true},
		{"another spelling", "Acme", "Dev", "Ann", true},
		{"a pending invitation", "acme", "dev", "bob", false},
		{"a member of a child team", "acme", "dev", "cy", true},
		{"a pending invitation to a child team", "acme", "dev", "di", false},
		{"a member of the parent only", "acme", "backend", "ann", false},
		{"no member", "acme", "dev", "eve", false},
		{"nobody", "acme", "dev", "nobody", false},
		{"no such team", "acme", "none", "ann", false},
		{"no such organization", "none", "dev", "ann", false},
		{"a team that is not seen", "closed", "dev", "ann", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := teams.TeamMember(t.Context(), test.org, test.team, test.login)
			if err != nil || got != test.want {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func testReactions(t *testing.T, s suite) {
	p := s.begin(t)
	r, ok := p.Provider.(vcs.Reactions)
	if !ok {
		return // the provider has no reactions
	}
	id := p.say(shop, 12, "ann", "/deploy qa1")
	for range 2 {
		if err := r.React(t.Context(), ref(shop, 12, id), vcs.Eyes); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Comments(shop, 12)[0].Reactions; !slices.Equal(got, []string{"tide eyes"}) {
		t.Errorf("got %q", got)
	}
	wants(t, r.React(t.Context(), ref(shop, 12, 1<<40), vcs.Eyes), vcs.ErrNotFound)
}

func testVisibility(t *testing.T, s suite) {
	p := s.begin(t)
	v, ok := p.Provider.(vcs.Visibility)
	if !ok {
		return // the provider does not tell
	}
	for path, want := range map[string]bool{shop: true, secret: false} {
		if got, err := v.Public(t.Context(), repository(path)); err != nil || got != want {
			t.Errorf("%s: public %v, error %v; want %v", path, got, err, want)
		}
	}
	_, err := v.Public(t.Context(), repository(hidden))
	wants(t, err, vcs.ErrNotFound)
}

func testBranches(t *testing.T, s suite) {
	p := s.begin(t)
	b, ok := p.Provider.(vcs.Branches)
	if !ok {
		return // the provider has no branches
	}
	for prefix, want := range map[string][]string{
		"db":          {"db", "db-jwt", "db-jwt-v2"},
		"db-jwt-":     {"db-jwt-v2"},
		"feature/":    {"feature/a#1", "feature/a%31"},
		"feature/a#":  {"feature/a#1"},
		"feature/a%3": {"feature/a%31"},
		"none":        nil,
	} {
		got := must(b.Branches(t.Context(), repository(shop), prefix))(t)
		var names []string
		for _, branch := range got {
			names = append(names, branch.Name)
			if len(branch.SHA) != 40 {
				t.Errorf("branch %+v has no SHA", branch)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("branches %q: got %q, want %q", prefix, names, want)
		}
	}
	if got := must(b.Branches(t.Context(), repository(shop), "many/"))(t); len(got) != 300 {
		t.Errorf("got %d of 420 branches, want 300", len(got))
	}
	_, err := b.Branches(t.Context(), repository(hidden), "db")
	wants(t, err, vcs.ErrNotFound)
}

func testCommits(t *testing.T, s suite) {
	p := s.begin(t)
	c, ok := p.Provider.(vcs.Commits)
	if !ok {
		return // the provider has no commits
	}
	got := must(c.Commits(t.Context(), pull(shop, 12)))(t)
	if len(got) != 130 || got[0] != sha(2000) || got[129] != sha(2129) {
		t.Errorf("got %d, from %s", len(got), got[0])
	}
	_, err := c.Commits(t.Context(), pull(shop, 7))
	wants(t, err, vcs.ErrNotFound)
}

package vcstest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/vcs"
)

// ProviderName is the name of the provider in [TestProvider].
const ProviderName = "forge.example"

const (
	shop    = "acme/shop"
	secret  = "acme/secret"
	hidden  = "acme/hidden"
	token   = "ghp_Zm9yIHRlc3RzIG9ubHkgMDEyMzQ1Njc4OQ"
	weak    = "ghp_d2VhayB0b2tlbiBmb3IgdGVzdHMgb25seQ"
	request = "forge.example/acme/shop/pull/12/comment/345"
)

// Open returns a provider named [ProviderName] that uses the token at the
// forge. Each call is as another program: nothing is shared.
type Open func(t *testing.T, f *Forge, token string) vcs.Provider

// TestProvider holds a provider to what package vcs promises. start starts the
// forge the provider speaks to, such as [NewForge].
func TestProvider(t *testing.T, start func(World) (*Forge, error), open Open) {
	s := suite{start, open}
	for _, test := range []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"Self", testSelf},
		{"Comment", testComment},
		{"PullRequest", testPullRequest},
		{"Permission", testPermission},
		{"CommentsSince", testCommentsSince},
		{"FindAnswer", testFindAnswer},
		{"PutAnswer", testPutAnswer},
		{"PutAnswerAtOnce", testPutAnswerAtOnce},
		{"Teams", testTeams},
		{"Reactions", testReactions},
		{"Branches", testBranches},
		{"Commits", testCommits},
		{"Visibility", testVisibility},
		{"Names", testNames},
		{"Faults", testFaults},
		{"LostAnswers", testLostAnswers},
		{"Context", testContext},
		{"Concurrent", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

type suite struct {
	start func(World) (*Forge, error)
	open  Open
}

// place is one forge with the suite's world, and a provider that sees it.
type place struct {
	*Forge
	vcs.Provider
	t *testing.T
}

// begin starts a forge. When the test ends, nothing undocumented may have been
// asked of it.
func (s suite) begin(t *testing.T) place {
	t.Helper()
	f, err := s.start(world())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range f.Violations() {
			t.Errorf("violation: %s", v)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return place{f, s.open(t, f, token), t}
}

func world() World {
	branches := map[string]string{}
	for i := range 420 {
		branches[fmt.Sprintf("many/b%03d", i)] = sha(i)
	}
	for i, name := range []string{"main", "db", "db-jwt", "db-jwt-v2", "feature/a#1", "feature/a%31", "Feature/b"} {
		branches[name] = sha(1000 + i)
	}
	var commits []string
	for i := range 130 {
		commits = append(commits, sha(2000+i))
	}
	pull := func(n int64, s vcs.State, head string) PullRequest {
		return PullRequest{Number: n, Author: "ann", State: s, HeadRepo: head, HeadBranch: "db-jwt", BaseBranch: "main", Commits: []string{sha(int(n))}}
	}
	pulls := []PullRequest{
		pull(12, vcs.Open, ""), pull(13, vcs.Closed, ""), pull(14, vcs.Merged, ""),
		pull(15, vcs.Open, "eve/shop"), pull(16, vcs.Open, Deleted),
	}
	pulls[0].Commits = commits
	return World{
		Users: []User{
			{Login: "tide", Name: "Tide", Bot: true}, {Login: "ann", Name: "Ann"}, {Login: "bob"}, {Login: "cy"}, {Login: "di"},
			{Login: "eve"}, {Login: "fay"}, {Login: "guy"}, {Login: "weak"}, {Login: "robot[bot]", Bot: true},
		},
		Tokens: map[string]string{token: "tide", weak: "weak"},
		Orgs:   []Org{{Login: "acme", Members: []string{"tide", "ann", "bob"}}, {Login: "closed", Members: []string{"ann"}}},
		Teams: []Team{
			{Org: "acme", Slug: "dev", Active: []string{"ann"}, Pending: []string{"bob"}},
			{Org: "acme", Slug: "backend", Parent: "dev", Active: []string{"cy"}, Pending: []string{"di"}},
			{Org: "closed", Slug: "dev", Active: []string{"ann"}},
		},
		Repos: []Repo{
			{
				Path: shop,
				Access: map[string]vcs.Permission{
					"tide": vcs.Write, "ann": vcs.Admin, "bob": vcs.Maintain, "cy": vcs.Write,
					"di": vcs.Triage, "fay": vcs.Write, "guy": vcs.Read,
				},
				Roles:        map[string]string{"fay": "admin-of-docs", "guy": "maintain-labels"},
				Branches:     branches,
				PullRequests: pulls, Issues: []int64{7},
			},
			{
				Path: secret, Private: true,
				Access:       map[string]vcs.Permission{"tide": vcs.Write, "ann": vcs.Read},
				PullRequests: []PullRequest{pull(12, vcs.Open, "")},
			},
			{
				Path: hidden, Private: true,
				Access:       map[string]vcs.Permission{"ann": vcs.Admin},
				PullRequests: []PullRequest{pull(12, vcs.Open, "")},
			},
		},
	}
}

func sha(n int) string { return fmt.Sprintf("%040x", n) }

func repository(path string) vcs.Repo { return vcs.Repo{Provider: ProviderName, Path: path} }

func pull(path string, n int64) vcs.PullRequestRef {
	return vcs.PullRequestRef{Repo: repository(path), Number: n}
}

func ref(path string, n, id int64) vcs.CommentRef {
	return vcs.CommentRef{PullRequest: pull(path, n), ID: id}
}

// say makes somebody comment.
func (p place) say(path string, n int64, login, body string) int64 {
	p.t.Helper()
	id, err := p.AddComment(path, n, login, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// must returns what a call returned, without its error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wants checks an error's class, and that it holds no token.
func wants(t *testing.T, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("got error %v, want %v", err, class)
	}
	if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), weak)) {
		t.Errorf("the error holds the token: %v", err)
	}
}

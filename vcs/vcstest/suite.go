package vcstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func testSelf(t *testing.T, s suite) {
	p := s.begin(t)
	u := must(p.Self(t.Context()))(t)
	if u.Login != "tide" || u.Name != "Tide" || !u.Bot || u.Email == "" {
		t.Errorf("got %+v", u)
	}
	_, err := s.open(t, p.Forge, "another").Self(t.Context())
	wants(t, err, vcs.ErrUnauthorized)
}

func testComment(t *testing.T, s suite) {
	p := s.begin(t)
	id := p.say(shop, 12, "ann", "/deploy qa1\r\n\r\nплатье 👗")
	made := p.Now()
	issue := p.say(shop, 7, "ann", "/deploy qa1")
	other := p.say(secret, 12, "ann", "/deploy qa1")
	none := p.say(hidden, 12, "ann", "/deploy qa1")
	bot := p.say(shop, 12, "robot[bot]", "hello")

	c := must(p.Comment(t.Context(), ref(shop, 12, id)))(t)
	if c.Ref != ref(shop, 12, id) || c.Body != "/deploy qa1\r\n\r\nплатье 👗" || c.Author.Login != "ann" || c.Author.Bot || c.URL == "" {
		t.Errorf("got %+v", c)
	}
	if d := made.Sub(c.Created); d < 0 || d > time.Minute || !c.Updated.Equal(c.Created) {
		t.Errorf("created %s, updated %s, made at %s", c.Created, c.Updated, made)
	}
	if c := must(p.Comment(t.Context(), ref(shop, 12, bot)))(t); !c.Author.Bot || c.Author.Login != "robot[bot]" {
		t.Errorf("author %+v is not a bot", c.Author)
	}

	t.Run("an edit shows in the time", func(t *testing.T) {
		p.Advance(3 * time.Second)
		if err := p.EditComment(id, "/deploy prod"); err != nil {
			t.Fatal(err)
		}
		c := must(p.Comment(t.Context(), ref(shop, 12, id)))(t)
		if c.Body != "/deploy prod" || c.Author.Login != "ann" || !c.Updated.After(c.Created) {
			t.Errorf("got %+v", c)
		}
	})
	for name, r := range map[string]vcs.CommentRef{
		"of another pull request":              ref(shop, 13, id),
		"of a plain issue":                     ref(shop, 7, issue),
		"of a plain issue under a PR's number": ref(shop, 12, issue),
		"of another repository":                ref(shop, 12, other),
		"in a repository that is not seen":     ref(hidden, 12, none),
		"that was never made":                  ref(shop, 12, 1<<40),
		"without an ID":                        ref(shop, 12, 0),
	} {
		t.Run("a comment "+name, func(t *testing.T) {
			_, err := p.Comment(t.Context(), r)
			wants(t, err, vcs.ErrNotFound)
		})
	}
	t.Run("a deleted comment", func(t *testing.T) {
		if err := p.DeleteComment(id); err != nil {
			t.Fatal(err)
		}
		_, err := p.Comment(t.Context(), ref(shop, 12, id))
		wants(t, err, vcs.ErrNotFound)
	})
}

func testPullRequest(t *testing.T, s suite) {
	p := s.begin(t)
	for _, test := range []struct {
		name string
		ref  vcs.PullRequestRef
		want vcs.PullRequest
	}{
		{"open", pull(shop, 12), vcs.PullRequest{State: vcs.Open, HeadSHA: sha(2129), Public: true}},
		{"closed", pull(shop, 13), vcs.PullRequest{State: vcs.Closed, HeadSHA: sha(13), Public: true}},
		{"merged", pull(shop, 14), vcs.PullRequest{State: vcs.Merged, HeadSHA: sha(14), Public: true}},
		{"from a fork", pull(shop, 15), vcs.PullRequest{State: vcs.Open, HeadSHA: sha(15), Public: true, Fork: true}},
		{"from a deleted fork", pull(shop, 16), vcs.PullRequest{State: vcs.Open, HeadSHA: sha(16), Public: true, Fork: true}},
		{"of a private repository", pull(secret, 12), vcs.PullRequest{State: vcs.Open, HeadSHA: sha(12)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := must(p.PullRequest(t.Context(), test.ref))(t)
			if got.URL == "" {
				t.Error("no URL")
			}
			test.want.Ref, test.want.HeadBranch, test.want.BaseBranch = test.ref, "db-jwt", "main"
			test.want.URL = got.URL
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("after a push", func(t *testing.T) {
		if err := p.Push(shop, 12, sha(99)); err != nil {
			t.Fatal(err)
		}
		if got := must(p.PullRequest(t.Context(), pull(shop, 12)))(t); got.HeadSHA != sha(99) {
			t.Errorf("head %s", got.HeadSHA)
		}
	})
	for _, r := range []vcs.PullRequestRef{pull(shop, 7), pull(shop, 99), pull(hidden, 12), pull("acme/none", 12), pull(shop, 0)} {
		_, err := p.PullRequest(t.Context(), r)
		wants(t, err, vcs.ErrNotFound)
	}
}

func testPermission(t *testing.T, s suite) {
	p := s.begin(t)
	for _, test := range []struct {
		name, repo, login string
		want              vcs.Permission
	}{
		{"an administrator", shop, "ann", vcs.Admin},
		{"a maintainer", shop, "bob", vcs.Maintain},
		{"a writer", shop, "cy", vcs.Write},
		{"somebody who sorts issues", shop, "di", vcs.Triage},
		{"a login in another case", shop, "ANN", vcs.Admin},
		{"a made-up role on write", shop, "fay", vcs.Write},
		{"a made-up role on read", shop, "guy", vcs.Read},
		{"anybody may read what is public", shop, "eve", vcs.Read},
		{"a reader of a private repository", secret, "ann", vcs.Read},
		{"no access to a private repository", secret, "eve", vcs.None},
		{"nobody", shop, "nobody", vcs.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := p.Permission(t.Context(), repository(test.repo), test.login)
			if err != nil || got != test.want {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
	t.Run("taken away", func(t *testing.T) {
		if err := p.SetAccess(shop, "cy", vcs.None); err != nil {
			t.Fatal(err)
		}
		if got := must(p.Permission(t.Context(), repository(shop), "cy"))(t); got != vcs.Read {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a token that may not ask", func(t *testing.T) {
		_, err := s.open(t, p.Forge, weak).Permission(t.Context(), repository(shop), "ann")
		wants(t, err, vcs.ErrForbidden)
	})
}

func testCommentsSince(t *testing.T, s suite) {
	p := s.begin(t)
	early := p.say(shop, 12, "ann", "early")
	edited := p.say(shop, 13, "ann", "before")
	p.Advance(time.Hour)
	since := p.Now()
	var want []int64
	// More than two pages, several in each second, on two pull requests.
	for i := range 250 {
		want = append(want, p.say(shop, int64(12+i%2), "bob", fmt.Sprint(i)))
		if i%3 == 0 {
			p.say(shop, 7, "bob", "of an issue")
			p.say(secret, 12, "ann", "of another repository")
		}
		if i%10 == 0 {
			p.Advance(time.Second)
		}
	}
	if err := p.EditComment(edited, "after"); err != nil {
		t.Fatal(err)
	}
	want = append([]int64{edited}, want...)

	got := must(p.CommentsSince(t.Context(), repository(shop), since))(t)
	var ids []int64
	for _, c := range got {
		ids = append(ids, c.Ref.ID)
		if c.Ref.PullRequest.Repo != repository(shop) || c.Body == "of an issue" {
			t.Errorf("got %+v", c)
		}
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Fatalf("not these, oldest first: %s", diff)
	}
	if first := got[0]; first.Body != "after" || !first.Updated.After(first.Created) || first.Ref.PullRequest.Number != 13 {
		t.Errorf("got %+v", first)
	}
	t.Run("many in one second", func(t *testing.T) {
		p.Advance(time.Hour)
		since := p.Now()
		for range 230 {
			p.say(shop, 12, "bob", "x")
		}
		if got := must(p.CommentsSince(t.Context(), repository(shop), since))(t); len(got) != 230 {
			t.Errorf("got %d of 230", len(got))
		}
	})
	t.Run("since ever", func(t *testing.T) {
		if got := must(p.CommentsSince(t.Context(), repository(shop), time.Time{}))(t); got[0].Ref.ID != early {
			t.Errorf("the first one is %+v", got[0])
		}
	})
	t.Run("none", func(t *testing.T) {
		if got := must(p.CommentsSince(t.Context(), repository(shop), p.Now().Add(time.Hour)))(t); len(got) != 0 {
			t.Errorf("got %+v", got)
		}
	})
	_, err := p.CommentsSince(t.Context(), repository(hidden), since)
	wants(t, err, vcs.ErrNotFound)
}

func testFindAnswer(t *testing.T, s suite) {
	p := s.begin(t)
	since := p.Now()
	put := must(p.PutAnswer(t.Context(), pull(shop, 12), vcs.Answer{Key: request, Body: "working\non it"}))(t)
	marked := p.Comments(shop, 12)[0].Body

	find := func(t *testing.T, key string, since time.Time) (vcs.Answer, error) {
		t.Helper()
		return s.open(t, p.Forge, token).FindAnswer(t.Context(), pull(shop, 12), key, since)
	}
	if diff := cmp.Diff(put, must(find(t, request, since))(t)); diff != "" {
		t.Errorf("put and found: %s", diff)
	}
	t.Run("another key", func(t *testing.T) {
		for _, key := range []string{request + "/2", strings.TrimSuffix(request, "5"), strings.ToUpper(request)} {
			_, err := find(t, key, since)
			wants(t, err, vcs.ErrNotFound)
		}
	})
	t.Run("another pull request", func(t *testing.T) {
		_, err := p.FindAnswer(t.Context(), pull(shop, 13), request, since)
		wants(t, err, vcs.ErrNotFound)
	})
	t.Run("made before", func(t *testing.T) {
		p.Advance(time.Minute)
		later := p.Now()
		if err := p.EditComment(put.ID, marked); err != nil {
			t.Fatal(err)
		}
		_, err := find(t, request, later)
		wants(t, err, vcs.ErrNotFound)
	})
	t.Run("somebody else's marker", func(t *testing.T) {
		body := strings.ReplaceAll(marked, request, "forged")
		p.say(shop, 12, "eve", body)
		_, err := find(t, "forged", since)
		wants(t, err, vcs.ErrNotFound)
	})
	t.Run("a marker that is not the first line", func(t *testing.T) {
		p.say(shop, 12, "tide", "> quoted\n"+strings.ReplaceAll(marked, request, "quoted"))
		_, err := find(t, "quoted", since)
		wants(t, err, vcs.ErrNotFound)
	})
	t.Run("behind more than a page of comments", func(t *testing.T) {
		for range 120 {
			p.say(shop, 12, "eve", "x")
		}
		put := must(p.PutAnswer(t.Context(), pull(shop, 12), vcs.Answer{Key: "late", Final: true, Body: "done"}))(t)
		if got := must(find(t, "late", since))(t); got != put || !got.Final {
			t.Errorf("got %+v, want %+v", got, put)
		}
	})
	t.Run("a key with what could end a marker", func(t *testing.T) {
		for _, key := range []string{"a--><b>", "--!>", `"'%25&state=final`, "-", "~!$()*+,;=:@/?#[]"} {
			put := must(p.PutAnswer(t.Context(), pull(shop, 13), vcs.Answer{Key: key, Body: "x"}))(t)
			if got := must(p.FindAnswer(t.Context(), pull(shop, 13), key, since))(t); got != put {
				t.Errorf("key %q: got %+v, want %+v", key, got, put)
			}
		}
		for _, c := range p.Comments(shop, 13) {
			if first, _, _ := strings.Cut(c.Body, "\n"); strings.Count(first, ">") != 1 {
				t.Errorf("the marker ends early: %s", first)
			}
		}
	})
	t.Run("a key that is none", func(t *testing.T) {
		before := p.Requests("")
		for _, key := range []string{"", "a b", "a\nb", "ключ", "a\x00"} {
			if _, err := p.PutAnswer(t.Context(), pull(shop, 12), vcs.Answer{Key: key, Body: "x"}); err == nil {
				t.Errorf("put under the key %q", key)
			}
		}
		if p.Requests("") != before {
			t.Error("the forge was asked")
		}
	})
}

func testPutAnswer(t *testing.T, s suite) {
	p := s.begin(t)
	ctx, pr := t.Context(), pull(shop, 12)
	bodies := func() (out []string) {
		for _, c := range p.Comments(shop, 12) {
			_, body, _ := strings.Cut(c.Body, "\n")
			out = append(out, body)
		}
		return out
	}
	a := must(p.PutAnswer(ctx, pr, vcs.Answer{Key: request, Body: "working"}))(t)
	if a.ID == 0 || a.URL == "" || a.Body != "working" || a.Final || a.Key != request {
		t.Fatalf("got %+v", a)
	}
	id := a.ID
	a.Body, a.Final = "done", true
	a = must(p.PutAnswer(ctx, pr, a))(t)
	if got := bodies(); a.ID != id || !a.Final || !slices.Equal(got, []string{"done"}) {
		t.Fatalf("got %+v, comments %q", a, got)
	}
	t.Run("a deleted answer is put again", func(t *testing.T) {
		if err := p.DeleteComment(id); err != nil {
			t.Fatal(err)
		}
		b := must(p.PutAnswer(ctx, pr, a))(t)
		if got := bodies(); b.ID == id || b.ID == 0 || !slices.Equal(got, []string{"done"}) {
			t.Errorf("got %+v, comments %q", b, got)
		}
	})
	t.Run("a final answer of another program stays", func(t *testing.T) {
		b := must(s.open(t, p.Forge, token).PutAnswer(ctx, pr, vcs.Answer{Key: request, Body: "working"}))(t)
		if got := bodies(); !b.Final || b.Body != "done" || !slices.Equal(got, []string{"done"}) {
			t.Errorf("got %+v, comments %q", b, got)
		}
	})
	t.Run("a running answer of another program is gone on with", func(t *testing.T) {
		first := must(p.PutAnswer(ctx, pr, vcs.Answer{Key: "k", Body: "one"}))(t)
		b := must(s.open(t, p.Forge, token).PutAnswer(ctx, pr, vcs.Answer{Key: "k", Body: "two"}))(t)
		if got := bodies(); b.ID != first.ID || b.Body != "two" || !slices.Equal(got, []string{"done", "two"}) {
			t.Errorf("got %+v, comments %q", b, got)
		}
	})
	t.Run("somebody else's marker is left alone", func(t *testing.T) {
		forged := p.say(shop, 12, "eve", strings.Replace(p.Comments(shop, 12)[0].Body, request, "m", 1))
		b := must(p.PutAnswer(ctx, pr, vcs.Answer{Key: "m", Body: "mine"}))(t)
		if got := bodies(); b.ID == forged || !slices.Equal(got, []string{"done", "two", "done", "mine"}) {
			t.Errorf("got %+v, comments %q", b, got)
		}
	})
	t.Run("too long a body is cut and says so", func(t *testing.T) {
		b := must(p.PutAnswer(ctx, pr, vcs.Answer{Key: "long", Body: strings.Repeat("длин👗", 100_000)}))(t)
		all := p.Comments(shop, 12)
		body := all[len(all)-1].Body
		if b.ID != all[len(all)-1].ID || !strings.Contains(body, "длин👗") || !strings.Contains(body, "left out") {
			t.Errorf("got %d, which ends in %q", b.ID, body[len(body)-100:])
		}
		if _, err := p.FindAnswer(ctx, pr, "long", time.Time{}); err != nil {
			t.Error(err)
		}
	})
	_, err := p.PutAnswer(ctx, pull(shop, 99), vcs.Answer{Key: request, Body: "x"})
	wants(t, err, vcs.ErrNotFound)
	_, err = p.PutAnswer(ctx, pull(hidden, 12), vcs.Answer{Key: request, Body: "x"})
	wants(t, err, vcs.ErrNotFound)
}

func testPutAnswerAtOnce(t *testing.T, s suite) {
	p := s.begin(t)
	// The clock of the forge is not ours.
	p.Advance(24 * time.Hour)
	for round := range 5 {
		key := fmt.Sprintf("round-%d", round)
		first := p.say(shop, 13, "eve", "the next ID is the lowest one") + 1
		var wg sync.WaitGroup
		ids := make([]int64, 6)
		for i := range ids {
			other := s.open(t, p.Forge, token)
			wg.Go(func() {
				a, err := other.PutAnswer(t.Context(), pull(shop, 12), vcs.Answer{Key: key, Body: fmt.Sprint(i)})
				if err != nil {
					t.Error(err)
				}
				ids[i] = a.ID
			})
		}
		wg.Wait()
		left := p.Comments(shop, 12)
		if len(left) != round+1 {
			t.Fatalf("round %d left %d comments", round, len(left))
		}
		if id := left[round].ID; id != first || slices.ContainsFunc(ids, func(got int64) bool { return got != id }) {
			t.Errorf("comment %d is left, %d was the first; the programs got %v", id, first, ids)
		}
	}
}

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

// testNames checks that a name from outside cannot become another request.
func testNames(t *testing.T, s suite) {
	p := s.begin(t)
	for _, name := range []string{"", ".", "..", "a/b/c", "a?b", "a#b", "a%2fb", "a b", "a\nb", "../../user", "ä", strings.Repeat("a", 300)} {
		_, err := p.Permission(t.Context(), repository(shop), name)
		wants(t, err, vcs.ErrNotFound)
		for _, path := range []string{name, "acme/" + name, name + "/shop"} {
			_, err := p.PullRequest(t.Context(), pull(path, 12))
			wants(t, err, vcs.ErrNotFound)
			_, err = p.CommentsSince(t.Context(), repository(path), time.Time{})
			wants(t, err, vcs.ErrNotFound)
			_, err = p.PutAnswer(t.Context(), pull(path, 12), vcs.Answer{Key: "k"})
			wants(t, err, vcs.ErrNotFound)
		}
		if teams, ok := p.Provider.(vcs.Teams); ok {
			_, err := teams.TeamMember(t.Context(), "acme", name, "ann")
			wants(t, err, vcs.ErrNotFound)
			_, err = teams.TeamMember(t.Context(), name, "dev", "ann")
			wants(t, err, vcs.ErrNotFound)
			_, err = teams.TeamMember(t.Context(), "acme", "dev", name)
			wants(t, err, vcs.ErrNotFound)
		}
	}
	if b, ok := p.Provider.(vcs.Branches); ok {
		for _, prefix := range []string{"..", "a/../../b", "/a", "a//b", "a b", "a\x00"} {
			_, err := b.Branches(t.Context(), repository(shop), prefix)
			wants(t, err, vcs.ErrNotFound)
		}
	}
	_, err := p.PullRequest(t.Context(), vcs.PullRequestRef{Repo: vcs.Repo{Provider: "another.example", Path: shop}, Number: 12})
	wants(t, err, vcs.ErrNotFound)
	if n := p.Requests(""); n != 0 {
		t.Errorf("the forge was asked %d times", n)
	}
}

func testContext(t *testing.T, s suite) {
	p := s.begin(t)
	for name, call := range calls(p) {
		t.Run(name, func(t *testing.T) {
			defer p.Fail(Fault{Kind: Slow})()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := call(ctx, s.open(t, p.Forge, token))
			wants(t, err, context.DeadlineExceeded)
			wants(t, err, vcs.ErrUnavailable)
			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			wants(t, call(ctx, s.open(t, p.Forge, token)), context.Canceled)
		})
	}
}

func testConcurrent(t *testing.T, s suite) {
	p := s.begin(t)
	all := calls(p)
	var wg sync.WaitGroup
	for range 4 {
		for name, call := range all {
			wg.Go(func() {
				if err := call(t.Context(), p.Provider); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	wg.Wait()
}

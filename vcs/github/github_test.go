package github_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

func open(t *testing.T, f *vcstest.Forge, token string) vcs.Provider {
	t.Helper()
	p, err := github.New(github.Options{
		Name: vcstest.ProviderName, BaseURL: f.URL(), Token: github.StaticToken(token),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProvider(t *testing.T) { vcstest.TestProvider(t, vcstest.NewForge, open) }

const (
	token       = "ghp_aBcDeF0123456789"
	createRoute = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
	listRoute   = "GET /repos/{owner}/{repo}/issues/{issue_number}/comments"
)

var pr = vcs.PullRequestRef{Repo: vcs.Repo{Provider: vcstest.ProviderName, Path: "acme/shop"}, Number: 12}

// begin starts a small forge with one pull request.
func begin(t *testing.T) (*vcstest.Forge, vcs.Provider) {
	t.Helper()
	f, err := vcstest.NewForge(vcstest.World{
		Users:  []vcstest.User{{Login: "tide", Bot: true}, {Login: "ann"}},
		Tokens: map[string]string{token: "tide"},
		Repos: []vcstest.Repo{{
			Path:         "acme/shop",
			Access:       map[string]vcs.Permission{"tide": vcs.Write, "ann": vcs.Write},
			PullRequests: []vcstest.PullRequest{{Number: 12, Author: "ann", HeadBranch: "x", BaseBranch: "main", Commits: []string{"0"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, open(t, f, token)
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]github.Options{
		"no token":              {},
		"plain http":            {Token: github.StaticToken("x"), BaseURL: "http://github.example.com/api/v3/"},
		"another scheme":        {Token: github.StaticToken("x"), BaseURL: "file:///etc"},
		"a password":            {Token: github.StaticToken("x"), BaseURL: "https://a:hunter2@github.example.com/"},
		"a query":               {Token: github.StaticToken("x"), BaseURL: "https://github.example.com/?a"},
		"no name":               {Token: github.StaticToken("x"), BaseURL: "https:///api"},
		"something not an URL":  {Token: github.StaticToken("x"), BaseURL: "https://hunter2:%zz@x"},
		"a path without scheme": {Token: github.StaticToken("x"), BaseURL: "github.example.com/api/v3"},
	} {
		_, err := github.New(o)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// answer is a transport that gives one answer and keeps the request.
type answer struct {
	status int
	body   string
	header http.Header
	got    *http.Request
}

func (a *answer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.got = r
	h := a.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func with(t *testing.T, base string, a *answer) *github.Provider {
	t.Helper()
	p, err := github.New(github.Options{
		Name: vcstest.ProviderName, BaseURL: base, Token: github.StaticToken(token), HTTPClient: &http.Client{Transport: a},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ base, url, email string }{
		{"", "https://api.github.com/user", "5+tide@users.noreply.github.com"},
		{"https://github.example.com/api/v3", "https://github.example.com/api/v3/user", "5+tide@users.noreply.github.example.com"},
		{"https://api.acme.ghe.com/", "https://api.acme.ghe.com/user", "5+tide@users.noreply.acme.ghe.com"},
	} {
		a := &answer{status: 200, body: `{"id": 5, "login": "tide", "type": "User"}`}
		u, err := with(t, test.base, a).Self(t.Context())
		if err != nil || u.Email != test.email || a.got.URL.String() != test.url {
			t.Errorf("%q: got %+v from %s, %v", test.base, u, a.got.URL, err)
		}
		if got := a.got.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("Authorization %q", got)
		}
	}
}

// TestAnswersThatMakeNoSense has answers that are JSON, of the right kind, and
// still not what was asked for.
func TestAnswersThatMakeNoSense(t *testing.T) {
	repo := pr.Repo
	permission := func(p *github.Provider) error {
		_, err := p.Permission(t.Context(), repo, "ann")
		return err
	}
	comment := func(p *github.Provider) error {
		_, err := p.Comment(t.Context(), vcs.CommentRef{PullRequest: pr, ID: 5})
		return err
	}
	pullRequest := func(p *github.Provider) error {
		_, err := p.PullRequest(t.Context(), pr)
		return err
	}
	const (
		at   = `"html_url": "https://x/acme/shop/pull/12#issuecomment-5", `
		base = `"base": {"ref": "main", "repo": {"id": 1, "full_name": "acme/shop", "private": false}}, `
	)
	for _, test := range []struct {
		name, body string
		call       func(*github.Provider) error
		want       error
	}{
		{"an empty object for a permission", `{}`, permission, vcs.ErrUnavailable},
		{"another user's permission", `{"permission": "admin", "user": {"login": "bob"}}`, permission, vcs.ErrUnavailable},
		{"a permission of nobody", `{"permission": "admin", "user": null}`, permission, vcs.ErrUnavailable},
		{"a permission unheard of", `{"permission": "owner", "user": {"login": "ann"}}`, permission, vcs.ErrUnavailable},
		{"null for a comment", `null`, comment, vcs.ErrUnavailable},
		{"another comment", `{"id": 6, ` + at + `"issue_url": "https://x/repos/acme/shop/issues/12"}`, comment, vcs.ErrUnavailable},
		{"addresses that disagree", `{"id": 5, ` + at + `"issue_url": "https://x/repos/acme/shop/issues/13"}`, comment, vcs.ErrNotFound},
		{"another repository", `{"id": 5, ` + at + `"issue_url": "https://x/repos/acme/shop2/issues/12"}`, comment, vcs.ErrNotFound},
		{"no addresses", `{"id": 5}`, comment, vcs.ErrNotFound},
		{"another pull request", `{"number": 13, ` + base + `"state": "open", "head": {"ref": "x", "sha": "0"}}`, pullRequest, vcs.ErrUnavailable},
		{"a pull request without head", `{"number": 12, ` + base + `"state": "open"}`, pullRequest, vcs.ErrUnavailable},
		{"a state unheard of", `{"number": 12, ` + base + `"state": "new", "head": {"ref": "x", "sha": "0"}}`, pullRequest, vcs.ErrUnavailable},
		{"a good pull request", `{"number": 12, ` + base + `"state": "open", "head": {"ref": "x", "sha": "0"}}`, pullRequest, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.call(with(t, "", &answer{status: 200, body: test.body}))
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestPublicIsWhatAnybodyReads(t *testing.T) {
	for repo, want := range map[string]bool{
		`"private": false, "visibility": "public"`:   true,
		`"private": false`:                           true,
		`"private": false, "visibility": "internal"`: false,
		`"private": true, "visibility": "internal"`:  false,
		`"private": true, "visibility": "private"`:   false,
		`"visibility": "public"`:                     false,
	} {
		body := `{"number": 12, "state": "open", "head": {"ref": "x", "sha": "0"},
			"base": {"ref": "main", "repo": {"id": 1, "full_name": "acme/shop", ` + repo + `}}}`
		got, err := with(t, "", &answer{status: 200, body: body}).PullRequest(t.Context(), pr)
		if err != nil || got.Public != want || !got.Fork {
			t.Errorf("%s: got %+v, %v", repo, got, err)
		}
		is, err := with(t, "", &answer{status: 200, body: `{"full_name": "acme/shop", ` + repo + `}`}).Public(t.Context(), pr.Repo)
		if is != want || (err != nil) != !strings.Contains(repo, "private\":") {
			t.Errorf("%s: public %v, %v", repo, is, err)
		}
	}
}

func TestRateLimitsSayWhen(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		header map[string]string
		want   string
	}{
		{"the hourly limit", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}, "again at 2100-01-01T00:00:00Z"},
		{"the hourly limit as 429", 429, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}, "again at 2100-01-01T00:00:00Z"},
		{"a burst", 403, map[string]string{"Retry-After": "75"}, "again in 75 s"},
		{"a burst as 429", 429, map[string]string{"Retry-After": "75"}, "again in 75 s"},
		{"a date", 403, map[string]string{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, "rate limit"},
		{"no word", 429, nil, "rate limit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range test.header {
				h.Set(k, v)
			}
			_, err := with(t, "", &answer{status: test.status, header: h, body: `{"message": "slow down"}`}).PullRequest(t.Context(), pr)
			if !errors.Is(err, vcs.ErrUnavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestGitHubsMessageIsQuoted(t *testing.T) {
	body := `{"message": "no\u001b[31m ` + token + ` ` + strings.Repeat("x", 1000) + `"}`
	_, err := with(t, "", &answer{status: 403, body: body}).PullRequest(t.Context(), pr)
	if !errors.Is(err, vcs.ErrForbidden) || strings.Contains(err.Error(), token) ||
		strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 500 || !strings.Contains(err.Error(), "(token)") {
		t.Errorf("got %v", err)
	}
}

func TestTokenIsAskedEachTime(t *testing.T) {
	f, _ := begin(t)
	current, asked := "old", 0
	p, err := github.New(github.Options{Name: vcstest.ProviderName, BaseURL: f.URL(), Token: func(context.Context) (string, error) {
		asked++
		if asked == 3 {
			return "", errors.New("vault is sealed")
		}
		return current, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Self(t.Context()); !errors.Is(err, vcs.ErrUnauthorized) {
		t.Errorf("the old token: %v", err)
	}
	current = token
	if _, err := p.Self(t.Context()); err != nil {
		t.Errorf("the new token: %v", err)
	}
	if _, err := p.Self(t.Context()); !errors.Is(err, vcs.ErrUnavailable) {
		t.Errorf("no token: %v", err)
	}
	current = "a\r\nX-Evil: 1"
	if _, err := p.Self(t.Context()); !errors.Is(err, vcs.ErrUnauthorized) || strings.Contains(err.Error(), "Evil") {
		t.Errorf("a token with a new line: %v", err)
	}
}

func TestWritesAreSentOnce(t *testing.T) {
	for _, kind := range []vcstest.FaultKind{vcstest.Broken, vcstest.BadGateway, vcstest.CutBefore, vcstest.CutAfter, vcstest.TooMany} {
		f, p := begin(t)
		// A connection that was used before is what net/http would try again on.
		if _, err := p.Self(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.Fail(vcstest.Fault{Kind: kind, Route: createRoute})
		if _, err := p.PutAnswer(t.Context(), pr, vcs.Answer{Key: "k", Body: "x"}); !errors.Is(err, vcs.ErrUnavailable) {
			t.Errorf("%s: got %v", kind, err)
		}
		if n := f.Requests(createRoute); n != 1 {
			t.Errorf("%s: sent %d times", kind, n)
		}
	}
}

// TestRequestsOfOneAnswer counts what a deploy costs: create and list, then
// one request for each edit; the account is asked for once.
func TestRequestsOfOneAnswer(t *testing.T) {
	f, p := begin(t)
	a := vcs.Answer{Key: "k", Body: "x"}
	for range 3 {
		var err error
		if a, err = p.PutAnswer(t.Context(), pr, a); err != nil {
			t.Fatal(err)
		}
		if _, err = p.FindAnswer(t.Context(), pr, "k", f.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	got := []int{f.Requests("GET /user"), f.Requests(createRoute), f.Requests(listRoute), f.Requests("")}
	if want := []int{1, 1, 4, 8}; !slices.Equal(got, want) {
		t.Errorf("user, create, list, all: got %v, want %v", got, want)
	}
}

// TestListThatMovesLosesNothing deletes a comment of the first page while the
// pages are read.
func TestListThatMovesLosesNothing(t *testing.T) {
	f, _ := begin(t)
	var ids []int64
	for i := range 150 {
		id, err := f.AddComment("acme/shop", 12, "ann", "x")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if i%5 == 0 {
			f.Advance(time.Second)
		}
	}
	deleting := roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		for _, id := range ids[:3] {
			// Not there the second time.
			_ = f.DeleteComment(id)
		}
		return resp, err
	})
	p, err := github.New(github.Options{
		Name: vcstest.ProviderName, BaseURL: f.URL(), Token: github.StaticToken(token), HTTPClient: &http.Client{Transport: deleting},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.CommentsSince(t.Context(), pr.Repo, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 150 {
		t.Errorf("got %d of 150", len(got))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

package vcstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

func startForge(t *testing.T) *Forge {
	t.Helper()
	f, err := NewForge(world())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// ask sends a request as GitHub wants it, with changes.
func ask(t *testing.T, f *Forge, method, path, body string, change func(*http.Request)) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(f.URL(), "/")+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("Authorization", "Bearer "+token)
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

func TestForgeIsStrict(t *testing.T) {
	const comments = "/repos/acme/shop/issues/12/comments"
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	for _, test := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		violates                 bool
	}{
		{"a documented call", "GET", comments, "", nil, 200, false},
		{"another method", "PUT", comments, "{}", nil, 404, true},
		{"a path that is not documented", "GET", "/repos/acme/shop/issues/12/notes", "", nil, 404, true},
		{"a path that climbs", "GET", "/repos/acme/shop/issues/12/%2e%2e/%2e%2e/comments", "", nil, 404, true},
		{"an escaped slash is no border", "GET", "/repos/acme%2Fshop/issues/12/comments", "", nil, 404, true},
		{"an empty segment", "GET", "/repos/acme//issues/12/comments", "", nil, 404, true},
		{"a parameter that is not documented", "GET", comments + "?sort=created", "", nil, 200, true},
		{"a parameter twice", "GET", comments + "?page=1&page=2", "", nil, 200, true},
		{"too large a page", "GET", comments + "?per_page=101", "", nil, 200, true},
		{"since with a fraction", "GET", comments + "?since=2026-01-01T00:00:00.5Z", "", nil, 422, true},
		{"Accept of anything", "GET", comments, "", header("Accept", "*/*"), 200, true},
		{"no User-Agent", "GET", comments, "", header("User-Agent", ""), 200, true},
		{"another version", "GET", comments, "", header("X-GitHub-Api-Version", "2000-01-01"), 200, true},
		{"no token", "GET", comments, "", func(r *http.Request) { r.Header.Del("Authorization") }, 401, true},
		{"a token not known", "GET", comments, "", header("Authorization", "Bearer x"), 401, false},
		{"a token as a password", "GET", comments, "", header("Authorization", "Basic "+token), 401, false},
		{"a body with a GET", "GET", comments, "{}", nil, 200, true},
		{"a comment", "POST", comments, `{"body": "x"}`, nil, 201, false},
		{"a comment with a field too many", "POST", comments, `{"body": "x", "id": "1"}`, nil, 422, true},
		{"an empty comment", "POST", comments, `{"body": ""}`, nil, 422, false},
		{"too long a comment", "POST", comments, `{"body": "` + strings.Repeat("x", 65537) + `"}`, nil, 422, false},
		{"a repository that is not seen", "GET", "/repos/acme/hidden/issues/12/comments", "", nil, 404, false},
		{"an issue that is not there", "GET", "/repos/acme/shop/issues/99/comments", "", nil, 404, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := startForge(t)
			resp, body := ask(t, f, test.method, test.path, test.body, test.change)
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			if v := f.Violations(); (len(v) > 0) != test.violates {
				t.Errorf("violations %q", v)
			}
		})
	}
}

func TestForgeIsBelowItsPrefixOnly(t *testing.T) {
	f := startForge(t)
	resp, err := http.Get(strings.TrimSuffix(f.URL(), "/api/v3/") + "/user")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound || len(f.Violations()) != 1 {
		t.Errorf("status %d, violations %q", resp.StatusCode, f.Violations())
	}
}

func TestForgePages(t *testing.T) {
	f := startForge(t)
	for range 65 {
		if _, err := f.AddComment(shop, 12, "ann", "x"); err != nil {
			t.Fatal(err)
		}
	}
	// Follow the links, as GitHub tells clients to.
	next, sizes := "/repos/acme/shop/issues/12/comments", []int{}
	for next != "" {
		resp, body := ask(t, f, "GET", next, "", nil)
		var list []map[string]any
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(list))
		next = ""
		if link, _, ok := strings.Cut(resp.Header.Get("Link"), `>; rel="next"`); ok {
			u, err := url.Parse(strings.TrimPrefix(link, "<"))
			if err != nil {
				t.Fatal(err)
			}
			next = strings.TrimPrefix(u.RequestURI(), "/api/v3")
		}
	}
	if !slices.Equal(sizes, []int{30, 30, 5}) {
		t.Errorf("pages of %v", sizes)
	}
	_, body := ask(t, f, "GET", "/repos/acme/shop/issues/12/comments?per_page=100&page=2", "", nil)
	if string(bytes.TrimSpace(body)) != "[]" {
		t.Errorf("beyond the end: %s", body)
	}
}

func TestForgeLetsWritersChangeOthersComments(t *testing.T) {
	f := startForge(t)
	id, err := f.AddComment(shop, 12, "ann", "/deploy qa1")
	if err != nil {
		t.Fatal(err)
	}
	path := strings.Replace("/repos/acme/shop/issues/comments/ID", "ID", jsonNumber(id), 1)
	as := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "token "+token) }
	}
	if resp, _ := ask(t, f, "PATCH", path, `{"body": "x"}`, as(weak)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a reader edits: %d", resp.StatusCode)
	}
	f.Advance(time.Second)
	if resp, _ := ask(t, f, "PATCH", path, `{"body": "/deploy prod"}`, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a writer edits: %d", resp.StatusCode)
	}
	if c := f.Comments(shop, 12)[0]; c.Author != "ann" || c.Body != "/deploy prod" || !c.Updated.After(c.Created) {
		t.Errorf("got %+v", c)
	}
	if resp, _ := ask(t, f, "DELETE", path, "", as(weak)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a reader deletes: %d", resp.StatusCode)
	}
	if resp, _ := ask(t, f, "DELETE", path, "", nil); resp.StatusCode != http.StatusNoContent || len(f.Comments(shop, 12)) != 0 {
		t.Errorf("a writer deletes: %d", resp.StatusCode)
	}
}

func jsonNumber(n int64) string {
	b, err := json.Marshal(n)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestForgePermissionNames(t *testing.T) {
	f := startForge(t)
	for login, want := range map[string][2]string{
		"ann": {"admin", "admin"}, "bob": {"write", "maintain"}, "cy": {"write", "write"}, "di": {"read", "triage"},
		"eve": {"read", "read"}, "fay": {"write", "admin-of-docs"},
	} {
		_, body := ask(t, f, "GET", "/repos/acme/shop/collaborators/"+login+"/permission", "", nil)
		var got struct {
			Permission string `json:"permission"`
			RoleName   string `json:"role_name"`
		}
		if err := json.Unmarshal(body, &got); err != nil || [2]string{got.Permission, got.RoleName} != want {
			t.Errorf("%s: got %s, want %v", login, body, want)
		}
	}
	_, body := ask(t, f, "GET", "/repos/acme/secret/collaborators/eve/permission", "", nil)
	if !bytes.Contains(body, []byte(`"permission":"none"`)) {
		t.Errorf("without access: %s", body)
	}
}

func TestFaultsBeforeAndAfterTheEffect(t *testing.T) {
	const route = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
	for kind, left := range map[FaultKind]int{CutBefore: 0, CutAfter: 1, Broken: 0} {
		f := startForge(t)
		f.Fail(Fault{Kind: kind, Route: route, Times: 1})
		r, err := http.NewRequestWithContext(t.Context(), "POST", f.URL()+"repos/acme/shop/issues/12/comments", strings.NewReader(`{"body":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != (kind == Broken) {
			t.Errorf("%s: got %v", kind, err)
		}
		if n := len(f.Comments(shop, 12)); n != left {
			t.Errorf("%s: %d comments are left, want %d", kind, n, left)
		}
		if n := f.Requests(route); n != 1 {
			t.Errorf("%s: counted %d requests", kind, n)
		}
		if resp, _ := ask(t, f, "POST", "/repos/acme/shop/issues/12/comments", `{"body":"y"}`, nil); resp.StatusCode != http.StatusCreated {
			t.Errorf("%s: it does not end: %d", kind, resp.StatusCode)
		}
	}
}

func TestFaultSkipsAndStops(t *testing.T) {
	f := startForge(t)
	status := func() int {
		resp, _ := ask(t, f, "GET", "/user", "", nil)
		return resp.StatusCode
	}
	stop := f.Fail(Fault{Kind: Broken, Skip: 1, Times: 2})
	got := []int{status(), status(), status(), status()}
	stop()
	stop = f.Fail(Fault{Kind: Missing, Route: "GET /user"})
	got = append(got, status(), status())
	stop()
	got = append(got, status())
	f.Fail(Fault{Kind: Broken, Route: "GET /another"})
	f.Fail(Fault{Kind: Slow, Delay: time.Millisecond})
	got = append(got, status())
	if want := []int{200, 500, 500, 200, 404, 404, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCloseCutsWhoWaits(t *testing.T) {
	f := startForge(t)
	f.Fail(Fault{Kind: Slow})
	done := make(chan error)
	go func() {
		resp, err := http.Get(f.URL() + "user")
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	for f.Requests("GET /user") == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("got an answer")
	}
}

func TestNewForgeRefuses(t *testing.T) {
	users := []User{{Login: "ann"}}
	for name, w := range map[string]World{
		"a user twice":                 {Users: []User{{Login: "ann"}, {Login: "Ann"}}},
		"a user without login":         {Users: []User{{}}},
		"a token of nobody":            {Tokens: map[string]string{"t": "ann"}},
		"a member who is nobody":       {Orgs: []Org{{Login: "acme", Members: []string{"ann"}}}},
		"a team without organization":  {Users: users, Teams: []Team{{Org: "acme", Slug: "dev"}}},
		"a repository without owner":   {Repos: []Repo{{Path: "shop"}}},
		"access of nobody":             {Repos: []Repo{{Path: shop, Access: map[string]vcs.Permission{"ann": vcs.Read}}}},
		"a pull request of nobody":     {Repos: []Repo{{Path: shop, PullRequests: []PullRequest{{Number: 1, Commits: []string{"0"}}}}}},
		"a pull request of no commits": {Users: users, Repos: []Repo{{Path: shop, PullRequests: []PullRequest{{Number: 1, Author: "ann"}}}}},
	} {
		if f, err := NewForge(w); err == nil {
			_ = f.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDeliveryIsLikeGitHubs(t *testing.T) {
	f := startForge(t)
	for _, test := range []struct {
		number int64
		action string
	}{{12, "created"}, {12, "edited"}, {12, "deleted"}, {7, "created"}} {
		id, err := f.AddComment(shop, test.number, "ann", "/deploy qa1")
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.CommentDelivery(id, test.action, "bob")
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Action string
			Issue  struct {
				Number      int64
				PullRequest *struct{} `json:"pull_request"`
			}
			Changes    *struct{}
			Sender     struct{ Login string }
			Comment    struct{ User struct{ Login string } }
			Repository struct {
				FullName string `json:"full_name"`
			}
		}
		if err := json.Unmarshal(d.Body, &p); err != nil {
			t.Fatal(err)
		}
		if p.Action != test.action || p.Issue.Number != test.number || (p.Issue.PullRequest != nil) != (test.number == 12) ||
			(p.Changes != nil) != (test.action == "edited") || p.Sender.Login != "bob" || p.Comment.User.Login != "ann" || p.Repository.FullName != shop {
			t.Errorf("%+v: got %s", test, d.Body)
		}
		r, err := d.Request(t.Context(), "http://127.0.0.1/", []byte("s"))
		if err != nil {
			t.Fatal(err)
		}
		if r.Header.Get("X-GitHub-Event") != "issue_comment" || len(r.Header.Get("X-GitHub-Delivery")) != 36 ||
			r.Header.Get("X-Hub-Signature-256") != Sign([]byte("s"), d.Body) {
			t.Errorf("headers %v", r.Header)
		}
	}
	if _, err := f.CommentDelivery(1<<40, "created", "ann"); err == nil {
		t.Error("a delivery for no comment")
	}
}

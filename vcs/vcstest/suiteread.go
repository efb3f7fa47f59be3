package vcstest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/vcs"
)

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

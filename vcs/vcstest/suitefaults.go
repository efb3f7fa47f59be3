package vcstest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

// calls are all that can be asked of a provider, by name, with arguments for
// which there is something.
func calls(p place) map[string]func(context.Context, vcs.Provider) error {
	p.t.Helper()
	id := p.say(shop, 12, "ann", "/deploy qa1")
	answer := must(p.PutAnswer(p.t.Context(), pull(shop, 12), vcs.Answer{Key: "there", Body: "x"}))(p.t)
	out := map[string]func(context.Context, vcs.Provider) error{
		"Self": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.Self(ctx)
			return err
		},
		"Comment": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.Comment(ctx, ref(shop, 12, id))
			return err
		},
		"PullRequest": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.PullRequest(ctx, pull(shop, 12))
			return err
		},
		"Permission": func(ctx context.Context, v vcs.Provider) error {
			got, err := v.Permission(ctx, repository(shop), "ann")
			if err == nil && got == vcs.None {
				return vcs.ErrNotFound
			}
			return err
		},
		"CommentsSince": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.CommentsSince(ctx, repository(shop), time.Time{})
			return err
		},
		"FindAnswer": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.FindAnswer(ctx, pull(shop, 12), "there", time.Time{})
			return err
		},
		"PutAnswer to create": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.PutAnswer(ctx, pull(shop, 12), vcs.Answer{Key: "new", Body: "x"})
			return err
		},
		"PutAnswer to edit": func(ctx context.Context, v vcs.Provider) error {
			_, err := v.PutAnswer(ctx, pull(shop, 12), answer)
			return err
		},
	}
	also(p, out, "TeamMember", func(ctx context.Context, v vcs.Teams) error {
		got, err := v.TeamMember(ctx, "acme", "dev", "ann")
		if err == nil && !got {
			return vcs.ErrNotFound
		}
		return err
	})
	also(p, out, "React", func(ctx context.Context, v vcs.Reactions) error {
		return v.React(ctx, ref(shop, 12, id), vcs.Eyes)
	})
	also(p, out, "Branches", func(ctx context.Context, v vcs.Branches) error {
		_, err := v.Branches(ctx, repository(shop), "db")
		return err
	})
	also(p, out, "Public", func(ctx context.Context, v vcs.Visibility) error {
		_, err := v.Public(ctx, repository(shop))
		return err
	})
	also(p, out, "Commits", func(ctx context.Context, v vcs.Commits) error {
		_, err := v.Commits(ctx, pull(shop, 12))
		return err
	})
	return out
}

// also adds a call that only some providers have.
func also[T any](p place, calls map[string]func(context.Context, vcs.Provider) error, name string, call func(context.Context, T) error) {
	if _, ok := p.Provider.(T); !ok {
		return
	}
	calls[name] = func(ctx context.Context, v vcs.Provider) error {
		able, ok := v.(T)
		if !ok {
			return fmt.Errorf("%T cannot do what %T could, which Open returned before", v, p.Provider)
		}
		return call(ctx, able)
	}
}

// testFaults checks the class of each fault for each call: what policy and
// retries are decided by.
func testFaults(t *testing.T, s suite) {
	var strayed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		strayed.Add(1)
	}))
	defer elsewhere.Close()
	p := s.begin(t)
	all := calls(p)
	for _, fault := range []struct {
		kind FaultKind
		want error
	}{
		{Unauthorized, vcs.ErrUnauthorized},
		{Forbidden, vcs.ErrForbidden},
		{Invalid, vcs.ErrForbidden},
		{Missing, vcs.ErrNotFound},
		{Moved, vcs.ErrNotFound},
		{Conflict, vcs.ErrUnavailable},
		{RateLimit, vcs.ErrUnavailable},
		{SecondaryLimit, vcs.ErrUnavailable},
		{TooMany, vcs.ErrUnavailable},
		{Broken, vcs.ErrUnavailable},
		{BadGateway, vcs.ErrUnavailable},
		{CutBefore, vcs.ErrUnavailable},
		{CutAfter, vcs.ErrUnavailable},
		{Garbage, vcs.ErrUnavailable},
		{Empty, vcs.ErrUnavailable},
	} {
		for name, call := range all {
			if name == "React" && (fault.kind == Garbage || fault.kind == Empty) {
				// Its success is the status alone.
				continue
			}
			t.Run(string(fault.kind)+"/"+name, func(t *testing.T) {
				p.t = t
				provider := s.open(t, p.Forge, token)
				stop := p.Fail(Fault{Kind: fault.kind, Elsewhere: elsewhere.URL})
				defer stop()
				wants(t, call(t.Context(), provider), fault.want)
				stop()
				if err := call(t.Context(), s.open(t, p.Forge, token)); err != nil {
					t.Errorf("when it is over: %v", err)
				}
			})
		}
	}
	if n := strayed.Load(); n != 0 {
		t.Errorf("%d requests went to another place", n)
	}
	t.Run("an answer without end", func(t *testing.T) {
		defer p.Fail(Fault{Kind: Endless})()
		_, err := s.open(t, p.Forge, token).CommentsSince(t.Context(), repository(shop), time.Time{})
		wants(t, err, vcs.ErrUnavailable)
	})
	t.Run("nobody is there", func(t *testing.T) {
		gone := must(s.start(World{}))(t)
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := s.open(t, gone, token).Self(t.Context())
		wants(t, err, vcs.ErrUnavailable)
	})
}

// testLostAnswers checks what is left when a request did its work and its
// answer was lost, at each request of PutAnswer: the caller's next try leaves
// one comment.
func testLostAnswers(t *testing.T, s suite) {
	for _, kind := range []FaultKind{CutBefore, CutAfter, Broken, BadGateway} {
		for skip := range 4 {
			p := s.begin(t)
			must(p.PutAnswer(t.Context(), pull(shop, 12), vcs.Answer{Key: request, Body: "of another program"}))(t)
			provider := s.open(t, p.Forge, token)
			must(provider.FindAnswer(t.Context(), pull(shop, 12), request, time.Time{}))(t)
			p.Fail(Fault{Kind: kind, Skip: skip, Times: 1})
			a := vcs.Answer{Key: request, Body: "done", Final: true}
			// Go's HTTP client asks again by itself if a connection that was
			// kept breaks under a GET, so there may be no error.
			if _, err := provider.PutAnswer(t.Context(), pull(shop, 12), a); err != nil {
				wants(t, err, vcs.ErrUnavailable)
			}
			must(provider.PutAnswer(t.Context(), pull(shop, 12), a))(t)
			if left := p.Comments(shop, 12); len(left) != 1 {
				t.Errorf("%s at request %d: %d comments are left: %+v", kind, skip, len(left), left)
			}
		}
	}
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

package vcstest

import (
	"context"
	"net/http"
	"net/http/httptest"
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
	if _, ok := p.Provider.(vcs.Teams); ok {
		out["TeamMember"] = func(ctx context.Context, v vcs.Provider) error {
			got, err := v.(vcs.Teams).TeamMember(ctx, "acme", "dev", "ann")
			if err == nil && !got {
				return vcs.ErrNotFound
			}
			return err
		}
	}
	if _, ok := p.Provider.(vcs.Reactions); ok {
		out["React"] = func(ctx context.Context, v vcs.Provider) error {
			return v.(vcs.Reactions).React(ctx, ref(shop, 12, id), vcs.Eyes)
		}
	}
	if _, ok := p.Provider.(vcs.Branches); ok {
		out["Branches"] = func(ctx context.Context, v vcs.Provider) error {
			_, err := v.(vcs.Branches).Branches(ctx, repository(shop), "db")
			return err
		}
	}
	if _, ok := p.Provider.(vcs.Visibility); ok {
		out["Public"] = func(ctx context.Context, v vcs.Provider) error {
			_, err := v.(vcs.Visibility).Public(ctx, repository(shop))
			return err
		}
	}
	if _, ok := p.Provider.(vcs.Commits); ok {
		out["Commits"] = func(ctx context.Context, v vcs.Provider) error {
			_, err := v.(vcs.Commits).Commits(ctx, pull(shop, 12))
			return err
		}
	}
	return out
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

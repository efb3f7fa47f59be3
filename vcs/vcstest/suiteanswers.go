package vcstest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/vcs"
)

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

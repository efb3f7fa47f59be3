package receiver

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/vcs"
)

func TestEveryDeliveryGetsItsStatus(t *testing.T) {
	deploy := comment("/deploy qa1")
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del(name)
			if value != "" {
				r.Header.Set(name, value)
			}
		}
	}
	tests := []struct {
		name, path, event, body string
		change                  func(*http.Request)
		// core is asked if it is set, and must not be otherwise.
		core   coreFunc
		status int
		text   string
	}{
		{name: "a command that the core accepts", core: saying(gitops.Accepted, ""), status: 202, text: "accepted"},
		{name: "a command in a later line", body: comment("please\r\n/deploy qa1"), core: saying(gitops.Accepted, ""), status: 202, text: "accepted"},
		{name: "a command that the core ignores", core: saying(gitops.Ignored, "no service comes\nfrom here"), status: 200, text: "ignored: no service comes?from here"},
		{name: "a core without room", core: saying(gitops.Unavailable, "queue is full"), status: 503, text: "no room now: queue is full"},
		{name: "a core that fails", status: 503, text: "the core did not answer",
			core: func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) {
				return gitops.Result{}, errors.New("connection refused")
			}},
		{name: "a core that ends without a word", status: 503, text: "the core did not answer",
			core: func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) {
				return gitops.Result{}, nil
			}},
		{name: "a core that begins in the middle", core: saying(gitops.Running, ""), status: 503, text: "the core did not answer properly"},
		{name: "a core that is silent", status: 503, text: "the core did not answer in time",
			core: func(ctx context.Context, _ gitops.Request, _ func(gitops.Progress)) (gitops.Result, error) {
				<-ctx.Done()
				return gitops.Result{}, ctx.Err()
			}},
		{name: "a defect", status: 500, text: "internal error",
			core: func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) { panic("a defect") }},

		{name: "signed with the secret before", change: header("X-Hub-Signature-256", sign(oldSecret, deploy)), core: saying(gitops.Accepted, ""), status: 202, text: "accepted"},
		{name: "a content type with a character set", change: header("Content-Type", "application/json; charset=utf-8"), core: saying(gitops.Accepted, ""), status: 202, text: "accepted"},

		{name: "a ping", event: "ping", body: `{"zen":"x"}`, status: 200, text: "pong"},
		{name: "another event", event: "push", body: `{}`, status: 200, text: "ignored: event push"},
		{name: "an edited comment", body: strings.Replace(deploy, "created", "edited", 1), status: 200, text: "ignored: comment edited"},
		{name: "a comment of an issue", body: strings.Replace(deploy, "pull_request", "x", 1), status: 200, text: "ignored: comment of an issue"},
		{name: "a comment by a bot", body: strings.Replace(deploy, "User", "Bot", 1), status: 200, text: "ignored: comment not by a person"},
		{name: "a comment without a command", body: comment("please do not /deploy qa1"), status: 200, text: "ignored: no command in the comment"},

		{name: "signed, but not JSON", body: `{"action":`, status: 400, text: "payload not understood"},
		{name: "signed, but a repository that is none", body: strings.Replace(deploy, "tidepool-org/shoreline", "../../x?y", 1), status: 400, text: "payload not understood"},
		{name: "signed, but without an event", change: header("X-GitHub-Event", ""), status: 400, text: "payload not understood"},

		{name: "not signed", change: header("X-Hub-Signature-256", ""), status: 403, text: "signature not accepted"},
		{name: "a ping that is not signed", event: "ping", change: header("X-Hub-Signature-256", ""), status: 403, text: "signature not accepted"},
		{name: "signed with another secret", change: header("X-Hub-Signature-256", sign("guessed", deploy)), status: 403, text: "signature not accepted"},
		{name: "signed with the secret of the other endpoint", change: header("X-Hub-Signature-256", sign(other, deploy)), status: 403, text: "signature not accepted"},
		{name: "signed for this endpoint, sent to the other", path: "/ghe", status: 403, text: "signature not accepted"},
		{name: "signed with no secret", change: header("X-Hub-Signature-256", sign("", deploy)), status: 403, text: "signature not accepted"},
		{name: "another body than was signed", change: header("X-Hub-Signature-256", sign(secret, deploy+" ")), status: 403, text: "signature not accepted"},
		{name: "a half signature", change: header("X-Hub-Signature-256", sign(secret, deploy)[:40]), status: 403, text: "signature not accepted"},
		{name: "signed with SHA-1 only", status: 403, text: "signature not accepted", change: func(r *http.Request) {
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte(deploy))
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
		}},

		{name: "another path", path: "/gitlab", status: 404, text: "no such endpoint"},
		{name: "a path below", path: "/github/", status: 404, text: "no such endpoint"},
		{name: "the root", path: "/", status: 404, text: "no such endpoint"},
		{name: "GET", change: func(r *http.Request) { r.Method = http.MethodGet }, status: 405, text: "webhooks are posted"},
		{name: "PUT", change: func(r *http.Request) { r.Method = http.MethodPut }, status: 405, text: "webhooks are posted"},
		{name: "a body that is announced too long", body: strings.Repeat("x", 100001), status: 413, text: "the body is longer than 100000 bytes"},
		{name: "a chunked body that is too long", body: strings.Repeat("x", 100001), change: func(r *http.Request) { r.ContentLength = -1 }, status: 413, text: "the body is longer than 100000 bytes"},
		{name: "the longest body, not JSON", event: "push", body: strings.Repeat("x", 100000), status: 200, text: "ignored: event push"},
		{name: "a form", change: header("Content-Type", "application/x-www-form-urlencoded"), status: 415, text: "set the webhook's content type to application/json"},
		{name: "no content type", change: header("Content-Type", ""), status: 415, text: "set the webhook's content type to application/json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			core := coreFunc(func(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
				asked.Add(1)
				want := gitops.Request{Comment: vcs.CommentRef{
					PullRequest: vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: "tidepool-org/shoreline"}, Number: 12}, ID: 345}}
				if diff := cmp.Diff(want, req); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				return tt.core(ctx, req, report)
			})
			if tt.core == nil {
				core = unasked(t)
			}
			if tt.path == "" {
				tt.path = "/github"
			}
			if tt.event == "" {
				tt.event = "issue_comment"
			}
			if tt.body == "" {
				tt.body = deploy
			}
			server := start(t, core, func(l *limits) { l.answer = 200 * time.Millisecond })
			r := delivery(server.url+tt.path, tt.event, tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			status, head, text := send(t, r)
			if status != tt.status || text != tt.text+"\n" {
				t.Errorf("answer = %d %q, want %d %q", status, text, tt.status, tt.text)
			}
			if want := map[int]string{405: "POST"}[tt.status]; head.Get("Allow") != want {
				t.Errorf("Allow = %q, want %q", head.Get("Allow"), want)
			}
			if want := map[int]string{503: "30"}[tt.status]; head.Get("Retry-After") != want {
				t.Errorf("Retry-After = %q, want %q", head.Get("Retry-After"), want)
			}
			if got := head.Get("Server"); got != "" {
				t.Errorf("Server = %q, want none", got)
			}
			if want := int64(1); tt.core != nil && asked.Load() != want {
				t.Errorf("the core was asked %d times, want once", asked.Load())
			}
			log := server.log.String()
			if want := fmt.Sprintf("status=%d delivery=72d3162e-cc78-11e3-81ab-4c9367dc0958", tt.status); !strings.Contains(log, want) {
				t.Errorf("no %q in the log:\n%s", want, log)
			}
			for _, s := range []string{secret, oldSecret, other} {
				if strings.Contains(log, s) {
					t.Errorf("a secret is in the log:\n%s", log)
				}
			}
		})
	}
}

func TestTheProviderIsThatOfTheEndpoint(t *testing.T) {
	got := make(chan gitops.Request, 1)
	server := start(t, coreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		got <- req
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{}, nil
	}), nil)
	body := comment("/deploy qa1")
	r := delivery(server.url+"/ghe", "issue_comment", body)
	r.Header.Set("X-Hub-Signature-256", sign(other, body))
	if status, _, text := send(t, r); status != 202 {
		t.Fatalf("answer = %d %s", status, text)
	}
	if id := (<-got).ID(); id != "github.example/tidepool-org/shoreline/pull/12/comment/345" {
		t.Errorf("request = %s", id)
	}
}

func TestFiveEqualDeliveriesAtOnceAreAllAccepted(t *testing.T) {
	var mu sync.Mutex
	ids := make(map[string]int)
	server := start(t, coreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		mu.Lock()
		ids[req.ID()]++
		mu.Unlock()
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{}, nil
	}), nil)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1"))); status != 202 {
				t.Errorf("answer = %d %s", status, text)
			}
		})
	}
	wg.Wait()
	// That a command runs once is the core's to see to, by this ID.
	if diff := cmp.Diff(map[string]int{"github.com/tidepool-org/shoreline/pull/12/comment/345": 5}, ids); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

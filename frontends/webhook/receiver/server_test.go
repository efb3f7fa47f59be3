package receiver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/vcs"
)

const (
	secret    = "It's a Secret to Everybody"
	oldSecret = "the one before"
	other     = "of the other endpoint"
)

// coreFunc is a core made of one function.
type coreFunc func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error)

func (f coreFunc) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	return f(ctx, req, report)
}

// saying is a core whose first word is this one.
func saying(p gitops.Phase, message string) coreFunc {
	return func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: p, Message: message})
		return gitops.Result{ID: req.ID()}, nil
	}
}

// unasked fails the test if the core is asked.
func unasked(t testing.TB) coreFunc {
	return func(_ context.Context, req gitops.Request, _ func(gitops.Progress)) (gitops.Result, error) {
		t.Errorf("the core was asked for %s", req.ID())
		return gitops.Result{}, nil
	}
}

// A lineLog keeps what is logged.
type lineLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lineLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testLog(l *lineLog) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// A running is a front-end that serves.
type running struct {
	url  string
	log  *lineLog
	stop context.CancelFunc
	done chan error
}

// end stops the front-end, once, and returns what Run did.
func (r *running) end(t testing.TB) error {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the front-end did not end")
		return nil
	}
}

const twoEndpoints = `{"listen": "127.0.0.1:0", "maxBodyBytes": 100000, "endpoints": {
	"/github": {"provider": "github.com", "type": "github"},
	"/ghe": {"provider": "github.example"}}}`

func twoSecrets() map[string][]string {
	return map[string][]string{"/github": {secret, oldSecret}, "/ghe": {other}}
}

// start runs the front-end with two endpoints on a socket of its own.
func start(t testing.TB, core frontend.Core, change func(*limits)) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := New()
	if change != nil {
		change(&f.limits)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{url: "http://" + listener.Addr().String(), log: new(lineLog), stop: cancel, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		r.done <- f.Run(ctx, core, frontend.Env{
			Settings:  json.RawMessage(twoEndpoints),
			Secrets:   twoSecrets(),
			Listeners: map[string]net.Listener{"listen": listener},
			Log:       testLog(r.log),
			Ready:     func() { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-r.done:
		t.Fatalf("run: %v", err)
	}
	t.Cleanup(func() {
		if err := r.end(t); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

// comment is the payload of a comment on pull request 12.
func comment(body string) string {
	b, _ := json.Marshal(body)
	return `{"action":"created","issue":{"number":12,"pull_request":{"url":"https://evil.example/pulls/12"}},` +
		`"comment":{"id":345,"body":` + string(b) + `,"user":{"login":"some-login","type":"User"},"html_url":"https://evil.example/"},` +
		`"repository":{"full_name":"tidepool-org/shoreline","url":"https://evil.example/api"},"provider":"evil.example"}`
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// delivery is a request as GitHub makes it, signed.
func delivery(url, event, body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	r.Header.Set("X-Hub-Signature-256", sign(secret, body))
	return r
}

// send returns the status, the header and the text of the answer.
func send(t testing.TB, r *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

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

func TestTheAnswerDoesNotWaitForTheDeploy(t *testing.T) {
	release, ended := make(chan struct{}), make(chan error, 1)
	server := start(t, coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		<-release
		// Progress is taken after the answer went out, too.
		for range 100 {
			report(gitops.Progress{Phase: gitops.Running, Message: "pushing"})
		}
		ended <- ctx.Err()
		return gitops.Result{}, nil
	}), nil)
	if status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1"))); status != 202 {
		t.Fatalf("answer = %d %s", status, text)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the request's context ended with the delivery: %v", err)
	}
}

func TestOnlySomeRequestsAreFollowedToTheirEnd(t *testing.T) {
	left := make(chan struct{}, 2)
	server := start(t, coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		<-ctx.Done()
		left <- struct{}{}
		return gitops.Result{}, ctx.Err()
	}), func(l *limits) { l.followed = 1 })
	for range 2 {
		if status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1"))); status != 202 {
			t.Fatalf("answer = %d %s", status, text)
		}
	}
	<-left
	if len(left) != 0 {
		t.Error("both were left alone, want one")
	}
}

func TestAFloodIsAnsweredAndForgotten(t *testing.T) {
	server := start(t, saying(gitops.Unavailable, "queue is full"), nil)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	defer client.CloseIdleConnections()
	var counts [600]atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				resp, err := client.Do(delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
				if err != nil {
					t.Errorf("send: %v", err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				counts[resp.StatusCode].Add(1)
			}
		})
	}
	wg.Wait()
	if got := counts[503].Load(); got != 1000 {
		t.Errorf("%d of 1000 answered with 503", got)
	}
}

func TestThereIsRoomForSomeRequestsToTheCoreOnly(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	server := start(t, coreFunc(func(_ context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		close(began)
		<-release
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{}, nil
	}), func(l *limits) { l.asks = 1 })
	first := make(chan int, 1)
	go func() {
		status, _, _ := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
		first <- status
	}()
	<-began
	status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
	if status != 503 || text != "too many requests at a time\n" {
		t.Errorf("second answer = %d %q", status, text)
	}
	close(release)
	if status := <-first; status != 202 {
		t.Errorf("first answer = %d, want 202", status)
	}
}

func TestRefusalsOfStrangersDoNotFillTheLog(t *testing.T) {
	server := start(t, unasked(t), nil)
	for range 200 {
		r := delivery(server.url+"/github", "issue_comment", "{}")
		r.Header.Set("X-Hub-Signature-256", "none")
		r.Header.Set("X-GitHub-Delivery", "x\u202e"+strings.Repeat("y", 5000))
		if status, _, _ := send(t, r); status != 403 {
			t.Fatalf("answer = %d, want 403", status)
		}
	}
	log := server.log.String()
	if n := strings.Count(log, "status=403"); n < 1 || n >= 100 {
		t.Errorf("%d log lines for 200 refusals", n)
	}
	if len(log) > 50_000 || strings.Contains(log, "\u202e") {
		t.Errorf("the delivery's name is in the log as it came:\n%.1000s", log)
	}
}

// dial opens a connection and writes to it.
func dial(t *testing.T, server *running, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(server.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

const slowHead = "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

func TestASlowBodyIsGivenUp(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.body = 300 * time.Millisecond })
	c := dial(t, server, slowHead+"Content-Length: 1000\r\n\r\n{")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 408 {
		t.Errorf("answer = %s, want 408", resp.Status)
	}
}

func TestABodyAnnouncedTooLongIsRefusedBeforeItComes(t *testing.T) {
	server := start(t, unasked(t), nil)
	c := dial(t, server, slowHead+"Content-Length: 100001\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("answer = %s, want 413", resp.Status)
	}
}

func TestASlowHeaderIsGivenUp(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.header = 300 * time.Millisecond })
	c := dial(t, server, slowHead)
	// Whether a word is said or not, the connection ends.
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the connection did not end: %v", err)
	}
}

func TestALongHeaderIsRefused(t *testing.T) {
	server := start(t, unasked(t), nil)
	r := delivery(server.url+"/github", "ping", "{}")
	r.Header.Set("X-Long", strings.Repeat("x", 40<<10))
	if status, _, _ := send(t, r); status != 431 {
		t.Errorf("answer = %d, want 431", status)
	}
}

func TestAPromisedBodyTakesNoMemoryBeforeItComes(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.memory = 100_000; l.body = 5 * time.Second })
	for range 20 {
		dial(t, server, slowHead+"Content-Length: 100000\r\n\r\n{")
	}
	if status, _, text := send(t, delivery(server.url+"/github", "push", strings.Repeat("x", 90_000))); status != 200 {
		t.Errorf("answer = %d %s, want 200", status, text)
	}
	server.stop()
}

func TestAllBodiesTogetherHaveALimit(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.memory = firstRead })
	status, head, text := send(t, delivery(server.url+"/github", "push", strings.Repeat("x", 90_000)))
	if status != 503 || head.Get("Retry-After") == "" {
		t.Errorf("answer = %d %s, want 503", status, text)
	}
	// What was taken is given back.
	if status, _, text := send(t, delivery(server.url+"/github", "push", strings.Repeat("x", firstRead+1))); status != 200 {
		t.Errorf("answer = %d %s, want 200", status, text)
	}
}

func TestTooManyConnectionsAtOnceAreTurnedAway(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.requests = 1 })
	held := dial(t, server, slowHead+"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	// The interim answer comes when the handler reads, so it has the slot.
	if line, err := bufio.NewReader(held).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("interim answer %q, %v", line, err)
	}
	status, _, text := send(t, delivery(server.url+"/github", "ping", "{}"))
	if status != 503 || text != "too many requests at a time\n" {
		t.Errorf("answer = %d %q, want 503", status, text)
	}
	held.Close()
}

func TestTheEndWaitsForAnswersUnderWay(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	server := start(t, coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		close(began)
		<-release
		report(gitops.Progress{Phase: gitops.Accepted})
		<-ctx.Done() // a deploy that takes long is left to the core
		return gitops.Result{}, ctx.Err()
	}), nil)
	answer := make(chan int, 1)
	go func() {
		status, _, _ := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
		answer <- status
	}()
	<-began
	server.stop()
	select {
	case err := <-server.done:
		t.Fatalf("run returned %v before the answer", err)
	case <-time.After(100 * time.Millisecond):
	}
	if c, err := net.DialTimeout("tcp", strings.TrimPrefix(server.url, "http://"), time.Second); err == nil {
		c.Close()
		t.Error("a new connection is taken during the drain")
	}
	close(release)
	if status := <-answer; status != 202 {
		t.Errorf("answer = %d, want 202", status)
	}
	if err := server.end(t); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestTheEndDoesNotWaitForEver(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.drain = 200 * time.Millisecond })
	c := dial(t, server, slowHead+"Content-Length: 1000\r\n\r\n{")
	// A second request on another connection proves that the first is there.
	if status, _, _ := send(t, delivery(server.url+"/github", "ping", "{}")); status != 200 {
		t.Fatalf("answer = %d", status)
	}
	if err := server.end(t); err != nil {
		t.Errorf("run: %v", err)
	}
	_, _ = io.Copy(io.Discard, c)
}

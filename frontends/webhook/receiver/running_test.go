package receiver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
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

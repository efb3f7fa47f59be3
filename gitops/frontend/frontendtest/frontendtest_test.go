package frontendtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/gitops/frontend/frontendtest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// frontFunc is a front-end made of one function.
type frontFunc func(ctx context.Context, core frontend.Core, env frontend.Env) error

func (f frontFunc) Run(ctx context.Context, core frontend.Core, env frontend.Env) error {
	return f(ctx, core, env)
}

var comment = gitops.Request{Comment: vcs.CommentRef{
	PullRequest: vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: "tidepool-org/shoreline"}, Number: 12},
	ID:          345,
}}

// refuse is a core that knows of nothing.
var refuse = frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	report(gitops.Progress{Phase: gitops.Ignored})
	return gitops.Result{}, nil
})

func TestExecuteBringsProgressInOrderAndTheResult(t *testing.T) {
	core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		report(gitops.Progress{Phase: gitops.Running, Message: "push"})
		report(gitops.Progress{Phase: gitops.Done})
		return gitops.Result{ID: req.ID(), Markdown: "deployed"}, nil
	})
	var got []string
	var result gitops.Result
	p := frontendtest.Start(t, frontFunc(func(ctx context.Context, core frontend.Core, env frontend.Env) (err error) {
		result, err = core.Execute(ctx, comment, func(g gitops.Progress) { got = append(got, string(g.Phase)) })
		return err
	}), core, frontend.Env{})
	if code, err := p.Wait(); code != 0 || err != nil {
		t.Fatalf("got code %d and error %v", code, err)
	}
	if want := "accepted running done"; strings.Join(got, " ") != want {
		t.Errorf("got phases %q, want %q", got, want)
	}
	if result.ID != "github.com/tidepool-org/shoreline/pull/12/comment/345" || result.Markdown != "deployed" {
		t.Errorf("got result %+v", result)
	}
}

func TestFrontendGetsItsEnvironment(t *testing.T) {
	in, out := pipe(t)
	env := frontend.Env{
		Args:     []string{"deploy", "qa1"},
		Settings: json.RawMessage(`{"path":"/hook"}`),
		Secrets:  map[string][]string{"hook": {"new", "old"}},
		Stdout:   out,
	}
	p := frontendtest.Start(t, frontFunc(func(ctx context.Context, core frontend.Core, env frontend.Env) error {
		env.Log.Debug("a record", "key", "value")
		if env.Stdin != nil || env.Stderr != nil {
			return errors.New("got files that were not given")
		}
		_, err := fmt.Fprintf(env.Stdout, "%s %s %s\n", env.Args, env.Settings, env.Secrets)
		return err
	}), refuse, env)
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	got, err := io.ReadAll(in)
	if want := "[deploy qa1] {\"path\":\"/hook\"} map[hook:[new old]]\n"; err != nil || string(got) != want {
		t.Errorf("got %q and error %v, want %q", got, err, want)
	}
}

func TestExitErrorIsAnExitCodeAndNoError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code int
		text string
	}{
		{"no error", nil, 0, ""},
		{"an exit code", &frontend.ExitError{Code: 3}, 3, ""},
		{"a wrapped exit code", fmt.Errorf("refused: %w", &frontend.ExitError{Code: 4}), 4, ""},
		{"any other error", errors.New("port is taken"), 1, "port is taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := frontendtest.Start(t, frontFunc(func(context.Context, frontend.Core, frontend.Env) error { return tt.err }), refuse, frontend.Env{})
			code, err := p.Wait()
			if code != tt.code || fmt.Sprint(err) != fmt.Sprint(errOf(tt.text)) {
				t.Errorf("got code %d and error %v, want %d and %q", code, err, tt.code, tt.text)
			}
		})
	}
}

func errOf(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

func TestListenerIsServedUntilStop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := frontendtest.Start(t, hello{}, refuse, frontend.Env{Listeners: map[string]net.Listener{"http": l}})
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "hello" {
		t.Errorf("got %q", body)
	}
	if code, err := p.Stop(); code != 0 || err != nil {
		t.Errorf("stop: got code %d and error %v", code, err)
	}
}

func TestRequestIsCheckedBeforeItReachesTheCore(t *testing.T) {
	core := frontendtest.CoreFunc(func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) {
		t.Error("the core was called")
		return gitops.Result{}, nil
	})
	big := comment
	big.Comment.PullRequest.Repo.Path = strings.Repeat("x", 5<<20)
	control := comment
	control.Comment.PullRequest.Repo.Path = "o/r\n"
	for name, req := range map[string]gitops.Request{
		"neither comment nor direct": {},
		"both comment and direct":    {Comment: comment.Comment, Direct: &gitops.Direct{ID: "cli/1"}},
		"unknown verb":               {Direct: &gitops.Direct{ID: "cli/1", Command: gitops.Command{Verb: "destroy"}}},
		"message over the cap":       big,
		"control character":          control,
	} {
		t.Run(name, func(t *testing.T) {
			p := frontendtest.Start(t, frontFunc(func(ctx context.Context, core frontend.Core, env frontend.Env) error {
				_, err := core.Execute(ctx, req, nil)
				return err
			}), core, frontend.Env{})
			if _, err := p.Wait(); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestPanicOfTheCoreReachesTheFrontendAsAnError(t *testing.T) {
	core := frontendtest.CoreFunc(func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) {
		panic("secret detail")
	})
	p := frontendtest.Start(t, frontFunc(func(ctx context.Context, core frontend.Core, env frontend.Env) error {
		_, err := core.Execute(ctx, comment, nil)
		return err
	}), core, frontend.Env{})
	if _, err := p.Wait(); err == nil || !strings.Contains(err.Error(), "internal error") || strings.Contains(err.Error(), "secret detail") {
		t.Errorf("got error %v", err)
	}
}

// Progress that a front-end does not read must not hold up the core, and the
// first phase and the result must still reach it.
func TestSlowFrontendDoesNotHoldUpTheCore(t *testing.T) {
	finished := make(chan struct{})
	core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		defer close(finished)
		report(gitops.Progress{Phase: gitops.Accepted})
		for range 10_000 {
			report(gitops.Progress{Phase: gitops.Running, Message: strings.Repeat("x", 1000)})
		}
		return gitops.Result{ID: req.ID()}, nil
	})
	var first gitops.Phase
	var result gitops.Result
	p := frontendtest.Start(t, frontFunc(func(ctx context.Context, core frontend.Core, env frontend.Env) (err error) {
		result, err = core.Execute(ctx, comment, func(g gitops.Progress) {
			if first == "" {
				first = g.Phase
				select {
				case <-finished:
				case <-time.After(10 * time.Second):
					t.Error("the core waits for the front-end")
				}
			}
		})
		return err
	}), core, frontend.Env{})
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if first != gitops.Accepted || result.ID != comment.ID() {
		t.Errorf("got first phase %q and result %+v", first, result)
	}
}

// hello greets over HTTP until it is stopped.
type hello struct{}

func (hello) Run(ctx context.Context, _ frontend.Core, env frontend.Env) error {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- srv.Shutdown(context.WithoutCancel(ctx)) })
	env.Ready()
	if err := srv.Serve(env.Listeners["http"]); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// A front-end is tested like any other type: start it, talk to its surface,
// and look at what the core was asked.
func ExampleStart() {
	test := func(t *testing.T) {
		core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
			report(gitops.Progress{Phase: gitops.Accepted})
			return gitops.Result{ID: req.ID()}, nil
		})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := frontendtest.Start(t, hello{}, core, frontend.Env{
			Listeners: map[string]net.Listener{"http": l},
		})
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if _, err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	_ = test // a test function, as go test would run it
}

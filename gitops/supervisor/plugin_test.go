package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
	"github.com/tidebot-dev/tidebot/vcs"
)

// actEnv says what the test's own binary is to be instead of a test.
const actEnv = "SUPERVISOR_TEST_ACT"

func TestMain(m *testing.M) {
	act := os.Getenv(actEnv)
	switch act {
	case "":
		os.Exit(m.Run())
	case "host":
		host()
	case "early print":
		fmt.Println("hello, world")
	case "bad cookie":
		os.Setenv(pb.CookieKey, "wrong")
	case "exit at once":
		os.Exit(7)
	case "silent":
		select {}
	case "elsewhere":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc|")
		select {}
	}
	frontend.Main("test", actor(act))
}

// An actor is a front-end that does what its name says.
type actor string

func (a actor) Run(ctx context.Context, core frontend.Core, env frontend.Env) error {
	switch a {
	case "environ":
		return a.tell(ctx, core, strings.Join(os.Environ(), "\n")+"\nargs "+strings.Join(os.Args[1:], " "))
	case "given":
		return a.tell(ctx, core, fmt.Sprintf("%s %s %v", env.Args, env.Settings, env.Secrets))
	case "user":
		groups, err := os.Getgroups()
		if err != nil {
			return err
		}
		return a.tell(ctx, core, fmt.Sprintf("user %d %d group %d %d groups %v", os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups))
	case "crash":
		return errors.New("port is taken")
	case "panic":
		panic("no reason")
	case "log":
		env.Log.Debug("not wanted")
		env.Log.Info("one", "n", 1, "name", "x", "frontend", "somebody else")
		env.Log.WithGroup("g").Warn("two", "k", "v")
		fmt.Fprintln(os.Stderr, "printed")
		log.Print("logged")
		os.Stderr.WriteString(strings.Repeat("long", 100_000) + "\n")
		// At this line go-plugin's own reader panics.
		fmt.Fprintln(os.Stderr, `{"@message":1,"@level":2}`)
		env.Log.Error("last", "big", strings.Repeat("x", 100_000))
		return nil
	case "terminal":
		line := make([]byte, 100)
		n, err := env.Stdin.Read(line)
		if err != nil {
			return err
		}
		fmt.Fprintf(env.Stdout, "heard %s", line[:n])
		fmt.Fprintf(env.Stderr, "tty: %v\n", isTerminal(env.Stdout))
		return &frontend.ExitError{Code: 3}
	case "deploy":
		_, err := core.Execute(ctx, request, nil)
		return err
	case "drain":
		// The request goes on though the stop was ordered meanwhile.
		env.Ready()
		_, err := core.Execute(context.WithoutCancel(ctx), request, nil)
		return err
	case "deaf":
		env.Ready()
		select {}
	case "oversized":
		_, err := core.Execute(ctx, gitops.Request{Direct: &gitops.Direct{
			ID: "cli/1", Command: gitops.Command{Verb: gitops.Deploy}, Branch: strings.Repeat("x", 5<<20),
		}}, nil)
		if err == nil {
			return errors.New("an oversized request was taken")
		}
		return a.tell(ctx, core, "still served")
	case "serve":
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/execute" {
				var first gitops.Phase
				_, err := core.Execute(r.Context(), request, func(p gitops.Progress) { first = cmp.Or(first, p.Phase) })
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadGateway)
					return
				}
				if first == gitops.Unavailable {
					http.Error(w, "no room", http.StatusServiceUnavailable)
					return
				}
			}
			fmt.Fprint(w, os.Getpid())
		})}
		stopped := make(chan error, 1)
		context.AfterFunc(ctx, func() { stopped <- srv.Shutdown(context.WithoutCancel(ctx)) })
		env.Ready()
		if err := srv.Serve(env.Listeners["http"]); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return <-stopped
	}
	env.Ready()
	<-ctx.Done()
	return nil
}

// tell hands text to the test, which is the core.
func (actor) tell(ctx context.Context, core frontend.Core, text string) error {
	_, err := core.Execute(ctx, gitops.Request{Direct: &gitops.Direct{
		ID: "cli/1", Command: gitops.Command{Verb: gitops.Help, Services: strings.Split(text, "\n")},
	}}, nil)
	return err
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

var request = gitops.Request{Comment: vcs.CommentRef{
	PullRequest: vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: "tidepool-org/shoreline"}, Number: 12},
	ID:          345,
}}

// coreFunc is a core made of one function.
type coreFunc func(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error)

func (f coreFunc) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	return f(ctx, req, report)
}

// accept takes every request and does nothing.
var accept = coreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	report(gitops.Progress{Phase: gitops.Accepted})
	return gitops.Result{ID: req.ID()}, nil
})

// listen is a core that keeps what actor.tell said.
func listen(said *string) coreFunc {
	return func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		if req.Direct != nil {
			*said = strings.Join(req.Direct.Command.Services, "\n")
		}
		return gitops.Result{}, nil
	}
}

// host is a core in a process of its own, to be killed. It prints the
// front-end's process ID.
func host() {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	s, err := New(Options{Name: "test", Path: exe, Core: accept, Env: []string{actEnv + "=wait"}})
	if err != nil {
		panic(err)
	}
	go func() {
		for s.Status().State != Ready {
			if err := s.Status().LastError; err != nil {
				panic(err)
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Println(s.Status().PID)
	}()
	if err := s.Run(context.Background()); err != nil {
		panic(err)
	}
}

// quick is usual for people who are in a hurry.
var quick = timing{
	start:     10 * time.Second,
	ping:      50 * time.Millisecond,
	pong:      200 * time.Millisecond,
	drain:     2 * time.Second,
	bye:       time.Second,
	backoff:   20 * time.Millisecond,
	maxWait:   200 * time.Millisecond,
	healthy:   time.Minute,
	maxMisses: 3,
}

// options are for a front-end that acts as said.
func options(t testing.TB, act string) Options {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	timing := quick
	return Options{Name: "test", Path: exe, Core: accept, Env: []string{actEnv + "=" + act}, timing: &timing}
}

func newSupervisor(t testing.TB, opts Options) *Supervisor {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// background runs s until the test ends or stop is called.
func background(t testing.TB, s *Supervisor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// eventually waits until ok, and fails the test if that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}

func isReady(s *Supervisor) func() bool {
	return func() bool { return s.Status().State == Ready }
}

func tcp(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func get(t testing.TB, l net.Listener, path string) string {
	t.Helper()
	// A connection for each request: a kept one dies with the front-end.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + l.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got status %s, body %q and error %v", resp.Status, body, err)
	}
	return string(body)
}

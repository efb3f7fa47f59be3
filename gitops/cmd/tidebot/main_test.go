package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

// bin is the directory of the built programs. All tests here look from the
// outside: the real program, its real processes, Git and HTTP.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tidebot-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		// Another user, as which some tests run the program, must get in.
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for name, pkg := range map[string]string{
			"tidebot":                  "./gitops/cmd/tidebot",
			"tidebot-frontend-webhook": "./frontends/webhook",
			"tidebot-frontend-cli":     "./frontends/cli",
			"tidebot-frontend-liar":    "./gitops/cmd/tidebot/testdata/liar",
		} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
			cmd.Dir = filepath.Join("..", "..", "..")
			if out, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
				return 1
			}
		}
		bin = dir
		return m.Run()
	}())
}

// A play is a stage with the program on it.
type play struct {
	*stage.Stage
	program *stage.Process
}

func newPlay(t *testing.T) *play {
	t.Helper()
	p := &play{Stage: stage.Test(t)}
	p.start(t)
	return p
}

// start starts the program, again if need be.
func (p *play) start(t *testing.T) {
	t.Helper()
	program, err := p.Serve(t.Context(), bin, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.program = program
	t.Cleanup(func() {
		if err := program.Kill(); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{stage.ProviderToken, stage.PushToken, stage.WebhookSecret} {
			if strings.Contains(program.Log(), secret) {
				t.Errorf("the log holds the secret %s", secret)
			}
		}
		if t.Failed() {
			t.Logf("the program's log:\n%s", program.Log())
		}
	})
}

// say comments and expects the webhook to be accepted.
func (p *play) say(t *testing.T, text string) int64 {
	t.Helper()
	id, status, err := p.Say(t.Context(), stage.Person, text, stage.WebhookSecret)
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("webhook for %q: status %d, error %v; want 202", text, status, err)
	}
	return id
}

// deliver delivers a comment again.
func (p *play) deliver(t *testing.T, id int64) int {
	t.Helper()
	status, err := p.Deliver(t.Context(), id, stage.Person, stage.WebhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// answers waits for this many answers, and a little longer for one too many.
func (p *play) answers(t *testing.T, n int) []string {
	t.Helper()
	if _, err := p.AwaitAnswers(t.Context(), n); err != nil {
		t.Fatalf("%v; answers: %q", err, p.Answers())
	}
	p.idle(t)
	found := p.Answers()
	if len(found) != n {
		t.Fatalf("%d answers, want %d: %q", len(found), n, found)
	}
	return found
}

// idle waits until the program says that no request is at work, by its own
// count of those that it accepted and those that have ended.
func (p *play) idle(t *testing.T) {
	t.Helper()
	err := stage.Await(t.Context(), "no request is at work", func() bool {
		return p.metric(t, "tidebot_requests_at_work") == "0"
	})
	if err != nil {
		t.Fatal(err)
	}
}

// metric is a metric's value.
func (p *play) metric(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.SplitSeq(get(t, p.Core+"/metrics"), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	return ""
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return readAll(t, res)
}

// commits are the subjects of the commits above the first, oldest first.
func (p *play) commits(t *testing.T) []string {
	t.Helper()
	out := p.git(t, "log", "--reverse", "--format=%s", gitopstest.Branch)
	return strings.Split(out, "\n")[1:]
}

func (p *play) git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.Repository.Git(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// value is what the field holds now.
func (p *play) value(t *testing.T) string {
	t.Helper()
	_, rest, _ := strings.Cut(p.git(t, "show", gitopstest.Branch+":"+stage.File), "tag.shoreline: ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestACommentBecomesOneLineAndOneAnswer(t *testing.T) {
	p := newPlay(t)
	id := p.say(t, "/deploy qa1")
	answer := p.answers(t, 1)[0]
	for _, want := range []string{"`shoreline` on `qa1` now follows `db-jwt`", "for some-login, allowed by team tidepool-org/qa", "state=final"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
	if got := p.git(t, "log", "-1", "--format=%an/%cn", gitopstest.Branch); got != "some-login/Tidebot" {
		t.Errorf("author/committer %s", got)
	}
	want := "environments/qa1/tidepool/helmrelease.yaml | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)"
	if got := p.git(t, "show", "--format=", "--stat", gitopstest.Branch); strings.TrimSpace(got) != want {
		t.Errorf("git show --stat:\n%s", got)
	}
	if err := p.Repository.Check(); err != nil {
		t.Error(err)
	}
	reactions := func() (found []string) {
		for _, c := range p.Forge.Comments(stage.Source, stage.PullRequest) {
			if c.ID == id {
				found = c.Reactions
			}
		}
		return found
	}
	if err := stage.Await(t.Context(), "the comment has an eyes reaction", func() bool { return len(reactions()) == 1 }); err != nil {
		t.Error(err)
	}
	if err := p.program.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestTheSameWebhookManyTimesIsOneCommitAndOneAnswer(t *testing.T) {
	p := newPlay(t)
	id, err := p.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, "/deploy qa1")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if status, err := p.Deliver(context.Background(), id, stage.Person, stage.WebhookSecret); err != nil || status != http.StatusAccepted {
				t.Errorf("status %d, error %v", status, err)
			}
		})
	}
	wg.Wait()
	p.answers(t, 1)
	p.deliver(t, id)
	p.answers(t, 1)
	if got := p.commits(t); len(got) != 1 {
		t.Errorf("commits %q, want one", got)
	}
}

func TestAnOlderCommandDeliveredAgainAfterARestartDoesNotUndoANewer(t *testing.T) {
	p := newPlay(t)
	a := p.say(t, "/deploy qa1")
	p.answers(t, 1)
	p.Forge.Advance(2 * time.Second)
	p.say(t, "/default qa1")
	answers := p.answers(t, 2)
	if !strings.Contains(answers[1], "now follows the default") {
		t.Errorf("second answer:\n%s", answers[1])
	}
	// Even with its answer gone, the older command is known by its commit.
	for _, c := range p.Forge.Comments(stage.Source, stage.PullRequest) {
		if c.Author == stage.Bot {
			if err := p.Forge.DeleteComment(c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.program.Stop(); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	p.deliver(t, a)
	p.answers(t, 1)
	if answer := p.Answers()[0]; !strings.Contains(answer, "changed again since") {
		t.Errorf("answer:\n%s", answer)
	}
	if got := p.commits(t); len(got) != 2 || p.value(t) != "glob:master-*" {
		t.Errorf("commits %q, value %s; want two and the default", got, p.value(t))
	}
}

// The core is killed in the middle of a deploy; the same webhook comes again
// after it was started again.
func TestKilledCore(t *testing.T) {
	tests := []struct {
		name string
		// hold makes a step hang, and held tells that it is reached.
		hold func(*testing.T, *play) (held func() bool, release func())
	}{
		{"before the push", func(t *testing.T, p *play) (func() bool, func()) {
			p.Git.Inject(gitopstest.Fault{On: "POST git-receive-pack", Delay: time.Minute})
			return func() bool { return strings.Contains(strings.Join(p.Git.Requests(), " "), "POST git-receive-pack") }, func() {}
		}},
		{"between the push and the answer", func(t *testing.T, p *play) (func() bool, func()) {
			stop := p.Forge.Fail(vcstest.Fault{Route: createComment, Kind: vcstest.Slow})
			return func() bool { return len(p.commits(t)) == 1 && p.Forge.Requests(createComment) > 0 }, stop
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t)
			held, release := test.hold(t, p)
			id := p.say(t, "/deploy qa1")
			if err := stage.Await(t.Context(), "the step is reached", held); err != nil {
				t.Fatal(err)
			}
			if err := p.program.Kill(); err != nil {
				t.Fatal(err)
			}
			release()
			p.start(t)
			p.deliver(t, id)
			answer := p.answers(t, 1)[0]
			if !strings.Contains(answer, "now follows `db-jwt`") || !strings.Contains(answer, "state=final") {
				t.Errorf("answer:\n%s", answer)
			}
			if got := p.commits(t); len(got) != 1 {
				t.Errorf("commits %q, want one", got)
			}
		})
	}
}

func TestKilledWebhookProcessIsStartedAgainAndLosesNoConnection(t *testing.T) {
	p := newPlay(t)
	// The deploy goes on in the core when the process that brought it dies.
	p.Git.Inject(gitopstest.Fault{On: "POST git-receive-pack", Delay: time.Second})
	id := p.say(t, "/deploy qa1")
	pid := child(t, p.program.PID(), "tidebot-frontend-webhook")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// This one waits in the socket, which the core holds, for the new process.
	if status := p.deliver(t, id); status != http.StatusAccepted {
		t.Errorf("status %d, want 202", status)
	}
	p.answers(t, 1)
	if got := p.commits(t); len(got) != 1 {
		t.Errorf("commits %q, want one", got)
	}
	if again := child(t, p.program.PID(), "tidebot-frontend-webhook"); again == pid {
		t.Error("the process is the old one")
	}
}

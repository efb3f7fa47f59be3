package gitops_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// What happens when a request is carried out again because its answer was
// lost, or because another core got it too.

// again carries a request out whose answer was lost, on another core.
func (w *world) again(t *testing.T, req gitops.Request) gitops.Result {
	t.Helper()
	w.answers = nil
	w.deployer = w.newDeployer(t)
	return w.execute(t, req)
}

func (w *world) set(change func(*vcs.PullRequest)) {
	pr := w.pulls[pr12]
	change(&pr)
	w.pulls[pr12] = pr
}

// commit is a commit by somebody's hand that replaces text in the file.
func (w *world) commit(t *testing.T, at time.Time, old, new string) {
	t.Helper()
	content := strings.Replace(w.file(t, file), old, new, 1)
	bob := gitops.Signature{Name: "Bob", Email: "bob@example.com"}
	_, err := w.repository.Update(t.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		return gitops.Commit{Files: map[string][]byte{file: []byte(content)}, Author: bob, Committer: bob, Time: at, Message: "By hand"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTwoCommandsOfACommentDoNotUndoEachOtherWhenRunAgain(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/default qa1 shoreline\n/deploy qa1 shoreline") // the first one is no change
	w.execute(t, req)
	res := w.again(t, req)
	if got := w.diff(t, file, "qa1"); !strings.Contains(got, "+    fluxcd.io/tag.shoreline: glob:db-jwt-*") || len(w.log(t)) != 2 {
		t.Errorf("%d commits, the file differs by\n%s", len(w.log(t)), got)
	}
	if res.Commands[0].Outcome != gitops.Refused || res.Commands[1].Outcome != gitops.Changed {
		t.Errorf("outcomes %s and %s", res.Commands[0].Outcome, res.Commands[1].Outcome)
	}
}

// What was done is not denied because it would be refused by now.
func TestADeploymentIsToldThoughItWouldBeRefusedNow(t *testing.T) {
	for name, later := range map[string]func(*world){
		"the pull request was merged": func(w *world) { w.set(func(pr *vcs.PullRequest) { pr.State = vcs.Merged }) },
		"the permission is gone":      func(w *world) { w.permissions["alice"] = vcs.Read },
		"the team cannot be asked":    func(w *world) { w.permissions["alice"] = vcs.Read; w.fail["TeamMember"] = vcs.ErrForbidden },
		"the branch was renamed":      func(w *world) { w.set(func(pr *vcs.PullRequest) { pr.HeadBranch = "ümlaut" }) },
		"hours have passed":           func(w *world) { w.now = w.now.Add(5 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			req := w.say("alice", "/deploy qa1 shoreline")
			w.execute(t, req)
			later(w)
			c := w.again(t, req).Commands[0]
			if c.Outcome != gitops.Changed || c.Revision != w.log(t)[0].Revision || len(c.Changes) != 1 || !strings.Contains(c.Summary, "`qa1`") {
				t.Errorf("%+v, want the deployment of before", c)
			}
		})
	}
}

func TestADeploymentThatWasReplacedSinceIsNotToldAsStanding(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1 shoreline")
	w.execute(t, req)
	w.execute(t, w.say("alice", "/default qa1 shoreline"))
	c := w.again(t, req).Commands[0]
	if c.Outcome != gitops.Changed || c.Summary != "`qa1` was changed, and changed again since." {
		t.Errorf("%+v", c)
	}
}

func TestAnOldCommandThatWasNotCarriedOutHasToBeSaidAgain(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1")
	w.now = w.now.Add(20 * time.Minute)
	c := w.execute(t, req).Commands[0]
	if c.Outcome != gitops.Refused || !strings.Contains(c.Summary, "only 20 minutes after it was made") || len(w.log(t)) != 1 {
		t.Errorf("%+v", c)
	}
}

func TestCommandsOfOneSecondAreOrderedByTheirComments(t *testing.T) {
	w := newWorld(t)
	a := w.say("alice", "/deploy qa1 shoreline")
	w.now = w.now.Add(-time.Second)
	b := w.say("alice", "/default qa1 shoreline --dry-run\n/deploy qa1 shoreline @3f9c1e2")
	w.execute(t, b)
	if c := w.execute(t, a).Commands[0]; c.Outcome != gitops.Refused {
		t.Errorf("%+v, want it overtaken", c)
	}
}

// Committer dates are set by whoever commits.
func TestDatesOfOthersCommits(t *testing.T) {
	t.Run("a slow clock on top does not hide that the command was carried out", func(t *testing.T) {
		w := newWorld(t)
		req := w.say("alice", "/deploy qa1 shoreline")
		w.execute(t, req)
		w.commit(t, w.now.Add(-time.Hour), "tag.shoreline: glob:db-jwt-*", "tag.shoreline: glob:hotfix-*")
		w.again(t, req)
		if got := w.file(t, file); !strings.Contains(got, "glob:hotfix-*") || len(w.log(t)) != 3 {
			t.Errorf("%d commits, the file is\n%s", len(w.log(t)), got)
		}
	})
	t.Run("a date in the future does not block the field", func(t *testing.T) {
		w := newWorld(t)
		w.commit(t, w.now.Add(48*time.Hour), "tag.shoreline: glob:master-*", "tag.shoreline: glob:hotfix-*")
		if c := w.execute(t, w.say("alice", "/deploy qa1 shoreline")).Commands[0]; c.Outcome != gitops.Changed {
			t.Errorf("%+v, want it changed", c)
		}
	})
}

func TestAnAnswerIsTriedAgainAndPutEvenWhenTheTimeIsOver(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := &fickle{provider: w.provider, after: cancel}
	w.options.Providers = map[string]vcs.Provider{"github.com": p}
	d, err := gitops.NewDeployer(w.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Execute(ctx, w.say("alice", "/deploy qa1"), nil); err != nil {
		t.Fatal(err)
	}
	if len(w.answers) != 1 || p.tried != 2 {
		t.Errorf("%d answers after %d tries, want 1 after 2", len(w.answers), p.tried)
	}
}

// fickle puts an answer only at the second try, and only if there is time.
type fickle struct {
	*provider
	after func()
	tried int
}

func (p *fickle) PutAnswer(ctx context.Context, pr vcs.PullRequestRef, a vcs.Answer) (vcs.Answer, error) {
	p.after()
	if p.tried++; p.tried == 1 {
		return vcs.Answer{}, fmt.Errorf("put answer: %w", vcs.ErrUnavailable)
	}
	if err := ctx.Err(); err != nil {
		return vcs.Answer{}, err
	}
	return p.provider.PutAnswer(ctx, pr, a)
}

func TestACommentThatIsNotThereYetIsAskedForOnceMore(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1")
	w.options.Providers = map[string]vcs.Provider{"github.com": &lagging{provider: w.provider}}
	d, err := gitops.NewDeployer(w.options)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := d.Execute(t.Context(), req, nil); err != nil || len(res.Commands) != 1 {
		t.Errorf("result %+v, error %v", res, err)
	}
}

// lagging does not have a comment when it is first asked.
type lagging struct {
	*provider
	asked bool
}

func (p *lagging) Comment(ctx context.Context, ref vcs.CommentRef) (vcs.Comment, error) {
	if !p.asked {
		p.asked = true
		return vcs.Comment{}, vcs.ErrNotFound
	}
	return p.provider.Comment(ctx, ref)
}

func TestABranchWithAnAtSignIsNoPin(t *testing.T) {
	w := newWorld(t)
	w.set(func(pr *vcs.PullRequest) { pr.HeadBranch = "jo@fix" })
	for name, s := range w.options.Config.Services {
		s.Tag = gitops.DockerMetadata
		w.options.Config.Services[name] = s
	}
	c := w.execute(t, w.say("alice", "/deploy qa1 shoreline")).Commands[0]
	if said := strings.Join(c.Details, "\n"); !strings.Contains(said, "later pushes to `jo@fix` follow") {
		t.Errorf("said\n%s", said)
	}
}

func TestTheWayBackNamesWhatWasNamed(t *testing.T) {
	w := newWorld(t)
	c := w.execute(t, w.say("alice", "/deploy qa1 auth")).Commands[0]
	if said := strings.Join(c.Details, "\n"); !strings.Contains(said, "Back to the default: `/default qa1 auth`") {
		t.Errorf("said\n%s", said)
	}
}

// "Now follows" is said only if it does.
func TestADeploymentOfBeforeIsToldAsItStandsNow(t *testing.T) {
	for name, test := range map[string]struct {
		later func(*testing.T, *world)
		want  string
	}{
		"the branch was renamed": {
			func(_ *testing.T, w *world) { w.set(func(pr *vcs.PullRequest) { pr.HeadBranch = "renamed" }) },
			"`qa1` was changed as asked.",
		},
		"somebody changed it by hand, with a slow clock": {
			func(t *testing.T, w *world) {
				w.commit(t, w.now.Add(-time.Hour), "tag.shoreline: glob:db-jwt-*", "tag.shoreline: glob:hotfix-*")
			},
			"`qa1` was changed, and changed again since.",
		},
		"nothing happened": {func(*testing.T, *world) {}, "`shoreline` on `qa1` now follows `db-jwt`."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			req := w.say("alice", "/deploy qa1 shoreline")
			w.execute(t, req)
			test.later(t, w)
			if c := w.again(t, req).Commands[0]; c.Outcome != gitops.Changed || c.Summary != test.want {
				t.Errorf("outcome %s, summary %s; want %s", c.Outcome, c.Summary, test.want)
			}
		})
	}
}

func TestWhatCannotBeLookedUpIsNotDenied(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1 shoreline")
	w.execute(t, req)
	w.set(func(pr *vcs.PullRequest) { pr.State = vcs.Merged })
	w.options.Transports = map[string]gitops.Transport{"cluster": away{}}
	d, err := gitops.NewDeployer(w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.answers, w.deployer = nil, d
	if c := w.execute(t, req).Commands[0]; c.Outcome != gitops.Failed || !strings.Contains(c.Summary, "nothing changed by this try") {
		t.Errorf("outcome %s, summary %s", c.Outcome, c.Summary)
	}
}

// away is a repository that does not answer.
type away struct{ gitops.Transport }

func (away) View(context.Context, string, func(gitops.Tree) error) error {
	return fmt.Errorf("read: %w", gitops.ErrUnavailable)
}

// The core's own clock decides nothing about the order of comments.
func TestTheCoresClockIsSlow(t *testing.T) {
	w := newWorld(t)
	w.options.Now = func() time.Time { return w.now.Add(-10 * time.Minute) }
	d, err := gitops.NewDeployer(w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.deployer = d
	a := w.say("alice", "/deploy qa1 shoreline")
	w.execute(t, a)
	w.now = w.now.Add(8 * time.Minute)
	for range 30 {
		w.execute(t, w.say("alice", "/default qa1 shoreline"))
		w.execute(t, w.say("alice", "/deploy qa1 shoreline @3f9c1e2"))
	}
	commits := len(w.log(t))
	w.answers = nil
	if c := w.execute(t, a).Commands[0]; c.Outcome != gitops.Changed || len(w.log(t)) != commits {
		t.Errorf("%+v with %d new commits; want that it was carried out before", c, len(w.log(t))-commits)
	}
}

func TestACommandFromATerminalWithASlowClockIsNotOvertaken(t *testing.T) {
	w := newWorld(t)
	w.execute(t, w.say("alice", "/deploy qa1 shoreline"))
	w.now = w.now.Add(-2 * time.Minute)
	w.permissions[bot.Login] = vcs.Write
	req := gitops.Request{Direct: &gitops.Direct{ID: "cli/1", Command: gitops.Command{Verb: gitops.Default, Environment: "qa1", Services: []string{"shoreline"}}}}
	if c := w.execute(t, req).Commands[0]; c.Outcome != gitops.Changed {
		t.Errorf("%+v, want it changed", c)
	}
}

func TestADirectCommandNeedsAnIDOfItsKind(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"", "cli/", "ci/42"} {
		req := gitops.Request{Direct: &gitops.Direct{ID: id, Command: gitops.Command{Verb: gitops.Status}}}
		if _, err := w.deployer.Execute(t.Context(), req, nil); err == nil || !strings.Contains(err.Error(), "begins with cli/") {
			t.Errorf("ID %q: error %v", id, err)
		}
	}
}

func TestALateQuestionIsAnswered(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/diff qa1 shoreline")
	w.now = w.now.Add(time.Hour)
	c := w.execute(t, req).Commands[0]
	if said := strings.Join(c.Details, "\n"); c.Outcome != gitops.Told || !strings.Contains(said, "It would be allowed by") {
		t.Errorf("%s: said\n%s", c.Outcome, said)
	}
}

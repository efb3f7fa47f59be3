package gitops_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
)

const (
	file     = "environments/qa1/tidepool/helmrelease.yaml"
	prodFile = "environments/prod/tidepool/helmrelease.yaml"
	manifst  = `# The release.
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: tidepool
  namespace: %s
  annotations:
    fluxcd.io/automated: "true"   # leave on
    fluxcd.io/tag.shoreline: glob:master-*
    fluxcd.io/tag.auth: glob:master-*
`
)

var (
	shoreline = vcs.Repo{Provider: "github.com", Path: "tidepool-org/shoreline"}
	pr12      = vcs.PullRequestRef{Repo: shoreline, Number: 12}
	noon      = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

// A world is a deployer and all that it talks to.
type world struct {
	*provider
	repository *gitopstest.Memory
	options    gitops.Options
	deployer   *gitops.Deployer
	now        time.Time
	lastID     int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		now: noon,
		provider: &provider{
			comments:    make(map[vcs.CommentRef]vcs.Comment),
			pulls:       map[vcs.PullRequestRef]vcs.PullRequest{pr12: {Ref: pr12, State: vcs.Open, HeadBranch: "db-jwt", HeadSHA: strings.Repeat("ab", 20), URL: "https://github.com/tidepool-org/shoreline/pull/12"}},
			permissions: map[string]vcs.Permission{"alice": vcs.Write, "rita": vcs.Read, "qa-quinn": vcs.Read},
			teams:       map[string][]string{"tidepool-org/qa": {"qa-quinn"}},
			branches:    []vcs.Branch{{Name: "db-jwt", SHA: strings.Repeat("ab", 20)}},
			commits:     []string{strings.Repeat("ab", 20), "3f9c1e2" + strings.Repeat("0", 33)},
			fail:        make(map[string]error),
			questions:   make(map[string]int),
		},
		repository: gitopstest.NewMemory(map[string]string{
			file: fmt.Sprintf(manifst, "qa1"), prodFile: fmt.Sprintf(manifst, "prod"),
		}),
	}
	w.deployer = w.newDeployer(t)
	return w
}

// newDeployer is another core on the same provider and repository.
func (w *world) newDeployer(t *testing.T) *gitops.Deployer {
	t.Helper()
	service := func(name string) gitops.Service {
		s := gitops.Service{Name: name, Source: shoreline, Tag: gitops.SlashToDash, Targets: make(map[string][]gitops.Target)}
		for env, f := range map[string]string{"qa1": file, "prod": prodFile} {
			s.Targets[env] = []gitops.Target{{
				Service: name, Environment: env, File: f,
				Object:  manifest.Object{Kind: "HelmRelease", Namespace: env, Name: "tidepool"},
				Field:   manifest.Field{Type: manifest.Annotation, Name: "fluxcd.io/tag." + name},
				Pattern: "glob:{branch}-*", Pinned: "glob:{branch}-{sha}", Default: "glob:master-*",
			}}
		}
		return s
	}
	w.options = gitops.Options{
		Config: gitops.Config{
			Committer: gitops.Signature{Name: "Tidebot", Email: "tidebot@example.com"},
			Environments: map[string]gitops.Environment{
				"qa1": {Name: "qa1", Repository: "cluster", WebURL: "https://github.com/tidepool-org/cluster", Branch: gitopstest.Branch, Allow: []gitops.Rule{
					{Permission: vcs.Write}, {Provider: "github.com", Team: "tidepool-org/qa"},
				}},
				"prod": {Name: "prod", Repository: "cluster", Branch: gitopstest.Branch, Allow: []gitops.Rule{{Provider: "github.com", Team: "tidepool-org/release"}}},
			},
			Services: map[string]gitops.Service{"shoreline": service("shoreline"), "auth": service("auth")},
		},
		Providers:  map[string]vcs.Provider{"github.com": w.provider},
		Transports: map[string]gitops.Transport{"cluster": w.repository},
		Editor:     yamledit.Editor{}, Verify: yamledit.Verify,
		Now: func() time.Time { return w.now },
	}
	return w.newDeployerWith(t, w.options)
}

func (w *world) newDeployerWith(t *testing.T, o gitops.Options) *gitops.Deployer {
	t.Helper()
	d, err := gitops.NewDeployer(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// say puts a comment on the pull request and returns the request for it.
func (w *world) say(login, body string) gitops.Request {
	w.lastID++
	w.now = w.now.Add(time.Second)
	ref := vcs.CommentRef{PullRequest: pr12, ID: w.lastID}
	w.comments[ref] = vcs.Comment{
		Ref: ref, Author: vcs.User{Login: login, Email: login + "@users.noreply.github.com"}, Body: body, Created: w.now, Updated: w.now,
	}
	return gitops.Request{Comment: ref}
}

func (w *world) execute(t *testing.T, req gitops.Request) gitops.Result {
	t.Helper()
	res, err := w.deployer.Execute(t.Context(), req, nil)
	if err != nil {
		t.Fatalf("Execute(%s): %v", req.ID(), err)
	}
	return res
}

// log is the commits of the branch, newest first.
func (w *world) log(t *testing.T) []gitops.CommitInfo {
	t.Helper()
	var log []gitops.CommitInfo
	err := w.repository.View(t.Context(), gitopstest.Branch, func(tree gitops.Tree) error {
		for c, err := range tree.Log(t.Context()) {
			if err != nil {
				return err
			}
			log = append(log, c.Info())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// file is a file at the tip.
func (w *world) file(t *testing.T, path string) string {
	t.Helper()
	src, err := w.repository.ReadFile(w.log(t)[0].Revision, path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// diff is the lines of a file that differ from what the world began with.
func (w *world) diff(t *testing.T, path, env string) string {
	t.Helper()
	before, after := strings.Split(fmt.Sprintf(manifst, env), "\n"), strings.Split(w.file(t, path), "\n")
	var b strings.Builder
	for i := range after {
		if before[i] != after[i] {
			fmt.Fprintf(&b, "-%s\n+%s\n", before[i], after[i])
		}
	}
	return b.String()
}

func TestDeployIsOneCommitOfOneLineAndOneAnswer(t *testing.T) {
	w := newWorld(t)
	res := w.execute(t, w.say("alice", "/deploy qa1 shoreline"))

	want := "-    fluxcd.io/tag.shoreline: glob:master-*\n+    fluxcd.io/tag.shoreline: glob:db-jwt-*\n"
	if got := w.diff(t, file, "qa1"); got != want {
		t.Errorf("the file changed by\n%swant\n%s", got, want)
	}
	commit := w.log(t)[0]
	if commit.Author != (gitops.Signature{Name: "alice", Email: "alice@users.noreply.github.com"}) || commit.Committer.Email != "tidebot@example.com" {
		t.Errorf("author %v, committer %v", commit.Author, commit.Committer)
	}
	wantMessage := `Deploy db-jwt of shoreline to qa1

Asked for by alice on tidepool-org/shoreline#12.

Deploy-Environment: qa1
Deploy-Change: shoreline glob:master-* -> glob:db-jwt-*
Deploy-Command: github.com/tidepool-org/shoreline/pull/12/comment/1/1
Requested-By: github.com/alice
Requested-At: 2026-11-24T12:00:01Z
Pull-Request: https://github.com/tidepool-org/shoreline/pull/12
Source-Revision: abababababababababababababababababababab
Allowed-By: write permission on the source repository
`
	if d := cmp.Diff(wantMessage, commit.Message); d != "" {
		t.Errorf("message (-want +got):\n%s", d)
	}
	wantAnswer := "**`shoreline` on `qa1` now follows `db-jwt`.** · `fluxcd.io/tag.shoreline`: `glob:master-*` -> `glob:db-jwt-*`\n" +
		"[`" + commit.Revision[:7] + "`](https://github.com/tidepool-org/cluster/commit/" + commit.Revision + ") for alice, allowed by write permission on the source repository.\n" +
		"Replaces the default.\n"
	if len(w.answers) != 1 || !strings.HasPrefix(w.answers[0].Body, wantAnswer) || !w.answers[0].Final {
		t.Errorf("answers %+v\nwant one final that begins\n%s", w.answers, wantAnswer)
	}
	if res.Commands[0].Outcome != gitops.Changed || res.AnswerURL == "" {
		t.Errorf("result %+v", res)
	}
}

func TestDeployTakesAllServicesOfTheRepositoryInOneCommit(t *testing.T) {
	w := newWorld(t)
	w.execute(t, w.say("alice", "/deploy qa1"))
	if n := strings.Count(w.diff(t, file, "qa1"), "\n+"); n != 2 {
		t.Errorf("%d lines changed, want 2:\n%s", n, w.diff(t, file, "qa1"))
	}
	if n := len(w.log(t)); n != 2 {
		t.Errorf("%d commits, want the first and one more", n)
	}
}

// What is refused leaves no commit, and the answer says why and what to do.
func TestRefusals(t *testing.T) {
	edit := func(change func(*vcs.PullRequest)) func(*world) {
		return func(w *world) { pr := w.pulls[pr12]; change(&pr); w.pulls[pr12] = pr }
	}
	tests := []struct {
		name, actor, body string
		world             func(*world)
		outcome           gitops.Outcome
		answer            []string
	}{
		{"an actor whom no rule allows", "alice", "/deploy prod", nil, gitops.Refused,
			[]string{"Not deployed, nothing changed: `prod` is for team tidepool", "`alice` is none of these (asked at 12:00 UTC)", "You can deploy to `qa1`", "`/deploy prod`"}},
		{"an actor with too low a permission", "rita", "/deploy qa1", nil, gitops.Refused, []string{"`qa1` is for", "no environment that you can deploy to"}},
		{"a default by somebody whom no rule allows", "rita", "/default qa1", nil, gitops.Refused, []string{"`qa1` is for"}},
		{"an unknown environment", "alice", "/deploy qa9", nil, gitops.Refused, []string{"no environment `qa9`", "You can deploy to `qa1`"}},
		{"an unknown service", "alice", "/deploy qa1 blip", nil, gitops.Refused, []string{"no service `blip`", "On `qa1` there is `auth`, `shoreline`"}},
		{"a fork", "alice", "/deploy qa1", edit(func(pr *vcs.PullRequest) { pr.Fork = true }), gitops.Refused, []string{"comes from a fork"}},
		{"a merged pull request", "alice", "/deploy qa1", edit(func(pr *vcs.PullRequest) { pr.State = vcs.Merged }), gitops.Refused, []string{"is merged", "`/default qa1`"}},
		{"a branch that no image can be named after", "alice", "/deploy qa1", edit(func(pr *vcs.PullRequest) { pr.HeadBranch = "ümlaut" }), gitops.Refused, []string{"no image of `ümlaut` can be named"}},
		{"a commit that is not of the pull request", "alice", "/deploy qa1 @1234567", nil, gitops.Refused, []string{"no commit `1234567`"}},
		{"a surplus argument", "alice", "/deploy", nil, gitops.Refused, []string{"/deploy <environment>"}},
		{"permission that cannot be asked", "qa-quinn", "/deploy qa1", func(w *world) { w.fail["TeamMember"] = vcs.ErrForbidden }, gitops.Refused, []string{"could not be found out", "Say it again"}},
		{"a push that a hook rejects", "alice", "/deploy qa1", func(w *world) {
			w.repository.Inject(gitopstest.Failure{Err: fmt.Errorf("%w: hook says: frozen", gitops.ErrRejected)})
		}, gitops.Failed, []string{"Failed, nothing changed", "hook says: frozen"}},
		{"a repository that is away", "alice", "/deploy qa1", func(w *world) { w.repository.Inject(gitopstest.Failure{Err: gitops.ErrUnavailable}) }, gitops.Failed, []string{"Failed, nothing changed", "not available"}},
		{"a push whose outcome is not known", "alice", "/deploy qa1", func(w *world) { w.repository.Inject(gitopstest.Failure{Err: gitops.ErrUnknown}) }, gitops.Unknown, []string{"It is not known whether", "`/status qa1`"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.world != nil {
				test.world(w)
			}
			res := w.execute(t, w.say(test.actor, test.body))
			if len(res.Commands) != 1 || res.Commands[0].Outcome != test.outcome {
				t.Fatalf("result %+v, want one command that is %s", res, test.outcome)
			}
			said := strings.Join(append([]string{res.Commands[0].Summary}, res.Commands[0].Details...), "\n")
			for _, want := range test.answer {
				if !strings.Contains(said, want) {
					t.Errorf("said\n%s\nwhich lacks %q", said, want)
				}
			}
			if len(w.answers) != 1 {
				t.Errorf("%d answers, want 1", len(w.answers))
			}
			if n := len(w.log(t)); n != 1 {
				t.Errorf("%d commits, want no new one", n)
			}
		})
	}
}

// What is none of ours gets neither a commit nor an answer.
func TestSilence(t *testing.T) {
	tests := []struct {
		name, actor, body string
		world             func(*world, gitops.Request)
	}{
		{"a stranger", "mallory", "/deploy qa1", nil},
		{"a reader of a public repository whom no rule names", "rita", "/help", func(w *world, _ gitops.Request) {
			pr := w.pulls[pr12]
			pr.Public = true
			w.pulls[pr12] = pr
		}},
		{"an edited comment", "alice", "/deploy qa1", func(w *world, req gitops.Request) {
			c := w.comments[req.Comment]
			c.Updated = c.Updated.Add(time.Second)
			w.comments[req.Comment] = c
		}},
		{"a bot", "alice", "/deploy qa1", func(w *world, req gitops.Request) {
			c := w.comments[req.Comment]
			c.Author.Bot = true
			w.comments[req.Comment] = c
		}},
		{"the bot itself", bot.Login, "/deploy qa1", nil},
		{"a deleted comment", "alice", "/deploy qa1", func(w *world, req gitops.Request) { delete(w.comments, req.Comment) }},
		{"no command", "alice", "please do not /deploy qa1", nil},
		{"somebody else's command", "alice", "/hold", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			req := w.say(test.actor, test.body)
			if test.world != nil {
				test.world(w, req)
			}
			res := w.execute(t, req)
			if len(res.Commands) != 0 || len(w.answers) != 0 || len(w.log(t)) != 1 {
				t.Errorf("result %+v, answers %v, %d commits; want silence", res, w.answers, len(w.log(t)))
			}
		})
	}
}

// A repository has many spellings; a request has one ID.
func TestAnotherSpellingOfTheRepositoryIsTheSameRequest(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1 shoreline")
	w.execute(t, req)
	w.execute(t, w.say("alice", "/default qa1 shoreline"))
	w.answers = nil // so that only the commit can tell
	req.Comment.PullRequest.Repo.Path = "Tidepool-Org/SHORELINE"
	res := w.execute(t, req)
	if len(w.log(t)) != 3 || res.ID != "github.com/tidepool-org/shoreline/pull/12/comment/1" {
		t.Errorf("%d commits, request %s; want that it was carried out before", len(w.log(t)), res.ID)
	}
}

func TestRepositoryWithoutServicesIsIgnoredUnasked(t *testing.T) {
	w := newWorld(t)
	req := gitops.Request{Comment: vcs.CommentRef{PullRequest: vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: "other/place"}, Number: 1}, ID: 1}}
	var first gitops.Phase
	if _, err := w.deployer.Execute(t.Context(), req, func(p gitops.Progress) { first = p.Phase }); err != nil || first != gitops.Ignored {
		t.Errorf("phase %q, error %v, want ignored", first, err)
	}
	if len(w.questions) != 0 {
		t.Errorf("the provider was asked %v", w.questions)
	}
}

func TestTheSameRequestManyTimesIsOneCommitAndOneAnswer(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1")
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := w.deployer.Execute(context.Background(), req, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.execute(t, req)
	if len(w.log(t)) != 2 || len(w.answers) != 1 {
		t.Errorf("%d commits and %d answers, want one new commit and one answer", len(w.log(t)), len(w.answers))
	}
}

// The process dies between the push and the answer: another one that gets the
// request again finds the commit, and gives the answer of then.
func TestAnAnswerLostAfterThePushIsGivenLater(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1 shoreline")
	w.fail["PutAnswer"] = vcs.ErrUnavailable
	if _, err := w.deployer.Execute(t.Context(), req, nil); !errors.Is(err, vcs.ErrUnavailable) {
		t.Fatalf("error %v, want that the answer was not put", err)
	}
	delete(w.fail, "PutAnswer")
	w.deployer = w.newDeployer(t)
	w.now = w.now.Add(time.Hour)
	res := w.execute(t, req)
	if len(w.log(t)) != 2 || res.Commands[0].Outcome != gitops.Changed || res.Commands[0].Revision != w.log(t)[0].Revision {
		t.Errorf("%d commits, result %+v; want the one commit answered", len(w.log(t)), res.Commands[0])
	}
	if ch := res.Commands[0].Changes; len(ch) != 1 || ch[0].Old != "glob:master-*" || ch[0].New != "glob:db-jwt-*" {
		t.Errorf("changes %+v", ch)
	}
}

func TestTheNewestCommandWins(t *testing.T) {
	w := newWorld(t)
	a := w.say("alice", "/deploy qa1 shoreline")
	b := w.say("alice", "/default qa1 shoreline")
	c := w.say("alice", "/deploy qa1 shoreline @3f9c1e2")
	w.execute(t, c)
	for _, older := range []gitops.Request{a, b} {
		res := w.execute(t, older)
		if res.Commands[0].Outcome != gitops.Refused || !strings.Contains(res.Commands[0].Summary, "was set by a later command of `github.com/alice`") {
			t.Errorf("older command: %+v, want it refused", res.Commands[0])
		}
	}
	if got := w.diff(t, file, "qa1"); !strings.Contains(got, "glob:db-jwt-3f9c1e2") {
		t.Errorf("the file changed by\n%s", got)
	}
}

func TestALaterCommitByHandWins(t *testing.T) {
	w := newWorld(t)
	req := w.say("alice", "/deploy qa1 shoreline")
	w.now = w.now.Add(time.Minute)
	byHand := strings.Replace(w.file(t, file), "tag.shoreline: glob:master-*", "tag.shoreline: glob:hotfix-*", 1)
	_, err := w.repository.Update(t.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		person := gitops.Signature{Name: "Bob", Email: "bob@example.com"}
		return gitops.Commit{Files: map[string][]byte{file: []byte(byHand)}, Author: person, Committer: person, Time: w.now, Message: "Hotfix\n\nDeploy-Command: github.com/tidepool-org/shoreline/pull/12/comment/1/1\n"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	res := w.execute(t, req)
	if res.Commands[0].Outcome != gitops.Refused || !strings.Contains(res.Commands[0].Summary, "later commit by `Bob`") {
		t.Errorf("%+v, want it refused in favour of Bob", res.Commands[0])
	}
}

func TestAnAnswerSaysWhatItReplaces(t *testing.T) {
	w := newWorld(t)
	w.execute(t, w.say("alice", "/deploy qa1 shoreline"))
	res := w.execute(t, w.say("qa-quinn", "/deploy qa1 shoreline @3f9c1e2"))
	said := strings.Join(res.Commands[0].Details, "\n")
	if !strings.Contains(said, "Replaces `glob:db-jwt-*` of `github.com/alice` from https://github.com/tidepool-org/shoreline/pull/12") {
		t.Errorf("said\n%s", said)
	}
	if res.Commands[0].AllowedBy != "team tidepool-org/qa" {
		t.Errorf("allowed by %q", res.Commands[0].AllowedBy)
	}
}

func TestTheSameValueAgainMakesNoCommit(t *testing.T) {
	w := newWorld(t)
	w.execute(t, w.say("alice", "/deploy qa1"))
	res := w.execute(t, w.say("alice", "/deploy qa1"))
	if res.Commands[0].Outcome != gitops.Unchanged || len(w.log(t)) != 2 {
		t.Errorf("%+v with %d commits, want it unchanged", res.Commands[0], len(w.log(t)))
	}
}

func TestDefaultGoesBackAndWorksOnAClosedPullRequest(t *testing.T) {
	w := newWorld(t)
	w.execute(t, w.say("alice", "/deploy qa1"))
	pr := w.pulls[pr12]
	pr.State = vcs.Closed
	w.pulls[pr12] = pr
	res := w.execute(t, w.say("alice", "/default qa1"))
	if res.Commands[0].Outcome != gitops.Changed || w.diff(t, file, "qa1") != "" {
		t.Errorf("%+v, file differs by\n%s", res.Commands[0], w.diff(t, file, "qa1"))
	}
}

func TestDiffAndDryRunChangeNothingAndSayWhetherItIsAllowed(t *testing.T) {
	for body, want := range map[string]string{
		"/diff qa1 shoreline":             "would then follow `db-jwt`. Nothing was changed.",
		"/deploy qa1 shoreline --dry-run": "would then follow `db-jwt`. Nothing was changed.",
		"/diff prod shoreline":            "But it would be refused",
	} {
		t.Run(body, func(t *testing.T) {
			w := newWorld(t)
			res := w.execute(t, w.say("alice", body))
			c := res.Commands[0]
			if c.Outcome != gitops.Told || len(c.Changes) != 1 || c.Changes[0].NewText != "    fluxcd.io/tag.shoreline: glob:db-jwt-*" {
				t.Errorf("%+v", c)
			}
			if said := c.Summary + strings.Join(c.Details, "\n"); !strings.Contains(said, want) {
				t.Errorf("said %s\nwant %q in it", said, want)
			}
			if len(w.log(t)) != 1 {
				t.Error("there is a commit")
			}
		})
	}
}

func TestStatusTellsWhoSetWhatAndWhatWasChangedByHand(t *testing.T) {
	w := newWorld(t)
	w.execute(t, w.say("alice", "/deploy qa1"))
	byHand := strings.Replace(w.file(t, file), "tag.auth: glob:db-jwt-*", "tag.auth: glob:hotfix-*", 1)
	if _, err := w.repository.Update(t.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		person := gitops.Signature{Name: "Bob", Email: "bob@example.com"}
		return gitops.Commit{Files: map[string][]byte{file: []byte(byHand)}, Author: person, Committer: person, Time: w.now, Message: "Hotfix"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	res := w.execute(t, w.say("rita", "/query qa1"))
	type row struct {
		Service, Value, By string
		Default, ByHand    bool
	}
	var got []row
	for _, f := range res.Commands[0].Status {
		got = append(got, row{f.Target.Service, f.Value, f.By, f.Default, f.ByHand})
	}
	want := []row{{"auth", "glob:hotfix-*", "", false, true}, {"shoreline", "glob:db-jwt-*", "github.com/alice", false, false}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
	if !strings.Contains(w.answers[len(w.answers)-1].Body, "| `qa1` | `auth` | `glob:hotfix-*` |  | changed by hand |") {
		t.Errorf("answer\n%s", w.answers[len(w.answers)-1].Body)
	}
}

func TestSeveralCommandsInACommentGetOneAnswer(t *testing.T) {
	w := newWorld(t)
	res := w.execute(t, w.say("alice", "Let us see.\n/deploy qa1 shoreline\n\n/deploy prod\n/status qa1"))
	var outcomes []gitops.Outcome
	for _, c := range res.Commands {
		outcomes = append(outcomes, c.Outcome)
	}
	if d := cmp.Diff([]gitops.Outcome{gitops.Changed, gitops.Refused, gitops.Told}, outcomes); d != "" || len(w.answers) != 1 {
		t.Errorf("outcomes (-want +got):\n%s%d answers", d, len(w.answers))
	}
}

func TestTheGuardStopsAWrongEdit(t *testing.T) {
	w := newWorld(t)
	o := w.options
	o.Editor = sloppy{}
	d, err := gitops.NewDeployer(o)
	if err != nil {
		t.Fatal(err)
	}
	w.deployer = d
	res := w.execute(t, w.say("alice", "/deploy qa1 shoreline"))
	if c := res.Commands[0]; c.Outcome != gitops.Failed || !strings.Contains(c.Summary, "the guard") || len(w.log(t)) != 1 {
		t.Errorf("%+v, want that the guard stops it", c)
	}
}

// sloppy is an editor that drops comments, as many do.
type sloppy struct{ yamledit.Editor }

func (s sloppy) Edit(src []byte, edits ...manifest.Edit) ([]byte, []manifest.Change, error) {
	out, changes, err := s.Editor.Edit(src, edits...)
	return []byte(strings.Replace(string(out), "   # leave on", "", 1)), changes, err
}

func TestACommandFromATerminalIsItsOwners(t *testing.T) {
	w := newWorld(t)
	w.permissions[bot.Login] = vcs.Write // the token is this person's own
	req := gitops.Request{Direct: &gitops.Direct{
		ID: "cli/0190", Branch: "db-jwt", Command: gitops.Command{Verb: gitops.Deploy, Environment: "QA1", Services: []string{"Shoreline"}},
	}}
	res := w.execute(t, req)
	if res.Commands[0].Outcome != gitops.Changed || len(w.answers) != 0 {
		t.Fatalf("%+v, %d answers", res.Commands[0], len(w.answers))
	}
	if c := w.log(t)[0]; c.Author.Name != bot.Login || c.Committer != c.Author {
		t.Errorf("author %v, committer %v", c.Author, c.Committer)
	}
	req.Direct.ID, req.Direct.Branch = "cli/0191", "no-such"
	if res := w.execute(t, req); res.Commands[0].Outcome != gitops.Refused || !strings.Contains(res.Commands[0].Summary, "no branch `no-such`") {
		t.Errorf("%+v", res.Commands[0])
	}
}

func TestEveryLineOfTheLogSaysWhichCommandOrRequestItIsAbout(t *testing.T) {
	var log strings.Builder
	w := newWorld(t)
	w.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.deployer = w.newDeployerWith(t, w.options)
	w.fail["TeamMember"] = vcs.ErrForbidden
	w.execute(t, w.say("rita", "/deploy qa1")) // a rule cannot be asked
	w.repository.Inject(gitopstest.Failure{Err: gitops.ErrRejected})
	w.execute(t, w.say("alice", "/deploy qa1\n/status"))
	w.execute(t, w.say("mallory", "no command"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for _, line := range lines {
		if !strings.Contains(line, "command=github.com/tidepool-org/") && !strings.Contains(line, "request=github.com/tidepool-org/") {
			t.Errorf("line %s", line)
		}
	}
	if len(lines) != 6 {
		t.Errorf("%d lines, want 6:\n%s", len(lines), log.String())
	}
}

func TestOverlapIsTold(t *testing.T) {
	w := newWorld(t)
	w.branches = append(w.branches, vcs.Branch{Name: "db-jwt-v2"})
	res := w.execute(t, w.say("alice", "/deploy qa1 shoreline"))
	if said := strings.Join(res.Commands[0].Details, "\n"); !strings.Contains(said, "takes images of the branch `db-jwt-v2` too") {
		t.Errorf("said\n%s", said)
	}
}

func TestNewDeployerSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	for want, breakIt := range map[string]func(*gitops.Options){
		"no Editor":              func(o *gitops.Options) { o.Editor = nil },
		"no Verify":              func(o *gitops.Options) { o.Verify = nil },
		"committer":              func(o *gitops.Options) { o.Config.Committer.Email = "" },
		"no transport for":       func(o *gitops.Options) { o.Transports = nil },
		"no provider github.com": func(o *gitops.Options) { o.Providers = nil },
	} {
		o := w.options
		breakIt(&o)
		if _, err := gitops.NewDeployer(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

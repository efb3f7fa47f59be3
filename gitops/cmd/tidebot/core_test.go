package main

import (
	"log/slog"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
)

func testCore(t *testing.T) *core {
	t.Helper()
	source := vcs.Repo{Provider: "github.com", Path: "o/r"}
	d, err := gitops.NewDeployer(gitops.Options{
		Config: gitops.Config{
			Committer: gitops.Signature{Name: "Tidebot", Email: "tidebot@example.com"},
			Services:  map[string]gitops.Service{"s": {Name: "s", Source: source}},
		},
		Providers: map[string]vcs.Provider{"github.com": panicking{}},
		Editor:    yamledit.Editor{}, Verify: yamledit.Verify,
	})
	if err != nil {
		t.Fatal(err)
	}
	return newCore(d, false, slog.New(slog.DiscardHandler), newMetrics())
}

// panicking is a provider that must not be asked.
type panicking struct{ vcs.Provider }

func comment(path string) gitops.Request {
	pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: path}, Number: 1}
	return gitops.Request{Comment: vcs.CommentRef{PullRequest: pr, ID: 1}}
}

func TestCoreTurnsAwayWhatItHasNoRoomFor(t *testing.T) {
	c := testCore(t)
	for range cap(c.accepted) {
		c.accepted <- struct{}{}
	}
	for path, want := range map[string]gitops.Phase{"o/r": gitops.Unavailable, "some/other": gitops.Ignored} {
		var phases []gitops.Phase
		res, err := c.Execute(t.Context(), comment(path), func(p gitops.Progress) { phases = append(phases, p.Phase) })
		if err != nil || len(res.Commands) != 0 || len(phases) != 1 || phases[0] != want {
			t.Errorf("%s: phases %q, result %+v, error %v; want %s", path, phases, res, err, want)
		}
	}
}

func TestCoreOfTheServerTakesNoCommandWithoutAComment(t *testing.T) {
	c := testCore(t)
	var first gitops.Phase
	req := gitops.Request{Direct: &gitops.Direct{ID: "cli/1", Command: gitops.Command{Verb: gitops.Status}}}
	if _, err := c.Execute(t.Context(), req, func(p gitops.Progress) { first = p.Phase }); err != nil || first != gitops.Ignored {
		t.Errorf("phase %q, error %v; want it ignored", first, err)
	}
}

func TestCoreSurvivesAPanic(t *testing.T) {
	c := testCore(t)
	_, err := c.Execute(t.Context(), comment("o/r"), func(gitops.Progress) {})
	if err == nil {
		t.Fatal("no error of a request that panicked")
	}
	if len(c.accepted) != 0 || len(c.working) != 0 {
		t.Errorf("%d accepted, %d at work after a panic; want their places free", len(c.accepted), len(c.working))
	}
}

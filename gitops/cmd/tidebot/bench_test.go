package main

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
)

// BenchmarkWebhook measures from the delivery of a signed webhook to the 202,
// with the real processes and each delivery a deploy that is carried out
// meanwhile.
func BenchmarkWebhook(b *testing.B) {
	s := stage.Test(b)
	program, err := s.Serve(b.Context(), bin, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = program.Kill() }()
	texts := []string{"/deploy qa1", "/default qa1"}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		// A few deploys are at work all the time, but no more than are
		// accepted at once.
		if err := stage.Await(b.Context(), "there is room", func() bool { return i < 50+len(s.Answers()) }); err != nil {
			b.Fatal(err)
		}
		id, err := s.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, texts[i%2])
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		began := time.Now()
		status, err := s.Deliver(b.Context(), id, stage.Person, stage.WebhookSecret)
		took = append(took, time.Since(began))
		if err != nil || status != http.StatusAccepted {
			b.Fatalf("status %d, error %v", status, err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
}

// BenchmarkExecute measures a whole deploy, from the comment to the answer,
// over HTTP to a Git server and a provider on this machine. It reports how
// many requests each takes.
func BenchmarkExecute(b *testing.B) {
	s := stage.Test(b)
	d := benchDeployer(b, s)
	texts := []string{"/deploy qa1", "/default qa1"}
	execute := func(text string) {
		id, err := s.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, text)
		if err != nil {
			b.Fatal(err)
		}
		pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: stage.Source}, Number: stage.PullRequest}
		res, err := d.Execute(b.Context(), gitops.Request{Comment: vcs.CommentRef{PullRequest: pr, ID: id}}, nil)
		if err != nil || res.Commands[0].Outcome != gitops.Changed {
			b.Fatalf("result %+v, error %v", res, err)
		}
	}
	execute(texts[0]) // the first one meets the servers
	_ = s.Git.Requests()
	before := s.Forge.Requests("")
	n := 0
	for b.Loop() {
		n++
		execute(texts[n%2])
	}
	b.ReportMetric(float64(len(s.Git.Requests()))/float64(n), "git-requests/op")
	b.ReportMetric(float64(s.Forge.Requests("")-before)/float64(n), "provider-requests/op")
}

func benchDeployer(b *testing.B, s *stage.Stage) *gitops.Deployer {
	b.Helper()
	provider, err := github.New(github.Options{BaseURL: s.Forge.URL(), Token: github.StaticToken(stage.ProviderToken)})
	if err != nil {
		b.Fatal(err)
	}
	transport, err := gitwire.New(gitwire.Options{URL: s.Git.URL, Token: func(context.Context) (string, string, error) {
		return "x-access-token", stage.PushToken, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	f, err := load(s.Config)
	if err != nil {
		b.Fatal(err)
	}
	d, err := gitops.NewDeployer(gitops.Options{
		Config: f.Gitops(), Providers: map[string]vcs.Provider{"github.com": provider},
		Transports: map[string]gitops.Transport{"github.com/tidepool-org/cluster-qa1": transport},
		Editor:     yamledit.Editor{}, Verify: yamledit.Verify,
	})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

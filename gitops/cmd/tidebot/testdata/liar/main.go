// Command liar is a front-end that was taken over: it asks the core for all
// that it should not get.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/vcs"
)

func main() { frontend.Main("liar", liar{}) }

type liar struct{}

// settings say which comments there are to lie about.
type settings struct {
	Repository string `json:"repository"`
	Number     int64  `json:"number"`
	// Innocent is a comment without a command, Denied a command of somebody
	// who may not, Elsewhere a command on another pull request.
	Innocent  int64 `json:"innocent"`
	Denied    int64 `json:"denied"`
	Elsewhere int64 `json:"elsewhere"`
}

// Run tells each lie, and says it is ready when all are told.
func (liar) Run(ctx context.Context, core frontend.Core, env frontend.Env) error {
	var s settings
	if err := json.Unmarshal(env.Settings, &s); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: s.Repository}, Number: s.Number}
	comment := func(id int64) gitops.Request {
		return gitops.Request{Comment: vcs.CommentRef{PullRequest: pr, ID: id}}
	}
	deploy := gitops.Command{Verb: gitops.Deploy, Environment: "qa1", Services: []string{"shoreline"}}
	lies := map[string]gitops.Request{
		"a command without a comment": {Direct: &gitops.Direct{ID: "cli/1", Provider: "github.com", Branch: "db-jwt", Command: deploy}},
		"one on the pull request":     {Direct: &gitops.Direct{ID: comment(s.Innocent).ID(), Provider: "github.com", PullRequest: &pr, Command: deploy}},
		"a comment without a command": comment(s.Innocent),
		"somebody else's permission":  comment(s.Denied),
		"another pull request":        comment(s.Elsewhere),
		"no such comment":             comment(1),
	}
	for what, req := range lies {
		res, err := core.Execute(ctx, req, func(gitops.Progress) {})
		env.Log.Info("lie told", "lie", what, "commands", len(res.Commands), "error", err)
	}
	var wg sync.WaitGroup
	for i := range int64(3000) {
		wg.Go(func() { _, _ = core.Execute(ctx, comment(1_000_000+i), func(gitops.Progress) {}) })
	}
	wg.Wait()
	env.Ready()
	<-ctx.Done()
	return nil
}

// Command embed is a program of its own with Tidebot inside: it carries out
// the commands of one comment. No plugin and no gRPC is linked in.
//
//	embed tidebot.yaml tidepool-org/shoreline 12 345
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
)

// deploy carries out the commands of a comment and returns the answer, which
// is on the pull request by then.
func deploy(ctx context.Context, configuration, token string, comment vcs.CommentRef) (string, error) {
	file, err := config.Load(configuration)
	if err != nil {
		return "", err
	}
	provider, err := github.New(github.Options{BaseURL: os.Getenv("GITHUB_API_URL"), Token: github.StaticToken(token)})
	if err != nil {
		return "", err
	}
	const cluster = "github.com/tidepool-org/cluster-qa1"
	transport, err := gitwire.New(gitwire.Options{
		URL:   file.Repositories[cluster].URL,
		Token: func(context.Context) (string, string, error) { return "x-access-token", token, nil },
	})
	if err != nil {
		return "", err
	}
	bot, err := gitops.NewDeployer(gitops.Options{
		Config:     file.Gitops(),
		Providers:  map[string]vcs.Provider{"github.com": provider},
		Transports: map[string]gitops.Transport{cluster: transport},
		Editor:     yamledit.Editor{}, Verify: yamledit.Verify,
	})
	if err != nil {
		return "", err
	}
	result, err := bot.Execute(ctx, gitops.Request{Comment: comment}, nil)
	return result.Markdown, err
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: embed tidebot.yaml owner/repository pull-request comment")
	}
	number, badNumber := strconv.ParseInt(os.Args[3], 10, 64)
	id, badID := strconv.ParseInt(os.Args[4], 10, 64)
	if err := errors.Join(badNumber, badID); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: os.Args[2]}, Number: number}
	answer, err := deploy(ctx, os.Args[1], os.Getenv("GITHUB_TOKEN"), vcs.CommentRef{PullRequest: pr, ID: id})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(answer)
}

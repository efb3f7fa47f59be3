package github_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

func Example() {
	// A forge in this process stands in for github.com.
	forge, err := vcstest.NewForge(vcstest.World{
		Users:  []vcstest.User{{Login: "tide", Bot: true}, {Login: "ann"}},
		Tokens: map[string]string{"secret": "tide"},
		Repos: []vcstest.Repo{{
			Path:   "acme/shop",
			Access: map[string]vcs.Permission{"tide": vcs.Write, "ann": vcs.Maintain},
			PullRequests: []vcstest.PullRequest{{
				Number: 12, Author: "ann", HeadBranch: "db-jwt", BaseBranch: "main",
				Commits: []string{"6dcb09b5b57875f334f61aebed695e2e4193db5e"},
			}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer forge.Close()

	provider, err := github.New(github.Options{
		BaseURL: forge.URL(), // leave out for github.com
		Token:   github.StaticToken("secret"),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: "acme/shop"}, Number: 12}
	permission, err := provider.Permission(ctx, pr.Repo, "ann")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ann may", permission)

	answer, err := provider.PutAnswer(ctx, pr, vcs.Answer{Key: "example/1", Body: "At work."})
	if err != nil {
		log.Fatal(err)
	}
	answer.Body, answer.Final = "qa1 now follows db-jwt.", true
	if _, err := provider.PutAnswer(ctx, pr, answer); err != nil {
		log.Fatal(err)
	}
	for _, c := range forge.Comments("acme/shop", 12) {
		fmt.Println(c.Body)
	}
	// Output:
	// ann may maintain
	// <!-- tidebot key=example/1 state=final -->
	// qa1 now follows db-jwt.
}

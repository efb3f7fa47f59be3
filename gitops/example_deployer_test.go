package gitops_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

// A deploy from the comment to the commit. The forge and the repository are in
// this process; with a github.Provider for github.com and a gitwire.Transport
// it is the real thing.
func ExampleDeployer_Execute() {
	forge, err := vcstest.NewForge(vcstest.World{
		Users:  []vcstest.User{{Login: "tidebot"}, {Login: "ann"}},
		Tokens: map[string]string{"secret": "tidebot"},
		Repos: []vcstest.Repo{{
			Path:     "acme/shop",
			Access:   map[string]vcs.Permission{"tidebot": vcs.Write, "ann": vcs.Write},
			Branches: map[string]string{"db-jwt": "6dcb09b5b57875f334f61aebed695e2e4193db5e"},
			PullRequests: []vcstest.PullRequest{{
				Number: 12, Author: "ann", State: vcs.Open, HeadBranch: "db-jwt", BaseBranch: "main",
				Commits: []string{"6dcb09b5b57875f334f61aebed695e2e4193db5e"},
			}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = forge.Close() }()
	provider, err := github.New(github.Options{BaseURL: forge.URL(), Token: github.StaticToken("secret")})
	if err != nil {
		log.Fatal(err)
	}
	cluster := gitopstest.NewMemory(map[string]string{"shop.yaml": `kind: HelmRelease
metadata:
  name: shop
  annotations:
    fluxcd.io/tag.shop: glob:main-*   # Flux reads this
`})

	source := vcs.Repo{Provider: "github.com", Path: "acme/shop"}
	bot, err := gitops.NewDeployer(gitops.Options{
		Config: gitops.Config{
			Committer: gitops.Signature{Name: "Tidebot", Email: "tidebot@acme.example"},
			Environments: map[string]gitops.Environment{"qa1": {
				Name: "qa1", Repository: "cluster", Branch: gitopstest.Branch, Allow: []gitops.Rule{{Permission: vcs.Write}},
			}},
			Services: map[string]gitops.Service{"shop": {
				Name: "shop", Source: source, Tag: gitops.SlashToDash,
				Targets: map[string][]gitops.Target{"qa1": {{
					Service: "shop", Environment: "qa1", File: "shop.yaml",
					Object:  manifest.Object{Kind: "HelmRelease", Name: "shop"},
					Field:   manifest.Field{Type: manifest.Annotation, Name: "fluxcd.io/tag.shop"},
					Pattern: "glob:{branch}-*", Default: "glob:main-*",
				}}},
			}},
		},
		Providers:  map[string]vcs.Provider{"github.com": provider},
		Transports: map[string]gitops.Transport{"cluster": cluster},
		Editor:     yamledit.Editor{}, Verify: yamledit.Verify,
	})
	if err != nil {
		log.Fatal(err)
	}

	id, err := forge.AddComment("acme/shop", 12, "ann", "/deploy qa1")
	if err != nil {
		log.Fatal(err)
	}
	comment := vcs.CommentRef{PullRequest: vcs.PullRequestRef{Repo: source, Number: 12}, ID: id}
	result, err := bot.Execute(context.Background(), gitops.Request{Comment: comment}, nil)
	if err != nil {
		log.Fatal(err)
	}
	change := result.Commands[0].Changes[0]
	fmt.Println(result.Commands[0].Summary)
	fmt.Println("-" + change.OldText)
	fmt.Println("+" + change.NewText)
	// Output:
	// `shop` on `qa1` now follows `db-jwt`.
	// -    fluxcd.io/tag.shop: glob:main-*   # Flux reads this
	// +    fluxcd.io/tag.shop: glob:db-jwt-*   # Flux reads this
}

package vcstest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github/webhook"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

func Example() {
	forge, err := vcstest.NewForge(vcstest.World{
		Users:  []vcstest.User{{Login: "tide", Bot: true}, {Login: "ann"}},
		Tokens: map[string]string{"secret": "tide"},
		Repos: []vcstest.Repo{{
			Path:   "acme/shop",
			Access: map[string]vcs.Permission{"tide": vcs.Write, "ann": vcs.Write},
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

	// A webhook, as the front-end has one.
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
		if err != nil || webhook.Verify(r.Header, body, []byte("s3cret")) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		event, err := webhook.Parse(r.Header, body)
		fmt.Println(event.Kind, event.Body, err)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer hook.Close()

	// Ann comments, and the forge tells the webhook.
	id, err := forge.AddComment("acme/shop", 12, "ann", "/deploy qa1")
	if err != nil {
		log.Fatal(err)
	}
	delivery, err := forge.CommentDelivery(id, "created", "ann")
	if err != nil {
		log.Fatal(err)
	}
	status, err := delivery.Post(context.Background(), hook.URL, []byte("s3cret"))
	fmt.Println(status, err)
	status, err = delivery.Post(context.Background(), hook.URL, []byte("another"))
	fmt.Println(status, err)
	// Output:
	// comment /deploy qa1 <nil>
	// 202 <nil>
	// 401 <nil>
}

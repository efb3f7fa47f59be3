package stage_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
)

// Without the program on it nothing happens; with [stage.Stage.Serve] it does.
func Example() {
	dir, err := os.MkdirTemp("", "stage-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := stage.New(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()

	_, _, err = s.Say(context.Background(), stage.Person, "/deploy qa1", stage.WebhookSecret)
	fmt.Println("nobody listens:", err != nil, "ready:", s.Ready(), "answers:", len(s.Answers()))
	fmt.Println(len(s.Forge.Comments(stage.Source, stage.PullRequest)), "comment on the pull request")
	// Output:
	// nobody listens: true ready: false answers: 0
	// 1 comment on the pull request
}

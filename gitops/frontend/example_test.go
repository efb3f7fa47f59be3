package frontend_test

import (
	"bufio"
	"context"
	"fmt"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
)

// status asks for the state of the environment that is typed.
type status struct{}

func (status) Run(ctx context.Context, core frontend.Core, env frontend.Env) error {
	env.Ready()
	in := bufio.NewScanner(env.Stdin)
	for n := 1; in.Scan(); n++ {
		result, err := core.Execute(ctx, gitops.Request{Direct: &gitops.Direct{
			ID:      fmt.Sprintf("status/%d", n),
			Command: gitops.Command{Verb: gitops.Status, Environment: in.Text()},
		}}, nil)
		if err != nil {
			return err
		}
		for _, c := range result.Commands {
			fmt.Fprintln(env.Stdout, c.Summary)
		}
	}
	return in.Err()
}

// A front-end is one method and a main of one line.
func ExampleMain() {
	frontend.Main("status", status{})
}

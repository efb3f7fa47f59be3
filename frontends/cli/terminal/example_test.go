package terminal_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tidebot-dev/tidebot/frontends/cli/terminal"
	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/gitops/frontend/frontendtest"
)

// What frontend.Main does with the arguments and the files that the core
// hands over.
func Example() {
	core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{ID: req.ID(), Commands: []gitops.CommandResult{{
			Command: req.Direct.Command,
			Outcome: gitops.Refused,
			Summary: "Not deployed, nothing changed: prod is for tidepool-org/release",
		}}}, nil
	})
	err := terminal.New().Run(context.Background(), core, frontend.Env{
		Args:   []string{"deploy", "prod", "shoreline", "--branch", "db-jwt"},
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Ready:  func() {},
	})
	if exit, ok := errors.AsType[*frontend.ExitError](err); ok {
		fmt.Println("exit code", exit.Code)
	}
	// Output:
	// Not deployed, nothing changed: prod is for tidepool-org/release
	// exit code 3
}

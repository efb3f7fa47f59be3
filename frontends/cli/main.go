// The cli front-end of Tidebot: commands from a terminal.
//
// It is started by the program tidebot, which hands it the arguments and the
// terminal and exits with its code; it is not run by hand. What it does is in
// package terminal.
package main

import (
	"github.com/tidebot-dev/tidebot/frontends/cli/terminal"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
)

func main() { frontend.Main("cli", terminal.New()) }

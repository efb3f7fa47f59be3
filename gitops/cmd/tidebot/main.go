// Command tidebot deploys branches by changing one line in a GitOps config
// repository: as a server that answers commands in pull request comments, or
// from a terminal.
//
// This package is configuration and wiring only. The way of a command begins
// in a front-end and goes on in [gitops.Deployer.Execute].
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

const usage = `Usage: tidebot [--config FILE] <command>

The program:
  serve     answer commands that come through the configured front-ends
  check     try the configuration against the real repositories
  version   print the version

From a terminal (tidebot help <verb> says more):
  deploy    a branch into an environment
  default   back to the default
  status    what runs where
  diff      what deploy would change
  help      the commands and where you can use them

The configuration is --config, $TIDEBOT_CONFIG, ./tidebot.yaml or
~/.config/tidebot/config.yaml, the first that is there.
`

// Exit codes. The terminal front-end uses the same.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin, stdout, stderr *os.File) int {
	configPath, args, err := cutConfigFlag(args)
	if err != nil {
		fmt.Fprintf(stderr, "tidebot: %v\n\n%s", err, usage)
		return exitUsage
	}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	verb, rest := args[0], args[1:]
	own := func(verb string) bool {
		return slices.Contains([]string{"serve", "check", "version", "--version"}, verb)
	}
	switch {
	case verb == "-h" || verb == "--help",
		verb == "help" && (len(rest) == 0 || own(rest[0])),
		own(verb) && slices.ContainsFunc(rest, func(a string) bool { return a == "-h" || a == "--help" }):
		fmt.Fprint(stdout, usage)
		return exitDone
	case own(verb) && len(rest) > 0:
		fmt.Fprintf(stderr, "tidebot: %s takes no arguments, but there is %q; a configuration is named by --config\n", verb, rest[0])
		return exitUsage
	}
	switch verb {
	case "serve":
		log := slog.New(slog.NewJSONHandler(stderr, nil))
		slog.SetDefault(log) // for libraries that print by themselves
		err = serve(ctx, configPath, log)
	case "check":
		err = check(ctx, configPath, stdout)
	case "version", "--version":
		fmt.Fprintln(stdout, version())
	default:
		return terminal(ctx, configPath, args, stdin, stdout, stderr)
	}
	return report(stderr, err)
}

// report prints an error for a person and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return exitDone
	}
	fmt.Fprintf(w, "tidebot: %v\n", err)
	return exitFailed
}

// cutConfigFlag takes --config FILE and --config=FILE out of the arguments,
// wherever they stand: it is the program's flag, the rest is the front-end's.
func cutConfigFlag(args []string) (path string, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		value, joined := strings.CutPrefix(args[i], "--config=")
		switch {
		case args[i] == "--":
			return path, append(rest, args[i:]...), nil
		case joined:
			path = value
		case args[i] == "--config" && i+1 < len(args):
			i++
			path = args[i]
		case args[i] == "--config":
			return "", nil, errors.New("--config needs a file")
		default:
			rest = append(rest, args[i])
		}
	}
	return path, rest, nil
}

package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/supervisor"
)

// terminal hands the arguments to the cli front-end and exits with its code.
// The core is in this process, and acts with the tokens of the configuration,
// which here are the person's own.
func terminal(ctx context.Context, configPath string, args []string, stdin, stdout, stderr *os.File) int {
	// Before the front-end is there, which must not read the tokens here.
	if err := undumpable(); err != nil {
		return report(stderr, err)
	}
	path, err := program("cli", "")
	if err != nil {
		return report(stderr, err)
	}
	// Log lines would be noise on a terminal: what there is to say is in the
	// result. Errors are the exception.
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := supervisor.New(supervisor.Options{
		Name: "cli", Path: path, Args: args, Stdin: stdin, Stdout: stdout, Stderr: stderr,
		Core: &lazyCore{configPath: configPath, log: log}, Log: log,
	})
	if err != nil {
		return report(stderr, err)
	}
	code, err := s.Once(ctx)
	if err != nil {
		return report(stderr, err)
	}
	return code
}

// A lazyCore reads the configuration when a command comes, so that help and
// usage need none.
type lazyCore struct {
	configPath string
	log        *slog.Logger
}

// Execute implements frontend.Core.
func (l *lazyCore) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	f, err := load(l.configPath)
	if err != nil {
		return gitops.Result{}, err
	}
	d, _, err := wire(f, l.log)
	if err != nil {
		return gitops.Result{}, err
	}
	return newCore(d, true, l.log, newMetrics()).Execute(ctx, req, report)
}

// Package terminal is the front-end of a person at a terminal: it makes a
// request of the arguments of tidebot, has the core carry it out, and shows
// the result as text or JSON.
//
// It decides nothing. Who acts is the owner of the provider token that the
// core runs with, and whether a name exists or a command is allowed is the
// core's to say.
//
// # Exit codes
//
//	0  done: changed, already so, or told
//	1  failed, or not known what became of it
//	2  the arguments are wrong; nothing was asked of the core
//	3  refused, and nothing was changed
//
// # JSON
//
// With --output json one object of type [Output] goes to stdout, for refused
// and failed commands too. Without a result (codes 1 and 2) stdout stays
// empty and the reason is on stderr. Fields may be added; none is renamed or
// removed, and none is left out because it is empty.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
)

// The exit codes, apart from 0.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

// patience is how long a command may take. The core gives up much earlier;
// this is for a core that says nothing any more.
const patience = 10 * time.Minute

// Frontend carries out one command from its arguments.
type Frontend struct {
	newID    func() (string, error)
	patience time.Duration
}

var _ frontend.Frontend = (*Frontend)(nil)

// New returns the front-end.
func New() *Frontend {
	return &Frontend{newID: newID, patience: patience}
}

// newID makes a request ID. Version 7 begins with the time, so that IDs sort
// as the commands came.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make request id: %w", err)
	}
	return "cli/" + id.String(), nil
}

// Run carries out the command in env.Args and returns when it is done: nil
// for exit code 0, otherwise a [frontend.ExitError]. What there is to say has
// then been written to env.Stdout and env.Stderr.
func (f *Frontend) Run(ctx context.Context, core frontend.Core, env frontend.Env) error {
	if env.Stdout == nil || env.Stderr == nil {
		return errors.New("the cli front-end needs a terminal: it is started by the program tidebot")
	}
	env.Ready()
	s := &session{
		Frontend: f,
		core:     core,
		stdout:   env.Stdout,
		stderr:   env.Stderr,
		progress: io.Discard,
	}
	if isTerminal(env.Stderr) {
		s.progress = env.Stderr
	}
	if code := s.run(ctx, env.Args); code != 0 {
		return &frontend.ExitError{Code: code}
	}
	return nil
}

// isTerminal tells whether a person may be watching.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A session is one call of the program.
type session struct {
	*Frontend
	core                     frontend.Core
	stdout, stderr, progress io.Writer
}

// run carries out the command in args and returns the exit code.
func (s *session) run(ctx context.Context, args []string) int {
	call, help, err := parse(args)
	if usage := new(usageError); errors.As(err, &usage) {
		fmt.Fprint(s.stderr, usage.text())
		return exitUsage
	}
	if help != "" {
		return s.write(help, 0)
	}
	if call.direct.ID, err = s.newID(); err != nil {
		return s.fail(err)
	}
	return s.execute(ctx, call)
}

// execute asks the core and shows the result.
func (s *session) execute(ctx context.Context, c call) int {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()

	var accepted bool
	var unavailable *gitops.Progress
	result, err := s.core.Execute(ctx, gitops.Request{Direct: &c.direct}, func(p gitops.Progress) {
		switch p.Phase {
		case gitops.Accepted:
			accepted = true
		case gitops.Unavailable, gitops.Ignored:
			unavailable = &p
		}
		if p.Message != "" && p.Phase != gitops.Unavailable && p.Phase != gitops.Ignored {
			fmt.Fprintln(s.progress, inert(p.Message))
		}
	})
	switch {
	case err != nil && len(result.Commands) == 0:
		code := s.fail(err)
		if accepted && ctx.Err() != nil {
			// The core goes on by itself with what it has accepted.
			fmt.Fprintln(s.stderr, "The command may still be carried out: see tidebot status.")
		}
		return code
	case unavailable != nil && unavailable.Phase == gitops.Unavailable:
		return s.fail(errors.New(orElse(unavailable.Message, "there is no room now") + "; nothing was done, try again later"))
	case len(result.Commands) == 0 && unavailable != nil:
		return s.fail(errors.New("the core ignored the command: " + orElse(unavailable.Message, "no reason given")))
	case len(result.Commands) == 0:
		return s.fail(errors.New("the core gave no result: see tidebot status"))
	}

	text := Text(result)
	if c.json {
		asJSON, err := JSON(result)
		if err != nil {
			return s.fail(err)
		}
		text = asJSON
	}
	code := s.write(text, exitCode(result))
	if err != nil {
		return s.fail(err)
	}
	return code
}

// write writes to stdout and returns code; output that is lost, to a full
// disk for instance, is a failure.
func (s *session) write(text string, code int) int {
	if _, err := io.WriteString(s.stdout, text); err != nil {
		return s.fail(fmt.Errorf("write output: %w", err))
	}
	return code
}

// fail says on stderr what went wrong.
func (s *session) fail(err error) int {
	fmt.Fprintf(s.stderr, "tidebot: %s\n", inert(err.Error()))
	return exitFailed
}

// exitCode is that of the worst command: broken before refused before done.
func exitCode(r gitops.Result) int {
	code := 0
	for _, c := range r.Commands {
		switch c.Outcome {
		case gitops.Changed, gitops.Unchanged, gitops.Told:
		case gitops.Refused:
			if code == 0 {
				code = exitRefused
			}
		default:
			code = exitFailed
		}
	}
	return code
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

package gitops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// Options are what a [Deployer] is made of. All but Log and Now are required.
type Options struct {
	Config Config
	// Providers by name, as in [vcs.Repo.Provider].
	Providers map[string]vcs.Provider
	// Transports by the name of the config repository.
	Transports map[string]Transport
	Editor     manifest.Editor
	// Verify proves that after is before with just these edits made; it must
	// not be the editor's own code. See yamledit.Verify.
	Verify func(before, after []byte, edits ...manifest.Edit) error
	// Log gets a line for each command; nil discards.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Deployer carries out requests. It is safe for concurrent use, and keeps
// nothing that matters in memory: two of them may work side by side on the
// same repositories, in one process or in several.
type Deployer struct {
	opts Options

	mu      sync.Mutex
	flights map[string]*flight
	selves  map[string]vcs.User // the bot's accounts, by provider
}

// A flight is a request that is being carried out; whoever brings the same
// request meanwhile waits for its result.
type flight struct {
	done   chan struct{}
	result Result
	err    error
}

// answerTimeout bounds the putting of an answer.
const answerTimeout = 30 * time.Second

// NewDeployer returns a deployer, or says which option is missing or does not
// fit the configuration.
func NewDeployer(o Options) (*Deployer, error) {
	switch {
	case o.Editor == nil:
		return nil, errors.New("deployer: no Editor")
	case o.Verify == nil:
		return nil, errors.New("deployer: no Verify: without the guard nothing may be pushed")
	case o.Config.Committer.Name == "" || o.Config.Committer.Email == "":
		return nil, errors.New("deployer: the committer needs a name and an email address")
	}
	for name, env := range o.Config.Environments {
		if o.Transports[env.Repository] == nil {
			return nil, fmt.Errorf("deployer: environment %s: no transport for repository %s", name, env.Repository)
		}
	}
	for name, s := range o.Config.Services {
		if o.Providers[s.Source.Provider] == nil {
			return nil, fmt.Errorf("deployer: service %s: no provider %s", name, s.Source.Provider)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Deployer{opts: o, flights: make(map[string]*flight), selves: make(map[string]vcs.User)}, nil
}

// Execute carries out a request: the whole way from what a person typed to the
// commit and the answer. report, which may be nil, hears of the progress, in
// order and first of Accepted or Ignored.
//
// What was refused, or failed with nothing changed, is a Result and no error,
// and the answer says it. An error means that not even the request could be
// read, or that the answer could not be put where it belongs; the result then
// holds what was done all the same.
//
// To execute a request again is harmless: what was done is found in the config
// repository, and what was answered at the provider.
func (d *Deployer) Execute(ctx context.Context, req Request, report func(Progress)) (Result, error) {
	if report == nil {
		report = func(Progress) {}
	}
	req, ours := d.canonical(req)
	if !ours {
		reason := "no service comes from this repository"
		d.opts.Log.InfoContext(ctx, "request ignored", "request", oneLine(req.ID(), 200), "reason", reason)
		report(Progress{Phase: Ignored, Message: reason})
		return Result{ID: req.ID()}, nil
	}
	report(Progress{Phase: Accepted})

	d.mu.Lock()
	f, underway := d.flights[req.ID()]
	if !underway {
		f = &flight{done: make(chan struct{})}
		d.flights[req.ID()] = f
	}
	d.mu.Unlock()
	if underway {
		select {
		case <-f.done:
			return f.result, f.err
		case <-ctx.Done():
			return Result{ID: req.ID()}, fmt.Errorf("wait for request %s: %w", req.ID(), context.Cause(ctx))
		}
	}
	defer func() {
		d.mu.Lock()
		delete(d.flights, req.ID())
		d.mu.Unlock()
		close(f.done)
	}()
	f.result, f.err = Result{ID: req.ID()}, errors.New("the request ended in a panic") // unless it ends well
	f.result, f.err = d.run(ctx, req, report)
	report(Progress{Phase: Done})
	return f.result, f.err
}

// Concerns tells, without asking anybody, whether the request may be one of
// ours: [Deployer.Execute] reports Ignored at once if it is not.
func (d *Deployer) Concerns(req Request) bool {
	_, ours := d.canonical(req)
	return ours
}

// canonical spells the request's repository as the configuration does, and
// tells whether it is there at all. Providers take any case, but a request
// must have one ID, or it could be carried out once for each spelling.
func (d *Deployer) canonical(req Request) (Request, bool) {
	if req.Direct != nil {
		return req, true
	}
	repo := &req.Comment.PullRequest.Repo
	for _, name := range slices.Sorted(maps.Keys(d.opts.Config.Services)) {
		if source := d.opts.Config.Services[name].Source; source.Same(*repo) {
			*repo = source
			return req, true
		}
	}
	return req, false
}

// run is the way of a request, top to bottom.
func (d *Deployer) run(ctx context.Context, req Request, report func(Progress)) (Result, error) {
	res := Result{ID: req.ID()}
	in, err := d.read(ctx, req)
	if ignored := new(ignoredError); errors.As(err, &ignored) {
		d.opts.Log.InfoContext(ctx, "request ignored", "request", res.ID, "reason", ignored.reason)
		res.AnswerURL = ignored.answered
		return res, nil
	}
	if err != nil {
		d.opts.Log.ErrorContext(ctx, "request not read", "request", res.ID, "error", err)
		return res, fmt.Errorf("read request %s: %w", res.ID, err)
	}

	res.Actor = in.actor.Login
	for i, p := range in.commands {
		began := d.opts.Now()
		id := fmt.Sprintf("%s/%d", res.ID, i+1)
		in.log = d.opts.Log.With("command", id)
		c := d.command(ctx, in, id, p, report)
		c.ID, c.Command = id, p.Command
		res.Commands = append(res.Commands, c)
		in.log.InfoContext(ctx, "command", "actor", in.actor.Login, "verb", string(p.Command.Verb),
			"env", oneLine(p.Command.Environment, maxName), "pr", in.source(), "outcome", string(c.Outcome),
			"summary", c.Summary, "allowed_by", c.AllowedBy, "commit", c.Revision, "took", d.opts.Now().Sub(began))
	}
	if in.pr == nil || req.Direct != nil {
		return res, nil
	}

	res.Markdown = Markdown(res)
	in.answer.Final, in.answer.Body = true, res.Markdown
	// What was done is told even if the request's own time is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	answer, err := retry(ctx, func() (vcs.Answer, error) { return in.provider.PutAnswer(ctx, in.pr.Ref, in.answer) })
	if err != nil {
		d.opts.Log.ErrorContext(ctx, "answer not put", "request", res.ID, "error", err)
		return res, fmt.Errorf("answer request %s: %w", res.ID, err)
	}
	res.AnswerURL = answer.URL
	return res, nil
}

// command carries out one command.
func (d *Deployer) command(ctx context.Context, in *inquiry, id string, p Parsed, report func(Progress)) CommandResult {
	if p.Err != nil {
		return malformed(p.Err)
	}
	switch p.Command.Verb {
	case Help:
		return d.help(ctx, in)
	case Status:
		return d.status(ctx, in, p.Command)
	}
	return d.deploy(ctx, in, id, p.Command, report)
}

// malformed is the result of a command that is not one by the grammar.
func malformed(err *CommandError) CommandResult {
	c := CommandResult{Outcome: Refused, Summary: "Nothing done: " + err.Reason}
	if err.Text != "" {
		c.Details = append(c.Details, "It said "+code(err.Text)+".")
	}
	if err.Usage != "" {
		c.Details = append(c.Details, "Usage: "+code(err.Usage))
	}
	return c
}

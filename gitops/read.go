package gitops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

// An inquiry is a request with all that the provider says of it.
type inquiry struct {
	// at is when it was made, by the provider's clock.
	at       time.Time
	actor    vcs.User
	provider vcs.Provider
	people   *people
	// pr is nil for a direct command that names a branch.
	pr *vcs.PullRequest
	// branch is what would be deployed, and head where it points.
	branch, head string
	commands     []Parsed
	// log bears the ID of the command at work.
	log *slog.Logger
	// direct is set for a command without a comment.
	direct *Direct
	answer vcs.Answer
}

// source names the pull request or branch for logs and commits.
func (in *inquiry) source() string {
	if in.pr != nil {
		return in.pr.Ref.String()
	}
	return in.branch
}

// An ignoredError says why a request is none of ours.
type ignoredError struct {
	reason string
	// answered is the address of a final answer that is already there.
	answered string
}

func (e *ignoredError) Error() string { return "ignored: " + e.reason }

// read asks the provider what was really said, by whom, and where.
func (d *Deployer) read(ctx context.Context, req Request) (*inquiry, error) {
	if req.Direct != nil {
		return d.readDirect(ctx, req.Direct)
	}
	ref := req.Comment
	p := d.opts.Providers[ref.PullRequest.Repo.Provider]

	var comment vcs.Comment
	var pr vcs.PullRequest
	var self vcs.User
	err := together(
		func() (err error) {
			comment, err = readComment(ctx, p, ref)
			return
		},
		func() (err error) {
			pr, err = retry(ctx, func() (vcs.PullRequest, error) { return p.PullRequest(ctx, ref.PullRequest) })
			return
		},
		func() (err error) { self, err = d.self(ctx, ref.PullRequest.Repo.Provider); return },
	)
	switch {
	case errors.Is(err, vcs.ErrNotFound):
		return nil, &ignoredError{reason: "there is no such comment on a pull request"}
	case err != nil:
		return nil, err
	case comment.Author.Bot:
		return nil, &ignoredError{reason: "written by a bot"}
	case comment.Author.Login == self.Login:
		return nil, &ignoredError{reason: "written by the bot itself"}
	case !comment.Updated.Equal(comment.Created):
		// Others than the author can edit a comment, so its text need not be
		// what the author said.
		return nil, &ignoredError{reason: "the comment was edited"}
	}
	commands := ParseComment(comment.Body)
	if len(commands) == 0 {
		return nil, &ignoredError{reason: "no command in the comment"}
	}

	in := &inquiry{
		at: comment.Created, actor: comment.Author, provider: p, pr: &pr,
		branch: pr.HeadBranch, head: pr.HeadSHA, commands: commands,
		people: &people{provider: p, name: ref.PullRequest.Repo.Provider, actor: comment.Author.Login},
		answer: vcs.Answer{Key: req.ID()},
	}
	var found vcs.Answer
	var permission vcs.Permission
	err = together(
		func() (err error) { permission, err = in.people.permission(ctx, pr.Ref.Repo); return },
		func() (err error) {
			found, err = retry(ctx, func() (vcs.Answer, error) { return p.FindAnswer(ctx, pr.Ref, req.ID(), comment.Created) })
			if errors.Is(err, vcs.ErrNotFound) {
				return nil
			}
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	if found.Final {
		return nil, &ignoredError{reason: "already answered", answered: found.URL}
	}
	in.answer.ID = found.ID
	if stranger, err := d.stranger(ctx, in, permission); err != nil {
		return nil, err
	} else if stranger {
		return nil, &ignoredError{reason: "the author has no permission on the repository"}
	}
	if r, ok := p.(vcs.Reactions); ok {
		// Best effort, and not waited for by the deploy: it only says that
		// somebody is at work.
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := recovered(func() error { return r.React(ctx, ref, vcs.Eyes) }); err != nil {
				d.opts.Log.DebugContext(ctx, "reaction not put", "request", req.ID(), "error", err)
			}
		}()
	}
	return in, nil
}

// readDirect asks for the person and the branch behind a direct command. The
// person is the owner of the token in use, whatever the front-end says.
func (d *Deployer) readDirect(ctx context.Context, r *Direct) (*inquiry, error) {
	if len(r.ID) <= len(terminal) || !strings.HasPrefix(r.ID, terminal) {
		return nil, fmt.Errorf("request %q: want an ID that begins with %s", oneLine(r.ID, maxName), terminal)
	}
	name := r.Provider
	if name == "" {
		for only := range d.opts.Providers {
			if len(d.opts.Providers) > 1 {
				return nil, errors.New("several providers are configured: say which one")
			}
			name = only
		}
	}
	p := d.opts.Providers[name]
	if p == nil {
		return nil, fmt.Errorf("provider %q is not configured", oneLine(name, maxName))
	}
	self, err := d.self(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("ask who the token belongs to: %w", err)
	}
	in := &inquiry{
		at: d.opts.Now(), actor: self, provider: p, direct: r, branch: r.Branch,
		people: &people{provider: p, name: name, actor: self.Login},
	}
	parsed := Parsed{Command: r.Command}
	if err := CheckCommand(r.Command); err != nil {
		if !errors.As(err, &parsed.Err) {
			return nil, err
		}
	}
	in.commands = []Parsed{parsed}
	if r.PullRequest != nil {
		ref := *r.PullRequest
		ref.Repo.Provider = name
		pr, err := retry(ctx, func() (vcs.PullRequest, error) { return p.PullRequest(ctx, ref) })
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", ref, err)
		}
		in.pr, in.branch, in.head = &pr, pr.HeadBranch, pr.HeadSHA
	}
	return in, nil
}

// readComment reads a comment that may have been made this very second: a
// provider with replicas can say for a moment that it is not there.
func readComment(ctx context.Context, p vcs.Provider, ref vcs.CommentRef) (vcs.Comment, error) {
	ask := func() (vcs.Comment, error) { return p.Comment(ctx, ref) }
	c, err := retry(ctx, ask)
	if !errors.Is(err, vcs.ErrNotFound) {
		return c, err
	}
	select {
	case <-time.After(time.Second):
		return retry(ctx, ask)
	case <-ctx.Done():
		return c, err
	}
}

// self is the bot's account, asked once: a deployer has its tokens for life.
func (d *Deployer) self(ctx context.Context, provider string) (vcs.User, error) {
	d.mu.Lock()
	self, ok := d.selves[provider]
	d.mu.Unlock()
	if ok {
		return self, nil
	}
	self, err := retry(ctx, func() (vcs.User, error) { return d.opts.Providers[provider].Self(ctx) })
	if err != nil {
		return vcs.User{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.selves[provider] = self
	return self, nil
}

// together runs the functions side by side and returns the first error in
// their order.
func together(fns ...func() error) error {
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() { errs[i] = recovered(fn) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// recovered makes a panic of a function an error: on a goroutine of its own it
// would end the process, and with it everybody else's requests.
func recovered(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// retry repeats a question, which has no effect, while the provider is not
// available.
func retry[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for wait := 250 * time.Millisecond; ; wait *= 4 {
		v, err := ask()
		if !errors.Is(err, vcs.ErrUnavailable) || wait > time.Second {
			return v, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return v, err
		}
	}
}

package frontendv1

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// Caps of a request. No person comes near them.
const (
	maxName     = 1024
	maxServices = 256
)

var verbs = enum[gitops.Verb, Verb]{
	"verb",
	map[gitops.Verb]Verb{
		gitops.Deploy:  Verb_VERB_DEPLOY,
		gitops.Default: Verb_VERB_DEFAULT,
		gitops.Status:  Verb_VERB_STATUS,
		gitops.Diff:    Verb_VERB_DIFF,
		gitops.Help:    Verb_VERB_HELP,
	},
}

var phases = enum[gitops.Phase, Phase]{
	"phase",
	map[gitops.Phase]Phase{
		gitops.Accepted:    Phase_PHASE_ACCEPTED,
		gitops.Ignored:     Phase_PHASE_IGNORED,
		gitops.Unavailable: Phase_PHASE_UNAVAILABLE,
		gitops.Running:     Phase_PHASE_RUNNING,
		gitops.Done:        Phase_PHASE_DONE,
	},
}

var outcomes = enum[gitops.Outcome, Outcome]{
	"outcome",
	map[gitops.Outcome]Outcome{
		gitops.Changed:   Outcome_OUTCOME_CHANGED,
		gitops.Unchanged: Outcome_OUTCOME_UNCHANGED,
		gitops.Told:      Outcome_OUTCOME_TOLD,
		gitops.Refused:   Outcome_OUTCOME_REFUSED,
		gitops.Failed:    Outcome_OUTCOME_FAILED,
		gitops.Unknown:   Outcome_OUTCOME_UNKNOWN,
	},
}

// An enum pairs the values of a Go type with those of the protocol.
type enum[G ~string, P ~int32] struct {
	name  string
	proto map[G]P
}

func (e enum[G, P]) toProto(v G) (P, error) {
	p, ok := e.proto[v]
	if !ok {
		return 0, fmt.Errorf("unknown %s %q", e.name, string(v))
	}
	return p, nil
}

func (e enum[G, P]) fromProto(p P) (G, error) {
	for v, q := range e.proto {
		if p == q {
			return v, nil
		}
	}
	return "", fmt.Errorf("unknown %s %d", e.name, p)
}

// RequestToProto converts a request that a front-end hands over.
func RequestToProto(r gitops.Request) (*Request, error) {
	comment := r.Comment != (vcs.CommentRef{})
	switch {
	case comment && r.Direct != nil:
		return nil, errBoth
	case comment:
		return &Request{Request: &Request_Comment{Comment: &CommentRef{
			PullRequest: pullRequestToProto(r.Comment.PullRequest),
			Id:          r.Comment.ID,
		}}}, nil
	case r.Direct == nil:
		return nil, errNeither
	}
	if _, err := verbs.toProto(r.Direct.Command.Verb); err != nil {
		return nil, err
	}
	d := &Direct{
		Id:       r.Direct.ID,
		Provider: r.Direct.Provider,
		Command:  commandToProto(r.Direct.Command),
		Branch:   r.Direct.Branch,
	}
	if r.Direct.PullRequest != nil {
		d.PullRequest = pullRequestToProto(*r.Direct.PullRequest)
	}
	return &Request{Request: &Request_Direct{Direct: d}}, nil
}

var (
	errBoth    = errors.New("request has both a comment and a direct command")
	errNeither = errors.New("request has neither a comment nor a direct command")
)

// RequestFromProto checks and converts what a front-end has handed over.
func RequestFromProto(p *Request) (gitops.Request, error) {
	switch r := p.GetRequest().(type) {
	case *Request_Comment:
		if r.Comment.GetPullRequest().GetProvider() == "" {
			return gitops.Request{}, errors.New("comment without provider")
		}
		pr, err := pullRequestFromProto(r.Comment.GetPullRequest())
		if err != nil {
			return gitops.Request{}, err
		}
		if r.Comment.GetId() <= 0 {
			return gitops.Request{}, fmt.Errorf("comment ID %d: want a positive number", r.Comment.GetId())
		}
		return gitops.Request{Comment: vcs.CommentRef{PullRequest: pr, ID: r.Comment.GetId()}}, nil
	case *Request_Direct:
		d, err := directFromProto(r.Direct)
		if err != nil {
			return gitops.Request{}, err
		}
		return gitops.Request{Direct: d}, nil
	}
	return gitops.Request{}, errNeither
}

func directFromProto(p *Direct) (*gitops.Direct, error) {
	c := p.GetCommand()
	if p.GetId() == "" {
		return nil, errors.New("direct command without an ID")
	}
	if p.GetBranch() != "" && p.GetPullRequest() != nil {
		return nil, errors.New("direct command has both a branch and a pull request")
	}
	if n := len(c.GetServices()); n > maxServices {
		return nil, fmt.Errorf("direct command names %d services, at most %d are allowed", n, maxServices)
	}
	if err := checkNames(append([]string{p.GetId(), p.GetProvider(), p.GetBranch(), c.GetEnvironment(), c.GetSha()}, c.GetServices()...)...); err != nil {
		return nil, err
	}
	if _, err := verbs.fromProto(c.GetVerb()); err != nil {
		return nil, err
	}
	d := &gitops.Direct{
		ID:       p.GetId(),
		Provider: p.GetProvider(),
		Command:  commandFromProto(c),
		Branch:   p.GetBranch(),
	}
	if p.GetPullRequest() != nil {
		pr, err := pullRequestFromProto(p.GetPullRequest())
		if err != nil {
			return nil, err
		}
		d.PullRequest = &pr
	}
	return d, nil
}

// checkNames refuses what cannot be the name of anything.
func checkNames(names ...string) error {
	for _, s := range names {
		if len(s) > maxName {
			return fmt.Errorf("name of %d bytes, at most %d are allowed", len(s), maxName)
		}
		if strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("name %q has control characters", s)
		}
	}
	return nil
}

func pullRequestToProto(r vcs.PullRequestRef) *PullRequestRef {
	return &PullRequestRef{Provider: r.Repo.Provider, Path: r.Repo.Path, Number: r.Number}
}

// pullRequestFromProto takes a pull request without a provider too: a direct
// command names the provider beside it, if there are several.
func pullRequestFromProto(p *PullRequestRef) (vcs.PullRequestRef, error) {
	if p.GetPath() == "" || p.GetNumber() <= 0 {
		return vcs.PullRequestRef{}, errors.New("pull request without path or number")
	}
	if err := checkNames(p.GetProvider(), p.GetPath()); err != nil {
		return vcs.PullRequestRef{}, err
	}
	return vcs.PullRequestRef{
		Repo:   vcs.Repo{Provider: p.GetProvider(), Path: p.GetPath()},
		Number: p.GetNumber(),
	}, nil
}

// commandToProto leaves the verb out if it is none of ours: a result may tell
// of a command that was refused because nobody knows its verb.
func commandToProto(c gitops.Command) *Command {
	return &Command{
		Verb:        verbs.proto[c.Verb],
		Environment: text(c.Environment),
		Services:    texts(c.Services),
		Sha:         text(c.SHA),
		DryRun:      c.DryRun,
	}
}

func commandFromProto(p *Command) gitops.Command {
	verb, err := verbs.fromProto(p.GetVerb())
	if err != nil {
		verb = ""
	}
	return gitops.Command{
		Verb:        verb,
		Environment: p.GetEnvironment(),
		Services:    p.GetServices(),
		SHA:         p.GetSha(),
		DryRun:      p.GetDryRun(),
	}
}

// ProgressToProto converts a progress of the core.
func ProgressToProto(g gitops.Progress) (*Progress, error) {
	phase, err := phases.toProto(g.Phase)
	if err != nil {
		return nil, err
	}
	return &Progress{Phase: phase, Message: text(g.Message)}, nil
}

// ProgressFromProto converts a progress that the core has sent.
func ProgressFromProto(p *Progress) (gitops.Progress, error) {
	phase, err := phases.fromProto(p.GetPhase())
	if err != nil {
		return gitops.Progress{}, err
	}
	return gitops.Progress{Phase: phase, Message: p.GetMessage()}, nil
}

// ResultToProto converts a result of the core.
func ResultToProto(r gitops.Result) (*Result, error) {
	p := &Result{Id: r.ID, Actor: text(r.Actor), Markdown: text(r.Markdown), AnswerUrl: text(r.AnswerURL)}
	for _, c := range r.Commands {
		pc, err := commandResultToProto(c)
		if err != nil {
			return nil, err
		}
		p.Commands = append(p.Commands, pc)
	}
	return p, nil
}

func commandResultToProto(c gitops.CommandResult) (*CommandResult, error) {
	outcome, err := outcomes.toProto(c.Outcome)
	if err != nil {
		return nil, err
	}
	p := &CommandResult{
		Id:        c.ID,
		Command:   commandToProto(c.Command),
		Outcome:   outcome,
		Summary:   text(c.Summary),
		Details:   texts(c.Details),
		AllowedBy: text(c.AllowedBy),
		Revision:  c.Revision,
		Url:       text(c.URL),
	}
	for _, f := range c.Changes {
		p.Changes = append(p.Changes, &FieldChange{
			Target:  targetToProto(f.Target),
			Old:     text(f.Old),
			New:     text(f.New),
			Line:    int64(f.Line),
			OldText: text(f.OldText),
			NewText: text(f.NewText),
		})
	}
	for _, f := range c.Status {
		s := &FieldStatus{
			Target:      targetToProto(f.Target),
			Value:       text(f.Value),
			Line:        int64(f.Line),
			Default:     f.Default,
			By:          text(f.By),
			PullRequest: text(f.PullRequest),
			Revision:    f.Revision,
			ByHand:      f.ByHand,
			Problem:     text(f.Problem),
		}
		if !f.Since.IsZero() {
			s.Since = timestamppb.New(f.Since)
		}
		p.Status = append(p.Status, s)
	}
	return p, nil
}

// text makes s sendable: bytes that are not UTF-8, perhaps from a file or a
// server's words, would make the whole message fail.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func texts(s []string) []string {
	var out []string
	for _, t := range s {
		out = append(out, text(t))
	}
	return out
}

// ResultFromProto converts a result that the core has sent.
func ResultFromProto(p *Result) (gitops.Result, error) {
	r := gitops.Result{ID: p.GetId(), Actor: p.GetActor(), Markdown: p.GetMarkdown(), AnswerURL: p.GetAnswerUrl()}
	for _, pc := range p.GetCommands() {
		c, err := commandResultFromProto(pc)
		if err != nil {
			return gitops.Result{}, err
		}
		r.Commands = append(r.Commands, c)
	}
	return r, nil
}

func commandResultFromProto(p *CommandResult) (gitops.CommandResult, error) {
	outcome, err := outcomes.fromProto(p.GetOutcome())
	if err != nil {
		return gitops.CommandResult{}, err
	}
	c := gitops.CommandResult{
		ID:        p.GetId(),
		Command:   commandFromProto(p.GetCommand()),
		Outcome:   outcome,
		Summary:   p.GetSummary(),
		Details:   p.GetDetails(),
		AllowedBy: p.GetAllowedBy(),
		Revision:  p.GetRevision(),
		URL:       p.GetUrl(),
	}
	for _, f := range p.GetChanges() {
		c.Changes = append(c.Changes, gitops.FieldChange{
			Target:  targetFromProto(f.GetTarget()),
			Old:     f.GetOld(),
			New:     f.GetNew(),
			Line:    line(f.GetLine()),
			OldText: f.GetOldText(),
			NewText: f.GetNewText(),
		})
	}
	for _, f := range p.GetStatus() {
		var since time.Time
		if f.GetSince() != nil {
			since = f.GetSince().AsTime()
		}
		c.Status = append(c.Status, gitops.FieldStatus{
			Target:      targetFromProto(f.GetTarget()),
			Value:       f.GetValue(),
			Line:        line(f.GetLine()),
			Default:     f.GetDefault(),
			By:          f.GetBy(),
			PullRequest: f.GetPullRequest(),
			Since:       since,
			Revision:    f.GetRevision(),
			ByHand:      f.GetByHand(),
			Problem:     f.GetProblem(),
		})
	}
	return c, nil
}

func line(n int64) int { return int(min(max(n, 0), math.MaxInt32)) }

func targetToProto(t gitops.Target) *Target {
	return &Target{
		Service:     t.Service,
		Environment: t.Environment,
		File:        t.File,
		Object: &Object{
			ApiVersion: t.Object.APIVersion,
			Kind:       t.Object.Kind,
			Namespace:  t.Object.Namespace,
			Name:       t.Object.Name,
		},
		Field:   &Field{Type: string(t.Field.Type), Name: t.Field.Name},
		Pattern: t.Pattern,
		Pinned:  t.Pinned,
		Default: t.Default,
	}
}

func targetFromProto(p *Target) gitops.Target {
	return gitops.Target{
		Service:     p.GetService(),
		Environment: p.GetEnvironment(),
		File:        p.GetFile(),
		Object: manifest.Object{
			APIVersion: p.GetObject().GetApiVersion(),
			Kind:       p.GetObject().GetKind(),
			Namespace:  p.GetObject().GetNamespace(),
			Name:       p.GetObject().GetName(),
		},
		Field:   manifest.Field{Type: manifest.FieldType(p.GetField().GetType()), Name: p.GetField().GetName()},
		Pattern: p.GetPattern(),
		Pinned:  p.GetPinned(),
		Default: p.GetDefault(),
	}
}

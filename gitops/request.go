package gitops

import (
	"slices"
	"strings"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

// A Request is what a person asked for. Just one of Comment and Direct is set.
type Request struct {
	// Comment is a pull request comment that may hold commands. A front-end
	// says no more than where it is: author, text and times are read from
	// the provider, so that a front-end that lies gets nothing.
	Comment vcs.CommentRef
	// Direct is a command that comes without a comment, from a terminal.
	Direct *Direct
}

// ID identifies the request; its n-th command is ID/n.
func (r Request) ID() string {
	if r.Direct != nil {
		return r.Direct.ID
	}
	return r.Comment.String()
}

// A Direct is a command that comes without a comment.
type Direct struct {
	// ID is made by the front-end: cli/ and what no other request has, such
	// as a UUID.
	ID string
	// Provider is where the actor has an account and the sources are; it may
	// be empty if only one provider is configured.
	Provider string
	Command  Command
	// Branch is what is deployed, or PullRequest (with its head), not both.
	Branch      string
	PullRequest *vcs.PullRequestRef
}

// A Verb is what a command does.
type Verb string

// The verbs. /query is another spelling of Status.
const (
	Deploy  Verb = "deploy"
	Default Verb = "default"
	Status  Verb = "status"
	Diff    Verb = "diff"
	Help    Verb = "help"
)

// A Command is one command as typed.
type Command struct {
	Verb Verb
	// Environment and Services are spelled as typed; no services means all
	// that the request's source repository has.
	Environment string
	Services    []string
	// SHA is what stood after @: the commit to pin to, or a prefix of it.
	SHA    string
	DryRun bool
}

// String writes the command as one would type it in a comment.
func (c Command) String() string {
	words := append([]string{"/" + string(c.Verb)}, c.Environment)
	words = append(words, c.Services...)
	if c.SHA != "" {
		words = append(words, "@"+c.SHA)
	}
	if c.DryRun {
		words = append(words, "--dry-run")
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// A Phase is how far a request has come.
type Phase string

// The phases. The first one reported is Accepted, Ignored or Unavailable.
const (
	// Accepted means that the request will be carried out or refused in
	// words, even if the caller goes away.
	Accepted Phase = "accepted"
	// Ignored means that the request is none of ours: nothing is done or said.
	Ignored Phase = "ignored"
	// Unavailable means that there is no room now; ask again later.
	Unavailable Phase = "unavailable"
	// Running means that a step was reached; Message names it.
	Running Phase = "running"
	// Done means that the result is there.
	Done Phase = "done"
)

// Progress is reported while a request is carried out.
type Progress struct {
	Phase Phase
	// Message is for people.
	Message string
}

// An Outcome is how a command ended.
type Outcome string

// The outcomes.
const (
	// Changed means that a commit was pushed.
	Changed Outcome = "changed"
	// Unchanged means that the fields already had the values.
	Unchanged Outcome = "unchanged"
	// Told means that a question was answered: status, diff, help.
	Told Outcome = "told"
	// Refused means that policy, grammar or state said no. Nothing was changed.
	Refused Outcome = "refused"
	// Failed means that something broke. Nothing was changed.
	Failed Outcome = "failed"
	// Unknown means that a push was sent and what became of it could not be
	// found out.
	Unknown Outcome = "unknown"
)

// A Result is what became of a request.
type Result struct {
	// ID is the request's.
	ID string
	// Actor is the login of the person who asked; empty if it was ignored.
	Actor string
	// Commands are in the order of the request; none if it was ignored.
	Commands []CommandResult
	// Markdown is the answer as put on the pull request; empty if none is due.
	Markdown string
	// AnswerURL leads to it; empty if it could not be put there.
	AnswerURL string
}

// A CommandResult is what became of one command.
type CommandResult struct {
	// ID is the command ID, the request's with /n, as found in the trailers.
	ID      string
	Command Command
	Outcome Outcome
	// Summary is one sentence for people. Names, values and commands in it
	// stand between backticks; there is no other markup, and nothing from
	// outside can add any.
	Summary string
	// Details are further sentences of that kind: what was replaced, what
	// happens next, what to do instead.
	Details []string
	// AllowedBy is the rule that allowed it, for people.
	AllowedBy string
	// Changes are what was, or for Diff would be, changed.
	Changes []FieldChange
	// Status is the answer to a status command.
	Status []FieldStatus
	// Revision is the commit that was pushed, and URL where to look at it.
	Revision, URL string
}

// A FieldChange is a changed field.
type FieldChange struct {
	Target   Target
	Old, New string
	// Line is where the value stands in the file, counted from 1.
	Line int
	// Text is the changed lines with their indentation, old and new.
	OldText, NewText string
}

// A FieldStatus is what a field holds, and since when.
type FieldStatus struct {
	Target  Target
	Value   string
	Line    int
	Default bool
	// By, PullRequest, Since and Revision are of the deployment that set the
	// value; empty if it is not among the commits that were looked at.
	By, PullRequest string
	Since           time.Time
	Revision        string
	// ByHand tells that the value is not what the newest deployment wrote.
	ByHand bool
	// Problem says why the value could not be read.
	Problem string
}

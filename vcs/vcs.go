// Package vcs says what Tidebot needs of a Git hosting service, a provider:
// the comment that holds a command, its pull request, who may do what, and a
// place for the answer.
//
// It holds the vocabulary only and imports nothing but the standard library.
// Implementations are packages below it; [Provider] is small, and what not
// every provider has is an interface of its own, found by type assertion.
package vcs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Repo is a repository of a provider.
type Repo struct {
	// Provider is the provider's name in the configuration, "github.com".
	Provider string
	// Path is the repository's path there, "tidepool-org/shoreline".
	Path string
}

// String writes the repository as provider/path.
func (r Repo) String() string { return r.Provider + "/" + r.Path }

// Same tells whether both name one repository. Providers compare paths
// without regard to case, so two spellings must not be two repositories.
func (r Repo) Same(s Repo) bool {
	return r.Provider == s.Provider && strings.EqualFold(r.Path, s.Path)
}

// A PullRequestRef names a pull request (GitLab: merge request).
type PullRequestRef struct {
	Repo   Repo
	Number int64
}

// String writes the pull request as provider/path/pull/number.
func (r PullRequestRef) String() string { return fmt.Sprintf("%s/pull/%d", r.Repo, r.Number) }

// A CommentRef names a comment of a pull request.
type CommentRef struct {
	PullRequest PullRequestRef
	ID          int64
}

// String writes the comment as provider/path/pull/number/comment/id.
func (r CommentRef) String() string { return fmt.Sprintf("%s/comment/%d", r.PullRequest, r.ID) }

// A User is an account at a provider.
type User struct {
	Login string
	// Name is the name for people; empty if unknown.
	Name string
	// Email is an address by which the provider attributes commits to the
	// account, such as GitHub's noreply address; empty if it has none.
	Email string
	// Bot tells that the provider marks the account as a program.
	Bot bool
}

// A Comment is a comment of a pull request as the provider has it now.
type Comment struct {
	Ref    CommentRef
	Author User
	Body   string
	// Created and Updated are the provider's times. They differ if the
	// comment was edited, by its author or by somebody else.
	Created, Updated time.Time
	URL              string
}

// A State is the state of a pull request.
type State string

// The states of a pull request.
const (
	Open   State = "open"
	Closed State = "closed"
	Merged State = "merged"
)

// A PullRequest is a pull request as the provider has it now.
type PullRequest struct {
	Ref   PullRequestRef
	State State
	// Fork tells that the head is not a branch of the repository itself: it
	// is in another repository, or that repository was deleted.
	Fork bool
	// HeadBranch and HeadSHA are where the branch points now.
	HeadBranch, HeadSHA string
	// BaseBranch is where it would be merged.
	BaseBranch string
	// Public tells that anybody can read the repository and comment there.
	Public bool
	URL    string
}

// A Permission is what a user may do in a repository. Permissions are ordered.
type Permission int

// The permission levels, lowest first. GitLab: Reporter is Read, Developer
// is Write, Maintainer is Maintain, Owner is Admin.
const (
	None Permission = iota
	Read
	Triage
	Write
	Maintain
	Admin
)

var permissionNames = [...]string{"none", "read", "triage", "write", "maintain", "admin"}

// String writes the permission in lower case: "write".
func (p Permission) String() string {
	if p < None || p > Admin {
		return fmt.Sprintf("permission(%d)", int(p))
	}
	return permissionNames[p]
}

// ParsePermission reads a permission as [Permission.String] writes it.
func ParsePermission(s string) (Permission, error) {
	for p, name := range permissionNames {
		if name == s {
			return Permission(p), nil
		}
	}
	return None, fmt.Errorf("permission %q: want one of %s", s, strings.Join(permissionNames[:], ", "))
}

// An Answer is what the bot says on a pull request. There is one answer with
// a key: it is edited as things go on, never repeated.
type Answer struct {
	// Key identifies the answer; printable ASCII without spaces.
	Key string
	// Final tells that nothing more will be said under this key.
	Final bool
	// Body is Markdown.
	Body string
	// ID is the answer's comment; 0 if it is not known to exist.
	ID int64
	// URL leads to the comment; set by the provider.
	URL string
}

// A Provider is a Git hosting service, seen with the bot's own account. It is
// safe for concurrent use, repeats nothing by itself, and returns errors that
// wrap [ErrNotFound], [ErrUnauthorized], [ErrForbidden] or [ErrUnavailable].
// No error holds a token.
type Provider interface {
	// Self returns the account whose token is used.
	Self(ctx context.Context) (User, error)
	// Comment returns a comment. A comment that is not one of just that
	// pull request (of an issue, of another one) is ErrNotFound.
	Comment(ctx context.Context, ref CommentRef) (Comment, error)
	// PullRequest returns a pull request.
	PullRequest(ctx context.Context, ref PullRequestRef) (PullRequest, error)
	// Permission returns what the user may do in the repository; None, and
	// no error, for somebody without access.
	Permission(ctx context.Context, repo Repo, login string) (Permission, error)
	// CommentsSince returns the comments of all pull requests of the
	// repository that were made or changed at or after a time, oldest first.
	CommentsSince(ctx context.Context, repo Repo, since time.Time) ([]Comment, error)
	// FindAnswer looks for the answer with this key, made by the bot's own
	// account at or after a time. The same marker in anybody else's comment
	// does not count. It is ErrNotFound if there is none.
	FindAnswer(ctx context.Context, pr PullRequestRef, key string, since time.Time) (Answer, error)
	// PutAnswer edits the comment a.ID; if that is 0, it creates one. Two
	// programs may create at once: PutAnswer then lists the key again, the
	// lowest ID stays and the others are deleted. It returns the answer with
	// ID and URL set.
	PutAnswer(ctx context.Context, pr PullRequestRef, a Answer) (Answer, error)
}

// Teams is a [Provider] that knows groups of people.
type Teams interface {
	// TeamMember tells whether the user is an active member of the team,
	// directly or through a child team. A pending invitation does not count,
	// nor does a team that does not exist or cannot be seen.
	TeamMember(ctx context.Context, org, team, login string) (bool, error)
}

// Reactions is a [Provider] with emoji under comments.
type Reactions interface {
	// React adds a reaction, such as [Eyes], to a comment. Once is enough:
	// adding it again changes nothing.
	React(ctx context.Context, ref CommentRef, reaction string) error
}

// Eyes is the reaction that says "seen, at work".
const Eyes = "eyes"

// Visibility is a [Provider] that can tell whether a repository is public.
type Visibility interface {
	// Public tells that anybody can read the repository.
	Public(ctx context.Context, repo Repo) (bool, error)
}

// A Branch is a branch of a repository.
type Branch struct {
	Name string
	SHA  string
}

// Branches is a [Provider] that can list branches.
type Branches interface {
	// Branches returns the branches whose names begin with prefix, at most
	// 300 of them.
	Branches(ctx context.Context, repo Repo, prefix string) ([]Branch, error)
}

// Commits is a [Provider] that can list the commits of a pull request.
type Commits interface {
	// Commits returns the SHAs of the pull request's commits, oldest first;
	// GitHub gives at most 250.
	Commits(ctx context.Context, ref PullRequestRef) ([]string, error)
}

// Why a provider did not do what it was asked. Test with [errors.Is].
var (
	// ErrNotFound means that it is not there, or may not be seen.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized means that the token is wrong, expired or revoked.
	ErrUnauthorized = errors.New("token not accepted")
	// ErrForbidden means that the token does not reach that far.
	ErrForbidden = errors.New("not permitted")
	// ErrUnavailable means that the provider did not answer properly: it
	// limits the rate, is broken, slow or not reachable. Trying later may help.
	ErrUnavailable = errors.New("provider not available")
)

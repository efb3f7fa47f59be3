package gitops

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A Transport brings commits to one config repository. It is safe for
// concurrent use.
//
// It is one deep operation instead of clone, add, commit and push, so that an
// implementation is free to keep what it knows in memory and to push without
// asking first.
type Transport interface {
	// View runs fn on the files at the tip of the branch.
	View(ctx context.Context, branch string, fn func(Tree) error) error

	// Update runs fn on the files at the tip of the branch, appends the
	// commit that fn returns to the branch and pushes it. It never overwrites
	// what somebody else pushed: if the branch moved, fn runs again on the
	// new tip, so fn must have no effect but its result.
	//
	// An error of fn is returned as it is, and nothing is pushed. It is
	// returned only if fn saw the tip that the server has; fn's verdict on
	// older files does not count, and fn runs again.
	//
	// Update returns only when it knows what became of the push. If it
	// cannot find out, the error wraps [ErrUnknown].
	Update(ctx context.Context, branch string, fn func(Tree) (Commit, error)) (Receipt, error)
}

// A Tree is the files and the history of a branch as of one commit. It is
// valid until the function it was given to returns.
type Tree interface {
	// Info is the commit itself.
	Info() CommitInfo
	// ReadFile returns a regular file. The path is relative to the root,
	// with slashes. It is fs.ErrNotExist if there is no such file; links,
	// submodules and LFS pointers are refused, on the way to the file too.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// Parent returns the first parent, and fs.ErrNotExist for a first commit.
	Parent(ctx context.Context) (Tree, error)
	// Log yields this commit and those it was made from, over all parents,
	// newest committer date first, fetching more as it goes.
	Log(ctx context.Context) iter.Seq2[Tree, error]
}

// CommitInfo is a commit without its files.
type CommitInfo struct {
	// Revision is the commit's object ID in hex.
	Revision          string
	Author, Committer Signature
	// Committed is the committer date.
	Committed time.Time
	Message   string
}

// A Signature is a name and an address in a commit.
type Signature struct {
	Name, Email string
}

// A Commit is a commit to be made.
type Commit struct {
	// Files are the new contents of existing files, by path. Modes stay.
	Files             map[string][]byte
	Author, Committer Signature
	// Time is the author and the committer date; whole seconds count.
	Time    time.Time
	Message string
}

// A Receipt says what [Transport.Update] has pushed.
type Receipt struct {
	// Revision is the object ID of the commit in hex, and Parent that of the
	// commit below it.
	Revision, Parent string
}

// Why a transport did not push. Test with [errors.Is]. Errors hold no token
// and no URL with credentials.
var (
	// ErrRejected means that the server refused the commit, by a hook or a
	// protected branch; the error's text has the server's words. Nothing was
	// changed.
	ErrRejected = errors.New("push rejected")
	// ErrUnavailable means that the server could not be reached, did not
	// answer in time or properly, or did not accept the credentials. Nothing
	// was changed.
	ErrUnavailable = errors.New("config repository not available")
	// ErrUnknown means that the push was sent but its outcome could not be
	// found out: the commit may be on the branch or not.
	ErrUnknown = errors.New("outcome of the push is not known")
)

// Package vcstest holds what a [vcs.Provider] is tested with: a fake forge
// that speaks a provider's real REST over HTTP, and the suite of tests that
// every Provider passes.
//
// A [Forge] needs no testing.T, so programs for trying Tidebot by hand can
// start one too. It is strict: a call that the provider does not document is
// answered 404 and kept as a violation, since a fake that is kinder than the
// real service proves nothing.
//
//	forge, err := vcstest.NewForge(vcstest.World{ ... })
//	defer forge.Close()
//	provider, err := github.New(github.Options{BaseURL: forge.URL(), ...})
package vcstest

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

// A Forge is a Git hosting service in this process, listening on a port of
// its own. It speaks GitHub's REST, below /api/v3/ as an Enterprise Server
// does. It is safe for concurrent use.
type Forge struct {
	server *http.Server
	web    string
	closed chan struct{}

	mu         sync.Mutex
	offset     time.Duration
	lastID     int64
	users      map[string]*user
	tokens     map[string]string
	orgs       map[string]Org
	teams      map[string]Team
	repos      map[string]*repo
	comments   map[int64]*comment
	faults     []*Fault
	requests   map[string]int
	violations []string
}

// comment is a comment of an issue or pull request. Times have whole seconds,
// as those of GitHub's REST.
type comment struct {
	id               int64
	repo             *repo
	number           int64
	author           *user
	body             string
	created, updated time.Time
	reactions        []string
}

// A Comment is a comment as it is in the forge.
type Comment struct {
	ID               int64
	Author, Body     string
	Created, Updated time.Time
	// Reactions are "login reaction", in the order they were given.
	Reactions []string
}

// NewForge starts a forge with this in it, on a free port of 127.0.0.1. The
// caller must call [Forge.Close].
func NewForge(w World) (*Forge, error) { return Listen("127.0.0.1:0", w) }

// Listen is [NewForge] on an address of the caller's choice.
func Listen(address string, w World) (*Forge, error) {
	f := &Forge{
		closed:   make(chan struct{}),
		users:    map[string]*user{},
		tokens:   map[string]string{},
		orgs:     map[string]Org{},
		teams:    map[string]Team{},
		repos:    map[string]*repo{},
		comments: map[int64]*comment{},
		requests: map[string]int{},
		lastID:   1000,
	}
	if err := f.build(w); err != nil {
		return nil, fmt.Errorf("build world: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("start forge: %w", err)
	}
	f.web = "http://" + l.Addr().String()
	f.server = &http.Server{Handler: http.HandlerFunc(f.serve), ReadHeaderTimeout: 10 * time.Second}
	// Serve returns when Close is called, and not for another reason that
	// the clients would not see.
	go func() { _ = f.server.Serve(l) }()
	return f, nil
}

// Close stops the forge and cuts its connections.
func (f *Forge) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.closed:
		return nil
	default:
	}
	close(f.closed)
	return f.server.Close()
}

// URL is the base of the REST API, with a slash at the end.
func (f *Forge) URL() string { return f.web + prefix + "/" }

// Violations returns what was asked of the forge that the provider does not
// document. A test wants none.
func (f *Forge) Violations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.violations)
}

// Requests returns how often a route was asked, failed requests included.
// Routes are spelled as in the documentation:
// "GET /repos/{owner}/{repo}/pulls/{pull_number}"; "" counts all.
func (f *Forge) Requests(route string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[route]
}

// Advance moves the forge's clock forward.
func (f *Forge) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offset += d
}

// Now is the time in the forge, in whole seconds.
func (f *Forge) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now()
}

// AddComment makes the user comment on a pull request or issue and returns
// the comment's ID.
func (f *Forge) AddComment(path string, number int64, login, body string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, u := f.repos[fold(path)], f.users[fold(login)]
	if r == nil || u == nil || !r.issue(number) {
		return 0, fmt.Errorf("add comment by %s to %s#%d: no such thing", login, path, number)
	}
	return f.addComment(r, number, u, body).id, nil
}

// EditComment changes a comment's text. Its author stays the author, whoever
// edits it.
func (f *Forge) EditComment(id int64, body string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.comments[id]
	if c == nil {
		return fmt.Errorf("edit comment %d: not there", id)
	}
	c.body, c.updated = body, f.now()
	return nil
}

// DeleteComment removes a comment.
func (f *Forge) DeleteComment(id int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.comments[id] == nil {
		return fmt.Errorf("delete comment %d: not there", id)
	}
	delete(f.comments, id)
	return nil
}

// Comments returns the comments of a pull request or issue, oldest first.
func (f *Forge) Comments(path string, number int64) []Comment {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Comment
	for _, c := range f.list(f.repos[fold(path)], number) {
		out = append(out, Comment{c.id, c.author.Login, c.body, c.created, c.updated, slices.Clone(c.reactions)})
	}
	return out
}

// Push moves the head of a pull request to another commit.
func (f *Forge) Push(path string, number int64, sha string) error {
	return f.change(path, number, func(pr *PullRequest) { pr.Commits = append(pr.Commits, sha) })
}

// SetState opens, closes or merges a pull request.
func (f *Forge) SetState(path string, number int64, s vcs.State) error {
	return f.change(path, number, func(pr *PullRequest) { pr.State = s })
}

// SetAccess gives the user a permission in a repository; None takes it away.
func (f *Forge) SetAccess(path, login string, p vcs.Permission) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repos[fold(path)]
	if r == nil || f.users[fold(login)] == nil {
		return fmt.Errorf("set access of %s to %s: no such thing", login, path)
	}
	if p == vcs.None {
		delete(r.access, fold(login))
		return nil
	}
	r.access[fold(login)] = p
	return nil
}

// SetPublic shows a private repository to everybody.
func (f *Forge) SetPublic(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repos[fold(path)]
	if r == nil {
		return fmt.Errorf("make %s public: no such repository", path)
	}
	r.Private = false
	return nil
}

func (f *Forge) change(path string, number int64, fn func(*PullRequest)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.repos[fold(path)]; r != nil {
		if pr := r.pull(number); pr != nil {
			fn(pr)
			return nil
		}
	}
	return fmt.Errorf("change pull request %s#%d: not there", path, number)
}

// What follows wants f.mu held.

func (f *Forge) now() time.Time { return time.Now().Add(f.offset).UTC().Truncate(time.Second) }

func (f *Forge) newID() int64 {
	f.lastID++
	return f.lastID
}

func (f *Forge) addComment(r *repo, number int64, u *user, body string) *comment {
	c := &comment{id: f.newID(), repo: r, number: number, author: u, body: body, created: f.now()}
	c.updated = c.created
	f.comments[c.id] = c
	return c
}

// list returns a repository's comments by ID; those of all numbers if 0.
func (f *Forge) list(r *repo, number int64) []*comment {
	var out []*comment
	for _, c := range f.comments {
		if c.repo == r && (number == 0 || c.number == number) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *comment) int { return int(a.id - b.id) })
	return out
}

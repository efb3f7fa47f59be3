package gitops_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

// provider is a Git hosting service in memory, for tests of the steps between
// reading a comment and answering it. The real ones are tested over HTTP.
type provider struct {
	mu          sync.Mutex
	comments    map[vcs.CommentRef]vcs.Comment
	pulls       map[vcs.PullRequestRef]vcs.PullRequest
	permissions map[string]vcs.Permission // by login, for every repository
	teams       map[string][]string       // logins by org/team
	branches    []vcs.Branch
	commits     []string
	answers     []vcs.Answer
	fail        map[string]error // by method
	questions   map[string]int
}

var bot = vcs.User{Login: "tidebot", Bot: false}

func (p *provider) ask(method string) error {
	p.questions[method]++
	return p.fail[method]
}

func (p *provider) Self(context.Context) (vcs.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bot, p.ask("Self")
}

func (p *provider) Comment(_ context.Context, ref vcs.CommentRef) (vcs.Comment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ask("Comment"); err != nil {
		return vcs.Comment{}, err
	}
	c, ok := p.comments[ref]
	if !ok {
		return vcs.Comment{}, fmt.Errorf("comment %s: %w", ref, vcs.ErrNotFound)
	}
	return c, nil
}

func (p *provider) PullRequest(_ context.Context, ref vcs.PullRequestRef) (vcs.PullRequest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ask("PullRequest"); err != nil {
		return vcs.PullRequest{}, err
	}
	pr, ok := p.pulls[ref]
	if !ok {
		return vcs.PullRequest{}, fmt.Errorf("pull request %s: %w", ref, vcs.ErrNotFound)
	}
	return pr, nil
}

func (p *provider) Permission(_ context.Context, _ vcs.Repo, login string) (vcs.Permission, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.permissions[login], p.ask("Permission")
}

func (p *provider) CommentsSince(context.Context, vcs.Repo, time.Time) ([]vcs.Comment, error) {
	return nil, nil
}

func (p *provider) FindAnswer(_ context.Context, _ vcs.PullRequestRef, key string, _ time.Time) (vcs.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ask("FindAnswer"); err != nil {
		return vcs.Answer{}, err
	}
	for _, a := range p.answers {
		if a.Key == key {
			return a, nil
		}
	}
	return vcs.Answer{}, vcs.ErrNotFound
}

func (p *provider) PutAnswer(_ context.Context, pr vcs.PullRequestRef, a vcs.Answer) (vcs.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ask("PutAnswer"); err != nil {
		return vcs.Answer{}, err
	}
	a.ID = int64(len(p.answers) + 1)
	a.URL = fmt.Sprintf("https://%s#%d", pr, a.ID)
	p.answers = append(p.answers, a)
	return a, nil
}

func (p *provider) TeamMember(_ context.Context, org, team, login string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.teams[org+"/"+team] {
		if l == login {
			return true, p.ask("TeamMember")
		}
	}
	return false, p.ask("TeamMember")
}

func (p *provider) Branches(_ context.Context, _ vcs.Repo, prefix string) ([]vcs.Branch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []vcs.Branch
	for _, b := range p.branches {
		if strings.HasPrefix(b.Name, prefix) {
			found = append(found, b)
		}
	}
	return found, p.ask("Branches")
}

func (p *provider) Commits(context.Context, vcs.PullRequestRef) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commits, p.ask("Commits")
}

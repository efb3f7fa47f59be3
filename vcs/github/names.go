package github

import (
	"fmt"
	"strings"

	"github.com/tidebot-dev/tidebot/vcs"
)

// repoPath checks that a repository is one of this provider and returns where
// it is below the API's address. Names are checked, not escaped: GitHub has
// none that would need it.
func (p *Provider) repoPath(r vcs.Repo) (string, error) {
	if r.Provider != p.name {
		return "", fmt.Errorf("%w: %q is not a repository of %s", vcs.ErrNotFound, r, p.name)
	}
	owner, name, ok := strings.Cut(r.Path, "/")
	if !ok || !segment(owner, "_-") || !segment(name, "._-") {
		return "", fmt.Errorf("%w: %.200q is not owner/name", vcs.ErrNotFound, r.Path)
	}
	return "repos/" + r.Path, nil
}

// pullPath does the same for a pull request; kind is "pulls" or "issues".
func (p *Provider) pullPath(pr vcs.PullRequestRef, kind string) (string, error) {
	repo, err := p.repoPath(pr.Repo)
	if err != nil {
		return "", err
	}
	if pr.Number <= 0 {
		return "", fmt.Errorf("%w: %d is not a pull request's number", vcs.ErrNotFound, pr.Number)
	}
	return fmt.Sprintf("%s/%s/%d", repo, kind, pr.Number), nil
}

// commentPath does the same for a comment.
func (p *Provider) commentPath(ref vcs.CommentRef) (string, error) {
	if _, err := p.pullPath(ref.PullRequest, "issues"); err != nil {
		return "", err
	}
	if ref.ID <= 0 {
		return "", fmt.Errorf("%w: %d is not a comment's ID", vcs.ErrNotFound, ref.ID)
	}
	return fmt.Sprintf("repos/%s/issues/comments/%d", ref.PullRequest.Repo.Path, ref.ID), nil
}

// login checks the name of an account; those of apps end in [bot].
func login(s string) error {
	if !segment(strings.TrimSuffix(s, "[bot]"), "_-") {
		return fmt.Errorf("%w: %.200q is not a login", vcs.ErrNotFound, s)
	}
	return nil
}

// segment tells whether s can be a segment of a path as it is: letters, digits
// and the others.
func segment(s, others string) bool {
	if s == "" || len(s) > 100 || s == "." || s == ".." {
		return false
	}
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.ContainsRune(others, c):
		default:
			return false
		}
	}
	return true
}

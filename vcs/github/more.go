package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/tidebot-dev/tidebot/vcs"
)

// maxBranches is what Branches gives at most.
const maxBranches = 300

// TeamMember tells whether the user is an active member of the team; team is
// its slug. GitHub counts the members of child teams.
func (p *Provider) TeamMember(ctx context.Context, org, team, user string) (bool, error) {
	if !segment(org, "_-") || !segment(team, "_-") {
		return false, fmt.Errorf("%w: %.200q is not a team", vcs.ErrNotFound, org+"/"+team)
	}
	if err := login(user); err != nil {
		return false, err
	}
	var m github.Membership
	path := fmt.Sprintf("orgs/%s/teams/%s/memberships/%s", org, team, url.PathEscape(user))
	_, err := p.do(ctx, http.MethodGet, path, nil, &m)
	if isNotFound(err) {
		return false, nil
	}
	if err == nil && m.GetState() != "active" && m.GetState() != "pending" {
		err = nonsense("no membership")
	}
	if err != nil {
		return false, fmt.Errorf("read membership of %s in %s/%s: %w", user, org, team, err)
	}
	return m.GetState() == "active", nil
}

// React adds a reaction, one of
// https://docs.github.com/en/rest/reactions/reactions#about-reactions.
func (p *Provider) React(ctx context.Context, ref vcs.CommentRef, reaction string) error {
	path, err := p.commentPath(ref)
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields("+1 -1 laugh confused heart hooray rocket eyes"), reaction) {
		return fmt.Errorf("%w: GitHub has no reaction %.50q", vcs.ErrNotFound, reaction)
	}
	body := struct {
		Content string `json:"content"`
	}{reaction}
	if _, err := p.do(ctx, http.MethodPost, path+"/reactions", body, nil); err != nil {
		return fmt.Errorf("react to %s: %w", ref, err)
	}
	return nil
}

// Public tells that anybody can read the repository.
func (p *Provider) Public(ctx context.Context, repo vcs.Repo) (bool, error) {
	path, err := p.repoPath(repo)
	if err != nil {
		return false, err
	}
	var r github.Repository
	_, err = p.do(ctx, http.MethodGet, path, nil, &r)
	if err == nil && (r.Private == nil || !strings.EqualFold(r.GetFullName(), repo.Path)) {
		err = nonsense("not that repository")
	}
	if err != nil {
		return false, fmt.Errorf("read repository %s: %w", repo, err)
	}
	return public(&r), nil
}

// public tells that anybody can read the repository. An internal one is for
// everybody in the enterprise, not for everybody. What GitHub does not say is
// not public: an answer without it proves nothing.
func public(r *github.Repository) bool {
	return r != nil && r.Private != nil && !r.GetPrivate() && (r.Visibility == nil || r.GetVisibility() == "public")
}

// Branches returns branches whose names begin with prefix.
func (p *Provider) Branches(ctx context.Context, repo vcs.Repo, prefix string) ([]vcs.Branch, error) {
	path, err := p.repoPath(repo)
	if err != nil {
		return nil, err
	}
	escaped, ok := escapePrefix(prefix)
	if !ok {
		return nil, fmt.Errorf("%w: no branch can begin with %.200q", vcs.ErrNotFound, prefix)
	}
	var out []vcs.Branch
	err = pages(ctx, p, path+"/git/matching-refs/heads/"+escaped, url.Values{}, func(r *github.Reference) bool {
		name, ok := strings.CutPrefix(r.GetRef(), "refs/heads/")
		if ok && strings.HasPrefix(name, prefix) {
			out = append(out, vcs.Branch{Name: name, SHA: r.GetObject().GetSHA()})
		}
		return len(out) < maxBranches
	})
	if err != nil {
		return nil, fmt.Errorf("list branches of %s: %w", repo, err)
	}
	return out, nil
}

// escapePrefix writes the beginning of a branch's name for a path. It refuses
// what no branch begins with, which is what could lead out of the path.
func escapePrefix(prefix string) (string, bool) {
	segments := strings.Split(prefix, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, ".") || strings.Contains(s, "..") || s == "" && i < len(segments)-1 ||
			strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }) {
			return "", false
		}
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/"), len(prefix) <= 250
}

// Commits returns the SHAs of the pull request's commits, oldest first.
func (p *Provider) Commits(ctx context.Context, ref vcs.PullRequestRef) ([]string, error) {
	path, err := p.pullPath(ref, "pulls")
	if err != nil {
		return nil, err
	}
	var out []string
	err = pages(ctx, p, path+"/commits", url.Values{}, func(c *github.RepositoryCommit) bool {
		out = append(out, c.GetSHA())
		return len(out) < 250
	})
	if err != nil {
		return nil, fmt.Errorf("list commits of %s: %w", ref, err)
	}
	return out, nil
}

package vcstest

import (
	"fmt"
	"time"

	"github.com/tidebot-dev/tidebot/vcs"
)

// The objects are those of the documentation's examples, cut down to what
// says something.

func (f *Forge) userJSON(u *user, private bool) map[string]any {
	kind := "User"
	if u.Bot {
		kind = "Bot"
	}
	m := map[string]any{"login": u.Login, "id": u.id, "type": kind, "site_admin": false}
	if private {
		m["name"] = nil
		if u.Name != "" {
			m["name"] = u.Name
		}
	}
	return m
}

func (f *Forge) repoJSON(r *repo) map[string]any {
	visibility := "public"
	if r.Private {
		visibility = "private"
	}
	return map[string]any{"id": r.id, "full_name": r.Path, "private": r.Private, "visibility": visibility}
}

func (f *Forge) commentJSON(c *comment) map[string]any {
	kind := "issues"
	if c.repo.pull(c.number) != nil {
		kind = "pull"
	}
	api := fmt.Sprintf("%s%s/repos/%s/issues", f.web, prefix, c.repo.Path)
	return map[string]any{
		"id":         c.id,
		"url":        fmt.Sprintf("%s/comments/%d", api, c.id),
		"html_url":   fmt.Sprintf("%s/%s/%s/%d#issuecomment-%d", f.web, c.repo.Path, kind, c.number, c.id),
		"issue_url":  fmt.Sprintf("%s/%d", api, c.number),
		"user":       f.userJSON(c.author, false),
		"body":       c.body,
		"created_at": c.created.Format(time.RFC3339),
		"updated_at": c.updated.Format(time.RFC3339),
	}
}

func (f *Forge) pullJSON(r *repo, pr *PullRequest) map[string]any {
	state := "open"
	if pr.State == vcs.Closed || pr.State == vcs.Merged {
		state = "closed"
	}
	head := map[string]any{"ref": pr.HeadBranch, "sha": pr.Commits[len(pr.Commits)-1], "repo": f.repoJSON(r)}
	switch {
	case pr.HeadRepo == Deleted:
		head["repo"] = nil
	case pr.HeadRepo != "" && fold(pr.HeadRepo) != fold(r.Path):
		// A fork need not be in the world. Its ID is below those of the others.
		head["repo"] = map[string]any{"id": 1, "full_name": pr.HeadRepo, "private": false, "visibility": "public"}
	}
	return map[string]any{
		"number":   pr.Number,
		"state":    state,
		"merged":   pr.State == vcs.Merged,
		"html_url": fmt.Sprintf("%s/%s/pull/%d", f.web, r.Path, pr.Number),
		"user":     f.userJSON(f.users[fold(pr.Author)], false),
		"head":     head,
		"base":     map[string]any{"ref": pr.BaseBranch, "repo": f.repoJSON(r)},
	}
}

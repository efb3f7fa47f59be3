package github

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/tidebot-dev/tidebot/vcs"
)

// Comment returns a comment of a pull request's conversation.
func (p *Provider) Comment(ctx context.Context, ref vcs.CommentRef) (vcs.Comment, error) {
	path, err := p.commentPath(ref)
	if err != nil {
		return vcs.Comment{}, err
	}
	var c github.IssueComment
	if _, err := p.do(ctx, http.MethodGet, path, nil, &c); err != nil {
		return vcs.Comment{}, fmt.Errorf("read comment %s: %w", ref, err)
	}
	switch number, ok := pullNumber(&c, ref.PullRequest.Repo); {
	case c.GetID() != ref.ID:
		return vcs.Comment{}, fmt.Errorf("read comment %s: %w", ref, nonsense("another comment"))
	case !ok || number != ref.PullRequest.Number:
		return vcs.Comment{}, fmt.Errorf("read comment %s: %w: it is not of that pull request", ref, vcs.ErrNotFound)
	}
	return p.toComment(&c, ref.PullRequest), nil
}

// pullNumber returns the number of the pull request that has the comment. It
// is false for a comment of an issue or of another repository. GitHub says
// where a comment is in two addresses, and only the one for people tells pull
// requests from issues; both must agree.
func pullNumber(c *github.IssueComment, repo vcs.Repo) (int64, bool) {
	api, err := url.Parse(c.GetIssueURL())
	if err != nil {
		return 0, false
	}
	web, err := url.Parse(c.GetHTMLURL())
	if err != nil {
		return 0, false
	}
	slash := strings.LastIndexByte(web.Path, '/')
	number, err := strconv.ParseInt(web.Path[slash+1:], 10, 64)
	if err != nil || number <= 0 {
		return 0, false
	}
	return number, strings.EqualFold(web.Path, fmt.Sprintf("/%s/pull/%d", repo.Path, number)) &&
		hasSuffixFold(api.Path, fmt.Sprintf("/repos/%s/issues/%d", repo.Path, number))
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

func (p *Provider) toComment(c *github.IssueComment, pr vcs.PullRequestRef) vcs.Comment {
	return vcs.Comment{
		Ref:     vcs.CommentRef{PullRequest: pr, ID: c.GetID()},
		Author:  p.toUser(c.User),
		Body:    c.GetBody(),
		Created: c.GetCreatedAt().Time,
		Updated: c.GetUpdatedAt().Time,
		URL:     c.GetHTMLURL(),
	}
}

// PullRequest returns a pull request.
func (p *Provider) PullRequest(ctx context.Context, ref vcs.PullRequestRef) (vcs.PullRequest, error) {
	path, err := p.pullPath(ref, "pulls")
	if err != nil {
		return vcs.PullRequest{}, err
	}
	var pr github.PullRequest
	if _, err := p.do(ctx, http.MethodGet, path, nil, &pr); err != nil {
		return vcs.PullRequest{}, fmt.Errorf("read pull request %s: %w", ref, err)
	}
	base, head := pr.GetBase(), pr.GetHead()
	out := vcs.PullRequest{
		Ref: ref,
		// A deleted fork is null.
		Fork: head.GetRepo() == nil ||
			head.GetRepo().GetID() != base.GetRepo().GetID() ||
			!strings.EqualFold(head.GetRepo().GetFullName(), ref.Repo.Path),
		HeadBranch: head.GetRef(),
		HeadSHA:    head.GetSHA(),
		BaseBranch: base.GetRef(),
		Public:     public(base.GetRepo()),
		URL:        pr.GetHTMLURL(),
	}
	switch {
	case pr.GetMerged():
		out.State = vcs.Merged
	case pr.GetState() == "open":
		out.State = vcs.Open
	case pr.GetState() == "closed":
		out.State = vcs.Closed
	}
	if int64(pr.GetNumber()) != ref.Number || !strings.EqualFold(base.GetRepo().GetFullName(), ref.Repo.Path) ||
		out.State == "" || out.HeadBranch == "" || out.HeadSHA == "" || out.BaseBranch == "" {
		return vcs.PullRequest{}, fmt.Errorf("read pull request %s: %w", ref, nonsense("not that pull request"))
	}
	return out, nil
}

// permissionLevel is what GitHub says of a user's rights. Its permission knows
// four levels, triage is read there and maintain is write; role_name is the
// exact role, which may be one that the organization made up.
type permissionLevel struct {
	Permission string       `json:"permission"`
	RoleName   string       `json:"role_name"`
	User       *github.User `json:"user"`
}

// Permission returns what the user may do in the repository.
func (p *Provider) Permission(ctx context.Context, repo vcs.Repo, user string) (vcs.Permission, error) {
	path, err := p.repoPath(repo)
	if err != nil {
		return vcs.None, err
	}
	if err := login(user); err != nil {
		return vcs.None, err
	}
	var level permissionLevel
	_, err = p.do(ctx, http.MethodGet, path+"/collaborators/"+url.PathEscape(user)+"/permission", nil, &level)
	if isNotFound(err) {
		return vcs.None, nil
	}
	if err == nil && !strings.EqualFold(level.User.GetLogin(), user) {
		err = nonsense("about another user")
	}
	var out vcs.Permission
	if err == nil {
		out, err = level.permission()
	}
	if err != nil {
		return vcs.None, fmt.Errorf("read permission of %s in %s: %w", user, repo, err)
	}
	return out, nil
}

// permission lets the role say no more than the permission it stands on, so
// that a role of the organization's own cannot be mistaken for a higher one.
func (l permissionLevel) permission() (vcs.Permission, error) {
	switch l.Permission {
	case "admin":
		return vcs.Admin, nil
	case "write", "maintain":
		if l.RoleName == "maintain" {
			return vcs.Maintain, nil
		}
		return vcs.Write, nil
	case "read", "triage":
		if l.RoleName == "triage" {
			return vcs.Triage, nil
		}
		return vcs.Read, nil
	case "none":
		return vcs.None, nil
	}
	return vcs.None, nonsense("no permission")
}

// CommentsSince returns the comments of all pull requests that were made or
// changed at or after a time, in the order they were made.
func (p *Provider) CommentsSince(ctx context.Context, repo vcs.Repo, since time.Time) ([]vcs.Comment, error) {
	path, err := p.repoPath(repo)
	if err != nil {
		return nil, err
	}
	path += "/issues/comments"
	found := map[int64]*github.IssueComment{}
	// Pages that are counted lose a comment when one before it is deleted or
	// changed while they are read. So the last time seen is where the next
	// page begins; comments of that second come twice.
	next, page := since, 1
	for range maxPages {
		query := url.Values{"sort": {"updated"}, "direction": {"asc"}, "per_page": {"100"}, "page": {strconv.Itoa(page)}}
		if !next.IsZero() {
			query.Set("since", timestamp(next))
		}
		var list []*github.IssueComment
		resp, err := p.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &list)
		if err == nil && list == nil {
			err = nonsense("no list")
		}
		if err != nil {
			return nil, fmt.Errorf("list comments of %s: %w", repo, err)
		}
		for _, c := range list {
			found[c.GetID()] = c
		}
		if resp.NextPage <= page || len(list) == 0 {
			return p.pullComments(repo, found), nil
		}
		if last := list[len(list)-1].GetUpdatedAt().Time; last.After(next.Truncate(time.Second)) {
			next, page = last, 1
		} else {
			page = resp.NextPage
		}
	}
	return nil, fmt.Errorf("list comments of %s: %w: more than %d since %s", repo, vcs.ErrUnavailable, maxPages*100, timestamp(since))
}

// pullComments sorts the comments and leaves out those of issues.
func (p *Provider) pullComments(repo vcs.Repo, found map[int64]*github.IssueComment) []vcs.Comment {
	var out []vcs.Comment
	for _, c := range found {
		if number, ok := pullNumber(c, repo); ok {
			out = append(out, p.toComment(c, vcs.PullRequestRef{Repo: repo, Number: number}))
		}
	}
	slices.SortFunc(out, func(a, b vcs.Comment) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Ref.ID, b.Ref.ID))
	})
	return out
}

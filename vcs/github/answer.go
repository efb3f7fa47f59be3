package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-github/v60/github"

	"github.com/tidebot-dev/tidebot/vcs"
)

const (
	// maxBody is the length of the longest comment in characters.
	maxBody = 65536
	// overlap is how long before our own an answer of another program may
	// have been made that we did not see when we looked for one. Both times
	// are GitHub's, so clocks do not matter.
	overlap = time.Hour
	// cutNotice ends an answer that was too long.
	cutNotice = "\n\n*The rest is left out: GitHub takes no longer comment.*\n"
)

// marker is the first line of an answer. GitHub does not show it. The key is
// written so that it cannot end the HTML comment or the field.
func marker(key string, final bool) string {
	var b strings.Builder
	b.WriteString("<!-- tidebot key=")
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("./:@+_-", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if final {
		return b.String() + " state=final -->"
	}
	return b.String() + " state=running -->"
}

// parseAnswer reads a comment's body as the answer with the key. The whole
// line must be the one that [marker] writes.
func parseAnswer(body, key string) (vcs.Answer, bool) {
	line, rest, _ := strings.Cut(body, "\n")
	switch strings.TrimSuffix(line, "\r") {
	case marker(key, false):
		return vcs.Answer{Key: key, Body: rest}, true
	case marker(key, true):
		return vcs.Answer{Key: key, Body: rest, Final: true}, true
	}
	return vcs.Answer{}, false
}

// render writes an answer as a comment's body, cut to what GitHub takes.
func render(a vcs.Answer) string {
	body := marker(a.Key, a.Final) + "\n" + strings.ToValidUTF8(a.Body, "\uFFFD")
	if utf8.RuneCountInString(body) <= maxBody {
		return body
	}
	left := maxBody - utf8.RuneCountInString(cutNotice)
	for i := range body {
		if left == 0 {
			return body[:i] + cutNotice
		}
		left--
	}
	return body
}

// checkKey refuses a key that could not be found again.
func checkKey(key string) error {
	if key == "" || len(key) > 512 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("answer's key %.100q: want printable ASCII without spaces", key)
	}
	return nil
}

func isNotFound(err error) bool { return errors.Is(err, vcs.ErrNotFound) }

// FindAnswer looks for the answer with this key, made by the bot's account.
func (p *Provider) FindAnswer(ctx context.Context, pr vcs.PullRequestRef, key string, since time.Time) (vcs.Answer, error) {
	if err := checkKey(key); err != nil {
		return vcs.Answer{}, err
	}
	all, err := p.answers(ctx, pr, key, since)
	if err != nil {
		return vcs.Answer{}, fmt.Errorf("find answer on %s: %w", pr, err)
	}
	if len(all) == 0 {
		return vcs.Answer{}, fmt.Errorf("find answer on %s: %w", pr, vcs.ErrNotFound)
	}
	return all[0], nil
}

// answers returns all answers with the key, by ID.
func (p *Provider) answers(ctx context.Context, pr vcs.PullRequestRef, key string, since time.Time) ([]vcs.Answer, error) {
	path, err := p.pullPath(pr, "issues")
	if err != nil {
		return nil, err
	}
	self, err := p.selfID(ctx)
	if err != nil {
		return nil, err
	}
	// GitHub's times have whole seconds.
	since = since.Truncate(time.Second)
	query := url.Values{}
	if !since.IsZero() {
		query.Set("since", timestamp(since))
	}
	var out []vcs.Answer
	err = pages(ctx, p, path+"/comments", query, func(c *github.IssueComment) bool {
		// since is about changes, and we want those made since.
		if c.GetUser().GetID() != self || c.GetCreatedAt().Before(since) {
			return true
		}
		if a, ok := parseAnswer(c.GetBody(), key); ok {
			a.ID, a.URL = c.GetID(), c.GetHTMLURL()
			out = append(out, a)
		}
		return true
	})
	slices.SortFunc(out, func(a, b vcs.Answer) int { return cmp.Compare(a.ID, b.ID) })
	return out, err
}

// PutAnswer edits the answer's comment, or creates it. A comment that somebody
// has deleted is created again. If another program has created a final answer
// meanwhile, that one stays as it is and is returned: nothing more is to be
// said under its key.
func (p *Provider) PutAnswer(ctx context.Context, pr vcs.PullRequestRef, a vcs.Answer) (vcs.Answer, error) {
	if err := checkKey(a.Key); err != nil {
		return vcs.Answer{}, err
	}
	if _, err := p.pullPath(pr, "issues"); err != nil {
		return vcs.Answer{}, err
	}
	out, err := a, vcs.ErrNotFound
	if a.ID != 0 {
		out, err = p.edit(ctx, pr, a)
		a.ID, a.URL = 0, ""
	}
	// Somebody may delete what we have just found, but not for ever.
	for tries := 0; isNotFound(err) && tries < 3; tries++ {
		created, createErr := p.create(ctx, pr, a)
		if createErr != nil {
			return vcs.Answer{}, fmt.Errorf("put answer on %s: %w", pr, createErr)
		}
		out, err = p.settle(ctx, pr, a, created)
	}
	if err != nil {
		return vcs.Answer{}, fmt.Errorf("put answer on %s: %w", pr, err)
	}
	return out, nil
}

// create makes a comment of the answer.
func (p *Provider) create(ctx context.Context, pr vcs.PullRequestRef, a vcs.Answer) (*github.IssueComment, error) {
	path, err := p.pullPath(pr, "issues")
	if err != nil {
		return nil, err
	}
	return p.send(ctx, http.MethodPost, path+"/comments", pr, a)
}

// edit writes the answer into its comment.
func (p *Provider) edit(ctx context.Context, pr vcs.PullRequestRef, a vcs.Answer) (vcs.Answer, error) {
	path, err := p.commentPath(vcs.CommentRef{PullRequest: pr, ID: a.ID})
	if err != nil {
		return vcs.Answer{}, err
	}
	c, err := p.send(ctx, http.MethodPatch, path, pr, a)
	if err != nil {
		return vcs.Answer{}, err
	}
	a.URL = c.GetHTMLURL()
	return a, nil
}

// send writes a comment and checks that it is where it should be.
func (p *Provider) send(ctx context.Context, method, path string, pr vcs.PullRequestRef, a vcs.Answer) (*github.IssueComment, error) {
	var c github.IssueComment
	body := struct {
		Body string `json:"body"`
	}{render(a)}
	if _, err := p.do(ctx, method, path, body, &c); err != nil {
		return nil, err
	}
	number, ok := pullNumber(&c, pr.Repo)
	if !ok || number != pr.Number || c.GetID() <= 0 || a.ID != 0 && c.GetID() != a.ID {
		return nil, nonsense("not that comment")
	}
	return &c, nil
}

// settle leaves one answer with the key: GitHub cannot create a comment only
// if there is none, so another program may have made one as well. All agree
// on the lowest ID, which nobody deletes.
func (p *Provider) settle(ctx context.Context, pr vcs.PullRequestRef, a vcs.Answer, created *github.IssueComment) (vcs.Answer, error) {
	a.ID, a.URL = created.GetID(), created.GetHTMLURL()
	all, err := p.answers(ctx, pr, a.Key, created.GetCreatedAt().Add(-overlap))
	if err != nil {
		// The caller does not learn the ID; the next try finds this one.
		return vcs.Answer{}, unmissed(err)
	}
	// The list may be older than our comment.
	if !slices.ContainsFunc(all, func(b vcs.Answer) bool { return b.ID == a.ID }) {
		all = append(all, a)
	}
	first := slices.MinFunc(all, func(x, y vcs.Answer) int { return cmp.Compare(x.ID, y.ID) })
	if first.ID != a.ID {
		mine := a
		mine.ID = first.ID
		if a = first; !first.Final {
			if a, err = p.edit(ctx, pr, mine); err != nil {
				return vcs.Answer{}, err
			}
		}
	}
	for _, other := range all {
		if other.ID == a.ID {
			continue
		}
		path, err := p.commentPath(vcs.CommentRef{PullRequest: pr, ID: other.ID})
		if err != nil {
			return vcs.Answer{}, err
		}
		// Gone is what we want; the other program may have been quicker.
		if _, err := p.do(ctx, http.MethodDelete, path, nil, nil); err != nil && !isNotFound(err) {
			return vcs.Answer{}, err
		}
	}
	return a, nil
}

// unmissed keeps an error of the list from being taken for a deleted comment.
func unmissed(err error) error {
	if isNotFound(err) {
		return fmt.Errorf("%w: the list of comments is gone", vcs.ErrUnavailable)
	}
	return err
}

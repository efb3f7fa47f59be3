package vcstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidebot-dev/tidebot/vcs"
)

// prefix is where GitHub Enterprise Server has its REST.
const prefix = "/api/v3"

// maxBody is the length of the longest comment in characters.
const maxBody = 65536

// A call is one request, matched to a route.
type call struct {
	path  map[string]string
	query url.Values
	body  []byte
	owner *user
	url   *url.URL
}

// A reply is what a route says.
type reply struct {
	status int
	body   any
	link   string
}

// A route is one documented call.
type route struct {
	// pattern is the method and path as the documentation spells them.
	pattern string
	// query are the documented parameters.
	query string
	do    func(*Forge, *call) reply
}

// routes are tried in order.
var routes = []route{
	// https://docs.github.com/en/rest/users/users#get-the-authenticated-user
	{"GET /user", "", (*Forge).getUser},
	// https://docs.github.com/en/rest/repos/repos#get-a-repository
	{"GET /repos/{owner}/{repo}", "", (*Forge).getRepo},
	// https://docs.github.com/en/rest/issues/comments#list-issue-comments-for-a-repository
	{"GET /repos/{owner}/{repo}/issues/comments", "sort direction since per_page page", (*Forge).listRepoComments},
	// https://docs.github.com/en/rest/issues/comments#get-an-issue-comment
	{"GET /repos/{owner}/{repo}/issues/comments/{comment_id}", "", (*Forge).getComment},
	// https://docs.github.com/en/rest/issues/comments#update-an-issue-comment
	{"PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}", "", (*Forge).updateComment},
	// https://docs.github.com/en/rest/issues/comments#delete-an-issue-comment
	{"DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}", "", (*Forge).deleteComment},
	// https://docs.github.com/en/rest/reactions/reactions#create-reaction-for-an-issue-comment
	{"POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", "", (*Forge).react},
	// https://docs.github.com/en/rest/issues/comments#list-issue-comments
	{"GET /repos/{owner}/{repo}/issues/{issue_number}/comments", "since per_page page", (*Forge).listComments},
	// https://docs.github.com/en/rest/issues/comments#create-an-issue-comment
	{"POST /repos/{owner}/{repo}/issues/{issue_number}/comments", "", (*Forge).createComment},
	// https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request
	{"GET /repos/{owner}/{repo}/pulls/{pull_number}", "", (*Forge).getPull},
	// https://docs.github.com/en/rest/pulls/pulls#list-commits-on-a-pull-request
	{"GET /repos/{owner}/{repo}/pulls/{pull_number}/commits", "per_page page", (*Forge).listCommits},
	// https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
	{"GET /repos/{owner}/{repo}/collaborators/{username}/permission", "", (*Forge).getPermission},
	// https://docs.github.com/en/rest/git/refs#list-matching-references; the
	// pages of https://docs.github.com/en/enterprise-server@3.4/rest/git/refs
	{"GET /repos/{owner}/{repo}/git/matching-refs/{ref...}", "per_page page", (*Forge).matchingRefs},
	// https://docs.github.com/en/rest/teams/members#get-team-membership-for-a-user
	{"GET /orgs/{org}/teams/{team_slug}/memberships/{username}", "", (*Forge).getMembership},
}

// match compares a request with the route's pattern. Segments are compared as
// they were sent, so that an escaped slash is no border.
func (rt route) match(method, escaped string) (map[string]string, bool) {
	m, pattern, _ := strings.Cut(rt.pattern, " ")
	want, got := strings.Split(pattern, "/"), strings.Split(escaped, "/")
	if last := len(want) - 1; strings.HasSuffix(pattern, "...}") && len(got) > last {
		// The last name takes all that is left.
		got = append(got[:last:last], strings.Join(got[last:], "/"))
	}
	if m != method || len(want) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for i, w := range want {
		value, err := url.PathUnescape(got[i])
		name, isName := strings.CutPrefix(w, "{")
		switch {
		case err != nil, !isName && w != got[i], isName && value == "":
			return nil, false
		case isName:
			values[strings.TrimRight(name, ".}")] = value
		}
	}
	return values, true
}

// serve answers a request: the fault that is due, or what the route says.
func (f *Forge) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		write(w, reply{status: http.StatusRequestEntityTooLarge})
		return
	}
	name, rep, fault := f.answer(r, body)
	if name != "" && fault != nil {
		switch {
		case fault.Kind == Slow && fault.Delay > 0:
			select {
			case <-time.After(fault.Delay):
			case <-r.Context().Done():
			case <-f.closed:
			}
		default:
			fault.write(w, r, f.closed)
			return
		}
	}
	write(w, rep)
}

// answer finds what to say, and does it unless a fault comes before.
func (f *Forge) answer(r *http.Request, body []byte) (string, reply, *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests[""]++
	var rt route
	c := &call{query: r.URL.Query(), body: body, url: r.URL}
	escaped, found := strings.CutPrefix(r.URL.EscapedPath(), prefix)
	if found {
		found = false
		for _, candidate := range routes {
			if c.path, found = candidate.match(r.Method, escaped); found {
				rt = candidate
				break
			}
		}
	}
	if !found || path.Clean(r.URL.Path) != strings.TrimSuffix(r.URL.Path, "/") {
		f.violate("%s %s: not documented", r.Method, r.URL.EscapedPath())
		return "", notFound, nil
	}
	f.requests[rt.pattern]++
	f.checkForm(rt, c, r)
	fault := f.fault(rt.pattern)
	if fault != nil && fault.Kind != CutAfter && (fault.Kind != Slow || fault.Delay == 0) {
		return rt.pattern, reply{}, fault
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	login, ok := f.tokens[token]
	if !ok || scheme != "Bearer" && scheme != "token" {
		return rt.pattern, reply{status: http.StatusUnauthorized, body: failure("Bad credentials")}, fault
	}
	c.owner = f.users[fold(login)]
	return rt.pattern, rt.do(f, c), fault
}

// checkForm records what is wrong with a request that has a route.
func (f *Forge) checkForm(rt route, c *call, r *http.Request) {
	// https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#headers
	if a := r.Header.Get("Accept"); a != "application/vnd.github+json" && a != "application/vnd.github.v3+json" {
		f.violate("%s: Accept %q", rt.pattern, a)
	}
	if r.Header.Get("User-Agent") == "" {
		f.violate("%s: no User-Agent", rt.pattern)
	}
	if v := r.Header.Get("X-GitHub-Api-Version"); v != "" && v != "2022-11-28" {
		f.violate("%s: version %q", rt.pattern, v)
	}
	if r.Header.Get("Authorization") == "" {
		f.violate("%s: no Authorization", rt.pattern)
	}
	for key, values := range c.query {
		if len(values) != 1 || !slices.Contains(strings.Fields(rt.query), key) {
			f.violate("%s: parameter %s=%q", rt.pattern, key, values)
		}
	}
	if n, err := strconv.Atoi(c.query.Get("per_page")); c.query.Has("per_page") && (err != nil || n < 1 || n > 100) {
		f.violate("%s: per_page %s", rt.pattern, c.query.Get("per_page"))
	}
	if (len(c.body) > 0) != (r.Method == "POST" || r.Method == "PATCH") {
		f.violate("%s: %d bytes of body", rt.pattern, len(c.body))
	}
}

func (f *Forge) violate(format string, args ...any) {
	f.violations = append(f.violations, fmt.Sprintf(format, args...))
}

// write sends a reply.
func write(w http.ResponseWriter, r reply) {
	if r.link != "" {
		w.Header().Set("Link", r.link)
	}
	if r.status == http.StatusNoContent {
		w.WriteHeader(r.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(r.body)
}

// failure is the body of an error.
func failure(message string) any {
	return map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest"}
}

var notFound = reply{status: http.StatusNotFound, body: failure("Not Found")}

func forbidden(message string) reply {
	return reply{status: http.StatusForbidden, body: failure(message)}
}

func invalid(message string) reply {
	return reply{status: http.StatusUnprocessableEntity, body: failure(message)}
}

// repo returns the repository of a call if the token's owner may see it.
func (f *Forge) repo(c *call) *repo {
	r := f.repos[fold(c.path["owner"]+"/"+c.path["repo"])]
	if r == nil || r.permission(c.owner.Login) < vcs.Read {
		return nil
	}
	return r
}

// comment returns the comment of a call, or nil.
func (f *Forge) comment(c *call) *comment {
	id, err := strconv.ParseInt(c.path["comment_id"], 10, 64)
	if found := f.comments[id]; err == nil && found != nil && found.repo == f.repo(c) {
		return found
	}
	return nil
}

// text reads the one field of a body.
func (f *Forge) text(c *call, field string) (string, bool) {
	var m map[string]string
	if json.Unmarshal(c.body, &m) != nil || len(m) != 1 {
		f.violate("%s: body %.100q: want just %s", c.url.Path, c.body, field)
		return "", false
	}
	s, ok := m[field]
	return s, ok && s != ""
}

func (f *Forge) getUser(c *call) reply {
	return reply{status: http.StatusOK, body: f.userJSON(c.owner, true)}
}

func (f *Forge) getComment(c *call) reply {
	if found := f.comment(c); found != nil {
		return reply{status: http.StatusOK, body: f.commentJSON(found)}
	}
	return notFound
}

// changeable returns the comment of a call if the token's owner may change it.
func (f *Forge) changeable(c *call) (*comment, reply) {
	found := f.comment(c)
	switch {
	case found == nil:
		return nil, notFound
	case found.author != c.owner && found.repo.permission(c.owner.Login) < vcs.Write:
		return nil, forbidden("Must have admin rights to Repository.")
	}
	return found, reply{}
}

func (f *Forge) updateComment(c *call) reply {
	found, no := f.changeable(c)
	if found == nil {
		return no
	}
	body, ok := f.text(c, "body")
	if !ok || utf8.RuneCountInString(body) > maxBody {
		return invalid("Body is empty or too long (maximum is 65536 characters)")
	}
	found.body, found.updated = body, f.now()
	return reply{status: http.StatusOK, body: f.commentJSON(found)}
}

func (f *Forge) deleteComment(c *call) reply {
	found, no := f.changeable(c)
	if found == nil {
		return no
	}
	delete(f.comments, found.id)
	return reply{status: http.StatusNoContent}
}

func (f *Forge) createComment(c *call) reply {
	r := f.repo(c)
	n, err := strconv.ParseInt(c.path["issue_number"], 10, 64)
	if r == nil || err != nil || !r.issue(n) {
		return notFound
	}
	body, ok := f.text(c, "body")
	if !ok || utf8.RuneCountInString(body) > maxBody {
		return invalid("Body is empty or too long (maximum is 65536 characters)")
	}
	return reply{status: http.StatusCreated, body: f.commentJSON(f.addComment(r, n, c.owner, body))}
}

func (f *Forge) listComments(c *call) reply {
	r := f.repo(c)
	n, err := strconv.ParseInt(c.path["issue_number"], 10, 64)
	if r == nil || err != nil || !r.issue(n) {
		return notFound
	}
	return f.commentPage(c, f.list(r, n))
}

func (f *Forge) listRepoComments(c *call) reply {
	r := f.repo(c)
	if r == nil {
		return notFound
	}
	all := f.list(r, 0)
	switch c.query.Get("sort") {
	// The direction is ignored without sort.
	case "":
		return f.commentPage(c, all)
	case "created":
	case "updated":
		slices.SortStableFunc(all, func(a, b *comment) int { return a.updated.Compare(b.updated) })
	default:
		return invalid("sort")
	}
	switch c.query.Get("direction") {
	case "asc":
	case "desc":
		slices.Reverse(all)
	default:
		return invalid("direction")
	}
	return f.commentPage(c, all)
}

// commentPage leaves out what was not changed since, and cuts a page.
func (f *Forge) commentPage(c *call, all []*comment) reply {
	if s := c.query.Get("since"); s != "" {
		since, err := time.Parse(time.RFC3339, s)
		// Whole seconds of UTC are what is documented.
		if err != nil || since.Format("2006-01-02T15:04:05Z") != s {
			f.violate("%s: since %q", c.url.Path, s)
			return invalid("since")
		}
		all = slices.DeleteFunc(all, func(m *comment) bool { return m.updated.Before(since) })
	}
	var out []any
	for _, m := range all {
		out = append(out, f.commentJSON(m))
	}
	return f.page(c, out)
}

// page cuts one page, see
// https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api.
func (f *Forge) page(c *call, all []any) reply {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(c.query.Get(name)); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	size, page := min(number("per_page", 30), 100), number("page", 1)
	from := min((page-1)*size, len(all))
	to := min(from+size, len(all))
	rep := reply{status: http.StatusOK, body: append([]any{}, all[from:to]...)}
	if to < len(all) {
		q := c.url.Query()
		q.Set("page", strconv.Itoa(page+1))
		next := f.web + c.url.EscapedPath() + "?" + q.Encode()
		q.Set("page", strconv.Itoa((len(all)+size-1)/size))
		last := f.web + c.url.EscapedPath() + "?" + q.Encode()
		rep.link = fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`, next, last)
	}
	return rep
}

func (f *Forge) react(c *call) reply {
	found := f.comment(c)
	if found == nil {
		return notFound
	}
	content, _ := f.text(c, "content")
	if !slices.Contains(strings.Fields("+1 -1 laugh confused heart hooray rocket eyes"), content) {
		return invalid("content")
	}
	status, line := http.StatusOK, c.owner.Login+" "+content
	if !slices.Contains(found.reactions, line) {
		status = http.StatusCreated
		found.reactions = append(found.reactions, line)
	}
	return reply{status: status, body: map[string]any{"id": found.id, "content": content, "user": f.userJSON(c.owner, false)}}
}

func (f *Forge) getRepo(c *call) reply {
	r := f.repo(c)
	if r == nil {
		return notFound
	}
	return reply{status: http.StatusOK, body: f.repoJSON(r)}
}

func (f *Forge) getPull(c *call) reply {
	r := f.repo(c)
	n, err := strconv.ParseInt(c.path["pull_number"], 10, 64)
	if r == nil || err != nil || r.pull(n) == nil {
		return notFound
	}
	return reply{status: http.StatusOK, body: f.pullJSON(r, r.pull(n))}
}

func (f *Forge) listCommits(c *call) reply {
	r := f.repo(c)
	n, err := strconv.ParseInt(c.path["pull_number"], 10, 64)
	if r == nil || err != nil || r.pull(n) == nil {
		return notFound
	}
	var out []any
	for _, sha := range r.pull(n).Commits[:min(250, len(r.pull(n).Commits))] {
		out = append(out, map[string]any{"sha": sha})
	}
	return f.page(c, out)
}

func (f *Forge) getPermission(c *call) reply {
	r, u := f.repo(c), f.users[fold(c.path["username"])]
	switch {
	case r == nil:
		return notFound
	case r.permission(c.owner.Login) < vcs.Write:
		return forbidden("Must have push access to view collaborator permission.")
	case u == nil:
		return notFound
	}
	p := r.permission(u.Login)
	role := p.String()
	if custom, ok := r.roles[fold(u.Login)]; ok {
		role = custom
	}
	// The old field knows four levels: triage is read there, maintain is write.
	level := map[vcs.Permission]string{vcs.Triage: "read", vcs.Maintain: "write"}[p]
	if level == "" {
		level = p.String()
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"permission": level, "role_name": role, "user": f.userJSON(u, false),
	}}
}

func (f *Forge) matchingRefs(c *call) reply {
	r := f.repo(c)
	if r == nil {
		return notFound
	}
	names := make([]string, 0, len(r.Branches))
	for name := range r.Branches {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []any
	for _, name := range names {
		if strings.HasPrefix("heads/"+name, c.path["ref"]) {
			out = append(out, map[string]any{
				"ref":    "refs/heads/" + name,
				"object": map[string]any{"type": "commit", "sha": r.Branches[name]},
			})
		}
	}
	return f.page(c, out)
}

func (f *Forge) getMembership(c *call) reply {
	org := f.orgs[fold(c.path["org"])]
	t, ok := f.teams[fold(c.path["org"]+"/"+c.path["team_slug"])]
	sees := slices.ContainsFunc(org.Members, func(l string) bool { return fold(l) == fold(c.owner.Login) })
	if !ok || !sees {
		return notFound
	}
	state := f.member(t, c.path["username"], len(f.teams))
	if state == "" {
		return notFound
	}
	return reply{status: http.StatusOK, body: map[string]any{"state": state, "role": "member"}}
}

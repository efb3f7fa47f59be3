// Package github is GitHub as a [vcs.Provider]: github.com, or a GitHub
// Enterprise Server or Cloud at an address of its own.
//
// A [Provider] also is a [vcs.Teams], [vcs.Reactions], [vcs.Visibility],
// [vcs.Branches] and [vcs.Commits]. Its token is a personal access token, classic or
// fine-grained, of the bot's own account; it needs to read and write pull
// requests' comments, to push (GitHub tells permissions to nobody else), and
// to read the organization's members if rules name teams.
//
// # What it does not do
//
// It repeats no request and follows no redirect: a repository that was renamed
// is [vcs.ErrNotFound] until the configuration names it anew. It sends its
// token to the configured address only, and addresses in GitHub's answers are
// never called.
//
// # Errors
//
// 401 is [vcs.ErrUnauthorized]; 403, 422 and other refusals of a request are
// [vcs.ErrForbidden]; 404, 410 and redirects are [vcs.ErrNotFound]. A rate
// limit, 403 too, is [vcs.ErrUnavailable] with the time at which it ends; so
// are 5xx, answers that make no sense, and a network that fails. When the
// context is done, the error wraps the context's as well. GitHub's own message
// is quoted with the token cut out.
package github

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/tidebot-dev/tidebot/vcs"
)

// Options are where GitHub is and who asks. Token is required.
type Options struct {
	// Name is the provider's name in the configuration, as in
	// [vcs.Repo.Provider]; empty means github.com.
	Name string
	// BaseURL is where the REST API is, such as
	// https://github.example.com/api/v3/; empty means https://api.github.com/.
	// Plain http is for loopback addresses only.
	BaseURL string
	// Token returns the token. It is asked before each request, so that a
	// token can be replaced while the program runs. See [StaticToken].
	Token func(ctx context.Context) (string, error)
	// HTTPClient brings its Transport; nil means one of its own that goes
	// through the environment's proxy. Its CheckRedirect is not used.
	HTTPClient *http.Client
}

// StaticToken is an [Options.Token] that never changes.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// A Provider is a GitHub. It is made by [New].
type Provider struct {
	name    string
	noreply string
	token   func(context.Context) (string, error)
	client  *github.Client

	mu   sync.Mutex
	self int64 // the account's ID, 0 until known
}

var (
	_ vcs.Provider   = (*Provider)(nil)
	_ vcs.Teams      = (*Provider)(nil)
	_ vcs.Visibility = (*Provider)(nil)
	_ vcs.Reactions  = (*Provider)(nil)
	_ vcs.Branches   = (*Provider)(nil)
	_ vcs.Commits    = (*Provider)(nil)
)

// New returns a provider. It sends nothing yet.
func New(o Options) (*Provider, error) {
	if o.Token == nil {
		return nil, errors.New("configure github: no token")
	}
	if o.Name == "" {
		o.Name = "github.com"
	}
	if o.BaseURL == "" {
		o.BaseURL = "https://api.github.com/"
	}
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("configure github: %w", err)
	}
	var next http.RoundTripper
	if o.HTTPClient != nil {
		next = o.HTTPClient.Transport
	}
	if next == nil {
		next = newTransport()
	}
	client := github.NewClient(&http.Client{
		Transport:     capped{next},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	client.BaseURL = base
	client.UserAgent = "tidebot"
	return &Provider{
		name:    o.Name,
		noreply: "users.noreply." + strings.TrimPrefix(base.Hostname(), "api."),
		token:   o.Token,
		client:  client,
	}, nil
}

// parseBase reads the address of the API.
func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		// The error of Parse repeats the address, which may hold a password.
		return nil, errors.New("base URL: cannot be read")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case u.User != nil:
		return nil, errors.New("base URL: must not hold a user or password")
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("base URL %q: want https://, a name and perhaps a path", s)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback):
		return nil, fmt.Errorf("base URL %q: want https", s)
	}
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	return u, nil
}

// newTransport returns a transport that waits for nothing for ever.
func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: requestTimeout,
	}
}

// Self returns the account whose token is used. It asks each time, so it also
// tells whether the token still is good.
func (p *Provider) Self(ctx context.Context) (vcs.User, error) {
	u, err := p.user(ctx)
	if err != nil {
		return vcs.User{}, fmt.Errorf("read own account at %s: %w", p.name, err)
	}
	return p.toUser(u), nil
}

// selfID returns the account's ID. It is asked for once: tokens are replaced
// while the program runs, the account is not.
func (p *Provider) selfID(ctx context.Context) (int64, error) {
	p.mu.Lock()
	id := p.self
	p.mu.Unlock()
	if id != 0 {
		return id, nil
	}
	u, err := p.user(ctx)
	if err != nil {
		return 0, fmt.Errorf("read own account: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.self = u.GetID()
	return p.self, nil
}

// user asks GitHub whose token it is.
func (p *Provider) user(ctx context.Context) (*github.User, error) {
	var u github.User
	if _, err := p.do(ctx, http.MethodGet, "user", nil, &u); err != nil {
		return nil, err
	}
	if u.GetID() <= 0 || u.GetLogin() == "" {
		return nil, nonsense("an account without a name")
	}
	return &u, nil
}

// toUser turns GitHub's account into ours. A deleted account has none: nil.
func (p *Provider) toUser(u *github.User) vcs.User {
	if u == nil {
		return vcs.User{}
	}
	out := vcs.User{Login: u.GetLogin(), Name: u.GetName(), Bot: u.GetType() != "User"}
	if u.GetID() > 0 && out.Login != "" {
		// https://docs.github.com/en/account-and-profile/reference/email-addresses-reference
		out.Email = fmt.Sprintf("%d+%s@%s", u.GetID(), out.Login, p.noreply)
	}
	return out
}

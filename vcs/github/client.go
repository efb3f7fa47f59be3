package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/tidebot-dev/tidebot/vcs"
)

const (
	// requestTimeout is how long a request may take, with its answer.
	requestTimeout = 10 * time.Second
	// maxAnswer is the size of the largest answer: a page of 100 comments of
	// 65536 characters, each as long as JSON makes it with \u, and the rest.
	maxAnswer = 48 << 20
	// maxPages is how many pages of 100 are read at most.
	maxPages = 100
)

// capped is a transport whose answers end, with an error if they are too long.
type capped struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if resp != nil {
		resp.Body = &cappedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

type cappedBody struct {
	io.ReadCloser
	left int
}

var errTooLong = fmt.Errorf("answer is longer than %d bytes", maxAnswer)

// Read implements [io.Reader].
func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// do sends one request and reads the answer into out, if not nil. path is
// below the API's address, its segments checked or escaped. The services of
// go-github are not used: they put names into paths as they come, and take an
// empty answer for a good one.
func (p *Provider) do(ctx context.Context, method, path string, in, out any) (*github.Response, error) {
	token, err := p.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: get token: %w", vcs.ErrUnavailable, err)
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: it is empty or has odd characters", vcs.ErrUnauthorized)
	}
	req, err := p.client.NewRequest(method, path, in)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("Authorization", "Bearer "+token)
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := p.client.BareDo(limited, req)
	if err != nil {
		return nil, failure(ctx, err, token)
	}
	defer resp.Body.Close()
	if out == nil {
		return resp, nil
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, failure(ctx, err, token)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return nil, nonsense("no JSON of the right kind")
	}
	return resp, nil
}

// nonsense is the error for an answer that cannot be GitHub's.
func nonsense(what string) error {
	return fmt.Errorf("%w: the answer is %s", vcs.ErrUnavailable, what)
}

// failure turns go-github's error into one of ours, without the token.
func failure(ctx context.Context, err error, token string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", vcs.ErrUnavailable, ctx.Err())
	}
	var (
		limit     *github.RateLimitError
		burst     *github.AbuseRateLimitError
		factor    *github.TwoFactorAuthError
		odd       *github.ErrorResponse
		transport *url.Error
	)
	switch {
	case errors.As(err, &limit):
		return fmt.Errorf("%w: rate limit reached, again at %s", vcs.ErrUnavailable, limit.Rate.Reset.UTC().Format(time.RFC3339))
	case errors.As(err, &burst):
		if burst.RetryAfter != nil {
			return fmt.Errorf("%w: rate limit reached, again in %s", vcs.ErrUnavailable, burst.RetryAfter.Round(time.Second))
		}
		return fmt.Errorf("%w: rate limit reached", vcs.ErrUnavailable)
	case errors.As(err, &factor):
		return fmt.Errorf("%w: GitHub asks for a second factor", vcs.ErrUnauthorized)
	case errors.As(err, &odd) && odd.Response != nil:
		return status(odd.Response, odd.Message, token)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer in %s", vcs.ErrUnavailable, requestTimeout)
	case errors.As(err, &transport):
		err = transport.Err
	}
	return fmt.Errorf("%w: %s", vcs.ErrUnavailable, clean(err.Error(), token))
}

// status turns a status that is no success into an error.
func status(resp *http.Response, message, token string) error {
	code := resp.StatusCode
	told := fmt.Sprintf("HTTP %d", code)
	if message != "" {
		told += ": " + clean(message, token)
	}
	after, limited := again(resp.Header)
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && limited:
		return fmt.Errorf("%w: rate limit reached%s", vcs.ErrUnavailable, after)
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s", vcs.ErrUnauthorized, told)
	case code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("%w: %s", vcs.ErrNotFound, told)
	case 300 <= code && code < 400:
		return fmt.Errorf("%w: it has moved to another place (HTTP %d)", vcs.ErrNotFound, code)
	case code == http.StatusRequestTimeout, code == http.StatusConflict, code >= 500:
		return fmt.Errorf("%w: %s", vcs.ErrUnavailable, told)
	case code >= 400:
		return fmt.Errorf("%w: %s", vcs.ErrForbidden, told)
	}
	return fmt.Errorf("%w: %s", vcs.ErrUnavailable, told)
}

// again says when a limited client may come again, and whether it is limited.
// See https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit.
func again(h http.Header) (string, bool) {
	if s, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31); err == nil {
		return fmt.Sprintf(", again in %d s", s), true
	}
	if h.Get("X-RateLimit-Remaining") != "0" {
		return "", h.Get("Retry-After") != ""
	}
	if s, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		return ", again at " + time.Unix(s, 0).UTC().Format(time.RFC3339), true
	}
	return "", true
}

// clean makes a message of somebody else's fit for an error.
func clean(s, token string) string {
	s = strings.ReplaceAll(s, token, "(token)")
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return strconv.Quote(s)
}

// pages reads a list, page by page, until it ends or keep says no. GitHub's
// answers give the page's number only, never the address to ask.
func pages[T any](ctx context.Context, p *Provider, path string, query url.Values, keep func(T) bool) error {
	query.Set("per_page", "100")
	for page := 1; page <= maxPages; {
		query.Set("page", strconv.Itoa(page))
		var list []T
		resp, err := p.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &list)
		if err != nil {
			return err
		}
		if list == nil {
			return nonsense("no list")
		}
		for _, item := range list {
			if !keep(item) {
				return nil
			}
		}
		if resp.NextPage <= page {
			return nil
		}
		page = resp.NextPage
	}
	return fmt.Errorf("%w: the list has more than %d pages", vcs.ErrUnavailable, maxPages)
}

// timestamp writes a time as GitHub's since wants it, in whole seconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

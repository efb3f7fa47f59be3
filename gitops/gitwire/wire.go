package gitwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/tidebot-dev/tidebot/gitops"
)

// A wire carries Git's protocol to one repository.
type wire interface {
	// advertise asks a service for the refs.
	advertise(ctx context.Context, service, branch string) (*advertisement, error)
	// exchange sends a request to a service and returns the answer, to be
	// closed. If the wire is told the refs in doing so it hands them to
	// request; else that gets nil.
	//
	// A failure is an *exchangeError.
	exchange(ctx context.Context, service, branch string, request func(*advertisement) ([]byte, error)) (io.ReadCloser, error)
	// stateless says that exchange does not tell the refs.
	stateless() bool
	close() error
}

// An exchangeError says how an exchange failed.
type exchangeError struct {
	// sent is set if the server may have got the request and may act on it.
	sent bool
	// refused is set if the server answered that it does not take such a
	// request, for another reason than who sends it.
	refused bool
	// over is set if the server has answered that it failed: then the request
	// is not still at work.
	over bool
	err  error
}

func (e *exchangeError) Error() string { return e.err.Error() }
func (e *exchangeError) Unwrap() error { return e.err }

// unsent is a failure before anything reached the server.
func unsent(err error) error { return &exchangeError{err: err} }

// unavailable makes an error of this package's one for callers.
func unavailable(what string, err error) error {
	if errors.Is(err, gitops.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", what, gitops.ErrUnavailable, err)
}

// plainNetError takes the addresses and URLs out of an error, and says in
// plain words what they were about.
func plainNetError(err error) error {
	if urlErr := new(url.Error); errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	if dns := new(net.DNSError); errors.As(err, &dns) {
		return fmt.Errorf("name of the server not found: %w", err)
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer in time: %w", err)
	}
	return err
}

var scpLike = regexp.MustCompile(`^(?:([A-Za-z0-9_.-]+)@)?([A-Za-z0-9.-]+):([^/].*|/.*)$`)

// parseURL understands what Git does, less what is not meant for servers.
// Errors do not repeat the URL, which might hold a password.
func parseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("no URL")
	}
	if !strings.Contains(s, "://") {
		m := scpLike.FindStringSubmatch(s)
		if m == nil {
			return nil, errors.New("URL is none: want https://, ssh://, user@server:path or file://")
		}
		u := &url.URL{Scheme: "ssh", Host: m[2], Path: m[3]}
		if m[1] != "" {
			u.User = url.User(m[1])
		}
		return u, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("URL is malformed")
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("URL holds a password: use Token")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("URL has a query or a fragment")
	}
	switch u.Scheme {
	case "http", "https":
		if u.User != nil {
			return nil, errors.New("URL holds a user: use Token")
		}
		if u.Host == "" {
			return nil, errors.New("URL names no server")
		}
	case "ssh":
		if u.Hostname() == "" {
			return nil, errors.New("URL names no server")
		}
	case "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return nil, errors.New("URL of a file wants an absolute path: file:///path")
		}
	default:
		return nil, fmt.Errorf("URL has the scheme %q: want https, ssh or file", u.Scheme)
	}
	return u, nil
}

func newWire(o *Options) (wire, error) {
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ssh":
		d, err := newSSHDialer(u, o)
		if err != nil {
			return nil, err
		}
		return &streamWire{name: "ssh://" + u.Host, dial: d}, nil
	case "file":
		return &streamWire{name: "file://" + u.Path, dial: localDialer{path: u.Path}}, nil
	}
	return newHTTPWire(u, o), nil
}

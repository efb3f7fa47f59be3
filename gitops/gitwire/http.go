package gitwire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// httpWire is Git's smart HTTP protocol: gitprotocol-http(5).
type httpWire struct {
	client *http.Client
	token  func(context.Context) (user, password string, err error)
	server string // for messages

	mu   sync.Mutex
	base string // the URL; may change within the server by a redirect
}

func newHTTPWire(u *url.URL, o *Options) *httpWire {
	var client http.Client
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	} else {
		client.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   10 * time.Second,
			MaxIdleConnsPerHost:   8,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
		}
	}
	client.CheckRedirect = sameServer
	if u.Scheme == "http" && o.Token != nil && !isLoopback(u.Hostname()) {
		o.Log.Warn("credentials for the config repository go over the network in clear text", "server", u.Host)
	}
	return &httpWire{client: &client, token: o.Token, server: u.Scheme + "://" + u.Host, base: strings.TrimSuffix(u.String(), "/")}
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

var errRedirect = errors.New("server redirects to another server or too often; not followed")

// sameServer follows a redirect only where the credentials may go anyhow, and
// never repeats a POST.
func sameServer(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host ||
		req.URL.User != nil || len(via) > 5 {
		return errRedirect
	}
	return nil
}

func (w *httpWire) url() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.base
}

func (w *httpWire) advertise(ctx context.Context, service, branch string) (*advertisement, error) {
	const path = "/info/refs"
	res, err := w.do(ctx, http.MethodGet, w.url()+path+"?service="+service, nil, "application/x-"+service+"-advertisement", "")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a, err := readAdvertisement(res.Body, branch)
	if err != nil {
		return nil, plainNetError(err)
	}
	if u := *res.Request.URL; strings.HasSuffix(u.Path, path) {
		u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, path), "", ""
		w.mu.Lock()
		w.base = u.String()
		w.mu.Unlock()
	}
	return a, nil
}

func (w *httpWire) exchange(ctx context.Context, service, _ string, request func(*advertisement) ([]byte, error)) (io.ReadCloser, error) {
	body, err := request(nil)
	if err != nil {
		return nil, unsent(err)
	}
	res, err := w.do(ctx, http.MethodPost, w.url()+"/"+service, body, "application/x-"+service+"-result", "application/x-"+service+"-request")
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// do sends a request with credentials, and checks that a Git server answers.
func (w *httpWire) do(ctx context.Context, method, address string, body []byte, want, have string) (*http.Response, error) {
	// Once there is a connection, bytes may have gone out.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, reader)
	if err != nil {
		return nil, unsent(errors.New("URL is malformed"))
	}
	req.Header.Set("User-Agent", "git/"+agentName)
	req.Header.Set("Accept", want)
	if have != "" {
		req.Header.Set("Content-Type", have)
		// A push must not be repeated by the HTTP client, which does not
		// know what it means.
		req.GetBody = nil
	}
	if w.token != nil {
		user, password, err := w.token(ctx)
		if err != nil {
			return nil, unsent(fmt.Errorf("get credentials: %w", err))
		}
		req.SetBasicAuth(user, password)
	}
	res, err := w.client.Do(req)
	if err != nil {
		if errors.Is(err, errRedirect) {
			return nil, &exchangeError{refused: true, err: errRedirect}
		}
		return nil, &exchangeError{sent: connected.Load(), err: plainNetError(err)}
	}
	if err := w.check(res, want); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	return res, nil
}

// check says what a status means.
func (w *httpWire) check(res *http.Response, want string) error {
	code := res.StatusCode
	if code == http.StatusOK {
		kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
		if kind == want {
			return nil
		}
		// Whatever wrote this, the server behind it may have seen the request.
		return &exchangeError{sent: true, refused: true, err: fmt.Errorf("%s is not a Git server there (HTTP 200, but of type %s)", w.server, inert(kind))}
	}
	var said string
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/plain" {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 400))
		said = inert(string(text))
	}
	e := &exchangeError{}
	meaning := "request not taken"
	switch {
	case code == http.StatusUnauthorized && w.token == nil:
		meaning = "server wants credentials"
	case code == http.StatusUnauthorized:
		meaning = "credentials not accepted"
	case code == http.StatusForbidden:
		meaning = "not permitted with these credentials"
	case code == http.StatusNotFound:
		meaning = "no such repository, or not with these credentials"
	case code == http.StatusTooManyRequests:
		meaning = "too many requests"
	case code == http.StatusInternalServerError || code == http.StatusServiceUnavailable:
		e.sent, e.over, meaning = true, true, "server has an error"
	case code >= 500 || code == http.StatusRequestTimeout:
		// Whoever says so did not hear from the server behind it.
		e.sent, meaning = true, "server did not answer its gateway properly"
	case code >= 200 && code < 300:
		e.sent, e.refused, meaning = true, true, "answer is not one of Git's"
	case code >= 300 && code < 400:
		e.refused, meaning = true, "server redirects; not followed"
	default:
		e.refused = true
	}
	e.err = fmt.Errorf("%s (HTTP %d)", meaning, code)
	if said != "" {
		e.err = fmt.Errorf("%s (HTTP %d): %s", meaning, code, said)
	}
	return e
}

func (w *httpWire) stateless() bool { return true }

func (w *httpWire) close() error {
	w.client.CloseIdleConnections()
	return nil
}

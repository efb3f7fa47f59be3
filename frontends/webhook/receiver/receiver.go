// Package receiver is the front-end that hears webhooks. It checks who signed
// a delivery, drops what holds no command, and tells the core where the
// comment is. The core reads the comment itself, so whoever takes over this
// program can make the core look at a comment twice, and nothing more.
//
// The sender gets its answer when the core has accepted the request, long
// before the deploy is done, because providers wait for some seconds only:
//
//	202  accepted by the core
//	200  nothing to do: a ping, another event, no command, ignored by the core
//	400  signed, but not what the provider documents
//	403  not signed with a secret of this endpoint
//	404  no such endpoint
//	405  not POST
//	408  the body came too slowly
//	413  the body is too long
//	415  not application/json
//	500  a defect in this program
//	503  no room, or the core did not answer; with Retry-After
//
// GitHub does not repeat a delivery by itself; under the webhook it shows those
// that were answered 503, with a button to deliver them again.
package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/vcs/github/webhook"
)

// Settings are the front-end's part of the configuration. Keys that are for
// the core (listen, secretsFrom) are passed over: the core has checked them.
type Settings struct {
	// Endpoints are by URL path. The secrets of an endpoint are handed over
	// under the same name.
	Endpoints map[string]Endpoint `json:"endpoints"`
	// MaxBodyBytes lowers the limit for a body; 0 means 25 MiB, the most that
	// GitHub sends and the most that is possible.
	MaxBodyBytes int64 `json:"maxBodyBytes"`
}

// An Endpoint is a URL path for the webhooks of one provider.
type Endpoint struct {
	// Provider is the provider's name in the configuration. The endpoint's
	// secrets vouch for it and for no other, whatever a payload says.
	Provider string `json:"provider"`
	// Type is how the provider's webhooks look: "github", also if empty.
	Type string `json:"type"`
}

// limits are the bounds of a server.
type limits struct {
	// header, body and idle are how long a connection may take for the
	// header, for header and body together, and between two requests.
	header, body, idle time.Duration
	// answer is how long the core has for its first word. GitHub waits 10 s.
	answer time.Duration
	// stream is how long a request that was accepted is followed.
	stream time.Duration
	// drain is how long the end may take.
	drain time.Duration
	// requests is how many are served at a time, and asks how many of them
	// the core carries out; followed of these are waited for after the answer
	// went out.
	requests, asks, followed int
	// memory is for the bodies of all requests, in bytes, beyond the first
	// firstRead of each.
	memory int64
}

const (
	maxHeaderBytes = 16 << 10
	firstRead      = 32 << 10
	retryAfter     = "30"
)

// standard are the limits outside tests. The core carries out 256 requests of
// a front-end at a time, and gives it 20 seconds for its end.
func standard() limits {
	return limits{
		header: 5 * time.Second, body: 15 * time.Second, idle: time.Minute,
		answer: 8 * time.Second, stream: 5 * time.Minute, drain: 12 * time.Second,
		requests: 1024, asks: 256, followed: 128,
		memory: 128 << 20,
	}
}

// Frontend serves webhooks on the listener named "listen".
type Frontend struct{ limits limits }

var _ frontend.Frontend = (*Frontend)(nil)

// New returns the front-end.
func New() *Frontend { return &Frontend{limits: standard()} }

// Run serves until ctx is done. It refuses to start without an endpoint, or
// with one that has no secret.
func (f *Frontend) Run(ctx context.Context, core frontend.Core, env frontend.Env) error {
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := newServer(env, core, log, f.limits)
	if err != nil {
		return err
	}
	listener := env.Listeners["listen"]
	if listener == nil {
		return errors.New(`no listener named "listen": say in the configuration where webhooks come in`)
	}
	return s.serve(ctx, listener, env.Ready)
}

// serve answers requests until ctx is done, then drains.
func (s *server) serve(ctx context.Context, listener net.Listener, ready func()) error {
	// Requests to the core outlive the connection that brought them, but not
	// the front-end. Only the front-end's end may stop them, after the drain.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.base = base

	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.limits.header,
		ReadTimeout:       s.limits.body,
		// It begins when the header was read.
		WriteTimeout:   s.limits.body + s.limits.answer + 5*time.Second,
		IdleTimeout:    s.limits.idle,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	s.log.InfoContext(ctx, "webhooks can come in", "address", listener.Addr().String(), "endpoints", slices.Sorted(maps.Keys(s.endpoints)))
	ready()

	select {
	case err := <-served:
		return fmt.Errorf("serve webhooks: %w", err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(base, s.limits.drain)
	defer cancel()
	if err := h.Shutdown(deadline); err != nil {
		s.log.WarnContext(ctx, "connections cut off at the end", "error", err)
		// It closes connections only, so there is nothing to be lost by an
		// error.
		_ = h.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		s.log.WarnContext(ctx, "listener failed at the end", "error", err)
	}
	// What the core has accepted it does without us.
	stop()
	return s.wait()
}

// newServer checks the settings.
func newServer(env frontend.Env, core frontend.Core, log *slog.Logger, l limits) (*server, error) {
	var settings Settings
	if err := json.Unmarshal(env.Settings, &settings); err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if len(settings.Endpoints) == 0 {
		return nil, errors.New("no endpoint in the settings: without one, no webhook can come in")
	}
	s := &server{
		core: core, log: log, limits: l, maxBody: webhook.MaxBody,
		endpoints: make(map[string]endpoint),
		requests:  make(chan struct{}, l.requests),
		asks:      make(chan struct{}, l.asks),
	}
	s.memory.Store(l.memory)
	switch most := settings.MaxBodyBytes; {
	case most < 0:
		return nil, fmt.Errorf("maxBodyBytes is %d: want a size", most)
	case most > webhook.MaxBody:
		log.Warn("maxBodyBytes lowered to the most that GitHub sends", "configured", most, "used", webhook.MaxBody)
	case most > 0:
		s.maxBody = most
	}
	for path, e := range settings.Endpoints {
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("endpoint %q: want a path that begins with /", path)
		}
		if e.Provider == "" {
			return nil, fmt.Errorf("endpoint %s: no provider", path)
		}
		if e.Type != "" && e.Type != "github" {
			return nil, fmt.Errorf("endpoint %s: unknown type %q, want github", path, e.Type)
		}
		var secrets [][]byte
		for _, secret := range env.Secrets[path] {
			if strings.TrimSpace(secret) == "" {
				return nil, fmt.Errorf("endpoint %s: a secret is empty", path)
			}
			secrets = append(secrets, []byte(secret))
		}
		if len(secrets) == 0 {
			return nil, fmt.Errorf("endpoint %s: no secret: anybody could give commands", path)
		}
		s.endpoints[path] = endpoint{provider: e.Provider, secrets: secrets}
	}
	return s, nil
}

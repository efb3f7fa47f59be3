package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github/webhook"
)

// endpoint is an [Endpoint] with its secrets.
type endpoint struct {
	provider string
	secrets  [][]byte
}

// A server is the HTTP side of the front-end.
type server struct {
	core      frontend.Core
	log       *slog.Logger
	limits    limits
	maxBody   int64
	endpoints map[string]endpoint
	// base is what requests to the core are made with.
	base context.Context
	// requests and asks have an element for each one under way.
	requests, asks chan struct{}
	// memory is what is left for bodies.
	memory atomic.Int64
	quiet  limiter
}

// A reply is what the sender gets.
type reply struct {
	status int
	// text is for the sender, and without anything that is not known to
	// everybody as long as the signature was not checked.
	text string
	// err is for the log.
	err error
	// request is the request ID, and signed tells that a secret was used.
	request string
	signed  bool
}

// ServeHTTP answers one delivery.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := s.guarded(w, r)
	s.record(r, reply)

	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	switch reply.status {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	if !reply.signed {
		// Nothing more is read from somebody who has not shown a secret.
		header.Set("Connection", "close")
	}
	w.WriteHeader(reply.status)
	// If the sender is gone, nobody misses it.
	_, _ = io.WriteString(w, reply.text+"\n")
}

// record writes the log line of a delivery. Anybody can cause those without a
// signature, so there is a limit for them.
func (s *server) record(r *http.Request, reply reply) {
	level := slog.LevelInfo
	switch {
	case reply.status == http.StatusInternalServerError:
		level = slog.LevelError
	case reply.status >= 400:
		level = slog.LevelWarn
	}
	if !reply.signed {
		logged, skipped := s.quiet.allow(time.Now())
		if skipped > 0 {
			s.log.WarnContext(r.Context(), "webhook refusals not logged", "count", skipped)
		}
		if !logged {
			return
		}
	}
	args := []any{"status", reply.status, "delivery", inert(r.Header.Get("X-GitHub-Delivery"), 64), "endpoint", inert(r.URL.Path, 255), "answer", reply.text}
	if reply.request != "" {
		args = append(args, "request", reply.request)
	}
	if reply.err != nil {
		args = append(args, "error", inert(reply.err.Error(), 500))
	}
	s.log.Log(r.Context(), level, "webhook", args...)
}

// guarded is answer with its panics caught, and no more of them at a time
// than there is room for.
func (s *server) guarded(w http.ResponseWriter, r *http.Request) (out reply) {
	defer func() {
		if v := recover(); v != nil {
			out = s.panicked(r.Context(), v)
		}
	}()
	select {
	case s.requests <- struct{}{}:
	default:
		return unavailable("too many requests at a time", nil)
	}
	defer func() { <-s.requests }()
	return s.answer(w, r)
}

func (s *server) panicked(ctx context.Context, v any) reply {
	s.log.ErrorContext(ctx, "panic while serving a webhook", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return reply{status: http.StatusInternalServerError, text: "internal error"}
}

// answer is the way of a delivery, top to bottom. Nothing that it says is
// believed before the signature is right.
func (s *server) answer(w http.ResponseWriter, r *http.Request) reply {
	e, ok := s.endpoints[r.URL.Path]
	if !ok {
		return reply{status: http.StatusNotFound, text: "no such endpoint"}
	}
	if r.Method != http.MethodPost {
		return reply{status: http.StatusMethodNotAllowed, text: "webhooks are posted"}
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return reply{status: http.StatusUnsupportedMediaType, text: "set the webhook's content type to application/json"}
	}
	if r.ContentLength > s.maxBody {
		return s.tooLong()
	}
	body, release, err := s.read(http.MaxBytesReader(w, r.Body, s.maxBody))
	defer release()
	if err != nil {
		return s.unreadable(err)
	}
	if err := webhook.Verify(r.Header, body, e.secrets...); err != nil {
		return reply{status: http.StatusForbidden, text: "signature not accepted", err: err}
	}
	out := s.signed(e, r.Header, body)
	out.signed = true
	return out
}

// signed deals with a delivery that was signed.
func (s *server) signed(e endpoint, header http.Header, body []byte) reply {
	event, err := webhook.Parse(header, body)
	if err != nil {
		return reply{status: http.StatusBadRequest, text: "payload not understood", err: err}
	}
	switch {
	case event.Kind == webhook.Ping:
		return reply{status: http.StatusOK, text: "pong"}
	case event.Kind != webhook.Comment:
		return ignored(event.Reason)
	case !gitops.HasCommand(event.Body):
		return ignored("no command in the comment")
	}
	event.Ref.PullRequest.Repo.Provider = e.provider
	return s.ask(event.Ref)
}

func ignored(reason string) reply {
	return reply{status: http.StatusOK, text: "ignored: " + inert(reason, 200)}
}

func unavailable(reason string, err error) reply {
	return reply{status: http.StatusServiceUnavailable, text: inert(reason, 200), err: err}
}

// ask hands the comment over to the core, and returns at its first word or
// when the time is up.
func (s *server) ask(ref vcs.CommentRef) reply {
	select {
	case s.asks <- struct{}{}:
	default:
		return unavailable("too many requests at a time", nil)
	}
	req := gitops.Request{Comment: ref}
	ctx, cancel := context.WithTimeout(s.base, s.limits.stream)
	first := make(chan gitops.Progress, 1)
	ended := make(chan reply, 1)
	go func() {
		defer func() { <-s.asks }()
		defer cancel()
		ended <- s.execute(ctx, req, func(p gitops.Progress) {
			select {
			case first <- p:
			default: // only the first one counts
			}
		})
	}()
	out := s.firstWord(first, ended)
	out.request = req.ID()
	if out.status == http.StatusAccepted && len(s.asks) <= s.limits.followed {
		return out
	}
	// Either there is nothing to wait for, or too many are followed already;
	// the core carries out what it has accepted without us.
	cancel()
	return out
}

// firstWord makes a reply of what the core says first.
func (s *server) firstWord(first <-chan gitops.Progress, ended <-chan reply) reply {
	timeout := time.NewTimer(s.limits.answer)
	defer timeout.Stop()
	var p gitops.Progress
	select {
	case p = <-first:
	case broken := <-ended:
		// The first word may have been there as well.
		select {
		case p = <-first:
		default:
			return broken
		}
	case <-timeout.C:
		return unavailable("the core did not answer in time", context.DeadlineExceeded)
	}
	switch p.Phase {
	case gitops.Accepted:
		return reply{status: http.StatusAccepted, text: "accepted"}
	case gitops.Ignored:
		return ignored(p.Message)
	case gitops.Unavailable:
		return unavailable("no room now: "+p.Message, nil)
	}
	return unavailable("the core did not answer properly", fmt.Errorf("first phase is %q", p.Phase))
}

// execute runs the request to its end, and says what to reply if the end came
// without a first word.
func (s *server) execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (out reply) {
	defer func() {
		if v := recover(); v != nil {
			out = s.panicked(ctx, v)
		}
	}()
	_, err := s.core.Execute(ctx, req, report)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "request not followed to its end", "request", req.ID(), "error", inert(err.Error(), 500))
	}
	return unavailable("the core did not answer", err)
}

// wait returns when no request to the core is under way, and lets none begin.
// They were told to end, so a second is plenty.
func (s *server) wait() error {
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	for range cap(s.asks) {
		select {
		case s.asks <- struct{}{}:
		case <-timeout.C:
			return errors.New("requests to the core did not end")
		}
	}
	return nil
}

// errMemory means that all bodies together are too long.
var errMemory = errors.New("no memory for the body")

// read reads a body. Memory for it is taken as it comes in, so that a header
// that promises much costs nothing. It stays taken until release is called.
func (s *server) read(r io.Reader) (body []byte, release func(), err error) {
	var taken int64
	release = func() { s.memory.Add(taken) }
	buf := make([]byte, 0, firstRead)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, release, nil
		}
		if err != nil {
			return nil, release, err
		}
		if len(buf) < cap(buf) {
			continue
		}
		more := int64(cap(buf))
		taken += more
		if s.memory.Add(-more) < 0 {
			return nil, release, errMemory
		}
		buf = append(make([]byte, 0, 2*cap(buf)), buf...)
	}
}

// unreadable says why a body could not be read.
func (s *server) unreadable(err error) reply {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return s.tooLong()
	}
	switch {
	case errors.Is(err, errMemory):
		return unavailable("too many long requests at a time", nil)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reply{status: http.StatusRequestTimeout, text: "the body came too slowly"}
	}
	return reply{status: http.StatusBadRequest, text: "body not complete", err: err}
}

func (s *server) tooLong() reply {
	return reply{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the body is longer than %d bytes", s.maxBody)}
}

// inert makes text from outside safe for a log line and a plain-text answer,
// and no longer than most bytes.
func inert(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text[:min(len(text), most)])
	return text[:min(len(text), most)]
}

package vcstest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A FaultKind is a way to go wrong.
type FaultKind string

// The kinds of faults. Those with a message repeat the request's token in it,
// so that a client that hands messages on without a look is found out.
const (
	// Unauthorized is a token that is not accepted: 401.
	Unauthorized FaultKind = "unauthorized"
	// Forbidden is a token that does not reach that far: 403.
	Forbidden FaultKind = "forbidden"
	// Missing is 404, Conflict 409, Invalid 422.
	Missing  FaultKind = "missing"
	Conflict FaultKind = "conflict"
	Invalid  FaultKind = "invalid"
	// RateLimit is the provider's hourly limit reached (GitHub: 403 with
	// x-ratelimit-remaining 0), SecondaryLimit its limit against bursts
	// (403 with retry-after), TooMany a 429 with retry-after.
	RateLimit      FaultKind = "rate limit"
	SecondaryLimit FaultKind = "secondary limit"
	TooMany        FaultKind = "too many requests"
	// Broken is 500 with JSON, BadGateway 502 with a page of HTML.
	Broken     FaultKind = "broken"
	BadGateway FaultKind = "bad gateway"
	// Garbage is 200 with a page of HTML, Empty 200 with nothing.
	Garbage FaultKind = "garbage"
	Empty   FaultKind = "empty"
	// Endless is 200 with JSON that does not end.
	Endless FaultKind = "endless"
	// Moved sends the client to another place, Elsewhere of the fault.
	Moved FaultKind = "moved"
	// Slow answers after Delay; without one, not before the client goes away.
	Slow FaultKind = "slow"
	// CutBefore cuts the connection before anything was done, CutAfter when
	// it was done, before the answer.
	CutBefore FaultKind = "cut before"
	CutAfter  FaultKind = "cut after"
)

// A Fault makes requests go wrong.
type Fault struct {
	Kind FaultKind
	// Route is the route it is for, as in [Forge.Requests]; empty means all.
	Route string
	// Skip lets this many requests pass first; Times is for how many it
	// holds then, 0 for all.
	Skip, Times int
	// Delay is for Slow.
	Delay time.Duration
	// Elsewhere is for Moved.
	Elsewhere string
}

// Fail makes requests go wrong until the returned function is called. Of
// several faults for a request the first one made counts.
func (f *Forge) Fail(fault Fault) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &fault
	f.faults = append(f.faults, p)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.Times = -1
	}
}

// fault returns the fault for a request; f.mu is held.
func (f *Forge) fault(route string) *Fault {
	for _, p := range f.faults {
		switch {
		case p.Times < 0 || p.Route != "" && p.Route != route:
		case p.Skip > 0:
			p.Skip--
		default:
			if p.Times > 0 {
				if p.Times--; p.Times == 0 {
					p.Times = -1
				}
			}
			c := *p
			return &c
		}
	}
	return nil
}

// write answers a request as the fault wants it, if nothing else is due.
func (p *Fault) write(w http.ResponseWriter, r *http.Request, closed <-chan struct{}) {
	token := r.Header.Get("Authorization")
	fail := func(status int, message string) {
		write(w, reply{status: status, body: failure(message + " (" + token + ")")})
	}
	html := func(status int) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html><body>Unicorn! " + token + "</body></html>"))
	}
	switch p.Kind {
	case Unauthorized:
		fail(http.StatusUnauthorized, "Bad credentials")
	case Forbidden:
		fail(http.StatusForbidden, "Resource not accessible by personal access token")
	case Missing:
		fail(http.StatusNotFound, "Not Found")
	case Conflict:
		fail(http.StatusConflict, "Conflict")
	case Invalid:
		fail(http.StatusUnprocessableEntity, "Validation Failed")
	case RateLimit:
		// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
		w.Header().Set("X-RateLimit-Limit", "5000")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
		fail(http.StatusForbidden, "API rate limit exceeded")
	case SecondaryLimit:
		w.Header().Set("Retry-After", "60")
		fail(http.StatusForbidden, "You have exceeded a secondary rate limit")
	case TooMany:
		w.Header().Set("Retry-After", "60")
		fail(http.StatusTooManyRequests, "Too many requests")
	case Broken:
		fail(http.StatusInternalServerError, "Server Error")
	case BadGateway:
		html(http.StatusBadGateway)
	case Garbage:
		html(http.StatusOK)
	case Empty:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
	case Endless:
		w.Header().Set("Content-Type", "application/json")
		text := []byte(`[{"id":1,"body":"` + strings.Repeat("x", 1<<20))
		for r.Context().Err() == nil {
			if _, err := w.Write(text); err != nil {
				return
			}
			text = text[len(text)-1<<20:]
		}
	case Moved:
		w.Header().Set("Location", p.Elsewhere)
		fail(http.StatusTemporaryRedirect, "Moved Permanently")
	case Slow:
		// Delay is zero: the answer comes when nobody waits for it.
		select {
		case <-r.Context().Done():
		case <-closed:
		}
		cut(w)
	case CutBefore, CutAfter:
		cut(w)
	}
}

// cut closes the connection without an answer.
func cut(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	if c, _, err := h.Hijack(); err == nil {
		_ = c.Close()
	}
}

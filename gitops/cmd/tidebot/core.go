package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebot-dev/tidebot/gitops"
)

const (
	// maxAtWork is how many requests are carried out at once, and maxWaiting
	// how many more are accepted; a further one is answered Unavailable.
	maxAtWork  = 32
	maxWaiting = 1000
	// requestTimeout ends a request that hangs somewhere despite all other
	// deadlines.
	requestTimeout = 5 * time.Minute
)

// A core is what front-ends talk to: the deployer, with bounds.
type core struct {
	deployer atomic.Pointer[gitops.Deployer] // swapped when the configuration is
	// direct tells that requests without a comment are taken. They are
	// authorized as the owner of the provider token, so only the program that
	// a person runs with a token of their own takes them, never the server.
	direct  bool
	log     *slog.Logger
	metrics *metrics

	accepted chan struct{} // a place for each request that was accepted
	working  chan struct{} // a place for each request at work
}

func newCore(d *gitops.Deployer, direct bool, log *slog.Logger, m *metrics) *core {
	c := &core{
		direct: direct, log: log, metrics: m,
		accepted: make(chan struct{}, maxAtWork+maxWaiting),
		working:  make(chan struct{}, maxAtWork),
	}
	c.deployer.Store(d)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidebot_requests_at_work", Help: "Requests accepted and not yet ended.",
	}, func() float64 { return float64(len(c.accepted)) }))
	return c
}

// Execute implements frontend.Core. The supervisor calls it with a context that
// does not end with the front-end's call: an accepted request is carried out
// whether somebody listens or not.
func (c *core) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (result gitops.Result, err error) {
	none := gitops.Result{ID: req.ID()}
	if req.Direct != nil && !c.direct {
		c.log.WarnContext(ctx, "front-end brought a command without a comment; it is not taken here", "request", req.ID())
		report(gitops.Progress{Phase: gitops.Ignored, Message: "commands without a comment are not taken here"})
		return none, nil
	}
	d := c.deployer.Load()
	if !d.Concerns(req) {
		return d.Execute(ctx, req, report)
	}
	select {
	case c.accepted <- struct{}{}:
		defer func() { <-c.accepted }()
	default:
		c.metrics.unavailable.Inc()
		report(gitops.Progress{Phase: gitops.Unavailable, Message: "too many requests"})
		return none, nil
	}
	report(gitops.Progress{Phase: gitops.Accepted})

	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			c.log.ErrorContext(ctx, "panic", "request", req.ID(), "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("request %s: internal error, see the log", req.ID())
		}
		c.metrics.request(result, err, time.Since(began))
	}()
	select {
	case c.working <- struct{}{}:
		defer func() { <-c.working }()
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	d = c.deployer.Load() // the rules may have changed while it waited
	// The time begins with the turn: those before it in the queue do not
	// count against an accepted request.
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return d.Execute(ctx, req, func(p gitops.Progress) {
		if p.Phase != gitops.Accepted {
			report(p)
		}
	})
}

// Package frontend is the kit for authors of front-ends: programs of their
// own that hear a person and hand what was said to Tidebot's core.
//
// A front-end is one method, [Frontend.Run], and a main of one line:
//
//	func main() { frontend.Main("webhook", webhook.New()) }
package frontend

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"

	"github.com/tidebot-dev/tidebot/gitops"
)

// A Frontend translates between people and the core. It never decides.
type Frontend interface {
	// Run serves until ctx is done, then drains and returns nil. It calls
	// env.Ready when it can take requests. An error is an end too: the core
	// logs it and starts the front-end again.
	Run(ctx context.Context, core Core, env Env) error
}

// Core is what a front-end can ask of the core. It is safe for concurrent use.
type Core interface {
	// Execute hands over a request and returns its result. report is called
	// in order, from one goroutine, first with Accepted, Ignored or
	// Unavailable; after Ignored and Unavailable the result is empty.
	Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error)
}

// Env is what the core gives a front-end at its start.
type Env struct {
	// Args are the program's arguments; for the cli front-end only.
	Args []string
	// Settings are the front-end's part of the configuration, as JSON.
	Settings json.RawMessage
	// Secrets are the front-end's own, by the name its settings give them.
	// No other secret is given to a front-end.
	Secrets map[string][]string
	// Listeners are sockets opened by the core, by the name its settings
	// give them, so that a restart of the front-end loses no connection.
	Listeners map[string]net.Listener
	// Stdin, Stdout and Stderr are the person's terminal; nil for a
	// front-end that has none.
	Stdin, Stdout, Stderr *os.File
	// Log goes to the core's log.
	Log *slog.Logger
	// Ready tells the core that requests can come. It may be called once.
	Ready func()
}

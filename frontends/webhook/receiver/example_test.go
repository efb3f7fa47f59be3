package receiver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/tidebot-dev/tidebot/frontends/webhook/receiver"
	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/gitops/frontend/frontendtest"
)

// What frontend.Main does with the socket and the secrets that the core hands
// over.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{ID: req.ID()}, nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready, done := make(chan struct{}), make(chan error)
	go func() {
		done <- receiver.New().Run(ctx, core, frontend.Env{
			Settings:  json.RawMessage(`{"endpoints": {"/github": {"provider": "github.com"}}}`),
			Secrets:   map[string][]string{"/github": {"It's a Secret to Everybody"}},
			Listeners: map[string]net.Listener{"listen": listener},
			Log:       slog.New(slog.DiscardHandler),
			Ready:     func() { close(ready) },
		})
	}()
	<-ready

	resp, err := http.Post("http://"+listener.Addr().String()+"/github", "application/json", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println("not signed:", resp.Status)
	stop()
	fmt.Println("ended:", <-done)
	// Output:
	// not signed: 403 Forbidden
	// ended: <nil>
}

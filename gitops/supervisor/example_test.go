package supervisor_test

import (
	"context"
	"log"
	"log/slog"
	"net"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/supervisor"
)

// core would be a gitops.Deployer.
type core struct{}

func (core) Execute(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	report(gitops.Progress{Phase: gitops.Accepted})
	return gitops.Result{ID: req.ID()}, nil
}

// The webhook front-end runs until ctx is done. The socket is the core's, so
// that nothing that comes during a restart is lost.
func Example() {
	ctx := context.Background()
	l, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	s, err := supervisor.New(supervisor.Options{
		Name:      "webhook",
		Path:      "/usr/lib/tidebot/webhook",
		Settings:  []byte(`{"path": "/github"}`),
		Secrets:   map[string][]string{"github": {"the hook's secret"}},
		Listeners: map[string]net.Listener{"http": l},
		Core:      core{},
		Log:       slog.Default(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

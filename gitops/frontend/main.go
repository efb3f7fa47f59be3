package frontend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
	"github.com/tidebot-dev/tidebot/gitops/internal/session"
)

const (
	// configureTimeout is how long a front-end waits to be configured, and
	// byeTimeout how long to be shut down after its end. A core that takes
	// longer is gone.
	configureTimeout = 30 * time.Second
	byeTimeout       = 10 * time.Second
)

// An ExitError is returned by the [Frontend.Run] of a front-end at a terminal
// to choose the exit code of the program. What there is to say was said on
// the terminal.
type ExitError struct{ Code int }

// Error says the code.
func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// Main is all that the main function of a front-end calls. It serves f to the
// core that started the program, and exits when f has ended or the core is
// gone; it never returns. Run by hand it says what the program is for and
// exits with code 2.
//
// Nothing may be printed to the standard output before Main: the first line
// there is the program's handshake with the core. What is printed later goes
// to the core's log. SIGINT, SIGTERM and SIGHUP are ignored, because the core
// orders the stop.
func Main(name string, f Frontend) {
	if os.Getenv(pb.CookieKey) != pb.CookieValue {
		fmt.Fprintf(os.Stderr, "This is %s, a front-end of Tidebot. Tidebot starts it by itself: run \"tidebot\" instead.\n", name)
		os.Exit(2)
	}
	// SIGPIPE would come from a log line written after the core's death, and
	// end the program in the middle of its drain.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	os.Exit(serve(f, os.Stderr))
}

// serve returns the exit code. The core reads stderr.
func serve(f Frontend, stderr *os.File) int {
	p := &plugged{}
	run := runner(f)
	p.session = session.New(context.Background(), session.Options{
		Run: func(ctx context.Context, core *session.Core, env session.Env) (int, error) {
			// go-plugin has made both streams of its own, whose last words
			// get lost at a shutdown. The pipe that the core reads loses none.
			os.Stdout, os.Stderr = stderr, stderr
			return run(ctx, core, env)
		},
		Dial:  p.dial,
		Log:   stderr,
		Drain: session.Drain,
	})
	shutdown := make(chan struct{})
	go func() {
		defer close(shutdown)
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: pb.CookieKey, MagicCookieValue: pb.CookieValue},
			VersionedPlugins: map[int]plugin.PluginSet{pb.Version: {pb.Plugin: p}},
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(pb.MaxMessage))...)
			},
			Logger: hclog.New(&hclog.LoggerOptions{Output: stderr, Level: hclog.Error}),
		})
	}()
	return p.session.Wait(shutdown, configureTimeout, byeTimeout)
}

// runner makes the function that a session runs of a front-end.
func runner(f Frontend) func(context.Context, *session.Core, session.Env) (int, error) {
	return func(ctx context.Context, core *session.Core, env session.Env) (int, error) {
		err := f.Run(ctx, core, Env(env))
		if exit, ok := errors.AsType[*ExitError](err); ok {
			return exit.Code, nil
		}
		return 0, err
	}
}

// plugged is the session as go-plugin wants it.
type plugged struct {
	plugin.NetRPCUnsupportedPlugin
	session *session.Server
	broker  *plugin.GRPCBroker
}

// GRPCServer is called once, before anything is served.
func (p *plugged) GRPCServer(broker *plugin.GRPCBroker, s *grpc.Server) error {
	p.broker = broker
	pb.RegisterFrontendServiceServer(s, p.session)
	return nil
}

// GRPCClient is the core's side, which is in package supervisor.
func (p *plugged) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a front-end is no core")
}

func (p *plugged) dial() (*grpc.ClientConn, error) {
	return p.broker.DialWithOptions(pb.CoreBroker, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pb.MaxMessage)))
}

// Package frontendtest runs a front-end in a test as the core would: over the
// real protocol, with what it is given copied, checked and capped on the way,
// but in the test's own process and against a core that the test makes up.
package frontendtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/gitops/internal/coreserver"
	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
	"github.com/tidebot-dev/tidebot/gitops/internal/session"
)

// CoreFunc is a core made of one function.
type CoreFunc func(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error)

// Execute calls f.
func (f CoreFunc) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	return f(ctx, req, report)
}

// A Process is a front-end that runs.
type Process struct {
	client pb.FrontendServiceClient
	// done is closed when the front-end has ended; code and err are set before.
	done chan struct{}
	code int
	err  error
}

// Start runs f and returns when it is ready, or has ended. The env is given
// to it but for Log and Ready: its log goes to the test's, from Debug up.
// Listeners must be of type *net.TCPListener or *net.UnixListener; they and
// the files remain the caller's. What still runs at the end of the test is
// stopped.
func Start(t testing.TB, f frontend.Frontend, core frontend.Core, env frontend.Env) *Process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))

	watch := make(chan struct{})
	pool := coreserver.NewPool(ctx, core, log)
	dialCore := serve(t, func(s *grpc.Server) { pool.Register(s, watch) }, pool.ServerOptions()...)
	s := session.New(ctx, session.Options{
		Run: func(ctx context.Context, core *session.Core, env session.Env) (int, error) {
			err := f.Run(ctx, core, frontend.Env(env))
			if exit, ok := errors.AsType[*frontend.ExitError](err); ok {
				return exit.Code, nil
			}
			return 0, err
		},
		Dial:  dialCore,
		Log:   t.Output(),
		Drain: session.Drain,
	})
	dialFrontend := serve(t, func(g *grpc.Server) { pb.RegisterFrontendServiceServer(g, s) }, grpc.MaxRecvMsgSize(pb.MaxMessage))
	conn, err := dialFrontend()
	if err != nil {
		t.Fatalf("connect to the front-end: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	p := &Process{client: pb.NewFrontendServiceClient(conn), done: make(chan struct{})}
	req, err := configure(env)
	if err != nil {
		t.Fatalf("hand over files: %v", err)
	}
	if _, err := p.client.Configure(ctx, req); err != nil {
		t.Fatalf("configure the front-end: %v", err)
	}
	stream, err := p.client.Run(ctx, &pb.RunRequest{})
	if err != nil {
		t.Fatalf("run the front-end: %v", err)
	}
	ready := make(chan struct{})
	go p.follow(stream, sync.OnceFunc(func() { close(ready) }))
	t.Cleanup(func() {
		_, _ = p.Stop() // how it ended is the test's to ask
		close(watch)
		s.Close()
		cancel()
		pool.Wait()
	})
	select {
	case <-ready:
	case <-p.done:
	case <-time.After(session.Drain):
		t.Fatal("the front-end was not ready in time")
	}
	return p
}

// Stop asks the front-end to drain and waits for its end. It returns what
// [Process.Wait] does.
func (p *Process) Stop() (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), session.Drain)
	defer cancel()
	select {
	case <-p.done:
	default:
		if _, err := p.client.Stop(ctx, &pb.StopRequest{}); err != nil {
			return 1, fmt.Errorf("stop the front-end: %w", err)
		}
	}
	select {
	case <-p.done:
		return p.code, p.err
	case <-ctx.Done():
		return 1, errors.New("the front-end did not drain in time")
	}
}

// Wait waits for the front-end to end by itself. It returns the exit code
// that the program would have, and the error of Run, of which only the text
// is kept; none for a [frontend.ExitError].
func (p *Process) Wait() (code int, err error) {
	<-p.done
	return p.code, p.err
}

func (p *Process) follow(stream grpc.ServerStreamingClient[pb.RunEvent], ready func()) {
	defer close(p.done)
	for {
		ev, err := stream.Recv()
		if err != nil {
			p.code, p.err = 1, fmt.Errorf("follow the front-end: %w", err)
			return
		}
		switch e := ev.GetEvent().(type) {
		case *pb.RunEvent_Ready:
			ready()
		case *pb.RunEvent_Exited:
			p.code = int(e.Exited.GetCode())
			if text := e.Exited.GetError(); text != "" {
				p.err = errors.New(text)
			}
			return
		}
	}
}

// serve serves in memory until the test ends, and returns how to connect.
func serve(t testing.TB, register func(*grpc.Server), opts ...grpc.ServerOption) func() (*grpc.ClientConn, error) {
	lis := bufconn.Listen(64 << 10)
	s := grpc.NewServer(opts...)
	register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve in memory: %v", err)
		}
	})
	return func() (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:memory",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pb.MaxMessage)))
	}
}

// configure writes env as the core does, with copies of its files.
func configure(env frontend.Env) (*pb.ConfigureRequest, error) {
	req := &pb.ConfigureRequest{
		Name:     "test",
		Args:     env.Args,
		Settings: env.Settings,
		Secrets:  map[string]*pb.Values{},
		LogLevel: int32(slog.LevelDebug),
	}
	for name, values := range env.Secrets {
		req.Secrets[name] = &pb.Values{Values: values}
	}
	add := func(kind pb.File_Kind, name string, f *os.File) error {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		req.Files = append(req.Files, &pb.File{Kind: kind, Name: name, Fd: int32(fd)})
		return nil
	}
	for name, l := range env.Listeners {
		filer, ok := l.(interface{ File() (*os.File, error) })
		if !ok {
			return nil, fmt.Errorf("listener %s: a %T has no file", name, l)
		}
		f, err := filer.File()
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", name, err)
		}
		if err := errors.Join(add(pb.File_KIND_LISTENER, name, f), f.Close()); err != nil {
			return nil, err
		}
	}
	for kind, f := range map[pb.File_Kind]*os.File{
		pb.File_KIND_STDIN:  env.Stdin,
		pb.File_KIND_STDOUT: env.Stdout,
		pb.File_KIND_STDERR: env.Stderr,
	} {
		if f == nil {
			continue
		}
		if err := add(kind, f.Name(), f); err != nil {
			return nil, err
		}
	}
	return req, nil
}

// Package session is the front-end's end of the protocol: it serves
// FrontendService for one front-end and holds the connection to the core.
//
// It knows nothing of processes. Package frontend makes a program of it, and
// package frontendtest a test.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
)

// Drain is how long a front-end may go on once it is to end.
const Drain = 20 * time.Second

// Env has the fields of frontend.Env, which it is converted to.
type Env struct {
	Args                  []string
	Settings              json.RawMessage
	Secrets               map[string][]string
	Listeners             map[string]net.Listener
	Stdin, Stdout, Stderr *os.File
	Log                   *slog.Logger
	Ready                 func()
}

// close closes the files. Those who read or wait at their other ends see that
// the front-end has ended; there is nobody to tell of an error.
func (e Env) close() {
	for _, l := range e.Listeners {
		_ = l.Close()
	}
	for _, f := range []*os.File{e.Stdin, e.Stdout, e.Stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// Options are what a [Server] is made of; all are required.
type Options struct {
	// Run is the front-end. It returns the exit code as well, which counts
	// if the program is a terminal's.
	Run func(ctx context.Context, core *Core, env Env) (code int, err error)
	// Dial connects to CoreService. It is called once.
	Dial func() (*grpc.ClientConn, error)
	// Log is where records for the core's log are written, one JSON object
	// a line.
	Log io.Writer
	// Drain is how long Run may go on after the core is gone.
	Drain time.Duration
}

// A Server serves FrontendService for one front-end and one core.
type Server struct {
	pb.UnimplementedFrontendServiceServer
	opts Options

	// ctx is the front-end's; stop ends it.
	ctx  context.Context
	stop context.CancelFunc
	// configured is closed by a Configure that succeeds, and gone when the
	// core was seen to be gone.
	configured chan struct{}
	gone       chan struct{}
	// ended is closed when Run has returned; code and err are set before.
	ended chan struct{}
	code  int
	err   error

	mu    sync.Mutex
	state state
	env   Env
	conn  *grpc.ClientConn
	once  sync.Once // closes gone
}

type state int

const (
	created state = iota
	configured
	running
	closed
)

// New returns a server that waits for Configure. The front-end's context is
// made from ctx.
func New(ctx context.Context, opts Options) *Server {
	s := &Server{opts: opts, configured: make(chan struct{}), gone: make(chan struct{}), ended: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// Configure takes the core's settings, connects to the core and begins to
// watch it.
func (s *Server) Configure(ctx context.Context, req *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != created {
		return nil, status.Error(codes.FailedPrecondition, "configured already")
	}
	env, err := s.makeEnv(req)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	conn, err := s.opts.Dial()
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "connect to the core: %v", err)
	}
	// The watch must outlive this call; it ends with the connection.
	watch, err := pb.NewCoreServiceClient(conn).Watch(context.WithoutCancel(ctx), &pb.WatchRequest{})
	if err == nil {
		// The header proves that the core has taken the call.
		_, err = watch.Header()
	}
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "watch the core: %v", errors.Join(err, conn.Close()))
	}
	go func() {
		for {
			if _, err := watch.Recv(); err != nil {
				break
			}
		}
		s.Abandon()
	}()
	s.env, s.conn, s.state = env, conn, configured
	close(s.configured)
	return &pb.ConfigureResponse{}, nil
}

func (s *Server) makeEnv(req *pb.ConfigureRequest) (Env, error) {
	env := Env{
		Args:      req.GetArgs(),
		Settings:  req.GetSettings(),
		Secrets:   map[string][]string{},
		Listeners: map[string]net.Listener{},
		Log:       slog.New(logHandler(s.opts.Log, slog.Level(req.GetLogLevel()))),
	}
	for name, v := range req.GetSecrets() {
		env.Secrets[name] = v.GetValues()
	}
	for _, f := range req.GetFiles() {
		file, err := inherit(f)
		if err != nil {
			return Env{}, err
		}
		switch f.GetKind() {
		case pb.File_KIND_STDIN:
			env.Stdin = file
		case pb.File_KIND_STDOUT:
			env.Stdout = file
		case pb.File_KIND_STDERR:
			env.Stderr = file
		case pb.File_KIND_LISTENER:
			l, err := net.FileListener(file)
			if err := errors.Join(err, file.Close()); err != nil {
				return Env{}, fmt.Errorf("take over listener %s: %w", f.GetName(), err)
			}
			env.Listeners[f.GetName()] = l
		default:
			return Env{}, fmt.Errorf("file %d is of unknown kind %d", f.GetFd(), f.GetKind())
		}
	}
	return env, nil
}

// Run runs the front-end and tells the core how it goes.
func (s *Server) Run(_ *pb.RunRequest, stream grpc.ServerStreamingServer[pb.RunEvent]) error {
	s.mu.Lock()
	if s.state != configured {
		s.mu.Unlock()
		return status.Error(codes.FailedPrecondition, "not configured, or running already")
	}
	s.state = running
	s.mu.Unlock()

	ready := make(chan struct{})
	env := s.env
	env.Ready = sync.OnceFunc(func() { close(ready) })
	go func() {
		defer close(s.ended)
		s.code, s.err = s.opts.Run(s.ctx, &Core{client: pb.NewCoreServiceClient(s.conn)}, env)
		if s.err != nil && s.code == 0 {
			s.code = 1
		}
		s.stop()
		env.close()
	}()
	for {
		select {
		case <-ready:
			ready = nil
			if err := stream.Send(&pb.RunEvent{Event: &pb.RunEvent_Ready{Ready: &pb.Ready{}}}); err != nil {
				s.Abandon()
				return err
			}
		case <-s.ended:
			exited := &pb.Exited{Code: int32(s.code)}
			if s.err != nil {
				exited.Error = cut(s.err.Error(), maxText)
			}
			return stream.Send(&pb.RunEvent{Event: &pb.RunEvent_Exited{Exited: exited}})
		case <-stream.Context().Done():
			s.Abandon()
			return stream.Context().Err()
		}
	}
}

// Stop asks the front-end to drain and return.
func (s *Server) Stop(context.Context, *pb.StopRequest) (*pb.StopResponse, error) {
	s.stop()
	return &pb.StopResponse{}, nil
}

// Abandon tells the server that the core is gone: the front-end drains.
func (s *Server) Abandon() {
	s.once.Do(func() {
		close(s.gone)
		s.stop()
	})
}

// Close ends the session: the front-end is asked to return, waited for as
// long as it may drain, and the connection to the core closed. It returns the
// front-end's exit code.
func (s *Server) Close() int {
	s.Abandon()
	s.mu.Lock()
	conn, state := s.conn, s.state
	s.state = closed
	s.mu.Unlock()
	code := 1
	if state == running {
		timer := time.NewTimer(s.opts.Drain)
		defer timer.Stop()
		select {
		case <-s.ended:
			code = s.code
		case <-timer.C:
		}
	}
	if conn != nil {
		_ = conn.Close() // nothing is left to be lost
	}
	return code
}

// Wait returns the exit code when the process is to exit: the core said so by
// shutdown, it is gone and the front-end has drained, or it did not keep to
// the deadlines: configure for Configure to come, bye for shutdown to come
// after the front-end's end.
func (s *Server) Wait(shutdown <-chan struct{}, configure, bye time.Duration) int {
	timer := time.NewTimer(configure)
	defer timer.Stop()
	select {
	case <-s.configured:
	case <-shutdown:
	case <-timer.C:
	}
	select {
	case <-s.configured:
	default:
		return s.Close()
	}
	select {
	case <-shutdown:
		// Whoever shuts down without waiting for the end kills soon.
		select {
		case <-s.ended:
		default:
			return 1
		}
	case <-s.gone:
	case <-s.ended:
		// The last event is still on its way.
		timer.Reset(bye)
		select {
		case <-shutdown:
		case <-s.gone:
		case <-timer.C:
		}
	}
	return s.Close()
}

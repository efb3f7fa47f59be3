package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tidebot-dev/tidebot/gitops/internal/coreserver"
	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
)

// A life is one process of a front-end, from its start to its end. Every part
// of go-plugin in it is used once: its client cannot start anything again.
type life struct {
	s      *Supervisor
	client *plugin.Client
	proc   *process // nil if it did not come to that
	conn   *grpc.ClientConn
	pool   *coreserver.Pool

	// bye ends the front-end's Watch, and served is closed when CoreService
	// is not served any more.
	bye    chan struct{}
	served chan struct{}
}

// live starts the front-end and returns when it has ended and nothing of it
// is left. When ctx is done, the front-end is asked to stop.
func (s *Supervisor) live(ctx context.Context, pool *coreserver.Pool) (code int, err error) {
	s.set(Starting, nil)
	path, err := checkBinary(s.opts.Path, s.opts.SHA256)
	if err != nil {
		return 0, err
	}
	dir, err := s.socketDir()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	files, extra, err := s.files()
	if err != nil {
		return 0, err
	}
	l := &life{s: s, pool: pool, bye: make(chan struct{})}
	defer s.set(Stopping, func(st *Status) { st.PID = 0 })
	defer l.end()
	err = l.start(ctx, path, dir, files, extra)
	for _, f := range extra.ours {
		_ = f.Close() // the child has its own
	}
	if err != nil {
		return 0, err
	}
	return l.run(ctx)
}

// socketDir makes a directory that only the core and the front-end's user can
// enter.
func (s *Supervisor) socketDir() (string, error) {
	dir, err := os.MkdirTemp("", "tidebot-")
	if err == nil && s.opts.User != nil {
		err = errors.Join(os.Chown(dir, -1, int(s.opts.User.Gid)), os.Chmod(dir, 0o710))
	}
	if err != nil {
		return "", fmt.Errorf("make a directory for the sockets: %w", err)
	}
	return dir, nil
}

// extraFiles are what the child gets as descriptors 3 and up. Ours are copies
// to be closed after the start; the others are the caller's.
type extraFiles struct{ all, ours []*os.File }

// files collects what is handed over, and its description for Configure.
func (s *Supervisor) files() (described []*pb.File, extra extraFiles, err error) {
	add := func(kind pb.File_Kind, name string, f *os.File) {
		described = append(described, &pb.File{Kind: kind, Name: name, Fd: int32(3 + len(extra.all))})
		extra.all = append(extra.all, f)
	}
	for name, l := range s.listeners {
		f, err := l.File()
		if err != nil {
			for _, f := range extra.ours {
				_ = f.Close()
			}
			return nil, extraFiles{}, fmt.Errorf("hand over listener %s: %w", name, err)
		}
		extra.ours = append(extra.ours, f)
		add(pb.File_KIND_LISTENER, name, f)
	}
	if f := s.opts.Stdin; f != nil {
		add(pb.File_KIND_STDIN, "stdin", f)
	}
	if f := s.opts.Stdout; f != nil {
		add(pb.File_KIND_STDOUT, "stdout", f)
	}
	if f := s.opts.Stderr; f != nil {
		add(pb.File_KIND_STDERR, "stderr", f)
	}
	return described, extra, nil
}

// start brings the front-end to where it is configured.
func (l *life) start(ctx context.Context, path, dir string, files []*pb.File, extra extraFiles) error {
	s := l.s
	ctx, cancel := context.WithTimeout(ctx, s.timing.start)
	defer cancel()
	sockets := &plugin.UnixSocketConfig{TempDir: dir}
	if s.opts.User != nil {
		sockets.Group = strconv.Itoa(int(s.opts.User.Gid))
	}
	l.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: pb.CookieKey, MagicCookieValue: pb.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{pb.Version: {pb.Plugin: &corePlugin{life: l}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         !s.opts.TLSOff,
		SkipHostEnv:      true,
		UnixSocketConfig: sockets,
		StartTimeout:     s.timing.start,
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pb.MaxMessage))},
		Logger:           pluginLog(s.log),
		Stderr:           &lineLog{log: s.log},
		SyncStdout:       &lineLog{log: s.log},
		SyncStderr:       &lineLog{log: s.log},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, tmp string) (runner.Runner, error) {
			cmd := exec.Command(path)
			cmd.Env = append(append([]string{"TMPDIR=" + tmp}, s.opts.Env...), spec.Env...)
			cmd.ExtraFiles = extra.all
			// At a terminal the front-end must stay in the foreground's group
			// to be allowed to read.
			terminal := s.opts.Stdin != nil
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.opts.User, Setpgid: !terminal}
			whenTheCoreDies(cmd.SysProcAttr)
			p, err := newProcess(cmd, tmp, !terminal)
			if err != nil {
				return nil, err
			}
			l.proc = p
			return p, nil
		},
	})
	if _, err := l.client.Start(); err != nil {
		return l.why(fmt.Errorf("start: %w", err))
	}
	s.set(Starting, func(st *Status) { st.PID = l.proc.pid() })
	// go-plugin takes no context here: what hangs is ended from outside.
	defer context.AfterFunc(ctx, l.kill)()
	rpc, err := l.client.Client()
	if err == nil {
		_, err = rpc.Dispense(pb.Plugin)
	}
	if err != nil {
		return l.why(fmt.Errorf("connect: %w", err))
	}
	req := &pb.ConfigureRequest{
		Name:     s.opts.Name,
		Args:     s.opts.Args,
		Settings: s.opts.Settings,
		Secrets:  map[string]*pb.Values{},
		Files:    files,
		LogLevel: int32(lowest(s.log)),
	}
	for name, values := range s.opts.Secrets {
		req.Secrets[name] = &pb.Values{Values: values}
	}
	if _, err := pb.NewFrontendServiceClient(l.conn).Configure(ctx, req); err != nil {
		return l.why(fmt.Errorf("configure: %s", status.Convert(err).Message()))
	}
	return nil
}

// lowest is the level from which on the log wants records.
func lowest(log *slog.Logger) slog.Level {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if log.Enabled(context.Background(), level) {
			return level
		}
	}
	return slog.LevelError
}

// corePlugin is the core's side as go-plugin wants it.
type corePlugin struct {
	plugin.NetRPCUnsupportedPlugin
	life *life
}

// GRPCServer is the front-end's side, which is in package frontend.
func (*corePlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the core is no front-end")
}

// GRPCClient serves CoreService on a connection that the front-end makes
// within 5 seconds, while it is configured.
func (p *corePlugin) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	l := p.life
	l.conn, l.served = conn, make(chan struct{})
	go func() {
		defer close(l.served)
		broker.AcceptAndServe(pb.CoreBroker, func(opts []grpc.ServerOption) *grpc.Server {
			server := grpc.NewServer(append(opts, l.pool.ServerOptions()...)...)
			l.pool.Register(server, l.bye)
			return server
		})
	}()
	return conn, nil
}

// run follows the front-end until it has ended or must be.
func (l *life) run(stop context.Context) (code int, err error) {
	s := l.s
	ctx, cancel := context.WithCancel(context.WithoutCancel(stop))
	defer cancel()
	front := pb.NewFrontendServiceClient(l.conn)
	stream, err := front.Run(ctx, &pb.RunRequest{})
	if err != nil {
		return 0, l.why(fmt.Errorf("run: %w", err))
	}
	events := make(chan *pb.RunEvent)
	lost := make(chan error, 1)
	go func() {
		for {
			ev, err := stream.Recv()
			if err != nil {
				lost <- err
				return
			}
			select {
			case events <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	hung := make(chan error, 1)
	go func() { hung <- l.ping(ctx) }()

	asked, stopping := stop.Done(), false
	var overdue <-chan time.Time
	for {
		select {
		case ev := <-events:
			switch e := ev.GetEvent().(type) {
			case *pb.RunEvent_Ready:
				if !stopping {
					s.set(Ready, nil)
					s.log.Info("front-end is ready", "pid", l.proc.pid())
				}
			case *pb.RunEvent_Exited:
				code := int(e.Exited.GetCode())
				if code < 0 || code > 255 {
					code = 1
				}
				if text := e.Exited.GetError(); text != "" {
					return code, errors.New(text)
				}
				return code, nil
			}
		case err := <-lost:
			return 0, l.why(fmt.Errorf("lost: %w", err))
		case err := <-hung:
			l.kill()
			return 0, err
		case <-asked:
			asked, stopping = nil, true
			s.set(Stopping, nil)
			timer := time.NewTimer(s.timing.drain)
			defer timer.Stop()
			overdue = timer.C
			go func() {
				// If this fails, the front-end is lost or overdue soon.
				_, _ = front.Stop(ctx, &pb.StopRequest{})
			}()
		case <-overdue:
			l.kill()
			return 0, fmt.Errorf("did not drain within %v", s.timing.drain)
		}
	}
}

// ping returns when the front-end has not answered several times in a row.
func (l *life) ping(ctx context.Context) error {
	timing := l.s.timing
	tick := time.NewTicker(timing.ping)
	defer tick.Stop()
	health := grpc_health_v1.NewHealthClient(l.conn)
	for misses := 0; misses < timing.maxMisses; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		ping, cancel := context.WithTimeout(ctx, timing.pong)
		_, err := health.Check(ping, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
		cancel()
		if err == nil {
			misses = 0
			continue
		}
		misses++
	}
	return fmt.Errorf("hung: did not answer %d pings", timing.maxMisses)
}

// kill ends the process at once.
func (l *life) kill() {
	if l.proc != nil {
		_ = l.proc.Kill(context.Background()) // it can only be gone already
	}
}

// why adds to err how the process ended, if that is what it comes from.
func (l *life) why(err error) error {
	if l.proc == nil || l.proc.pid() == 0 {
		return err
	}
	select {
	case <-l.proc.exited:
		return fmt.Errorf("%w (%s)", err, l.proc.state())
	case <-time.After(200 * time.Millisecond):
		// The connection breaks a moment before the process is reaped.
		return err
	}
}

// end leaves nothing of the life behind. A process that has not exited is
// told to, and killed if it does not.
func (l *life) end() {
	close(l.bye)
	if l.client != nil {
		guard := time.AfterFunc(l.s.timing.bye, l.kill)
		l.client.Kill()
		guard.Stop()
	}
	if l.proc != nil && l.proc.pid() != 0 {
		<-l.proc.exited
		l.proc.closePipes()
	}
	if l.served != nil {
		<-l.served
	}
}

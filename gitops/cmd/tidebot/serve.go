package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
	"github.com/tidebot-dev/tidebot/gitops/supervisor"
)

// serve runs the core and its front-ends until ctx is done.
func serve(ctx context.Context, configPath string, log *slog.Logger) error {
	if err := undumpable(); err != nil {
		return err
	}
	// Before anything that takes time: a SIGHUP that nobody waits for ends
	// the process.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	f, err := load(configPath)
	if err != nil {
		return err
	}
	if len(f.Frontends) == 0 {
		return errors.New("no front-end is configured, so that no command can come: see frontends: in the reference")
	}
	deployer, disconnect, err := wire(f, log)
	if err != nil {
		return err
	}
	m := newMetrics()
	core := newCore(deployer, false, log, m)

	supervisors, err := supervise(f, core, log)
	if err != nil {
		return err
	}
	for name, s := range supervisors {
		m.watch(name, s)
	}
	listener, err := net.Listen("tcp", f.Core.Listen)
	if err != nil {
		return fmt.Errorf("core.listen: %w", err)
	}
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	status := &http.Server{Handler: statusHandler(run, m, supervisors), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	var wg, fronts sync.WaitGroup
	wg.Go(func() {
		if err := status.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("core.listen: %w", err))
		}
	})
	for _, s := range supervisors {
		fronts.Go(func() {
			if err := s.Run(run); err != nil {
				stop(err)
			}
		})
	}
	// Until the last request has ended, which may still use a connection.
	working, idle := context.WithCancel(context.WithoutCancel(ctx))
	defer idle()
	wg.Go(func() { reload(working, hup, configPath, f, disconnect, core) })
	log.InfoContext(ctx, "serving", "version", version(), "core", f.Core.Listen, "frontends", slices.Sorted(maps.Keys(supervisors)))

	<-run.Done()
	log.Info("stopping")
	fronts.Wait() // with what they have brought
	idle()
	// Nobody needs the rest of a status page, and a connection that was opened
	// and says nothing must not hold up the end.
	err = status.Close()
	wg.Wait()
	if ctx.Err() == nil {
		err = errors.Join(context.Cause(run), err)
	}
	log.Info("stopped")
	return err
}

// supervise makes a supervisor for each configured front-end. It opens their
// sockets, which stay open while a front-end is started again.
func supervise(f *config.File, c *core, log *slog.Logger) (map[string]*supervisor.Supervisor, error) {
	supervisors := make(map[string]*supervisor.Supervisor)
	for name, front := range f.Frontends {
		path, err := program(name, front.Command)
		if err != nil {
			return nil, err
		}
		own, err := secrets(front)
		if err != nil {
			return nil, fmt.Errorf("front-end %s: %w", name, err)
		}
		o := supervisor.Options{
			Name: name, Path: path, SHA256: front.SHA256, TLSOff: front.TLS == "off",
			Settings: front.Settings, Secrets: own, Core: c, Log: log,
		}
		if o.User, err = credential(front.User); err != nil {
			return nil, fmt.Errorf("front-end %s: %w", name, err)
		}
		if front.Listen != "" {
			l, err := net.Listen("tcp", front.Listen)
			if err != nil {
				return nil, fmt.Errorf("front-end %s: listen: %w", name, err)
			}
			o.Listeners = map[string]net.Listener{"listen": l}
		}
		if supervisors[name], err = supervisor.New(o); err != nil {
			return nil, err
		}
	}
	return supervisors, nil
}

// credential is a system user by name; nil for none.
func credential(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// program finds a front-end's program: beside this one, or where the
// configuration says, never through PATH.
func program(name, command string) (string, error) {
	if command != "" {
		return command, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program's own directory: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", fmt.Errorf("find the program's own directory: %w", err)
	}
	return filepath.Join(filepath.Dir(self), "tidebot-frontend-"+name), nil
}

// reload reads the configuration again at each SIGHUP and swaps the deployer,
// whole or not at all.
func reload(ctx context.Context, hup <-chan os.Signal, configPath string, running *config.File, disconnect func(), c *core) {
	defer func() { disconnect() }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		old := disconnect
		d, disconnectNew, err := rewire(configPath, running, c.log)
		if err != nil {
			c.metrics.reloads.WithLabelValues("refused").Inc()
			c.log.Error("configuration not reloaded, the old one stays", "error", err)
			continue
		}
		c.deployer.Store(d)
		disconnect = disconnectNew
		// Requests at work still use the old connections.
		time.AfterFunc(requestTimeout, old)
		c.metrics.reloads.WithLabelValues("done").Inc()
		c.log.Info("configuration reloaded")
	}
}

// rewire makes a deployer of what the configuration says now.
func rewire(configPath string, running *config.File, log *slog.Logger) (*gitops.Deployer, func(), error) {
	f, err := load(configPath)
	if err != nil {
		return nil, nil, err
	}
	if !sameProcesses(running, f) {
		return nil, nil, errors.New("core and frontends cannot be changed without a restart")
	}
	return wire(f, log)
}

// statusHandler serves health, readiness and metrics.
func statusHandler(run context.Context, m *metrics, supervisors map[string]*supervisor.Supervisor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		var lines []string
		ready := run.Err() == nil
		for _, name := range slices.Sorted(maps.Keys(supervisors)) {
			s := supervisors[name].Status()
			ready = ready && s.State == supervisor.Ready
			lines = append(lines, fmt.Sprintf("frontend %s: %s, %d restarts", name, s.State, s.Restarts))
		}
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, strings.Join(lines, "\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// sameProcesses tells that a new configuration leaves alone what is fixed at
// the start: sockets and processes.
func sameProcesses(a, b *config.File) bool {
	return a.Core == b.Core && reflect.DeepEqual(a.Frontends, b.Frontends)
}

// Package supervisor starts front-ends, watches them, starts them again and
// stops them. Each is a process of its own that is given its settings, its
// own secrets and open files, and nothing else of the core's.
package supervisor

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/gitops/internal/coreserver"
	"github.com/tidebot-dev/tidebot/gitops/internal/session"
)

// Options say what to run and what to give it. Name, Path and Core are
// required.
type Options struct {
	// Name is the front-end's name in the configuration. Errors and log
	// records bear it.
	Name string
	// Path is the program, absolute. Neither it nor its directory may be
	// writable by others than root and the core's own user.
	Path string
	// SHA256 pins the program's content, in hex; empty pins nothing.
	SHA256 string
	// User is the user to run as; nil is the core's own.
	User *syscall.Credential
	// Args become [frontend.Env.Args]. The program's own arguments are empty.
	Args []string
	// Settings and Secrets are given to the front-end through its socket,
	// never by argument or environment.
	Settings json.RawMessage
	Secrets  map[string][]string
	// Env is what the program's environment holds besides the variables of
	// the protocol, as NAME=value; nothing of the core's is inherited.
	Env []string
	// Listeners are handed over and stay open here, so that a connection
	// made during a restart waits instead of failing. Their types must have
	// a File method, as *net.TCPListener and *net.UnixListener do.
	Listeners map[string]net.Listener
	// Stdin, Stdout and Stderr are the person's terminal, if there is one.
	Stdin, Stdout, Stderr *os.File
	// Core carries out the front-end's requests. Its context is not bound to
	// the front-end's call: it ends only when Run or Once is about to return
	// and the work has had its time. A Core that must not be interrupted
	// even then detaches by itself.
	Core frontend.Core
	// TLSOff leaves the connection, which is a unix socket in a directory
	// that only the two users can enter, without TLS.
	TLSOff bool
	// Log gets the records of the front-end and the supervisor's own; nil
	// discards.
	Log *slog.Logger

	// timing is for tests.
	timing *timing
}

// timing is every wait of the supervisor.
type timing struct {
	start     time.Duration // a process to be configured
	ping      time.Duration // between pings
	pong      time.Duration // a ping's answer
	drain     time.Duration // the front-end to drain, and then the core's work
	bye       time.Duration // a process to exit by itself once it has drained
	backoff   time.Duration // before the first restart
	maxWait   time.Duration // between restarts, at most
	healthy   time.Duration // of life forgives earlier deaths
	maxMisses int           // pings without an answer
}

var usual = timing{
	start:     15 * time.Second,
	ping:      10 * time.Second,
	pong:      5 * time.Second,
	drain:     session.Drain,
	bye:       3 * time.Second,
	backoff:   time.Second,
	maxWait:   time.Minute,
	healthy:   5 * time.Minute,
	maxMisses: 3,
}

// A State is what a front-end is about.
type State string

// The states.
const (
	// Stopped means that it was not started yet, or has ended for good.
	Stopped State = "stopped"
	// Starting means that its process is there but takes no requests yet.
	Starting State = "starting"
	// Ready means that it takes requests.
	Ready State = "ready"
	// Waiting means that it died and will be started again after a while.
	Waiting State = "waiting"
	// Stopping means that it takes no new requests and drains.
	Stopping State = "stopping"
)

// Status is how a front-end is.
type Status struct {
	State State
	// Since is when it came to this state.
	Since time.Time
	// Restarts counts the starts after the first.
	Restarts int
	// LastError is why it died last; nil if it did not.
	LastError error
	// PID is the process; 0 if there is none.
	PID int
}

// A Supervisor runs one front-end. It is safe for concurrent use, but Run and
// Once are called once, and only one of them.
type Supervisor struct {
	opts      Options
	timing    timing
	log       *slog.Logger
	listeners map[string]filer

	mu     sync.Mutex
	status Status
}

// New returns a supervisor, or an error if the options can never work.
func New(opts Options) (*Supervisor, error) {
	s := &Supervisor{opts: opts, timing: usual, log: opts.Log, listeners: map[string]filer{}}
	if opts.timing != nil {
		s.timing = *opts.timing
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = s.log.With("frontend", opts.Name)
	s.status = Status{State: Stopped, Since: time.Now()}
	if opts.Name == "" {
		return nil, errors.New("front-end without a name")
	}
	if opts.Core == nil {
		return nil, s.wrap(errors.New("no core"))
	}
	if !filepath.IsAbs(opts.Path) {
		return nil, s.wrap(fmt.Errorf("program %q: want an absolute path", opts.Path))
	}
	if sum, err := hex.DecodeString(opts.SHA256); opts.SHA256 != "" && (err != nil || len(sum) != 32) {
		return nil, s.wrap(errors.New("SHA-256 of the program: want 64 hexadecimal digits"))
	}
	for name, l := range opts.Listeners {
		f, ok := l.(filer)
		if !ok {
			return nil, s.wrap(fmt.Errorf("listener %s: a %T cannot be handed over", name, l))
		}
		s.listeners[name] = f
	}
	return s, nil
}

// filer is a listener that can be handed over.
type filer interface{ File() (*os.File, error) }

// wrap says whose error it is.
func (s *Supervisor) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("front-end %s: %w", s.opts.Name, err)
}

// Status tells how the front-end is now.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Supervisor) set(state State, change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.State != state {
		s.status.State, s.status.Since = state, time.Now()
	}
	if change != nil {
		change(&s.status)
	}
}

// Run starts the front-end, and again whenever it has ended, until ctx is
// done. The pause before a restart doubles from one second to one minute, and
// is forgotten after five minutes of health. When ctx is done, the front-end
// drains for at most 20 seconds, and so does the work that it has brought;
// what is left then is ended.
//
// Run returns nil; why a front-end died is in [Supervisor.Status] and the log.
func (s *Supervisor) Run(ctx context.Context) error {
	pool, finish := s.pool(ctx)
	defer finish()
	defer s.set(Stopped, nil)
	wait := s.timing.backoff
	for ctx.Err() == nil {
		began := time.Now()
		code, err := s.live(ctx, pool)
		if ctx.Err() != nil {
			if err != nil {
				s.log.Warn("front-end did not stop well", "error", err)
			}
			break
		}
		if err == nil {
			err = fmt.Errorf("ended by itself with exit code %d", code)
		}
		err = s.wrap(err)
		if time.Since(began) >= s.timing.healthy {
			wait = s.timing.backoff
		}
		// Up to a quarter more or less, so that several do not keep step.
		pause := time.Duration(float64(wait) * (0.75 + rand.Float64()/2))
		s.set(Waiting, func(st *Status) { st.LastError = err })
		s.log.Error("front-end died", "error", err, "restart_in", pause.Round(time.Millisecond))
		select {
		case <-time.After(pause):
			s.set(Starting, func(st *Status) { st.Restarts++ })
		case <-ctx.Done():
		}
		wait = min(2*wait, s.timing.maxWait)
	}
	return nil
}

// Once runs the front-end to its end, once, and returns its exit code. The
// error says why there is none, or why the front-end did not do its work. If
// ctx is done first, the front-end is stopped as by [Supervisor.Run].
func (s *Supervisor) Once(ctx context.Context) (exitCode int, err error) {
	pool, finish := s.pool(ctx)
	defer finish()
	code, err := s.live(ctx, pool)
	err = s.wrap(err)
	s.set(Stopped, func(st *Status) { st.LastError = err })
	if err != nil && code == 0 {
		code = 1
	}
	return code, err
}

// pool makes the place where the front-end's requests are carried out. They
// are not bound to ctx, which asks for a stop: they get time to finish.
func (s *Supervisor) pool(ctx context.Context) (_ *coreserver.Pool, finish func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	pool := coreserver.NewPool(work, s.opts.Core, s.log)
	return pool, func() {
		idle := make(chan struct{})
		go func() {
			defer close(idle)
			pool.Wait()
		}()
		defer cancel()
		select {
		case <-idle:
		case <-time.After(s.timing.drain):
			s.log.Warn("work of the front-end is cut off", "after", s.timing.drain)
		}
	}
}

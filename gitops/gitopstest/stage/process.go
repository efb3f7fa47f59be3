package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A Process is a running tidebot serve.
type Process struct {
	cmd    *exec.Cmd
	output output
	exited chan struct{}
	err    error // valid when exited is closed
}

// output is what a process has printed, written and read at once.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// Serve starts tidebot serve from a directory with the built programs, and
// waits until it is ready. attr may be nil.
func (s *Stage) Serve(ctx context.Context, bin string, attr *syscall.SysProcAttr) (*Process, error) {
	program, err := filepath.Abs(filepath.Join(bin, "tidebot"))
	if err != nil {
		return nil, fmt.Errorf("find tidebot: %w", err)
	}
	p := &Process{exited: make(chan struct{})}
	p.cmd = exec.Command(program, "serve", "--config", s.Config)
	p.cmd.Env = s.Env()
	p.cmd.Dir = filepath.Dir(s.Config)
	p.cmd.Stderr = &p.output
	p.cmd.SysProcAttr = attr
	// A front-end that outlives a killed core holds the pipe open for a while.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start tidebot serve: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	err = Await(ctx, "tidebot serve is ready", func() bool { return s.Ready() || p.Exited() })
	if err == nil && p.Exited() {
		err = errors.New("tidebot serve has ended")
	}
	if err != nil {
		return nil, errors.Join(err, fmt.Errorf("its log:\n%s", p.Log()), p.Kill())
	}
	return p, nil
}

// Ready tells whether the program says that it is.
func (s *Stage) Ready() bool {
	res, err := http.Get(s.Core + "/readyz")
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// PID is the process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is what the program has said so far.
func (p *Process) Log() string {
	p.output.mu.Lock()
	defer p.output.mu.Unlock()
	return p.output.buf.String()
}

// Exited tells whether the program has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Signal sends a signal.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the program as kill -9 does.
func (p *Process) Kill() error {
	if p.Exited() {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill tidebot serve: %w", err)
	}
	<-p.exited
	return nil
}

// Stop ends the program as an operator would, and says how it ended.
func (p *Process) Stop() error {
	if p.Exited() {
		return fmt.Errorf("tidebot serve has ended before: %w", p.err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop tidebot serve: %w", err)
	}
	select {
	case <-p.exited:
		return p.err
	case <-time.After(2 * patience):
		return errors.Join(errors.New("tidebot serve does not stop"), p.Kill())
	}
}

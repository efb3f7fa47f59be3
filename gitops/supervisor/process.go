package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// pipeGrace is how long after the end of a process its output may still be
// read. Only its own children could hold the pipes open any longer.
const pipeGrace = time.Second

// A process is a started program. It is go-plugin's runner.Runner, written
// here because go-plugin's own waits for as long as somebody holds the pipes,
// lets the plugin name any address for the core to connect to, and gives no
// way to end a plugin that hangs.
type process struct {
	cmd            *exec.Cmd
	dir            string // of the sockets
	group          bool   // kill the whole process group
	stdout, stderr *os.File
	childEnds      []*os.File

	// exited is closed when the process has ended.
	exited chan struct{}

	mu    sync.Mutex
	ended bool
}

// newProcess prepares a program that is given files as descriptors 3 and up.
func newProcess(cmd *exec.Cmd, dir string, group bool) (*process, error) {
	p := &process{cmd: cmd, dir: dir, group: group, exited: make(chan struct{})}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", errors.Join(err, outR.Close(), outW.Close()))
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	p.stdout, p.stderr, p.childEnds = outR, errR, []*os.File{outW, errW}
	return p, nil
}

// Start starts the program.
func (p *process) Start(context.Context) error {
	err := p.cmd.Start()
	for _, f := range p.childEnds {
		_ = f.Close() // the child has its own
	}
	if err != nil {
		p.closePipes()
		return fmt.Errorf("start program: %w", err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		close(p.exited)
		time.AfterFunc(pipeGrace, p.closePipes)
	}()
	return nil
}

func (p *process) closePipes() {
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

// Wait waits for the end. How it ended is told by state.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Kill kills the process at once.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.cmd.Process == nil {
		return nil
	}
	if p.group {
		// Not reaped yet, so the number still is this group's.
		return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	return p.cmd.Process.Kill()
}

// state says how the process ended; it must have.
func (p *process) state() string { return p.cmd.ProcessState.String() }

func (p *process) pid() int {
	if p.cmd.Process == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Stdout and Stderr are the ends to read from.
func (p *process) Stdout() io.ReadCloser { return p.stdout }
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name is the program.
func (p *process) Name() string { return p.cmd.Path }

// ID is the process ID; empty before the start.
func (p *process) ID() string {
	if p.pid() == 0 {
		return ""
	}
	return strconv.Itoa(p.pid())
}

// Diagnose has nothing to add to an error.
func (p *process) Diagnose(context.Context) string {
	return "The program printed something before its handshake, or is no front-end."
}

// PluginToHost checks an address that the front-end wants the core to connect
// to: none but its own sockets.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(addr) != p.dir {
		return "", "", fmt.Errorf("front-end serves at %s %q, not in its socket directory", network, addr)
	}
	return network, addr, nil
}

// HostToPlugin passes the address of a socket of the core on.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

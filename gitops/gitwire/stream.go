package gitwire

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

// A dialer starts a Git service and connects to its standard input and output.
type dialer interface {
	dial(ctx context.Context, service string) (stream, error)
	close() error
}

// A stream is a running service. Close ends it and waits; the error is what
// the service has said in dying.
type stream interface {
	io.Reader
	io.WriteCloser
}

// streamWire speaks to a service that lives as long as an exchange, and tells
// its refs first.
type streamWire struct {
	name string
	dial dialer
}

func (w *streamWire) open(ctx context.Context, service, branch string) (stream, *advertisement, error) {
	s, err := w.dial.dial(ctx, service)
	if err != nil {
		return nil, nil, err
	}
	a, err := readAdvertisement(s, branch)
	if err != nil {
		if died := s.Close(); died != nil {
			err = fmt.Errorf("%w: %w", died, err)
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, nil, plainNetError(err)
	}
	return s, a, nil
}

func (w *streamWire) advertise(ctx context.Context, service, branch string) (*advertisement, error) {
	s, a, err := w.open(ctx, service, branch)
	if err != nil {
		return nil, err
	}
	// A flush says that nothing is wanted.
	if _, err := s.Write(pktline.FlushPkt); err != nil {
		_ = s.Close()
		return nil, plainNetError(err)
	}
	_ = s.Close()
	return a, nil
}

func (w *streamWire) exchange(ctx context.Context, service, branch string, request func(*advertisement) ([]byte, error)) (io.ReadCloser, error) {
	s, a, err := w.open(ctx, service, branch)
	if err != nil {
		return nil, unsent(err)
	}
	body, err := request(a)
	if err != nil {
		_ = s.Close()
		return nil, unsent(err)
	}
	if _, err := s.Write(body); err != nil {
		_ = s.Close()
		return nil, &exchangeError{sent: true, err: plainNetError(err)}
	}
	return s, nil
}

func (w *streamWire) stateless() bool { return false }

func (w *streamWire) close() error { return w.dial.close() }

// localDialer runs Git's own services on a local repository, never a shell.
type localDialer struct{ path string }

func (d localDialer) dial(ctx context.Context, service string) (stream, error) {
	cmd := exec.CommandContext(ctx, "git", service[len("git-"):], d.path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C"}
	// A hook that holds the pipes must not hold us.
	cmd.WaitDelay = time.Second
	words := &capped{max: maxWords}
	cmd.Stderr = words
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", service, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", service, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", service, err)
	}
	// A child of Git's may outlive it with the other end of the pipe.
	stop := context.AfterFunc(ctx, func() { _ = out.Close() })
	return &process{Reader: out, Writer: in, in: in, cmd: cmd, words: words, stop: stop}, nil
}

func (localDialer) close() error { return nil }

type process struct {
	io.Reader
	io.Writer
	in    io.Closer
	cmd   *exec.Cmd
	words *capped
	stop  func() bool
}

func (p *process) Close() error {
	defer p.stop()
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		if words := inert(p.words.String()); words != "" {
			return fmt.Errorf("git: %s", words)
		}
		return fmt.Errorf("git: %w", err)
	}
	return nil
}

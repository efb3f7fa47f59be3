package gitwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sshDialer keeps one connection to the server open, over which all exchanges
// go: to connect costs more than to push.
type sshDialer struct {
	address, user, path string
	key                 ssh.Signer
	agent               string
	known               *knownhosts.HostKeyDB
	timeout             time.Duration

	mu     sync.Mutex
	client *ssh.Client
}

func newSSHDialer(u *url.URL, o *Options) (*sshDialer, error) {
	d := &sshDialer{address: u.Host, user: "git", path: u.Path, agent: o.SSHAgent, timeout: o.Timeout}
	if u.Port() == "" {
		d.address = net.JoinHostPort(u.Hostname(), "22")
	}
	if name := u.User.Username(); name != "" {
		d.user = name
	}
	if len(o.SSHKey) == 0 && o.SSHAgent == "" {
		return nil, errors.New("SSH wants SSHKey or SSHAgent")
	}
	if len(o.SSHKey) > 0 {
		key, err := ssh.ParsePrivateKey(o.SSHKey)
		if err != nil {
			// The error of the parser might repeat what it read.
			return nil, errors.New("SSHKey is not a private key without a passphrase")
		}
		d.key = key
	}
	if o.KnownHosts == "" {
		return nil, errors.New("SSH wants KnownHosts: a server nobody knows is not talked to")
	}
	known, err := knownhosts.NewDB(o.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	d.known = known
	return d, nil
}

// connect returns the open connection, or a new one. old is one that was
// found dead.
func (d *sshDialer) connect(ctx context.Context, old *ssh.Client) (*ssh.Client, error) {
	d.mu.Lock()
	if d.client == old {
		d.client = nil
	}
	client := d.client
	d.mu.Unlock()
	if client != nil {
		return client, nil
	}
	client, err := d.handshake(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil { // somebody else was faster
		_ = client.Close()
		return d.client, nil
	}
	d.client = client
	go func() { // ends with the connection
		_ = client.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.client == client {
			d.client = nil
		}
	}()
	return client, nil
}

func (d *sshDialer) handshake(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	var methods []ssh.AuthMethod
	if d.key != nil {
		methods = append(methods, ssh.PublicKeys(d.key))
	}
	if d.agent != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", d.agent)
		if err != nil {
			return nil, errors.New("SSH agent cannot be reached")
		}
		defer conn.Close()
		methods = append(methods, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, d.address, &ssh.ClientConfig{
		User:              d.user,
		Auth:              methods,
		HostKeyCallback:   d.known.HostKeyCallback(),
		HostKeyAlgorithms: d.known.HostKeyAlgorithms(d.address),
		ClientVersion:     "SSH-2.0-tidebot",
	})
	if err != nil {
		_ = conn.Close()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case knownhosts.IsHostKeyChanged(err):
			return nil, errors.New("key of the SSH server is not the one in known hosts")
		case knownhosts.IsHostUnknown(err):
			return nil, errors.New("SSH server is not in known hosts")
		case strings.Contains(err.Error(), "unable to authenticate"):
			return nil, errors.New("credentials not accepted (SSH)")
		}
		return nil, fmt.Errorf("connect by SSH: %w", err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

// dial starts a service. A connection that has died meanwhile is replaced.
func (d *sshDialer) dial(ctx context.Context, service string) (stream, error) {
	client, err := d.connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	session, err := newSession(ctx, client)
	if err != nil && ctx.Err() == nil {
		_ = client.Close()
		if client, err = d.connect(ctx, client); err != nil {
			return nil, err
		}
		session, err = newSession(ctx, client)
	}
	if err != nil {
		return nil, fmt.Errorf("open SSH session: %w", err)
	}
	s := &sshStream{session: session, words: &capped{max: maxWords}}
	session.Stderr = s.words
	if s.Writer, err = session.StdinPipe(); err == nil {
		s.Reader, err = session.StdoutPipe()
	}
	if err == nil {
		// A path in an SSH URL is quoted as Git does it: the server's shell,
		// or what stands for one, takes it apart.
		path := strings.TrimPrefix(d.path, "/~")
		if path != d.path {
			path = "~" + path
		}
		err = session.Start(service + " '" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'")
	}
	if err != nil {
		_ = session.Close()
		return nil, fmt.Errorf("start %s: %w", service, err)
	}
	s.stop = context.AfterFunc(ctx, func() { _ = session.Close() })
	return s, nil
}

// newSession opens a session, but does not wait longer than ctx for a server
// that has gone silent; such a connection is given up.
func newSession(ctx context.Context, client *ssh.Client) (*ssh.Session, error) {
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	return client.NewSession()
}

func (d *sshDialer) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil {
		return nil
	}
	err := d.client.Close()
	d.client = nil
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

type sshStream struct {
	io.Reader
	io.Writer
	session *ssh.Session
	words   *capped
	stop    func() bool
	ended   bool
}

func (s *sshStream) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.ended = s.ended || err == io.EOF
	return n, err
}

func (s *sshStream) Close() error {
	defer s.stop()
	if s.ended { // then its last words are on the way
		gone := make(chan struct{})
		go func() {
			_ = s.session.Wait()
			close(gone)
		}()
		select {
		case <-gone:
		case <-time.After(time.Second):
		}
	}
	_ = s.session.Close()
	if words := inert(s.words.String()); words != "" {
		return fmt.Errorf("server says: %s", words)
	}
	return nil
}

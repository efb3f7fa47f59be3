package gitopstest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// An SSHServer serves a repository over SSH.
type SSHServer struct {
	// URL is the address of the repository.
	URL string
	// Key is the private key that is let in, in OpenSSH format.
	Key []byte
	// KnownHosts is the path of a file with the key of the server.
	KnownHosts string

	close      func() error
	disconnect func()
}

// Disconnect cuts all connections, if the server is one of [ServeSSH].
func (s *SSHServer) Disconnect() {
	if s.disconnect != nil {
		s.disconnect()
	}
}

// Close stops the server and cuts its connections.
func (s *SSHServer) Close() error { return s.close() }

// newKey returns a new key, also in OpenSSH format.
func newKey() (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make SSH key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("make SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, nil, fmt.Errorf("make SSH key: %w", err)
	}
	return signer, pem.EncodeToMemory(block), nil
}

// newSSHServer makes the keys, and the known_hosts file for a server at an
// address.
func newSSHServer(dir, address, user string, r *Repository) (s *SSHServer, hostKey []byte, host, client ssh.Signer, err error) {
	host, hostKey, err = newKey()
	if err != nil {
		return nil, nil, nil, nil, err
	}
	client, clientKey, err := newKey()
	if err != nil {
		return nil, nil, nil, nil, err
	}
	s = &SSHServer{
		URL:        "ssh://" + user + "@" + address + r.Dir,
		Key:        clientKey,
		KnownHosts: filepath.Join(dir, "known_hosts"),
	}
	line := knownhosts.Line([]string{knownhosts.Normalize(address)}, host.PublicKey()) + "\n"
	if err := os.WriteFile(s.KnownHosts, []byte(line), 0o600); err != nil {
		return nil, nil, nil, nil, fmt.Errorf("write known hosts: %w", err)
	}
	return s, hostKey, host, client, nil
}

// ServeSSH starts an SSH server within the process. It keeps files in dir,
// which exists.
func ServeSSH(dir string, r *Repository) (*SSHServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve by SSH: %w", err)
	}
	s, _, host, client, err := newSSHServer(dir, listener.Addr().String(), "git", r)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(client.PublicKey().Marshal()) {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	g := &sshGate{config: config, repository: r, conns: make(map[net.Conn]bool)}
	g.wait.Go(func() { g.accept(listener) })
	s.disconnect = g.cut
	s.close = func() error {
		err := listener.Close()
		g.mu.Lock()
		g.closed = true
		g.mu.Unlock()
		g.cut()
		g.wait.Wait()
		return err
	}
	return s, nil
}

// sshGate lets clients in and runs Git's two services for them.
type sshGate struct {
	config     *ssh.ServerConfig
	repository *Repository
	wait       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

func (g *sshGate) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		if g.closed {
			_ = conn.Close()
		}
		g.conns[conn] = true
		g.mu.Unlock()
		g.wait.Go(func() {
			g.serve(conn)
			g.mu.Lock()
			delete(g.conns, conn)
			g.mu.Unlock()
		})
	}
}

func (g *sshGate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.Close()
	}
}

func (g *sshGate) serve(conn net.Conn) {
	defer conn.Close()
	c, channels, requests, err := ssh.NewServerConn(conn, g.config)
	if err != nil {
		return
	}
	defer c.Close()
	go ssh.DiscardRequests(requests)
	for n := range channels {
		if n.ChannelType() != "session" {
			_ = n.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := n.Accept()
		if err != nil {
			return
		}
		g.wait.Go(func() { g.session(channel, requests) })
	}
}

func (g *sshGate) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for req := range requests {
		var command struct{ Line string }
		if req.Type != "exec" || ssh.Unmarshal(req.Payload, &command) != nil {
			_ = req.Reply(false, nil)
			continue
		}
		_ = req.Reply(true, nil)
		go ssh.DiscardRequests(requests)
		service, path, _ := strings.Cut(command.Line, " ")
		var status struct{ Code uint32 }
		if (service != "git-upload-pack" && service != "git-receive-pack") || path != "'"+g.repository.Dir+"'" {
			fmt.Fprintf(channel.Stderr(), "fatal: %s does not appear to be a git repository\n", path)
			status.Code = 128
		} else {
			cmd := exec.Command("git", service[len("git-"):], g.repository.Dir)
			cmd.Env = gitEnv()
			cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
			cmd.WaitDelay = time.Second
			// Not cmd.Stdin: its copying would outlast git, until the client
			// closes its side.
			in, err := cmd.StdinPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err == nil {
				go func() {
					_, _ = io.Copy(in, channel)
					_ = in.Close()
				}()
				err = cmd.Wait()
			}
			if err != nil {
				status.Code = 1
			}
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

// FindOpenSSH returns the path of the OpenSSH server's program, or "" if there
// is none on this machine. TIDEBOT_SSHD names one that lies elsewhere.
func FindOpenSSH() string {
	for _, p := range []string{os.Getenv("TIDEBOT_SSHD"), "/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/opt/homebrew/sbin/sshd"} {
		if info, err := os.Stat(p); p != "" && err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// ServeOpenSSH starts the OpenSSH server, found by [FindOpenSSH], for the user
// who runs this. It keeps files in dir, which exists.
func ServeOpenSSH(dir string, r *Repository) (*SSHServer, error) {
	program := FindOpenSSH()
	if program == "" {
		return nil, errors.New("serve by OpenSSH: there is no sshd")
	}
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("serve by OpenSSH: %w", err)
	}
	// sshd cannot say which port it got, so one that was free a moment ago.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve by OpenSSH: %w", err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = l.Close()

	s, hostKey, _, client, err := newSSHServer(dir, address, me.Username, r)
	if err != nil {
		return nil, err
	}
	config := strings.Join([]string{
		"ListenAddress 127.0.0.1", "Port " + port,
		"HostKey " + filepath.Join(dir, "host_key"), "AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"),
		"PidFile none", "StrictModes no", "PermitRootLogin prohibit-password", "PasswordAuthentication no",
		"KbdInteractiveAuthentication no", "LogLevel ERROR", "",
	}, "\n")
	for name, data := range map[string][]byte{
		"host_key": hostKey, "authorized_keys": ssh.MarshalAuthorizedKey(client.PublicKey()), "sshd_config": []byte(config),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, fmt.Errorf("serve by OpenSSH: %w", err)
		}
	}
	if os.Getuid() == 0 { // where it locks itself in
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, fmt.Errorf("serve by OpenSSH: %w", err)
		}
	}
	words, err := os.Create(filepath.Join(dir, "sshd.log"))
	if err != nil {
		return nil, fmt.Errorf("serve by OpenSSH: %w", err)
	}
	defer words.Close()
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	cmd.Stderr = words
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("serve by OpenSSH: %w", err)
	}
	s.close = func() error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, and says so
		return nil
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return s, nil
		}
		if time.Now().After(deadline) {
			_ = s.close()
			said, _ := os.ReadFile(words.Name())
			return nil, fmt.Errorf("serve by OpenSSH: it does not listen: %s", said)
		}
	}
}

package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

func TestFrontendGetsWhatItIsMeantToGet(t *testing.T) {
	for _, tlsOff := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls off %v", tlsOff), func(t *testing.T) {
			var said string
			opts := options(t, "given")
			opts.Core = listen(&said)
			opts.TLSOff = tlsOff
			opts.Args = []string{"deploy", "qa1"}
			opts.Settings = []byte(`{"path":"/hook"}`)
			opts.Secrets = map[string][]string{"hook": {"new", "old"}}
			if code, err := newSupervisor(t, opts).Once(t.Context()); code != 0 || err != nil {
				t.Fatalf("got code %d and error %v", code, err)
			}
			if want := `[deploy qa1] {"path":"/hook"} map[hook:[new old]]`; said != want {
				t.Errorf("got %q, want %q", said, want)
			}
		})
	}
}

func TestEnvironmentHoldsNothingOfTheCores(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", "hunter2")
	var said string
	opts := options(t, "environ")
	opts.Core = listen(&said)
	opts.Secrets = map[string][]string{"hook": {"correct horse"}}
	opts.Settings = []byte(`"battery staple"`)
	if _, err := newSupervisor(t, opts).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "correct horse", "battery staple"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in the environment or the arguments:\n%s", secret, said)
		}
	}
	allowed := map[string]bool{
		"TMPDIR": true, actEnv: true, "TIDEBOT_FRONTEND": true,
		"PLUGIN_MIN_PORT": true, "PLUGIN_MAX_PORT": true, "PLUGIN_PROTOCOL_VERSIONS": true,
		"PLUGIN_CLIENT_CERT": true, "PLUGIN_UNIX_SOCKET_DIR": true,
	}
	cert := false
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, "=")
		switch {
		case line == "args" || line == "":
		case strings.HasPrefix(line, "PLUGIN_CLIENT_CERT"):
			cert = true
		case cert:
			cert = line != "-----END CERTIFICATE-----"
		case !allowed[name]:
			t.Errorf("environment has %q", line)
		}
	}
}

func TestKilledFrontendIsStartedAgain(t *testing.T) {
	s := newSupervisor(t, options(t, "wait"))
	background(t, s)
	eventually(t, "ready", isReady(s))
	first := s.Status().PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool {
		st := s.Status()
		return st.State == Ready && st.PID != first
	})
	st := s.Status()
	if st.Restarts != 1 || st.LastError == nil || !strings.Contains(st.LastError.Error(), "front-end test: ") || !strings.Contains(st.LastError.Error(), "killed") {
		t.Errorf("got status %+v", st)
	}
}

func TestHungFrontendIsKilledAndStartedAgain(t *testing.T) {
	s := newSupervisor(t, options(t, "wait"))
	background(t, s)
	eventually(t, "ready", isReady(s))
	first := s.Status().PID
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool {
		st := s.Status()
		return st.State == Ready && st.PID != first
	})
	if err := s.Status().LastError; err == nil || !strings.Contains(err.Error(), "hung") {
		t.Errorf("got error %v", err)
	}
}

func TestSignalsDoNotEndAFrontend(t *testing.T) {
	s := newSupervisor(t, options(t, "wait"))
	stop := background(t, s)
	eventually(t, "ready", isReady(s))
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(s.Status().PID, sig); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	if st := s.Status(); st.Restarts != 0 || st.LastError != nil || st.State != Stopped || st.PID != 0 {
		t.Errorf("got status %+v", st)
	}
}

func TestCrashIsToldInWords(t *testing.T) {
	for act, want := range map[string]string{
		"crash":        "port is taken",
		"panic":        "exit status 2",
		"exit at once": "exit status 7",
		"bad cookie":   "exit status 2",
		"early print":  "hello, world",
		"elsewhere":    "not in its socket directory",
		"silent":       "timeout",
	} {
		t.Run(act, func(t *testing.T) {
			opts := options(t, act)
			opts.timing.start = 3 * time.Second
			code, err := newSupervisor(t, opts).Once(t.Context())
			if code == 0 || err == nil || !strings.HasPrefix(err.Error(), "front-end test: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("got code %d and error %v, want one with %q", code, err, want)
			}
		})
	}
}

func TestBinaryIsCheckedBeforeItRuns(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	inOpen := write("open/program", 0o755)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte{1, 2, 3}, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path, sum, want string
	}{
		{"missing", filepath.Join(dir, "none"), "", "no such file"},
		{"a directory", dir, "", "not a regular file"},
		{"not executable", write("plain", 0o644), "", "not executable"},
		{"writable by the group", write("group", 0o775), "", "writable by group or others"},
		{"writable by everybody", write("others", 0o757), "", "writable by group or others"},
		{"in a directory that is writable by everybody", inOpen, "", "writable by group or others"},
		{"with another content than pinned", write("pinned", 0o755), strings.Repeat("00", 32), "SHA-256"},
		{"not a program", garbage, "", "exec format error"},
		{"a program that is no front-end", write("script", 0o755), "", "start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := options(t, "")
			opts.Path, opts.SHA256 = tt.path, tt.sum
			_, err := newSupervisor(t, opts).Once(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestNewRefusesWhatCanNeverWork(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no name":        func(o *Options) { o.Name = "" },
		"no core":        func(o *Options) { o.Core = nil },
		"relative path":  func(o *Options) { o.Path = "webhook" },
		"half a hash":    func(o *Options) { o.SHA256 = "abcd" },
		"odd listener":   func(o *Options) { o.Listeners = map[string]net.Listener{"http": struct{ net.Listener }{}} },
		"hash of no hex": func(o *Options) { o.SHA256 = strings.Repeat("zz", 32) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(t, "wait")
			change(&opts)
			if _, err := New(opts); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestStopDrainsARunningRequest(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	var finished atomic.Bool
	opts := options(t, "drain")
	opts.Core = coreFunc(func(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		close(began)
		<-finish
		finished.Store(ctx.Err() == nil)
		return gitops.Result{}, nil
	})
	s := newSupervisor(t, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-began
	cancel()
	eventually(t, "stopping", func() bool { return s.Status().State == Stopping })
	close(finish)
	if err := <-done; err != nil || !finished.Load() || s.Status().LastError != nil {
		t.Errorf("got error %v, finished %v, status %+v", err, finished.Load(), s.Status())
	}
}

func TestRequestGoesOnWhenItsFrontendIsKilled(t *testing.T) {
	began, finish, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var calls atomic.Int32
	opts := options(t, "drain")
	opts.Core = coreFunc(func(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		if calls.Add(1) > 1 {
			return gitops.Result{}, nil
		}
		close(began)
		<-finish
		result <- ctx.Err()
		return gitops.Result{}, nil
	})
	s := newSupervisor(t, opts)
	background(t, s)
	<-began
	if err := syscall.Kill(s.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "restarted", func() bool { return s.Status().Restarts > 0 })
	close(finish)
	if err := <-result; err != nil {
		t.Errorf("the request was cancelled: %v", err)
	}
}

func TestDeafFrontendIsKilledAfterItsDrain(t *testing.T) {
	opts := options(t, "deaf")
	opts.timing.drain = 200 * time.Millisecond
	s := newSupervisor(t, opts)
	stop := background(t, s)
	eventually(t, "ready", isReady(s))
	pid := s.Status().PID
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stop took %v", took)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the process is still there")
	}
}

func TestRequestDuringARestartIsServed(t *testing.T) {
	l := tcp(t)
	opts := options(t, "serve")
	opts.Listeners = map[string]net.Listener{"http": l}
	opts.timing.backoff = 300 * time.Millisecond
	s := newSupervisor(t, opts)
	background(t, s)
	eventually(t, "ready", isReady(s))
	first := get(t, l, "/execute")
	if err := syscall.Kill(s.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "dead", func() bool { return s.Status().State == Waiting })
	if second := get(t, l, "/execute"); second == first {
		t.Errorf("both requests were served by process %s", first)
	}
}

func TestOversizedRequestIsRefused(t *testing.T) {
	var said string
	opts := options(t, "oversized")
	opts.Core = listen(&said)
	if _, err := newSupervisor(t, opts).Once(t.Context()); err != nil || said != "still served" {
		t.Errorf("got %q and error %v", said, err)
	}
}

func TestOncePassesTheTerminalThrough(t *testing.T) {
	master, slave := openPTY(t)
	errR, errW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer errR.Close()
	opts := options(t, "terminal")
	opts.Stdin, opts.Stdout, opts.Stderr = slave, slave, errW
	if _, err := master.WriteString("you\n"); err != nil {
		t.Fatal(err)
	}
	code, err := newSupervisor(t, opts).Once(t.Context())
	if code != 3 || err != nil {
		t.Fatalf("got code %d and error %v, want 3", code, err)
	}
	errW.Close()
	if told, err := io.ReadAll(errR); err != nil || string(told) != "tty: true\n" {
		t.Errorf("got %q and error %v", told, err)
	}
	r := bufio.NewReader(master)
	for _, want := range []string{"you\r\n", "heard you\r\n"} { // the first is the echo
		if line, err := r.ReadString('\n'); err != nil || line != want {
			t.Errorf("got %q and error %v, want %q", line, err, want)
		}
	}
}

func TestLogReachesTheCores(t *testing.T) {
	var buf bytes.Buffer
	opts := options(t, "log")
	opts.Log = slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if _, err := newSupervisor(t, opts).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := buf.String()
	for _, want := range []string{
		"level=INFO msg=one frontend=test n=1 name=x\n",
		"level=WARN msg=two frontend=test g.k=v\n",
		"line=printed\n",
		" logged\"\n",
		`@message`,
		"level=ERROR msg=last frontend=test big=xxx",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("log lacks %q", want)
		}
	}
	if strings.Contains(got, "not wanted") || strings.Contains(got, "somebody else") || len(got) > 120_000 {
		t.Errorf("log has too much (%d bytes):\n%.2000s", len(got), got)
	}
}

func TestNothingLeaksOverRestarts(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	opts := options(t, "crash")
	opts.Listeners = map[string]net.Listener{"http": tcp(t)}
	opts.timing.backoff, opts.timing.maxWait = time.Millisecond, time.Millisecond
	count := func() (goroutines, fds int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine(), len(entries)
	}
	if _, err := newSupervisor(t, opts).Once(t.Context()); err == nil {
		t.Fatal("got no error")
	}
	goroutines, fds := count()
	s := newSupervisor(t, opts)
	stop := background(t, s)
	eventually(t, "20 restarts", func() bool { return s.Status().Restarts >= 20 })
	stop()
	// What go-plugin's broker leaves behind lives for 5 seconds.
	eventually(t, "all is back", func() bool {
		g, f := count()
		return g <= goroutines && f <= fds
	})
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the directory for temporary files: %v, error %v", left, err)
	}
}

func BenchmarkStartToReady(b *testing.B) {
	for _, tlsOff := range []bool{false, true} {
		b.Run(fmt.Sprintf("tlsOff=%v", tlsOff), func(b *testing.B) {
			for b.Loop() {
				opts := options(b, "wait")
				opts.TLSOff = tlsOff
				s := newSupervisor(b, opts)
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- s.Run(ctx) }()
				for s.Status().State != Ready {
					time.Sleep(100 * time.Microsecond)
				}
				b.StopTimer()
				cancel()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// The figure includes a request over loopback HTTP without keep-alive.
func BenchmarkExecuteRoundTrip(b *testing.B) {
	l := tcp(b)
	opts := options(b, "serve")
	opts.Listeners = map[string]net.Listener{"http": l}
	s := newSupervisor(b, opts)
	background(b, s)
	eventually(b, "ready", isReady(s))
	for _, path := range []string{"/", "/execute"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				get(b, l, path)
			}
		})
	}
}

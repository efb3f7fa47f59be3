package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
)

// A SIGHUP while the program still reads its configuration: a pipe holds it
// there for as long as the test wants.
func TestAReloadThatComesTooEarlyDoesNotEndTheProgram(t *testing.T) {
	s := newShell(t)
	config, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "tidebot.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "tidebot"), "serve", "--config", pipe)
	cmd.Env = s.Env()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var w *os.File
	err = stage.Await(t.Context(), "the program reads its configuration", func() bool {
		w, err = os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0) // an error as long as nobody reads
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	hup := cmd.Process.Signal(syscall.SIGHUP)
	// What is read for the reload is a file again.
	move := os.Rename(s.Config, pipe)
	_, wrote := w.Write(config)
	if err := errors.Join(hup, move, wrote, w.Close()); err != nil {
		t.Fatal(err)
	}
	ready := stage.Await(t.Context(), "it is ready", s.Ready)
	if err := errors.Join(ready, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Error(err)
	}
}

func TestASilentConnectionDoesNotHoldUpTheEnd(t *testing.T) {
	p := newPlay(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.Core, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := p.program.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// The cli front-end is a process of the same user as the core, too.
func TestTheTerminalsFrontendCannotReadTheCore(t *testing.T) {
	dir, err := os.MkdirTemp("", "tidebot-spy-") //nolint:usetesting // another user must get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	read := filepath.Join(dir, "read")
	program, err := os.ReadFile(filepath.Join(bin, "tidebot"))
	if err != nil {
		t.Fatal(err)
	}
	spy := "#!/bin/sh\necho tried > " + read + "/environ\ncat /proc/$PPID/environ >> " + read + "/environ\n"
	err = errors.Join(
		os.Chmod(dir, 0o755), os.Mkdir(read, 0o755), os.Chmod(read, 0o777),
		os.WriteFile(filepath.Join(dir, "tidebot"), program, 0o755),
		os.WriteFile(filepath.Join(dir, "tidebot-frontend-cli"), []byte(spy), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "tidebot"), "status")
	cmd.Env = []string{"GITHUB_TOKEN=" + stage.PersonToken, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = somebody()
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("the spy passed for a front-end:\n%s", out)
	}
	got, err := os.ReadFile(filepath.Join(read, "environ"))
	if err != nil || !strings.HasPrefix(string(got), "tried") {
		t.Fatalf("the spy did not try: %v\n%s", err, out)
	}
	if strings.Contains(string(got), stage.PersonToken) {
		t.Error("the cli front-end read the core's environment")
	}
}

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend/frontendtest"
	"github.com/tidebot-dev/tidebot/gitops/supervisor"
)

func TestTheProgramWritesToTheTerminalAndExitsWithItsCode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	outcomes := map[string]gitops.Outcome{"qa1": gitops.Changed, "prod": gitops.Refused, "qa2": gitops.Failed}
	tests := []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{args: "deploy qa1 shoreline --branch db-jwt", stdout: "deploy to qa1: changed\n"},
		{args: "deploy prod shoreline --branch db-jwt", code: 3, stdout: "deploy to prod: refused\n"},
		{args: "default qa2 shoreline", code: 1, stdout: "default to qa2: failed\n"},
		{args: "deplyo qa1", code: 2, stderr: "Did you mean tidebot deploy?\n"},
		{args: "help status", stdout: "Usage: tidebot status [environment]"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
				report(gitops.Progress{Phase: gitops.Accepted})
				c := req.Direct.Command
				outcome := outcomes[c.Environment]
				return gitops.Result{ID: req.ID(), Commands: []gitops.CommandResult{{
					ID: req.ID() + "/1", Command: c, Outcome: outcome,
					Summary: string(c.Verb) + " to " + c.Environment + ": " + string(outcome),
				}}}, nil
			})
			stdout, stderr := file(t), file(t)
			s, err := supervisor.New(supervisor.Options{
				Name: "cli", Path: path, Args: strings.Fields(tt.args), Core: core,
				Stdout: stdout, Stderr: stderr, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			code, err := s.Once(t.Context())
			if err != nil || code != tt.code {
				t.Errorf("exit code %d, error %v; want code %d", code, err, tt.code)
			}
			if got := content(t, stdout); (got == "") != (tt.stdout == "") || !strings.Contains(got, tt.stdout) {
				t.Errorf("stdout = %q, want %q", got, tt.stdout)
			}
			if got := content(t, stderr); (got == "") != (tt.stderr == "") || !strings.Contains(got, tt.stderr) {
				t.Errorf("stderr = %q, want %q", got, tt.stderr)
			}
		})
	}
}

func file(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

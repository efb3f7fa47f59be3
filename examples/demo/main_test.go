package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
)

// bin is the directory of the built programs.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tidebot-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		for name, pkg := range map[string]string{
			"tidebot":                  "./gitops/cmd/tidebot",
			"tidebot-frontend-webhook": "./frontends/webhook",
			"demo":                     "./examples/demo",
		} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
			cmd.Dir = filepath.Join("..", "..")
			if out, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
				return 1
			}
		}
		bin = dir
		return m.Run()
	}())
}

// TestDemo runs the built demonstration as make demo does, and as it is when
// something is broken: then it must say so, and in any case clean up.
func TestDemo(t *testing.T) {
	tests := []struct {
		name string
		args []string
		// stdout and stderr are what must stand there. An error is expected
		// if there is something for stderr.
		stdout, stderr string
	}{
		{
			name: "whole",
			stdout: "All that changed in the repository:\n\n" +
				"-    fluxcd.io/tag.shoreline: glob:master-*\n" +
				"+    fluxcd.io/tag.shoreline: glob:db-jwt-*\n\n",
		},
		{
			name:   "read-only",
			args:   []string{"-break", "read-only"},
			stdout: "| **Failed, nothing changed:",
			stderr: "demo: nothing was deployed; the answer is: **Failed, nothing changed: push to branch main: push rejected: this repository is read-only",
		},
		{name: "secret", args: []string{"-break", "secret"}, stderr: "demo: the webhook was answered 403, not 202\n"},
		{name: "typo", args: []string{"-break", "screen"}, stderr: `demo: -break "screen": want read-only or secret`},
		{name: "no programs", args: []string{"-bin", "nowhere"}, stderr: "demo: start tidebot serve: "},
		{name: "no sample", args: []string{"-files", "nowhere"}, stderr: "demo: read the sample config repository: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "demo"), append([]string{"-bin", bin}, tt.args...)...)
			cmd.Dir = filepath.Join("..", "..")
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			cmd.WaitDelay = time.Second
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if tt.stderr == "" && err != nil || tt.stderr != "" && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
				t.Errorf("it ended with %v", err)
			}
			if !strings.Contains(stdout.String(), tt.stdout) {
				t.Errorf("standard output lacks %q:\n%s", tt.stdout, &stdout)
			}
			if !strings.Contains(stderr.String(), tt.stderr) || tt.stderr == "" && stderr.Len() > 0 {
				t.Errorf("standard error, want %q:\n%s", tt.stderr, &stderr)
			}
			for _, secret := range []string{stage.ProviderToken, stage.PushToken, stage.WebhookSecret} {
				if strings.Contains(stdout.String()+stderr.String(), secret) {
					t.Errorf("it shows the secret %s", secret)
				}
			}
			left, err := os.ReadDir(tmp)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range left {
				t.Errorf("it left %s behind", entry.Name())
			}
			if err := stage.Await(t.Context(), "no process is left", func() bool { return len(processes(t, bin)) == 0 }); err != nil {
				t.Errorf("%v: %q", err, processes(t, bin))
			}
		})
	}
}

// TestAProcessThatIsLeftIsSeen shows that the look for processes, which finds
// nothing where all is well, can find one: this one.
func TestAProcessThatIsLeftIsSeen(t *testing.T) {
	if len(processes(t, filepath.Dir(os.Args[0]))) == 0 {
		t.Errorf("%s does not see itself", os.Args[0])
	}
}

// processes are the command lines of those whose program is in a directory.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err == nil && bytes.HasPrefix(line, []byte(dir+string(filepath.Separator))) { // else it has ended meanwhile
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend/frontendtest"
	"github.com/tidebot-dev/tidebot/gitops/supervisor"
)

const secret = "It's a Secret to Everybody"

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "webhook")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// post sends a signed comment and returns the status of the answer.
func post(t *testing.T, url, text string) int {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"action":     "created",
		"issue":      map[string]any{"number": 12, "pull_request": map[string]any{}},
		"comment":    map[string]any{"id": 345, "body": text, "user": map[string]any{"type": "User"}},
		"repository": map[string]any{"full_name": "tidepool-org/shoreline"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "issue_comment")
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	// One connection a request: the one before may have died with a process.
	r.Close = true
	resp, err := (&http.Client{Timeout: 15 * time.Second}).Do(r)
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestTheProgramServesAndADeliveryWaitsForItsRestart(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan string, 8)
	s, err := supervisor.New(supervisor.Options{
		Name:      "webhook",
		Path:      build(t),
		Settings:  json.RawMessage(`{"endpoints": {"/github": {"provider": "github.com"}}}`),
		Secrets:   map[string][]string{"/github": {secret}},
		Listeners: map[string]net.Listener{"listen": listener},
		Core: frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
			asked <- req.ID()
			report(gitops.Progress{Phase: gitops.Accepted})
			return gitops.Result{ID: req.ID()}, nil
		}),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	// The socket is there from the start, and the kernel lets callers wait.
	url := "http://" + listener.Addr().String() + "/github"
	if status := post(t, url, "/deploy qa1"); status != http.StatusAccepted {
		t.Fatalf("answer = %d, want 202", status)
	}
	if id := <-asked; id != "github.com/tidepool-org/shoreline/pull/12/comment/345" {
		t.Errorf("request = %s", id)
	}
	if status := post(t, url, "thanks"); status != http.StatusOK {
		t.Errorf("answer to prose = %d, want 200", status)
	}

	pid := s.Status().PID
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(environ)+string(cmdline), secret) {
		t.Error("the secret is in the environment or the arguments of the program")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := post(t, url, "/deploy qa1"); status != http.StatusAccepted {
		t.Errorf("answer after the restart = %d, want 202", status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
	"github.com/tidebot-dev/tidebot/vcs"
)

// The scripts are what a person types who has no server and no network.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
	})
}

// A shell is a person at a terminal, with a token of their own.
type shell struct {
	*stage.Stage
}

func newShell(t *testing.T) shell {
	t.Helper()
	return shell{stage.Test(t)}
}

// run runs tidebot and returns what it prints and its exit code.
func (s shell) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "tidebot"), args...)
	cmd.Env = append(s.Env(), "STAGE_TOKEN="+stage.PersonToken, "TIDEBOT_CONFIG="+s.Config)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, secret := range []string{stage.PersonToken, stage.PushToken, stage.WebhookSecret} {
		if strings.Contains(out.String()+errOut.String(), secret) {
			t.Errorf("tidebot %q prints the secret %s", args, secret)
		}
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func TestDeployFromATerminal(t *testing.T) {
	s := newShell(t)
	stdout, stderr, code := s.run(t, "deploy", "qa1", "--service", "shoreline", "--branch", "db-jwt")
	if code != 0 || !strings.Contains(stdout, "glob:master-* -> glob:db-jwt-*") || stderr != "" {
		t.Errorf("exit code %d, stdout\n%s\nstderr\n%s", code, stdout, stderr)
	}
	got, err := s.Repository.Git("log", "-1", "--format=%an/%cn %(trailers:key=Requested-By)", gitopstest.Branch)
	if err != nil || got != "some-login/some-login Requested-By: github.com/some-login" {
		t.Errorf("commit %q, error %v", got, err)
	}
	if len(s.Answers()) != 0 {
		t.Error("there is an answer on the pull request")
	}

	stdout, _, code = s.run(t, "status", "--output", "json")
	var status any
	if err := json.Unmarshal([]byte(stdout), &status); code != 0 || err != nil || !strings.Contains(stdout, "glob:db-jwt-*") {
		t.Errorf("status: exit code %d, error %v, stdout\n%s", code, err, stdout)
	}
	stdout, _, code = s.run(t, "default", "QA1", "shoreline")
	if code != 0 || !strings.Contains(stdout, "glob:db-jwt-* -> glob:master-*") {
		t.Errorf("default: exit code %d, stdout\n%s", code, stdout)
	}
	stdout, stderr, code = s.run(t, "diff", "qa1", "--pr", stage.Source+"#12")
	if code != 0 || !strings.Contains(stdout, "+    fluxcd.io/tag.shoreline: glob:db-jwt-*") {
		t.Errorf("diff: exit code %d, stdout\n%s\nstderr\n%s", code, stdout, stderr)
	}
}

func TestExitCodesOfTheTerminal(t *testing.T) {
	s := newShell(t)
	tests := []struct {
		name string
		args []string
		code int
		want string // in what is printed
	}{
		{"refused by policy", []string{"deploy", "prod", "shoreline", "--branch", "db-jwt"}, 3, "no service `shoreline` on `prod`"},
		{"an unknown environment", []string{"deploy", "qa9", "shoreline", "--branch", "db-jwt"}, 3, "no environment `qa9`"},
		{"a branch that is not there", []string{"deploy", "qa1", "shoreline", "--branch", "db-jwtt"}, 3, "no branch `db-jwtt`"},
		{"no service named", []string{"deploy", "qa1", "--branch", "db-jwt"}, 3, "say which service"},
		{"a flag that is not one", []string{"deploy", "qa1", "--brunch", "db-jwt"}, 2, "brunch"},
		{"a verb that is not one", []string{"deplyo", "qa1"}, 2, "deploy"},
		{"a name that is not one", []string{"deploy", "q\u202ea1", "shoreline", "--branch", "db-jwt"}, 2, "U+202E"},
		{"both a branch and a pull request", []string{"deploy", "qa1", "--branch", "db-jwt", "--pr", "o/r#1"}, 2, "--pr"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, code := s.run(t, test.args...)
			if code != test.code || !strings.Contains(stdout+stderr, test.want) {
				t.Errorf("exit code %d, want %d; printed\n%s%s\nwant %q in it", code, test.code, stdout, stderr, test.want)
			}
		})
	}
	if err := s.Git.Close(); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := s.run(t, "status"); code != 1 || !strings.Contains(stdout+stderr, "connection refused") {
		t.Errorf("without a Git server: exit code %d, printed\n%s%s", code, stdout, stderr)
	}
}

func TestCheckPrintsWhereEverythingIs(t *testing.T) {
	s := newShell(t)
	stdout, stderr, code := s.run(t, "check")
	if code != 0 || !strings.Contains(stdout, "acting as some-login") ||
		!strings.Contains(stdout, "qa1          shoreline  fluxcd.io/tag.shoreline  "+stage.File+":9  glob:master-*") {
		t.Errorf("exit code %d, printed\n%s%s", code, stdout, stderr)
	}

	replaceConfig(t, s.Stage, "annotation:fluxcd.io/tag.{service}", "annotation:fluxcd.io/tag.{service}s")
	stdout, stderr, code = s.run(t, "check")
	if code != 1 || !strings.Contains(stdout, "WRONG") || !strings.Contains(stdout, "fluxcd.io/tag.shorelines") {
		t.Errorf("a field that is not there: exit code %d, printed\n%s%s", code, stdout, stderr)
	}
}

func TestCheckRefusesReadPermissionOnAPublicRepository(t *testing.T) {
	s := newShell(t)
	if err := s.Forge.SetPublic(stage.Source); err != nil {
		t.Fatal(err)
	}
	replaceConfig(t, s.Stage, "allow: [team:tidepool-org/qa]", "allow: [source:read]")
	stdout, stderr, code := s.run(t, "check")
	if code != 1 || !strings.Contains(stdout, "source:read would allow everybody") {
		t.Errorf("exit code %d, printed\n%s%s", code, stdout, stderr)
	}
	// Were it served all the same, a mere reader could not deploy.
	p := &play{Stage: s.Stage}
	p.start(t)
	if err := s.Forge.SetAccess(stage.Source, stage.Reader, vcs.None); err != nil {
		t.Fatal(err)
	}
	if _, status, err := s.Say(t.Context(), stage.Reader, "/deploy qa1", stage.WebhookSecret); err != nil || status != http.StatusAccepted {
		t.Fatalf("status %d, error %v", status, err)
	}
	p.idle(t)
	if len(p.commits(t)) != 0 || len(p.Answers()) != 0 {
		t.Errorf("commits %q, answers %q; want none", p.commits(t), p.Answers())
	}
}

func replaceConfig(t *testing.T, s *stage.Stage, old, new string) {
	t.Helper()
	data, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("no %q in the configuration", old)
	}
	if err := os.WriteFile(s.Config, []byte(strings.Replace(string(data), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReloadSwapsWholeOrNotAtAll(t *testing.T) {
	p := newPlay(t)
	reload := func(result, count string) {
		t.Helper()
		if err := p.program.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		name := `tidebot_config_reloads_total{result="` + result + `"}`
		if err := stage.Await(t.Context(), "the reload is "+result, func() bool { return p.metric(t, name) == count }); err != nil {
			t.Fatal(err)
		}
	}
	replaceConfig(t, p.Stage, "glob:{branch}-*", "regexp:^{branch}-[")
	reload("refused", "1")
	p.say(t, "/deploy qa1")
	p.answers(t, 1)
	if p.value(t) != "glob:db-jwt-*" {
		t.Errorf("value %s after a reload that was refused", p.value(t))
	}
	replaceConfig(t, p.Stage, "regexp:^{branch}-[", "regexp:^{branch}-[0-9a-f]{40}$")
	reload("done", "1")
	p.say(t, "/deploy qa1")
	p.answers(t, 2)
	if p.value(t) != "regexp:^db-jwt-[0-9a-f]{40}$" {
		t.Errorf("value %s after a reload", p.value(t))
	}
	replaceConfig(t, p.Stage, "listen: ", "maxBodyBytes: 1000, listen: ")
	reload("refused", "2")
}

func TestServeRefusesToStartWithoutASecret(t *testing.T) {
	s := newShell(t)
	for name, change := range map[string][2]string{
		"empty list":          {"secretsFrom: [{env: STAGE_WEBHOOK_SECRET}]", "secretsFrom: []"},
		"variable not set":    {"STAGE_WEBHOOK_SECRET", "NO_SUCH_VARIABLE"},
		"no provider token":   {"STAGE_TOKEN", "NO_SUCH_VARIABLE"},
		"a key that is not":   {"endpoints:", "endpoint:"},
		"unknown environment": {"environments: {qa1: {}}", "environments: {qa2: {}}"},
	} {
		t.Run(name, func(t *testing.T) {
			original, err := os.ReadFile(s.Config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.WriteFile(s.Config, original, 0o600) }()
			replaceConfig(t, s.Stage, change[0], change[1])
			stdout, stderr, code := s.run(t, "serve")
			if code != 1 || stdout != "" || stderr == "" || s.Ready() {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
			t.Log(stderr)
		})
	}
}

// The same deploy over the other ways to reach a config repository.
func TestDeployOverSSHAndToALocalRepository(t *testing.T) {
	s := newShell(t)
	dir := t.TempDir()
	ssh, err := gitopstest.ServeSSH(dir, s.Repository)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssh.Close() })
	key := filepath.Join(dir, "deploy-key")
	if err := os.WriteFile(key, ssh.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	over := "url: \"" + s.Git.URL + "\", pushTokenFrom: {env: STAGE_PUSH_TOKEN}"
	for _, repository := range []string{
		"url: \"" + ssh.URL + "\", sshKeyFrom: {file: " + key + "}, knownHosts: " + ssh.KnownHosts,
		"url: \"" + s.Repository.URL() + "\"",
	} {
		replaceConfig(t, s.Stage, over, repository)
		over = repository
		for _, verb := range [][]string{{"deploy", "--branch", "db-jwt"}, {"default"}} {
			args := append([]string{verb[0], "qa1", "shoreline"}, verb[1:]...)
			if stdout, stderr, code := s.run(t, args...); code != 0 || !strings.Contains(stdout, " -> ") {
				t.Errorf("%s, %v: exit code %d, printed\n%s%s", repository, args, code, stdout, stderr)
			}
		}
	}
	if err := s.Repository.Check(); err != nil {
		t.Error(err)
	}
}

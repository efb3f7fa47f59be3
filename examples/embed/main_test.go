package main

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
)

// newStage is a stage on which one token is for the provider and for the
// config repository, as the example has it.
func newStage(t *testing.T) *stage.Stage {
	t.Helper()
	s := stage.Test(t)
	s.Git.RequireAuth("x-access-token", stage.ProviderToken)
	return s
}

// build builds the example and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "embed")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// run runs the built example and returns what it prints. The error has what it
// says on standard error.
func run(t *testing.T, s *stage.Stage, program, token string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"GITHUB_TOKEN=" + token, "GITHUB_API_URL=" + s.Forge.URL()}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = errors.Join(err, errors.New(stderr.String()))
	}
	return stdout.String(), err
}

func git(t *testing.T, s *stage.Stage, args ...string) string {
	t.Helper()
	out, err := s.Repository.Git(args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestTheBuiltExampleDeploys(t *testing.T) {
	s, program := newStage(t), build(t)
	comment, err := s.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, "/deploy qa1")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{s.Config, stage.Source, strconv.Itoa(stage.PullRequest), strconv.FormatInt(comment, 10)}
	answer, err := run(t, s, program, stage.ProviderToken, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"`shoreline` on `qa1` now follows `db-jwt`", "for some-login, allowed by team tidepool-org/qa"} {
		if !strings.Contains(answer, want) {
			t.Errorf("it prints no %q:\n%s", want, answer)
		}
	}
	if answers := s.Answers(); len(answers) != 1 || !strings.Contains(answers[0], strings.TrimSpace(answer)) {
		t.Errorf("answers on the pull request %q, want the one that is printed:\n%s", answers, answer)
	}
	const want = "-    fluxcd.io/tag.shoreline: glob:master-*\n+    fluxcd.io/tag.shoreline: glob:db-jwt-*"
	diff := git(t, s, "show", "--format=", "--unified=0", gitopstest.Branch)
	if !strings.HasSuffix(diff, "\n"+want) {
		t.Errorf("the commit changes:\n%s", diff)
	}
	if stat := git(t, s, "show", "--format=", "--shortstat", gitopstest.Branch); stat != "1 file changed, 1 insertion(+), 1 deletion(-)" {
		t.Errorf("the commit has %s", stat)
	}
	if got := git(t, s, "log", "-1", "--format=%an/%cn", gitopstest.Branch); got != "some-login/Tidebot" {
		t.Errorf("author/committer %s", got)
	}
	if err := s.Repository.Check(); err != nil {
		t.Error(err)
	}

	// Once more is not twice.
	tip := git(t, s, "rev-parse", gitopstest.Branch)
	if _, err := run(t, s, program, stage.ProviderToken, args...); err != nil {
		t.Error(err)
	}
	if again := git(t, s, "rev-parse", gitopstest.Branch); again != tip || len(s.Answers()) != 1 {
		t.Errorf("the same comment again: tip %s and %d answers, want %s and 1", again, len(s.Answers()), tip)
	}
}

func TestTheBuiltExampleSaysWhyNot(t *testing.T) {
	s, program := newStage(t), build(t)
	const wrong = "canary-wrong-token-44d0"
	tests := []struct {
		name, token string
		args        []string
		want        string
	}{
		{"no arguments", stage.ProviderToken, nil, "usage: embed "},
		{"no number", stage.ProviderToken, []string{s.Config, stage.Source, "twelve", "1"}, `"twelve": invalid syntax`},
		{"no configuration", stage.ProviderToken, []string{"none.yaml", stage.Source, "12", "1"}, "none.yaml: no such file or directory"},
		{"a token that is none", wrong, []string{s.Config, stage.Source, "12", "1"}, "comment"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := run(t, s, program, tt.token, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || out != "" {
				t.Errorf("got %q and %v, want the error %q", out, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), tt.token) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	if n := len(s.Answers()); n != 0 {
		t.Errorf("%d answers, want none", n)
	}
}

func TestTheBuiltExampleIsSilentAboutWhatIsNoCommand(t *testing.T) {
	s, program := newStage(t), build(t)
	comment, err := s.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, "Shall we /deploy qa1?")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{comment, comment + 1000} { // the second is none
		out, err := run(t, s, program, stage.ProviderToken, s.Config, stage.Source, "12", strconv.FormatInt(id, 10))
		if out != "" || err != nil {
			t.Errorf("comment %d: got %q and %v, want silence", id, out, err)
		}
	}
	if n := len(s.Answers()); n != 0 {
		t.Errorf("%d answers, want none", n)
	}
}

func TestNoPluginAndNoGRPCIsLinkedIn(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "github.com/tidebot-dev/tidebot/gitops") {
		t.Errorf("gitops is not among the %d packages, so this looks at the wrong place", len(deps))
	}
	for _, dep := range deps {
		if strings.HasPrefix(dep, "github.com/hashicorp/go-plugin") || strings.HasPrefix(dep, "google.golang.org/grpc") {
			t.Errorf("%s is linked in", dep)
		}
	}
}

// TestADeployIsShort holds the example to what it is there to show.
func TestADeployIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "main.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	deploy, ok := file.Scope.Lookup("deploy").Decl.(*ast.FuncDecl)
	if !ok {
		t.Fatal("deploy is no function")
	}
	if lines := files.Position(deploy.End()).Line - files.Position(deploy.Pos()).Line + 1; lines >= 40 {
		t.Errorf("deploy has %d lines, want less than 40", lines)
	}
}

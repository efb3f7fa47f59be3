package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

const createComment = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// child is the process ID of a child with this program.
func child(t *testing.T, parent int, program string) int {
	t.Helper()
	var found int
	err := stage.Await(t.Context(), "there is a process "+program, func() bool {
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			return false
		}
		for _, path := range stats {
			stat, err := os.ReadFile(path)
			if err != nil {
				continue // it has ended meanwhile
			}
			// pid (comm) state ppid: proc_pid_stat(5). comm has 15 bytes.
			_, rest, _ := bytes.Cut(stat, []byte("("))
			comm, rest, _ := bytes.Cut(rest, []byte(") "))
			fields := strings.Fields(string(rest))
			if len(fields) > 1 && fields[1] == strconv.Itoa(parent) && fields[0] != "Z" && strings.HasPrefix(program, string(comm)) {
				found, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
			}
		}
		return found != 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAFrontendThatLiesGetsNothingDeployed(t *testing.T) {
	s := stage.Test(t)
	p := &play{Stage: s}
	var err error
	ids := make(map[string]int64)
	for name, c := range map[string]struct{ login, text string }{
		"innocent": {stage.Person, "please do not /deploy qa1"},
		"denied":   {stage.Reader, "/deploy qa1"},
	} {
		if ids[name], err = s.Forge.AddComment(stage.Source, stage.PullRequest, c.login, c.text); err != nil {
			t.Fatal(err)
		}
	}
	if ids["elsewhere"], err = s.Forge.AddComment(stage.Source, stage.OtherPullRequest, stage.Person, "/deploy qa1"); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	config = fmt.Appendf(config, "  liar: {repository: %s, number: %d, innocent: %d, denied: %d, elsewhere: %d}\n",
		stage.Source, stage.PullRequest, ids["innocent"], ids["denied"], ids["elsewhere"])
	if err := os.WriteFile(s.Config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	answer := p.answers(t, 1)[0]
	if !strings.Contains(answer, "Not deployed, nothing changed: `qa1` is for team") {
		t.Errorf("answer:\n%s", answer)
	}
	if got := p.commits(t); len(got) != 0 {
		t.Errorf("commits %q, want none", got)
	}
	if n := strings.Count(p.program.Log(), `"msg":"lie told"`); n != 6 {
		t.Errorf("%d lies told, want 6", n)
	}
	// The honest front-end works beside it.
	p.say(t, "/deploy qa1")
	p.answers(t, 2)
	if got := p.commits(t); len(got) != 1 {
		t.Errorf("commits %q, want one", got)
	}
}

// somebody is a user without privileges to run the program as: root may read
// everything whatever the program does.
func somebody() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

func TestNoSecretOfTheCoreIsInTheWebhookProcess(t *testing.T) {
	// The program runs as another user, who may not enter what t.TempDir makes.
	dir, err := os.MkdirTemp("", "tidebot-boundary-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := stage.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(s.Config, 0o644)); err != nil {
		t.Fatal(err)
	}
	program, err := s.Serve(t.Context(), bin, somebody())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Kill() })
	p := &play{Stage: s, program: program}
	p.say(t, "/deploy qa1") // all of them have been in use
	p.answers(t, 1)

	pid := child(t, program.PID(), "tidebot-frontend-webhook")
	places := processPlaces(t, pid)
	for place, content := range places {
		for _, secret := range []string{stage.ProviderToken, stage.PushToken} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s of the webhook process holds %s", place, secret)
			}
		}
	}
	if !bytes.Contains(places["memory"], []byte(stage.WebhookSecret)) {
		t.Error("the memory was not really read: its own secret is not in it")
	}
	for _, place := range []string{"environ", "cmdline"} {
		if bytes.Contains(places[place], []byte(stage.WebhookSecret)) {
			t.Errorf("%s of the webhook process holds its secret", place)
		}
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("open files: %v, %v", links, err)
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		// The Go runtime keeps the limits of its CPU time open.
		runtime := strings.HasPrefix(target, "/sys/fs/cgroup/") || target == "/dev/null"
		if err == nil && strings.HasPrefix(target, "/") && !runtime {
			t.Errorf("the webhook process has %s open", target)
		}
	}

	// Nor can a process of the core's user read them in the core.
	for _, file := range []string{"environ", "mem", "maps"} {
		cmd := exec.Command("cat", fmt.Sprintf("/proc/%d/%s", program.PID(), file))
		cmd.SysProcAttr = somebody()
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
			t.Errorf("cat /proc/PID/%s of the core as its own user: %v, %d bytes; want permission denied", file, err, len(out))
		}
	}
}

// processPlaces reads where secrets of a process could be.
func processPlaces(t *testing.T, pid int) map[string][]byte {
	t.Helper()
	places := make(map[string][]byte)
	for _, file := range []string{"environ", "cmdline", "maps"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		places[file] = data
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mem.Close() }()
	var memory bytes.Buffer
	for line := range strings.Lines(string(places["maps"])) {
		var from, to int64
		var perms string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms); err != nil || perms[0] != 'r' || to-from > 1<<28 || strings.Contains(line, "[v") {
			continue
		}
		region := make([]byte, to-from)
		n, _ := mem.ReadAt(region, from)
		memory.Write(region[:n])
	}
	places["memory"] = memory.Bytes()
	return places
}

// What the config repository or the provider does wrong is said as it is, and
// the program lives on.
func TestWhenThingsGoWrong(t *testing.T) {
	tests := []struct {
		name    string
		breakIt func(*testing.T, *play) (mend func())
		answer  []string
	}{
		{"a hook rejects the push", func(t *testing.T, p *play) func() {
			hook(t, p, "echo 'main is frozen until Monday' >&2; exit 1")
			return func() { hook(t, p, "") }
		}, []string{"Failed, nothing changed", "main is frozen until Monday"}},
		{"the repository is not let in to", func(_ *testing.T, p *play) func() {
			p.Git.RequireAuth("x-access-token", "another token")
			return func() { p.Git.RequireAuth("x-access-token", stage.PushToken) }
		}, []string{"Failed, nothing changed", "401"}},
		{"the field is not there", func(t *testing.T, p *play) func() {
			commit(t, p, strings.Replace(stage.Sample, "tag.shoreline", "tag.shorelime", 1))
			return func() { commit(t, p, stage.Sample) }
		}, []string{"Failed, nothing changed", "fluxcd.io/tag.shorelime"}},
		{"the team cannot be asked", func(_ *testing.T, p *play) func() {
			return p.Forge.Fail(vcstest.Fault{Route: "GET /orgs/{org}/teams/{team_slug}/memberships/{username}", Kind: vcstest.Forbidden})
		}, []string{"Not deployed, nothing changed", "could not be found out"}},
		{"the pull request was merged", func(t *testing.T, p *play) func() {
			if err := p.Forge.SetState(stage.Source, stage.PullRequest, vcs.Merged); err != nil {
				t.Fatal(err)
			}
			return func() { _ = p.Forge.SetState(stage.Source, stage.PullRequest, vcs.Open) }
		}, []string{"Not deployed, nothing changed: the pull request is merged"}},
	}
	p := newPlay(t)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := p.git(t, "rev-list", "--count", "HEAD")
			mend := test.breakIt(t, p)
			broken := p.git(t, "rev-list", "--count", "HEAD")
			p.say(t, "/deploy qa1")
			answer := p.answers(t, i+1)[i]
			for _, want := range test.answer {
				if !strings.Contains(answer, want) {
					t.Errorf("the answer lacks %q:\n%s", want, answer)
				}
			}
			if now := p.git(t, "rev-list", "--count", "HEAD"); now != broken {
				t.Errorf("%s commits, before %s", now, before)
			}
			mend()
		})
	}
	p.Forge.Advance(time.Minute)
	p.say(t, "/deploy qa1")
	if answers := p.answers(t, len(tests)+1); !strings.Contains(answers[len(tests)], "now follows") {
		t.Errorf("in the end:\n%s", answers[len(tests)])
	}
}

func hook(t *testing.T, p *play, script string) {
	t.Helper()
	if err := p.Repository.Hook("pre-receive", script); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, p *play, content string) {
	t.Helper()
	if _, err := p.Repository.Commit("By hand", map[string]string{stage.File: content}); err != nil {
		t.Fatal(err)
	}
}

func TestADeadGitServerIsToldAndSurvived(t *testing.T) {
	p := newPlay(t)
	if err := p.Git.Close(); err != nil {
		t.Fatal(err)
	}
	p.say(t, "/deploy qa1")
	if answer := p.answers(t, 1)[0]; !strings.Contains(answer, "Failed, nothing changed") || !strings.Contains(answer, "connection refused") {
		t.Errorf("answer:\n%s", answer)
	}
	if p.program.Exited() || !p.Ready() {
		t.Error("the program is not well")
	}
}

func TestWebhooksThatAreNotOursAreTurnedAway(t *testing.T) {
	p := newPlay(t)
	id, err := p.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, "/deploy qa1")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"", "another", stage.WebhookSecret + "x"} {
		if status, err := p.Deliver(t.Context(), id, stage.Person, secret); err != nil || status != http.StatusForbidden {
			t.Errorf("signed with %q: status %d, error %v; want 403", secret, status, err)
		}
	}
	ping, err := vcstest.PingDelivery()
	if err != nil {
		t.Fatal(err)
	}
	if status, err := ping.Post(t.Context(), p.Webhook+"/github", []byte(stage.WebhookSecret)); err != nil || status != http.StatusOK {
		t.Errorf("ping: status %d, error %v; want 200", status, err)
	}
	p.idle(t)
	if len(p.commits(t)) != 0 || len(p.Answers()) != 0 {
		t.Errorf("commits %q, answers %q; want none", p.commits(t), p.Answers())
	}
}

func TestAnEditedCommentNeverDeploys(t *testing.T) {
	p := newPlay(t)
	id, err := p.Forge.AddComment(stage.Source, stage.PullRequest, stage.Person, "looks good")
	if err != nil {
		t.Fatal(err)
	}
	p.Forge.Advance(2 * time.Second)
	if err := p.Forge.EditComment(id, "/deploy qa1"); err != nil {
		t.Fatal(err)
	}
	p.deliver(t, id) // as if it were new
	p.idle(t)
	if len(p.commits(t)) != 0 || len(p.Answers()) != 0 {
		t.Errorf("commits %q, answers %q; want none", p.commits(t), p.Answers())
	}
}

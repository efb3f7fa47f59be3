package terminal

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/manifest"
)

// coreFunc is a core made of one function.
type coreFunc func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error)

func (f coreFunc) Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
	return f(ctx, req, report)
}

// answering is a core that has just this result.
func answering(r gitops.Result) frontend.Core {
	return coreFunc(func(_ context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		report(gitops.Progress{Phase: gitops.Running, Message: "pushing\x1b[2J"})
		report(gitops.Progress{Phase: gitops.Done})
		return r, nil
	})
}

// runSession runs the arguments and returns what was said and the exit code.
func runSession(t *testing.T, core frontend.Core, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	f := New()
	f.newID = func() (string, error) { return "cli/1", nil }
	var out, errs strings.Builder
	s := &session{Frontend: f, core: core, stdout: &out, stderr: &errs, progress: io.Discard}
	code = s.run(t.Context(), args)
	return code, out.String(), errs.String()
}

func target(service string) gitops.Target {
	return gitops.Target{
		Service: service, Environment: "qa1", File: "environments/qa1/" + service + ".yaml",
		Object: manifest.Object{Kind: "HelmRelease", Namespace: "qa1", Name: service},
		Field:  manifest.Field{Type: manifest.Annotation, Name: "fluxcd.io/tag." + service},
	}
}

// results are what the golden files show, by the file's name.
func results() map[string]gitops.Result {
	const revision = "3f9c1e2a7b6d5c4f3e2d1c0b9a8f7e6d5c4b3a29"
	deploy := gitops.Command{Verb: gitops.Deploy, Environment: "qa1", Services: []string{"shoreline"}}
	change := gitops.FieldChange{
		Target: target("shoreline"), Old: "glob:master-*", New: "glob:db-jwt-*", Line: 9,
		OldText: "    fluxcd.io/tag.shoreline: glob:master-*\n", NewText: "    fluxcd.io/tag.shoreline: glob:db-jwt-*\n",
	}
	one := func(c gitops.CommandResult) gitops.Result {
		c.ID = "cli/1/1"
		return gitops.Result{ID: "cli/1", Commands: []gitops.CommandResult{c}}
	}
	return map[string]gitops.Result{
		"changed": one(gitops.CommandResult{
			Command: deploy, Outcome: gitops.Changed, Summary: "shoreline on qa1 now follows db-jwt",
			Details:   []string{"Replaces the default.", "Flux takes the newest matching image; later pushes to db-jwt follow."},
			AllowedBy: "team tidepool-org/qa", Changes: []gitops.FieldChange{change},
			Revision: revision, URL: "https://git.example/config/commit/" + revision,
		}),
		"unchanged": one(gitops.CommandResult{
			Command: deploy, Outcome: gitops.Unchanged, Summary: "shoreline on qa1 already follows db-jwt", AllowedBy: "team tidepool-org/qa",
		}),
		"diff": one(gitops.CommandResult{
			Command: gitops.Command{Verb: gitops.Diff, Environment: "qa1"}, Outcome: gitops.Told,
			Summary: "/deploy qa1 would change 1 field",
			Changes: []gitops.FieldChange{{Target: target("gatekeeper"), Old: "", New: "glob:<a&b>-*", Line: 3}},
		}),
		"refused": one(gitops.CommandResult{
			Command: deploy, Outcome: gitops.Refused, Summary: "Not deployed, nothing changed: prod is for tidepool-org/release",
			Details: []string{"You can: deploy qa1."},
		}),
		"status": one(gitops.CommandResult{
			Command: gitops.Command{Verb: gitops.Status, Environment: "qa1"}, Outcome: gitops.Told, Summary: "3 fields on qa1",
			Status: []gitops.FieldStatus{
				{Target: target("shoreline"), Value: "glob:db-jwt-*", Line: 9, By: "some-login", PullRequest: "tidepool-org/shoreline#12",
					Since: time.Date(2026, 3, 4, 15, 2, 59, 0, time.FixedZone("CET", 3600)), Revision: revision},
				{Target: target("gatekeeper"), Value: "glob:master-*", Line: 7, Default: true},
				{Target: target("hydrophone"), Value: "glob:hotfix-*", Line: 8, ByHand: true},
				{Target: target("highwater"), Problem: "annotation not found"},
			},
		}),
		"hostile": one(gitops.CommandResult{
			Command: gitops.Command{Verb: gitops.Deploy, Environment: "\x1b[31mqa1", Services: []string{"a\u202eb"}},
			Outcome: gitops.Changed, Summary: "red \x1b[31mtext\x1b[0m,\ntwo lines, \x1b]0;title\atitle, \u009b2J8-bit, \u202eback, zero\u200bwidth, \xffbytes",
			Details: []string{"bell\a, back\bspace\rreturn, \U000e0041tag"}, Revision: "\x1b[2J" + revision,
			Changes: []gitops.FieldChange{{Target: target("shor\x1b[Aeline"), Old: "a\tb", New: "\x1bPq#0\x1b\\c", Line: 1, OldText: "  a: \x1b[1mb\n", NewText: "  a: c\r\n  d: e"}},
		}),
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestResultsAreShownAsTextAndJSON(t *testing.T) {
	for name, result := range results() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txtar")
			asJSON, err := JSON(result)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Files: []txtar.File{
				{Name: "text", Data: []byte(Text(result))},
				{Name: "json", Data: []byte(asJSON)},
			}}
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(txtar.Format(want)), string(txtar.Format(got))); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			for _, f := range got.Files {
				if strings.ContainsFunc(strings.ReplaceAll(string(f.Data), "\n", ""), invisible) {
					t.Errorf("a terminal code is left in %s", f.Name)
				}
			}
		})
	}
}

func TestExitCodeSaysHowItEnded(t *testing.T) {
	want := map[gitops.Outcome]int{
		gitops.Changed: 0, gitops.Unchanged: 0, gitops.Told: 0,
		gitops.Failed: 1, gitops.Unknown: 1, "": 1, gitops.Refused: 3,
	}
	for outcome, want := range want {
		result := gitops.Result{ID: "cli/1", Commands: []gitops.CommandResult{{Outcome: outcome, Summary: "said so"}}}
		for _, format := range []string{"text", "json"} {
			code, stdout, stderr := runSession(t, answering(result), "status", "--output", format)
			if code != want || !strings.Contains(stdout, "said so") || stderr != "" {
				t.Errorf("%q as %s: code %d, stdout %q, stderr %q; want code %d and the summary", outcome, format, code, stdout, stderr, want)
			}
		}
	}
	worst := gitops.Result{Commands: []gitops.CommandResult{{Outcome: gitops.Failed}, {Outcome: gitops.Refused}, {Outcome: gitops.Told}}}
	if got := exitCode(worst); got != 1 {
		t.Errorf("code of failed, refused and told = %d, want 1", got)
	}
}

func TestNoResultIsAFailureThatSaysWhy(t *testing.T) {
	tests := map[string]struct {
		core coreFunc
		want string
	}{
		"the core has no room": {
			core: func(_ context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
				report(gitops.Progress{Phase: gitops.Unavailable, Message: "queue is full"})
				return gitops.Result{}, nil
			},
			want: "tidebot: queue is full; nothing was done, try again later\n",
		},
		"the core ignores the command": {
			core: func(_ context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
				report(gitops.Progress{Phase: gitops.Ignored})
				return gitops.Result{}, nil
			},
			want: "tidebot: the core ignored the command: no reason given\n",
		},
		"the core breaks": {
			core: func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) {
				return gitops.Result{}, errors.New("ask who the token belongs to: \x1b[31mtoken not accepted")
			},
			want: "tidebot: ask who the token belongs to: token not accepted\n",
		},
		"the result is empty": {
			core: func(_ context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
				report(gitops.Progress{Phase: gitops.Accepted})
				return gitops.Result{ID: "cli/1"}, nil
			},
			want: "tidebot: the core gave no result: see tidebot status\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := runSession(t, tt.core, "status", "-o", "json")
			if code != 1 || stdout != "" || stderr != tt.want {
				t.Errorf("code %d, stdout %q, stderr %q; want 1, nothing and %q", code, stdout, stderr, tt.want)
			}
		})
	}
}

func TestAResultIsShownEvenIfTheCoreAlsoReportsAnError(t *testing.T) {
	core := coreFunc(func(context.Context, gitops.Request, func(gitops.Progress)) (gitops.Result, error) {
		r := gitops.Result{Commands: []gitops.CommandResult{{Outcome: gitops.Changed, Summary: "done it"}}}
		return r, errors.New("answer not put")
	})
	code, stdout, stderr := runSession(t, core, "status")
	if code != 1 || stdout != "done it\n" || stderr != "tidebot: answer not put\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestASilentCoreIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core := coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
			report(gitops.Progress{Phase: gitops.Accepted})
			<-ctx.Done()
			return gitops.Result{}, ctx.Err()
		})
		begin := time.Now()
		code, _, stderr := runSession(t, core, "status")
		if code != 1 || time.Since(begin) != patience || !strings.Contains(stderr, "may still be carried out") {
			t.Errorf("code %d after %v, stderr %q", code, time.Since(begin), stderr)
		}
	})
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLostOutputIsAFailure(t *testing.T) {
	var errs strings.Builder
	s := &session{Frontend: New(), core: answering(results()["changed"]), stdout: full{}, stderr: &errs, progress: io.Discard}
	if code := s.run(t.Context(), []string{"status"}); code != 1 || errs.String() != "tidebot: write output: no space left\n" {
		t.Errorf("code %d, stderr %q", code, errs.String())
	}
}

func TestAFrontEndWithoutATerminalIsAnError(t *testing.T) {
	err := New().Run(t.Context(), answering(gitops.Result{}), frontend.Env{})
	if err == nil || !strings.Contains(err.Error(), "needs a terminal") {
		t.Errorf("error = %v", err)
	}
}

package terminal

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/vcs"
)

func TestArgumentsBecomeADirectCommand(t *testing.T) {
	pr := func(provider string) *vcs.PullRequestRef {
		return &vcs.PullRequestRef{Repo: vcs.Repo{Provider: provider, Path: "tidepool-org/shoreline"}, Number: 12}
	}
	tests := []struct {
		args string
		want gitops.Direct
		json bool
	}{
		{args: "deploy qa1 shoreline --branch db-jwt", want: gitops.Direct{
			Branch: "db-jwt", Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1", Services: []string{"shoreline"}}}},
		{args: "deploy qa1 a --service b --branch x -s c", want: gitops.Direct{
			Branch: "x", Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1", Services: []string{"a", "b", "c"}}}},
		{args: "deploy --branch=feature/x,y qa1 --service a.b", want: gitops.Direct{
			Branch: "feature/x,y", Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1", Services: []string{"a.b"}}}},
		{args: "deploy qa1 --pr tidepool-org/shoreline#12", want: gitops.Direct{
			PullRequest: pr(""), Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1"}}},
		{args: "deploy qa1 --pr tidepool-org/shoreline#12 --provider github.com", want: gitops.Direct{
			Provider: "github.com", PullRequest: pr("github.com"), Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1"}}},
		{args: "deploy qa1 @3f9c1e2 --pr tidepool-org/shoreline#12 --dry-run --output json", json: true, want: gitops.Direct{
			PullRequest: pr(""), Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1", SHA: "3f9c1e2", DryRun: true}}},
		{args: "deploy @3f9c1e2 QA1 shoreline -b x -o json", json: true, want: gitops.Direct{
			Branch: "x", Command: gitops.Command{Verb: gitops.Deploy, Environment: "QA1", Services: []string{"shoreline"}, SHA: "3f9c1e2"}}},
		{args: "deploy -b x -- qa1 odd", want: gitops.Direct{
			Branch: "x", Command: gitops.Command{Verb: gitops.Deploy, Environment: "qa1", Services: []string{"odd"}}}},
		{args: "default qa1 shoreline", want: gitops.Direct{
			Command: gitops.Command{Verb: gitops.Default, Environment: "qa1", Services: []string{"shoreline"}}}},
		{args: "default qa1 --pr tidepool-org/shoreline#12 --dry-run", want: gitops.Direct{
			PullRequest: pr(""), Command: gitops.Command{Verb: gitops.Default, Environment: "qa1", DryRun: true}}},
		{args: "status", want: gitops.Direct{Command: gitops.Command{Verb: gitops.Status}}},
		{args: "query qa1 shoreline", want: gitops.Direct{
			Command: gitops.Command{Verb: gitops.Status, Environment: "qa1", Services: []string{"shoreline"}}}},
		{args: "diff qa1 shoreline --branch x @3F9C1E2", want: gitops.Direct{
			Branch: "x", Command: gitops.Command{Verb: gitops.Diff, Environment: "qa1", Services: []string{"shoreline"}, SHA: "3F9C1E2"}}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			got, help, err := parse(strings.Fields(tt.args))
			if err != nil || help != "" {
				t.Fatalf("parse: error %v, help %q", err, help)
			}
			if len(got.direct.Command.Services) == 0 {
				got.direct.Command.Services = nil
			}
			if diff := cmp.Diff(tt.want, got.direct); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
			if got.json != tt.json {
				t.Errorf("json = %v, want %v", got.json, tt.json)
			}
		})
	}
}

func TestWrongArgumentsAreRefusedWithAHint(t *testing.T) {
	tests := []struct {
		args, want string
	}{
		{"", "say what to do"},
		{"deply qa1", "Did you mean tidebot deploy?"},
		{"DEPLOY qa1", "Did you mean tidebot deploy?"},
		{"stat", "Did you mean tidebot status?"},
		{"queri", "Did you mean tidebot query?"},
		{"rollback qa1", `unknown verb "rollback"`},
		{"completion bash", `unknown verb "completion"`},
		{"__complete dep", `unknown verb "__complete"`},
		{"help deply", "Did you mean tidebot deploy?"},
		{"--version", "unknown flag: --version"},
		{"deploy qa1 --brunch x", "Did you mean --branch?"},
		{"deploy qa1 --dryrun -b x", "Did you mean --dry-run?"},
		{"deploy qa1 -x", "unknown shorthand flag"},
		{"deploy qa1 --branch", "flag needs an argument"},
		{"deploy --branch x", "which environment?"},
		{"deploy qa1 shoreline", "Give --branch or --pr"},
		{"deploy qa1 --branch=", "Give --branch or --pr"},
		{"deploy qa1 --branch x --pr a/b#1", "exclude each other"},
		{"deploy qa1 --branch x @3f9c1e", "7 to 64 hexadecimal digits"},
		{"deploy qa1 --branch x @", "7 to 64 hexadecimal digits"},
		{"deploy qa1 --branch x @3f9c1eg", "7 to 64 hexadecimal digits"},
		{"deploy qa1 --branch x @3f9c1e2 @3f9c1e3", "more than one commit"},
		{"deploy qa1 --branch x --service=", "--service is empty"},
		{"deploy qa1 --branch x --output yaml", "want text or json"},
		{"deploy qa1 --pr shoreline#12", "want owner/repo#number"},
		{"deploy qa1 --pr a/b#0", "want owner/repo#number"},
		{"deploy qa1 --pr a/b#1234567890123456789", "want owner/repo#number"},
		{"deploy qa1 --pr a/../b#1#2", "want owner/repo#number"},
		{"deploy qa1 --pr=", "Give --branch or --pr"},
		{"default qa1 --pr=", "want owner/repo#number"},
		{"default qa1 @3f9c1e2", "takes no commit"},
		{"default qa1 --branch x", "unknown flag: --branch"},
		{"status --dry-run", "unknown flag: --dry-run"},
		{"status --service x", "needs an environment"},
		{"diff qa1", "Give --branch or --pr"},
		{"deploy -b x -- qa1 -odd", `"-odd" is no name of a service`},
		{"deploy qa1 -b x -s a,b", `"a,b" is no name of a service`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			code, stdout, stderr := runSession(t, answering(gitops.Result{}), strings.Fields(tt.args)...)
			if code != 2 || stdout != "" {
				t.Errorf("exit code %d, stdout %q, want 2 and nothing", code, stdout)
			}
			if !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "\nUsage: tidebot ") {
				t.Errorf("stderr lacks %q or the usage:\n%s", tt.want, stderr)
			}
		})
	}
}

func TestHelpShowsTheVerbsThatThereAreAndNoOthers(t *testing.T) {
	for _, args := range []string{"help", "--help", "-h"} {
		_, help, err := parse([]string{args})
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		_, verbs, _ := strings.Cut(help, "Verbs:\n")
		verbs, _, _ = strings.Cut(verbs, "\n\n")
		var got []string
		for line := range strings.Lines(verbs) {
			got = append(got, strings.Fields(line)[0])
		}
		if diff := cmp.Diff([]string{"default", "deploy", "diff", "help", "status"}, got); diff != "" {
			t.Errorf("verbs of %s (-want +got):\n%s", args, diff)
		}
	}
}

func TestHelpOfAVerbSaysItsFlagsAndTheExitCodes(t *testing.T) {
	for _, args := range [][]string{{"help", "deploy"}, {"deploy", "--help"}, {"deploy", "qa1", "-h"}} {
		_, help, err := parse(args)
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		for _, want := range []string{"Usage: tidebot deploy <environment>", "--dry-run", "--pr owner/repo#number", "3 refused"} {
			if !strings.Contains(help, want) {
				t.Errorf("help of %q lacks %q:\n%s", args, want, help)
			}
		}
	}
}

func TestEveryCallHasItsOwnID(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		id, err := newID()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(id, "cli/") || len(id) != len("cli/")+36 || id[len("cli/")+14] != '7' || seen[id] {
			t.Fatalf("id %q: want a new cli/<uuidv7>", id)
		}
		seen[id] = true
	}
}

func FuzzArguments(f *testing.F) {
	f.Add("deploy\nqa1\n--pr\na/b#1\n@3f9c1e2")
	f.Add("status\n--output\njson")
	f.Add("__complete\n\n")
	f.Add("\x1b]0;title\a\n--\xff")
	f.Fuzz(func(t *testing.T, lines string) {
		c, help, err := parse(strings.Split(lines, "\n"))
		switch {
		case err != nil:
			usage, ok := err.(*usageError)
			if !ok {
				t.Fatalf("error of type %T: %v", err, err)
			}
			if text := usage.text(); strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), invisible) {
				t.Fatalf("terminal code in %q", text)
			}
		case help == "" && c.direct.Command.Verb == "":
			t.Fatal("neither command nor help nor error")
		}
	})
}

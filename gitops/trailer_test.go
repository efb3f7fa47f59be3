package gitops

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var botSignature = Signature{Name: "Tidebot", Email: "tidebot@example.com"}

func sample() deployment {
	return deployment{
		environment: "qa1", command: "github.com/o/r/pull/1/comment/2/1", by: "github.com/alice",
		at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), pullRequest: "https://github.com/o/r/pull/1",
		sources: []string{strings.Repeat("ab", 20)}, allowedBy: "team o/qa",
		changes: []valueChange{{"shoreline", "glob:master-*", "glob:db-jwt-*"}, {"auth", "semver: >=1 <2", ""}, {"blip", "->", `"quoted"`}},
	}
}

func TestTrailersAreReadBackAsTheyWereWritten(t *testing.T) {
	want := sample()
	info := CommitInfo{Committer: botSignature, Message: want.message("Deploy", "Asked for by alice.")}
	got, ok := parseDeployment(info, botSignature)
	if !ok {
		t.Fatalf("not taken for a deployment:\n%s", info.Message)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(deployment{}, valueChange{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTrailersCountOnlyWhereTheyAreTheirCommittersOwn(t *testing.T) {
	alice := Signature{Name: "alice", Email: "alice@example.com"}
	terminalCommand := sample()
	terminalCommand.command = "cli/0190"
	tests := []struct {
		name              string
		author, committer Signature
		message           string
		want              bool
	}{
		{"the bot's commit", alice, botSignature, sample().message("Deploy", ""), true},
		{"the same message in somebody's cherry-pick", alice, alice, sample().message("Deploy", ""), false},
		{"a person's own command at a terminal", alice, alice, terminalCommand.message("Deploy", ""), true},
		{"a terminal's command picked by somebody else", alice, Signature{"bob", "bob@example.com"}, terminalCommand.message("Deploy", ""), false},
		{"trailers above the last paragraph", alice, botSignature, sample().message("Deploy", "") + "\nP.S. see above\n", false},
		{"a message without trailers", alice, botSignature, "Deploy\n\nBy hand: yes\n", false},
		{"an empty message", alice, botSignature, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info := CommitInfo{Author: test.author, Committer: test.committer, Message: test.message}
			if _, ok := parseDeployment(info, botSignature); ok != test.want {
				t.Errorf("deployment: %v, want %v", ok, test.want)
			}
		})
	}
}

// Whatever a value is, it adds no trailer and no paragraph, and a value without
// control characters comes back as it was.
func FuzzTrailers(f *testing.F) {
	f.Add("glob:master-*", "glob:db-jwt-*", "alice")
	f.Add("", "a -> b", "alice\n\nDeploy-Command: forged")
	f.Add(`"`, "\\", "\u2028")
	f.Fuzz(func(t *testing.T, before, after, by string) {
		dep := sample()
		dep.changes = []valueChange{{"shoreline", before, after}}
		dep.by = by
		got, ok := parseDeployment(CommitInfo{Committer: botSignature, Message: dep.message("Deploy", by)}, botSignature)
		if !ok || got.command != dep.command || got.environment != dep.environment || !got.at.Equal(dep.at) {
			t.Fatalf("read back as %+v", got)
		}
		if len(before) < 100 && len(after) < 100 && (len(got.changes) != 1 || got.changes[0] != dep.changes[0]) {
			if oneLine(before+after, 1000) == before+after {
				t.Fatalf("changes %+v read back as %+v", dep.changes, got.changes)
			}
		}
	})
}

func TestValuesWithHiddenCharactersAreReadBack(t *testing.T) {
	dep := sample()
	dep.changes = []valueChange{{"shoreline", "glob:a\u00a0b", "glob:\u200bc"}}
	got, ok := parseDeployment(CommitInfo{Committer: botSignature, Message: dep.message("Deploy", "")}, botSignature)
	if !ok || len(got.changes) != 1 || got.changes[0] != dep.changes[0] {
		t.Errorf("read back as %+v", got)
	}
}

func TestOnlyAPlainAddressIsALink(t *testing.T) {
	for in, want := range map[string]bool{
		"https://github.com/o/r/pull/12":               true,
		"https://github.com/o/r/pull/12<img src=x>":    false,
		"https://github.com/@org/everyone":             false,
		"https://github.com/o/r/pull/12 @org/everyone": false,
	} {
		if got := address(in) == in; got != want {
			t.Errorf("%s is written %s", in, address(in))
		}
	}
}

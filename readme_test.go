package tidebot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readmeCommands runs the script with which the CI takes the commands out of
// the README.
func readmeCommands(t *testing.T, readme string) ([]string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", ".ci/readme-commands", readme).Output()
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), err
}

func TestREADMESaysHowToSeeItWork(t *testing.T) {
	commands, err := readmeCommands(t, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"make demo", "make test"}, commands); diff != "" {
		t.Errorf("commands of README.md (-want +got):\n%s", diff)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(string(makefile), -1)
	for _, command := range commands {
		target := strings.TrimPrefix(command, "make ")
		if !slices.ContainsFunc(targets, func(m []string) bool { return m[1] == target }) {
			t.Errorf("README.md says %q, and the Makefile has no such target", command)
		}
	}
}

func TestREADMECommandsAreThoseOfShellBlocks(t *testing.T) {
	tests := []struct {
		name, readme string
		want         []string
	}{
		{"one block", "```sh\nmake demo\nmake test\n```\n", []string{"make demo", "make test"}},
		{"prose does not count", "make tea\n```sh\nmake demo\n```\nmake coffee\n", []string{"make demo"}},
		{"other languages do not count", "```yaml\nmake: tea\nmake tea\n```\n```sh\nmake demo\n```\n", []string{"make demo"}},
		{"arguments are kept", "```sh\nmake fuzz FUZZTIME=1s\n```\n", []string{"make fuzz FUZZTIME=1s"}},
		{"other commands do not count", "```sh\ngit clone x\nmake demo\n```\n", []string{"make demo"}},
		{"a README without any is an error", "```sh\ngit clone x\n```\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "README.md")
			if err := os.WriteFile(path, []byte(tt.readme), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readmeCommands(t, path)
			if tt.want == nil {
				if err == nil {
					t.Fatalf("got %q, want an error", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

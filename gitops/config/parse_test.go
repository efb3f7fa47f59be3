package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tidebot-dev/tidebot/gitops/config"
)

var update = flag.Bool("update", false, "write the problems that are reported into the golden files")

// TestParseSaysWhatIsWrong compares what is said about the tidebot.yaml of
// each golden file with its problems.
func TestParseSaysWhatIsWrong(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "problems", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".txtar"), "-", " ")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) != 2 || archive.Files[0].Name != "tidebot.yaml" || archive.Files[1].Name != "problems" {
				t.Fatal("want the files tidebot.yaml and problems")
			}
			_, err = config.Parse("tidebot.yaml", archive.Files[0].Data)
			var problems *config.Error
			if !errors.As(err, &problems) {
				t.Fatalf("got error %v, want a *config.Error", err)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "hunter2") || strings.Contains(got, "ghp_0") {
				t.Errorf("a secret is repeated:\n%s", got)
			}
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

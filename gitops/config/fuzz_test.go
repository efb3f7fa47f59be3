package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
)

// FuzzParse looks for a file that breaks Parse, whose problems stand outside
// it, or that is taken although something in it is not usable.
func FuzzParse(f *testing.F) {
	golden, err := filepath.Glob(filepath.Join("testdata", "problems", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range golden {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	everything, err := os.ReadFile(filepath.Join("testdata", "everything.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(everything)
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := config.Parse("tidebot.yaml", data)
		if err != nil {
			var problems *config.Error
			if !errors.As(err, &problems) {
				t.Fatalf("not a *config.Error: %v", err)
			}
			for _, p := range problems.Problems {
				// YAML knows more line ends than \n; no line is longer than a byte each.
				if p.Line > len(data)+1 || p.Text == "" {
					t.Errorf("problem %v in %d bytes with %d lines", p, len(data), bytes.Count(data, []byte("\n")))
				}
			}
			return
		}
		for name, env := range file.Gitops().Environments {
			if _, ok := file.Repositories[env.Repository]; !ok || env.Branch == "" || strings.HasPrefix(env.Branch, "-") {
				t.Errorf("environment %q: %+v", name, env)
			}
		}
		for _, s := range file.Gitops().Services {
			if s.Source.Provider == "" || s.Source.Path == "" || len(s.Targets) == 0 {
				t.Errorf("service %q has the source %v and %d environments", s.Name, s.Source, len(s.Targets))
			}
			for _, targets := range s.Targets {
				for _, target := range targets {
					checkTarget(t, target)
				}
			}
		}
	})
}

func checkTarget(t *testing.T, target gitops.Target) {
	t.Helper()
	if !filepath.IsLocal(target.File) || strings.Contains(target.File, "{") && strings.Contains(target.File, "environment}") {
		t.Errorf("%+v: bad path", target)
	}
	if target.Object.Kind == "" || target.Object.Name == "" || target.Field.Name == "" {
		t.Errorf("%+v: no object or field", target)
	}
	if _, err := target.PatternFor("master"); err != nil {
		t.Errorf("%+v: %v", target, err)
	}
	if strings.Contains(target.Default, "{branch}") || strings.Contains(target.Default, "{sha}") {
		t.Errorf("%+v: the default depends on what is deployed", target)
	}
	if target.Pinned != "" {
		if _, err := target.PinnedFor("master", strings.Repeat("0123456789", 4)); err != nil {
			t.Errorf("%+v: %v", target, err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "everything.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := config.Parse("everything.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

package tidebot_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestImporterOfTheEditorDownloadsNoServerAndNoClient builds a program outside
// the workspace that imports manifest/yamledit, with a module cache of its own,
// and looks at which modules' sources were fetched for it. There is one core
// module because its importers pay only for what they import; this is the proof.
func TestImporterOfTheEditorDownloadsNoServerAndNoClient(t *testing.T) {
	checkout, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir, cache := t.TempDir(), t.TempDir()
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": fmt.Sprintf("module example.com/importer\n\ngo 1.26.0\n\nrequire %[1]s v0.0.0\n\nreplace %[1]s => %[2]s\n", module, checkout),
		// The sums are the checkout's, so that nobody has to be asked for them.
		"go.sum":  string(sums),
		"main.go": "package main\n\nimport _ \"" + module + "/manifest/yamledit\"\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// What this machine has already is taken from there, the rest from where
	// it always comes from.
	proxy := "file://" + filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download") + "," + goEnv(t, "GOPROXY")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "importer"), ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -modcacherw", "GOMODCACHE="+cache, "GOPROXY="+proxy, "GOSUMDB=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the importer: %v\n%s", err, out)
	}

	fetched := zips(t, cache)
	if len(fetched) == 0 || !strings.Contains(strings.Join(fetched, " "), "kustomize/kyaml") {
		t.Errorf("fetched %q; kyaml, which the editor needs, is not among it, so this test looks at the wrong place", fetched)
	}
	for _, heavy := range []string{"go-git/go-git", "hashicorp/go-plugin", "google.golang.org/grpc", "google/go-github", "prometheus/client_golang"} {
		for _, zip := range fetched {
			if strings.Contains(zip, heavy) {
				t.Errorf("an importer of manifest/yamledit has to download %s", zip)
			}
		}
	}
}

// zips returns the modules whose sources are in a module cache.
func zips(t *testing.T, cache string) []string {
	t.Helper()
	root := filepath.Join(cache, "cache", "download")
	var found []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".zip") {
			found = append(found, strings.TrimPrefix(path, root+string(filepath.Separator)))
		}
		return err
	})
	if err != nil {
		t.Fatalf("list downloads: %v", err)
	}
	return found
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

package tidebot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/tidebot-dev/tidebot"

// A pkg is what go list says about a package.
type pkg struct {
	ImportPath   string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// A boundary is what a package may link, or must not.
type boundary struct {
	// of is a package, or with "/..." all packages at and below it.
	of string
	// only, if not nil, are the packages it may link besides the standard library.
	only []string
	// never are packages it must not link; with "/..." those below as well.
	never []string
	// why is for who breaks it.
	why string
}

// boundaries is the import rule.
func boundaries() []boundary {
	const (
		goplugin = "github.com/hashicorp/go-plugin/..."
		grpc     = "google.golang.org/grpc/..."
		gogithub = "github.com/google/go-github/..."
		gogit    = "github.com/go-git/go-git/..."
		kyaml    = "sigs.k8s.io/kustomize/kyaml/..."
	)
	rules := []boundary{
		{of: module + "/manifest", only: []string{}, why: "the vocabulary imports the standard library only"},
		{of: module + "/vcs", only: []string{}, why: "the vocabulary imports the standard library only"},
		{of: module + "/gitops", only: []string{module + "/manifest", module + "/vcs"}, why: "what is heavy lies one level down"},
		{of: module + "/vcs/github/webhook", only: []string{module + "/vcs"}, why: "a webhook binary links no API client"},
		{of: module + "/manifest/...", never: []string{module + "/vcs/...", module + "/gitops/..."}, why: "manifest and vcs know nothing of the rest"},
		{of: module + "/vcs/...", never: []string{module + "/manifest/...", module + "/gitops/..."}, why: "manifest and vcs know nothing of the rest"},
		{of: module + "/frontends/...", why: "a front-end holds no token and links nothing that uses one",
			never: []string{module + "/gitops/supervisor", module + "/gitops/gitwire", module + "/gitops/config", module + "/vcs/github", gogithub, gogit, kyaml}},
	}
	for _, embedded := range []string{"gitops", "gitops/gitwire", "gitops/config", "manifest/yamledit", "vcs/github"} {
		rules = append(rules, boundary{of: module + "/" + embedded, never: []string{goplugin, grpc}, why: "who embeds Tidebot links no plugin and no gRPC"})
	}
	return rules
}

// matches tells whether a path is the pattern or, with "/...", lies below it.
// A major version in the path of a module does not matter.
func matches(pattern, path string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return path == base || below && strings.HasPrefix(path, base+"/")
}

// frontendOf returns the directory of the front-end a package belongs to.
func frontendOf(path string) string {
	tail, ok := strings.CutPrefix(path, module+"/frontends/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(tail, "/")
	return name
}

// violations says where packages break the rule, one sentence each, sorted.
func violations(pkgs []pkg, rules []boundary) []string {
	standard := map[string]bool{}
	for _, p := range pkgs {
		standard[p.ImportPath] = p.Standard
	}
	var found []string
	note := func(from, to, why string) { found = append(found, fmt.Sprintf("%s links %s: %s", from, to, why)) }
	for _, p := range pkgs {
		for _, rule := range rules {
			if !matches(rule.of, p.ImportPath) {
				continue
			}
			for _, dep := range p.Deps {
				if rule.only != nil && !standard[dep] && !slices.Contains(rule.only, dep) {
					note(p.ImportPath, dep, rule.why)
				}
				if slices.ContainsFunc(rule.never, func(n string) bool { return matches(n, dep) }) {
					note(p.ImportPath, dep, rule.why)
				}
			}
		}
		for _, dep := range p.Deps {
			if a, b := frontendOf(p.ImportPath), frontendOf(dep); a != "" && b != "" && a != b {
				note(p.ImportPath, dep, "front-ends know nothing of each other")
			}
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if matches("sigs.k8s.io/kustomize/kyaml/...", imported) && strings.HasPrefix(p.ImportPath, module+"/") && p.ImportPath != module+"/manifest/yamledit" {
				note(p.ImportPath, imported, "manifest/yamledit is kyaml's only importer")
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestImportRule(t *testing.T) {
	pkgs := goList(t)
	for _, rule := range boundaries() {
		if !slices.ContainsFunc(pkgs, func(p pkg) bool { return matches(rule.of, p.ImportPath) }) {
			t.Errorf("the rule is about %s, which is no package", rule.of)
		}
	}
	for _, v := range violations(pkgs, boundaries()) {
		t.Error(v)
	}
}

func TestImportRuleSeesWhatBreaksIt(t *testing.T) {
	pkgs := []pkg{
		{ImportPath: "fmt", Standard: true},
		{ImportPath: module + "/manifest", Deps: []string{"fmt"}},
		{ImportPath: module + "/vcs", Deps: []string{"fmt", module + "/manifest"}},
		{ImportPath: module + "/gitops", Deps: []string{"fmt", module + "/vcs", "golang.org/x/sync/errgroup"}},
		{ImportPath: module + "/gitops/gitwire", Deps: []string{"google.golang.org/grpc/codes"}},
		{ImportPath: module + "/gitops/supervisor", Deps: []string{"google.golang.org/grpc"},
			TestImports: []string{"sigs.k8s.io/kustomize/kyaml/yaml"}},
		{ImportPath: module + "/frontends/chat", Deps: []string{module + "/vcs/github", module + "/frontends/cli/terminal"}},
		{ImportPath: module + "/frontends/webhook", Deps: []string{module + "/vcs/github/webhook", "github.com/google/go-github/v60/github"}},
	}
	want := []string{
		module + "/frontends/chat links " + module + "/frontends/cli/terminal: front-ends know nothing of each other",
		module + "/frontends/chat links " + module + "/vcs/github: a front-end holds no token and links nothing that uses one",
		module + "/frontends/webhook links github.com/google/go-github/v60/github: a front-end holds no token and links nothing that uses one",
		module + "/gitops links golang.org/x/sync/errgroup: what is heavy lies one level down",
		module + "/gitops/gitwire links google.golang.org/grpc/codes: who embeds Tidebot links no plugin and no gRPC",
		module + "/gitops/supervisor links sigs.k8s.io/kustomize/kyaml/yaml: manifest/yamledit is kyaml's only importer",
		module + "/vcs links " + module + "/manifest: manifest and vcs know nothing of the rest",
		module + "/vcs links " + module + "/manifest: the vocabulary imports the standard library only",
	}
	if diff := cmp.Diff(want, violations(pkgs, boundaries())); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

// goList returns all packages of the workspace and what they link.
func goList(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,Deps", "work")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("read go list's output: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

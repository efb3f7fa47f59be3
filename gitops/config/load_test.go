package config_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/vcs"
)

func load(t *testing.T, path string) *config.File {
	t.Helper()
	f, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLoadFillsInDefaults(t *testing.T) {
	f := load(t, filepath.Join("..", "..", "examples", "tidepool", "tidebot.yaml"))
	if f.Core.Listen != config.DefaultCoreListen {
		t.Errorf("core listens at %q, want %q", f.Core.Listen, config.DefaultCoreListen)
	}
	if got, want := f.Providers["github.com"].URL, "https://github.com"; got != want {
		t.Errorf("provider's URL is %q, want %q", got, want)
	}
	want := map[string]config.Repository{
		"github.com/tidepool-org/cluster-qa1": {
			URL:           "https://github.com/tidepool-org/cluster-qa1",
			PushTokenFrom: config.Secret{File: "/run/secrets/tidebot/push-qa1"},
		},
		"github.com/tidepool-org/cluster-prod": {
			URL:        "git@github.com:tidepool-org/cluster-prod.git",
			SSHKeyFrom: config.Secret{File: "/run/secrets/tidebot/prod-deploy-key"},
			KnownHosts: "/etc/tidebot/known_hosts",
		},
	}
	if diff := cmp.Diff(want, f.Repositories); diff != "" {
		t.Errorf("repositories (-want +got):\n%s", diff)
	}
}

func TestTheSampleHasTenServicesOfOneRepositoryAndOneWithTwoFields(t *testing.T) {
	f := load(t, filepath.Join("..", "..", "examples", "tidepool", "tidebot.yaml"))
	services := f.Gitops().Services
	got := map[string][]string{}
	for name, s := range services {
		for _, target := range s.Targets["qa1"] {
			got[s.Source.Path] = append(got[s.Source.Path], name+": "+target.Field.Name)
		}
	}
	for _, list := range got {
		slices.Sort(list)
	}
	var platform []string
	for _, name := range []string{"auth", "blob", "data", "image", "migrations", "notification", "prescription", "task", "tools", "user"} {
		platform = append(platform, name+": fluxcd.io/tag."+name)
	}
	want := map[string][]string{
		"tidepool-org/platform":  platform,
		"tidepool-org/shoreline": {"shoreline: fluxcd.io/tag.shoreline"},
		"tidepool-org/export":    {"export: fluxcd.io/tag.export"},
		"tidepool-org/blip":      {"blip: fluxcd.io/tag.blip", "blip: fluxcd.io/tag.blip-server"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services and fields by source (-want +got):\n%s", diff)
	}
	if len(services["export"].Targets["prod"]) != 0 {
		t.Error("export is in prod, where the sample does not have it")
	}
	// A manifest says what each field is set to, so that the sample can be tried.
	for name, s := range services {
		for env, targets := range s.Targets {
			for _, target := range targets {
				manifest, err := os.ReadFile(filepath.Join("..", "..", "examples", "tidepool", target.File))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(manifest), "\n    "+target.Field.Name+": ") {
					t.Errorf("%s in %s: %s has no %s", name, env, target.File, target.Field.Name)
				}
			}
		}
	}
}

// A key that a service leaves out is as if it stood there; so both files mean
// the same.
func TestServiceDefaultsAreAsIfTheyStoodInEachService(t *testing.T) {
	const head = `
apiVersion: tidebot.dev/v1
kind: Config
providers: {github.com: {type: github, tokenFrom: {env: GITHUB_TOKEN}}}
environments:
  qa: {repository: github.com/o/cluster, branch: main, allow: []}
  prod: {repository: github.com/o/cluster, branch: prod, allow: []}
`
	const short = head + `
serviceDefaults:
  tag: gitlab-ref-slug
  path: "{environment}/{service}.yaml"
  object: HelmRelease/{service}
  field: annotation:tag.{service}
  pattern: glob:{branch}-*
  pinned: glob:{branch}-{sha}
  default: glob:master-*
  environments: {qa: , prod: {default: "semver:~1"}}
services:
  all: {source: github.com/o/all}
  keys: {source: github.com/o/keys, tag: slash-to-dash, path: keys.yaml, pinned: "glob:{sha}", default: "glob:trunk-*"}
  environments: {source: github.com/o/environments, environments: {prod: {field: annotation:own}}}
  fields: {source: github.com/o/fields, fields: [{field: annotation:a}, {field: annotation:b, pattern: "glob:b-{branch}-*"}]}
`
	const long = head + `
services:
  all:
    source: github.com/o/all
    tag: gitlab-ref-slug
    path: "{environment}/{service}.yaml"
    object: HelmRelease/{service}
    field: annotation:tag.{service}
    pattern: glob:{branch}-*
    pinned: glob:{branch}-{sha}
    default: glob:master-*
    environments: {qa: , prod: {default: "semver:~1"}}
  keys:
    source: github.com/o/keys
    tag: slash-to-dash
    path: keys.yaml
    object: HelmRelease/{service}
    field: annotation:tag.{service}
    pattern: glob:{branch}-*
    pinned: glob:{sha}
    default: glob:trunk-*
    environments: {qa: , prod: {default: "semver:~1"}}
  environments:
    source: github.com/o/environments
    tag: gitlab-ref-slug
    path: "{environment}/{service}.yaml"
    object: HelmRelease/{service}
    field: annotation:tag.{service}
    pattern: glob:{branch}-*
    pinned: glob:{branch}-{sha}
    default: glob:master-*
    environments: {prod: {field: annotation:own}}
  fields:
    source: github.com/o/fields
    tag: gitlab-ref-slug
    path: "{environment}/{service}.yaml"
    object: HelmRelease/{service}
    field: annotation:tag.{service}
    pattern: glob:{branch}-*
    pinned: glob:{branch}-{sha}
    default: glob:master-*
    fields: [{field: annotation:a}, {field: annotation:b, pattern: "glob:b-{branch}-*"}]
    environments: {qa: , prod: {default: "semver:~1"}}
`
	parse := func(text string) gitops.Config {
		f, err := config.Parse("tidebot.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f.Gitops()
	}
	if diff := cmp.Diff(parse(long), parse(short)); diff != "" {
		t.Errorf("with defaults (-written out +with defaults):\n%s", diff)
	}
}

func TestARepositoryWithoutAnEntryIsTheProviders(t *testing.T) {
	f, err := config.Parse("tidebot.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]config.Repository{"github.com/o/cluster": {
		URL: "https://github.com/o/cluster", PushTokenFrom: config.Secret{Env: "GITHUB_TOKEN"},
	}}
	if diff := cmp.Diff(want, f.Repositories); diff != "" {
		t.Errorf("repositories (-want +got):\n%s", diff)
	}
}

func TestTheProvidersTokenIsNotSentElsewhere(t *testing.T) {
	for _, url := range []string{"https://mirror.example.org/o/cluster", "https://github.com.example.org/o/cluster"} {
		f, err := config.Parse("tidebot.yaml", []byte(minimal+"repositories: {github.com/o/cluster: {url: '"+url+"'}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Repositories["github.com/o/cluster"].PushTokenFrom; got != (config.Secret{}) {
			t.Errorf("%s gets the token from %s", url, got)
		}
	}
}

// minimal is a file with nothing in it that could be left out.
const minimal = `
apiVersion: tidebot.dev/v1
kind: Config
providers: {github.com: {type: github, tokenFrom: {env: GITHUB_TOKEN}}}
environments: {qa: {repository: github.com/o/cluster, branch: main, allow: []}}
services:
  api:
    source: github.com/o/api
    path: api.yaml
    object: HelmRelease/api
    field: annotation:tag
    pattern: glob:{branch}-*
    environments: {qa: }
`

func TestRelativePathsBeginAtTheFile(t *testing.T) {
	f := load(t, filepath.Join("testdata", "everything.yaml"))
	got := []string{
		f.Providers["ghe.example.org"].TokenFrom.File,
		f.Repositories["github.com/o/cluster"].PushTokenFrom.File,
		f.Repositories["ghe.example.org/o/cluster"].SSHKeyFrom.File,
		f.Repositories["ghe.example.org/o/cluster"].KnownHosts,
		f.Frontends["webhook"].Secrets["/hooks/github"][1].File,
		f.Frontends["pager"].Secrets["api"][0].File,
	}
	want := []string{"testdata/secrets/ghe", "testdata/secrets/push", "/run/secrets/key",
		"testdata/known_hosts", "testdata/secrets/old-hook", "testdata/secrets/pager"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestFrontendsGetTheirSettingsAndTheCoreKeepsTheRest(t *testing.T) {
	f := load(t, filepath.Join("testdata", "everything.yaml"))
	const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	pager := f.Frontends["pager"]
	settings := `{"listen":"localhost:8082","rooms":{"ops":7},"secretsFrom":{"api":[{"file":"secrets/pager"},{"env":"PAGER"}]}}`
	want := config.Frontend{Command: "/opt/tidebot/pager", SHA256: sum, User: "pager", TLS: "off", Listen: "localhost:8082",
		Secrets:  map[string][]config.Secret{"api": {{File: "testdata/secrets/pager"}, {Env: "PAGER"}}},
		Settings: json.RawMessage(settings)}
	if diff := cmp.Diff(want, pager); diff != "" {
		t.Errorf("pager (-want +got):\n%s", diff)
	}
	webhook := f.Frontends["webhook"]
	if webhook.SHA256 != sum || webhook.TLS != "off" || webhook.Listen != "0.0.0.0:8443" {
		t.Errorf("webhook is %+v", webhook)
	}
	wantSecrets := map[string][]config.Secret{"/hooks/github": {{Env: "HOOK"}, {File: "testdata/secrets/old-hook"}}}
	if diff := cmp.Diff(wantSecrets, webhook.Secrets); diff != "" {
		t.Errorf("webhook's secrets (-want +got):\n%s", diff)
	}
}

func TestGitopsLaysEnvironmentsAndFieldsOverServices(t *testing.T) {
	c := load(t, filepath.Join("testdata", "everything.yaml")).Gitops()
	if want := (gitops.Signature{Name: "Deploy Bot", Email: "bot@example.org"}); c.Committer != want {
		t.Errorf("committer is %v, want %v", c.Committer, want)
	}
	wantQA := gitops.Environment{Name: "qa", Repository: "github.com/o/cluster", WebURL: "https://github.com/o/cluster", Branch: "env/qa",
		Allow: []gitops.Rule{{Provider: "github.com", Team: "o/qa"}, {Provider: "ghe.example.org", Login: "some-login"}, {Permission: vcs.Triage}}}
	if diff := cmp.Diff(wantQA, c.Environments["qa"]); diff != "" {
		t.Errorf("qa (-want +got):\n%s", diff)
	}
	for env, want := range map[string]string{"prod": "https://ghe.example.org:8443/o/cluster", "here": ""} {
		if got := c.Environments[env].WebURL; got != want {
			t.Errorf("%s is at %q, want %q", env, got, want)
		}
	}
	annotation := func(name string) manifest.Field { return manifest.Field{Type: manifest.Annotation, Name: name} }
	want := gitops.Service{Name: "v1.api", Source: vcs.Repo{Provider: "github.com", Path: "o/api"}, Tag: gitops.DockerMetadata,
		Targets: map[string][]gitops.Target{
			"qa": {{Service: "v1.api", Environment: "qa", File: "env/qa/v1.api.yaml",
				Object: manifest.Object{Kind: "HelmRelease", Name: "v1.api"}, Field: annotation("fluxcd.io/tag.v1.api"),
				// A name means itself in a regular expression.
				Pattern: `regexp:^v1\.api-{branch}-[0-9a-f]{40}$`, Pinned: `regexp:^v1\.api-{branch}-{sha}$`, Default: `regexp:^v1\.api-master-\p{Greek}+$`}},
			"prod": {{Service: "v1.api", Environment: "prod", File: "prod/v1.api.yaml",
				Object: manifest.Object{Kind: "HelmRelease", Namespace: "prod", Name: "v1.api"}, Field: annotation("fluxcd.io/tag.main"),
				Pattern: "glob:{branch}-*", Pinned: "glob:{branch}-{sha}", Default: "semver:~1.2 || ^2"}},
			"here": {
				{Service: "v1.api", Environment: "here", File: "a.yaml", Object: manifest.Object{Kind: "Deployment", Name: "a"}, Field: annotation("a"),
					Pattern: "glob:{branch}", Pinned: "glob:{sha}", Default: "glob:a"},
				{Service: "v1.api", Environment: "here", File: "b.yaml", Object: manifest.Object{Kind: "HelmRelease", Name: "v1.api"}, Field: annotation("fluxcd.io/tag.v1.api"),
					Pattern: `regexp:^v1\.api-{branch}-[0-9a-f]{40}$`, Pinned: `regexp:^v1\.api-{branch}-{sha}$`, Default: `regexp:^v1\.api-master-\p{Greek}+$`},
			},
		}}
	if diff := cmp.Diff(want, c.Services["v1.api"]); diff != "" {
		t.Errorf("v1.api (-want +got):\n%s", diff)
	}
	for name, want := range map[string]gitops.TagRule{"worker": gitops.SlashToDash, "plain": gitops.GitLabRefSlug} {
		if got := c.Services[name].Tag; got != want {
			t.Errorf("%s has the tag rule %q, want %q", name, got, want)
		}
	}
	wantPlain := gitops.Target{Service: "plain", Environment: "prod", File: "all/prod/plain.yaml",
		Object: manifest.Object{Kind: "HelmRelease", Namespace: "prod", Name: "plain"}, Field: annotation("fluxcd.io/tag.plain"),
		Pattern: "glob:{branch}.*", Pinned: "glob:{branch}.{sha}", Default: "semver:^1"}
	if diff := cmp.Diff([]gitops.Target{wantPlain}, c.Services["plain"].Targets["prod"]); diff != "" {
		t.Errorf("plain in prod (-want +got):\n%s", diff)
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("got %v, want fs.ErrNotExist about none.yaml", err)
	}
	path := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(path, []byte("kind: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var problems *config.Error
	if _, err := config.Load(path); !errors.As(err, &problems) || problems.Problems[0].File != path {
		t.Errorf("got %v, want a problem of %s", err, path)
	}
}

func TestAFileBeyondOneMebibyteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, []byte(minimal+"#"+strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	var problems *config.Error
	if _, err := config.Load(path); !errors.As(err, &problems) || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
		t.Errorf("got %v, want that it is too long", err)
	}
}

func TestFindLooksInTheirOrder(t *testing.T) {
	home, here := t.TempDir(), t.TempDir()
	t.Chdir(here)
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("TIDEBOT_CONFIG", "")
	find := func(explicit, want string) {
		t.Helper()
		got, err := config.Find(explicit)
		if err != nil || got != want {
			t.Errorf("Find(%q) = %q, %v, want %q", explicit, got, err, want)
		}
	}
	touch := func(path string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := config.Find(""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "TIDEBOT_CONFIG") {
		t.Errorf("got %v, want fs.ErrNotExist and where one may be", err)
	}
	find("", touch(filepath.Join(home, ".config", "tidebot", "config.yaml")))
	xdg := filepath.Join(home, "xdg")
	t.Setenv("XDG_CONFIG_HOME", xdg)
	find("", touch(filepath.Join(xdg, "tidebot", "config.yaml")))
	find("", touch("tidebot.yaml"))
	t.Setenv("TIDEBOT_CONFIG", "/etc/tidebot.yaml")
	find("", "/etc/tidebot.yaml")
	find("other.yaml", "other.yaml")
}

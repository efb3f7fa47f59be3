// Package tidepool_test tries the sample: its configuration on its manifests.
package tidepool_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

const (
	person = "some-login"
	bot    = "tidebot"
	branch = "alerts"
	number = 12
)

// files are the manifests of the sample.
func files(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, env := range []string{"qa1", "prod"} {
		path := filepath.Join("environments", env, "tidepool", "helmrelease.yaml")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.ToSlash(path)] = string(data)
	}
	return found
}

// newForge is a provider with a pull request in each repository of the names,
// where person is in the teams that may deploy.
func newForge(t *testing.T, names ...string) *vcstest.Forge {
	t.Helper()
	const head = "3f9c1e2d4b5a69788796a5b4c3d2e1f001234567"
	world := vcstest.World{
		Users:  []vcstest.User{{Login: person}, {Login: bot}},
		Tokens: map[string]string{"token": bot},
		Orgs:   []vcstest.Org{{Login: "tidepool-org", Members: []string{person, bot}}},
		Teams:  []vcstest.Team{{Org: "tidepool-org", Slug: "qa", Active: []string{person}}, {Org: "tidepool-org", Slug: "release", Active: []string{person}}},
	}
	for _, name := range names {
		world.Repos = append(world.Repos, vcstest.Repo{
			Path: "tidepool-org/" + name, Private: true,
			Access:   map[string]vcs.Permission{person: vcs.Write, bot: vcs.Write},
			Branches: map[string]string{branch: head, "master": strings.Repeat("0a", 20)},
			PullRequests: []vcstest.PullRequest{{
				Number: number, Author: person, State: vcs.Open, HeadBranch: branch, BaseBranch: "master", Commits: []string{head},
			}},
		})
	}
	forge, err := vcstest.NewForge(world)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range forge.Violations() {
			t.Errorf("the provider was called in a way its documentation does not have: %s", v)
		}
		if err := forge.Close(); err != nil {
			t.Error(err)
		}
	})
	return forge
}

func TestWhatACommentDoesToTheSample(t *testing.T) {
	platform := []string{"auth", "blob", "data", "image", "migrations", "notification", "prescription", "task", "tools", "user"}
	tests := []struct {
		name, repository, comment string
		// env is where, fields are which annotations change, and value is to
		// what. Without any, answer says why.
		env    string
		fields []string
		value  string
		answer string
	}{
		{"ten services of one repository", "platform", "/deploy qa1", "qa1", platform, "glob:alerts-*", ""},
		{"one of the ten", "platform", "/deploy qa1 auth", "qa1", []string{"auth"}, "glob:alerts-*", ""},
		{"three of them, and in production", "platform", "/deploy prod task tools user", "prod", []string{"task", "tools", "user"}, "glob:alerts-*", ""},
		{"one commit", "platform", "/deploy qa1 data @3f9c1e2", "qa1", []string{"data"}, "glob:alerts-3f9c1e2d4b5a69788796a5b4c3d2e1f001234567", ""},
		{"a repository with one service", "shoreline", "/deploy qa1", "qa1", []string{"shoreline"}, "glob:alerts-*", ""},
		{"a service with two fields", "blip", "/deploy qa1", "qa1", []string{"blip", "blip-server"}, "glob:alerts-*", ""},
		{"a service that is not in production", "export", "/deploy prod", "", nil, "", "no service of this repository is on `prod`"},
		{"a service of another repository", "shoreline", "/deploy qa1 auth", "", nil, "", "there is no service `auth`"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forge := newForge(t, tt.repository)
			before := files(t)
			clusters := map[string]*gitopstest.Memory{"qa1": gitopstest.NewMemory(before), "prod": gitopstest.NewMemory(before)}
			answer := say(t, forge, clusters, tt.repository, tt.comment)
			if !strings.Contains(answer, tt.answer) {
				t.Errorf("the answer lacks %q:\n%s", tt.answer, answer)
			}
			for env, cluster := range clusters {
				revisions, err := cluster.Log()
				if err != nil {
					t.Fatal(err)
				}
				var want []string
				commits := 1
				if env == tt.env {
					commits = 2
					for _, field := range tt.fields {
						want = append(want, env+": fluxcd.io/tag."+field+": "+tt.value)
					}
				}
				if len(revisions) != commits {
					t.Errorf("%s: %d commits, want %d; the answer:\n%s", env, len(revisions), commits, answer)
				}
				var got []string
				for path, old := range before {
					text, err := cluster.ReadFile(revisions[0], path)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, changed(env, old, text)...)
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: changed %q, want %q; the answer:\n%s", env, got, want, answer)
				}
			}
		})
	}
}

// Back to the default is back to the sample, byte for byte: the defaults of
// the configuration are what the manifests have.
func TestDefaultGoesBackToTheSample(t *testing.T) {
	for _, repository := range []string{"platform", "shoreline", "blip"} {
		forge := newForge(t, repository)
		before := files(t)
		for _, env := range []string{"qa1", "prod"} {
			clusters := map[string]*gitopstest.Memory{"qa1": gitopstest.NewMemory(before), "prod": gitopstest.NewMemory(before)}
			say(t, forge, clusters, repository, "/deploy "+env)
			answer := say(t, forge, clusters, repository, "/default "+env)
			revisions, err := clusters[env].Log()
			if err != nil || len(revisions) != 3 {
				t.Fatalf("%s, %s: %d commits and %v, want 3; the answer:\n%s", repository, env, len(revisions), err, answer)
			}
			for path, want := range before {
				if got, err := clusters[env].ReadFile(revisions[0], path); err != nil || got != want {
					t.Errorf("%s, %s: %s is not what it was (%v): %q", repository, env, path, err, changed(env, want, got))
				}
			}
		}
	}
}

// say puts a comment on the pull request, executes it, and returns the answer.
func say(t *testing.T, forge *vcstest.Forge, clusters map[string]*gitopstest.Memory, repository, comment string) string {
	t.Helper()
	file, err := config.Load("tidebot.yaml")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := github.New(github.Options{BaseURL: forge.URL(), Token: github.StaticToken("token")})
	if err != nil {
		t.Fatal(err)
	}
	transports := make(map[string]gitops.Transport)
	for env, cluster := range clusters {
		transports["github.com/tidepool-org/cluster-"+env] = cluster
	}
	deployer, err := gitops.NewDeployer(gitops.Options{
		Config: file.Gitops(), Providers: map[string]vcs.Provider{"github.com": provider}, Transports: transports,
		Editor: yamledit.Editor{}, Verify: yamledit.Verify, Now: forge.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	forge.Advance(2 * time.Second) // a comment has a second of its own, so that it is known which is newer
	path := "tidepool-org/" + repository
	id, err := forge.AddComment(path, number, person, comment)
	if err != nil {
		t.Fatal(err)
	}
	pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: path}, Number: number}
	result, err := deployer.Execute(t.Context(), gitops.Request{Comment: vcs.CommentRef{PullRequest: pr, ID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.Markdown
}

// changed are the lines of the new text that are not as in the old one. Texts
// of different lengths are changed as a whole.
func changed(env, from, to string) []string {
	a, b := strings.Split(from, "\n"), strings.Split(to, "\n")
	if len(a) != len(b) {
		return []string{env + ": another number of lines"}
	}
	var found []string
	for i := range a {
		if a[i] != b[i] {
			found = append(found, env+": "+strings.TrimSpace(b[i]))
		}
	}
	return found
}

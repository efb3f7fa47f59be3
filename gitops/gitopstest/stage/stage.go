// Package stage sets up all that Tidebot meets in the world, on this machine:
// a config repository behind a real Git server, a provider that speaks
// GitHub's REST, and the built program with its processes. The demonstration
// plays on it, and the tests that look from the outside.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/vcstest"
)

// Who and what is on the stage. Person may deploy to qa1 and Reader, who can
// only read the source, may not; Bot is the account of Tidebot.
const (
	Source      = "tidepool-org/shoreline"
	PullRequest = 12
	// OtherPullRequest is another one of the same repository.
	OtherPullRequest = 13
	Branch           = "db-jwt"
	Head             = "3f9c1e2d4b5a69788796a5b4c3d2e1f001234567"
	Person           = "some-login"
	Reader           = "some-reader"
	Bot              = "tidebot"
)

// The secrets. Each is found nowhere else, so that one that leaks is seen.
const (
	ProviderToken = "canary-provider-token-5c1d"
	PushToken     = "canary-push-token-9e27"
	WebhookSecret = "canary-webhook-secret-b3f0"
	// PersonToken is Person's own provider token.
	PersonToken = "canary-person-token-71aa"
)

// File is the manifest with the fields, and Sample the lines of it that the
// stage begins with.
const (
	File   = "environments/qa1/tidepool/helmrelease.yaml"
	Sample = `# Flux reads this.
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: tidepool
  namespace: qa1
  annotations:
    fluxcd.io/automated: "true"
    fluxcd.io/tag.shoreline: glob:master-*
    fluxcd.io/tag.gatekeeper: 'glob:master-*'   # in quotes
spec:
  releaseName: qa1-tidepool
`
)

// A Stage is set up by [New].
type Stage struct {
	Repository *gitopstest.Repository
	Git        *gitopstest.HTTPServer
	Forge      *vcstest.Forge
	// Config is the path of the configuration file. It names the secrets by
	// the variables in [Stage.Env].
	Config string
	// Webhook and Core are the addresses where the program listens.
	Webhook, Core string
}

// New sets a stage up in an existing directory, with these files in the config
// repository; nil means [Sample]. The caller must call [Stage.Close].
func New(dir string, files map[string]string) (*Stage, error) {
	if files == nil {
		files = map[string]string{File: Sample}
	}
	s := &Stage{Config: filepath.Join(dir, "tidebot.yaml")}
	if err := s.setUp(dir, files); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the stage: %w", err), s.Close())
	}
	return s, nil
}

func (s *Stage) setUp(dir string, files map[string]string) (err error) {
	if s.Repository, err = gitopstest.NewRepository(filepath.Join(dir, "cluster-qa1.git"), files); err != nil {
		return err
	}
	if s.Git, err = gitopstest.ServeHTTP(s.Repository); err != nil {
		return err
	}
	s.Git.RequireAuth("x-access-token", PushToken)
	if s.Forge, err = vcstest.NewForge(world()); err != nil {
		return err
	}
	core, err := freeAddress()
	if err != nil {
		return err
	}
	webhook, err := freeAddress()
	if err != nil {
		return err
	}
	s.Core, s.Webhook = "http://"+core, "http://"+webhook
	return os.WriteFile(s.Config, []byte(s.configuration(core, webhook)), 0o600)
}

func world() vcstest.World {
	return vcstest.World{
		Users:  []vcstest.User{{Login: Person}, {Login: Reader}, {Login: Bot}},
		Tokens: map[string]string{ProviderToken: Bot, PersonToken: Person},
		Orgs:   []vcstest.Org{{Login: "tidepool-org", Members: []string{Person, Bot}}},
		Teams:  []vcstest.Team{{Org: "tidepool-org", Slug: "qa", Active: []string{Person}}, {Org: "tidepool-org", Slug: "release"}},
		Repos: []vcstest.Repo{{
			Path: Source, Private: true,
			Access:   map[string]vcs.Permission{Person: vcs.Write, Reader: vcs.Read, Bot: vcs.Write},
			Branches: map[string]string{Branch: Head, "master": strings.Repeat("0a", 20)},
			PullRequests: []vcstest.PullRequest{{
				Number: PullRequest, Author: Person, State: vcs.Open, HeadBranch: Branch, BaseBranch: "master", Commits: []string{Head},
			}, {
				Number: OtherPullRequest, Author: Reader, State: vcs.Open, HeadBranch: Branch, BaseBranch: "master", Commits: []string{Head},
			}},
		}},
	}
}

func (s *Stage) configuration(core, webhook string) string {
	return fmt.Sprintf(`apiVersion: tidebot.dev/v1
kind: Config
core: {listen: %q, committer: {name: Tidebot, email: tidebot@tidepool.example}}
providers:
  github.com: {type: github, url: %q, tokenFrom: {env: STAGE_TOKEN}}
repositories:
  github.com/tidepool-org/cluster-qa1: {url: %q, pushTokenFrom: {env: STAGE_PUSH_TOKEN}}
environments:
  qa1: {repository: github.com/tidepool-org/cluster-qa1, branch: main, allow: [team:tidepool-org/qa]}
  prod: {repository: github.com/tidepool-org/cluster-qa1, branch: main, allow: [team:tidepool-org/release]}
services:
  shoreline:
    source: github.com/tidepool-org/shoreline
    path: environments/{environment}/tidepool/helmrelease.yaml
    object: HelmRelease/{environment}/tidepool
    field: annotation:fluxcd.io/tag.{service}
    pattern: "glob:{branch}-*"
    pinned: "glob:{branch}-{sha}"
    default: "glob:master-*"
    environments: {qa1: {}}
frontends:
  webhook: {listen: %q, endpoints: {/github: {provider: github.com, secretsFrom: [{env: STAGE_WEBHOOK_SECRET}]}}}
`, core, strings.TrimSuffix(s.Forge.URL(), "/api/v3/"), s.Git.URL, webhook)
}

// Env is the environment of the program: the secrets, and of this process's
// own no more than a program needs.
func (s *Stage) Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(s.Config), "TMPDIR=" + os.TempDir(),
		"STAGE_TOKEN=" + ProviderToken, "STAGE_PUSH_TOKEN=" + PushToken, "STAGE_WEBHOOK_SECRET=" + WebhookSecret,
	}
}

// Close takes the stage down. Processes are the caller's.
func (s *Stage) Close() error {
	var errs []error
	if s.Forge != nil {
		errs = append(errs, s.Forge.Close())
	}
	if s.Git != nil {
		errs = append(errs, s.Git.Close())
	}
	return errors.Join(errs...)
}

// Say puts a comment on the pull request, delivers the webhook with this
// signing secret, and returns the comment's ID and the HTTP status.
func (s *Stage) Say(ctx context.Context, login, text, secret string) (id int64, status int, err error) {
	if id, err = s.Forge.AddComment(Source, PullRequest, login, text); err != nil {
		return 0, 0, err
	}
	status, err = s.Deliver(ctx, id, login, secret)
	return id, status, err
}

// Deliver delivers the webhook of a comment, perhaps again.
func (s *Stage) Deliver(ctx context.Context, id int64, login, secret string) (status int, err error) {
	d, err := s.Forge.CommentDelivery(id, "created", login)
	if err != nil {
		return 0, err
	}
	return d.Post(ctx, s.Webhook+"/github", []byte(secret))
}

// Answers are the bot's comments on the pull request, oldest first.
func (s *Stage) Answers() []string {
	var found []string
	for _, c := range s.Forge.Comments(Source, PullRequest) {
		if c.Author == Bot {
			found = append(found, c.Body)
		}
	}
	return found
}

// AwaitAnswers waits until there are this many answers.
func (s *Stage) AwaitAnswers(ctx context.Context, n int) ([]string, error) {
	err := Await(ctx, fmt.Sprintf("there are %d answers", n), func() bool { return len(s.Answers()) >= n })
	return s.Answers(), err
}

// patience is how long something may take that takes milliseconds.
const patience = 30 * time.Second

// Await waits until something is so, half a minute at most.
func Await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain until %s: %w", what, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// freeAddress is an address on the loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

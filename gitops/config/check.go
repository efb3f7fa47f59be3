package config

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// A reporter notes a problem at a place.
type reporter func(p place, format string, args ...any)

// check fills in the defaults and reports what the schema cannot see, but for
// environments and services: see resolve.
func (f *File) check(report reporter) {
	checkCase(f.Providers, "providers", report)
	checkCase(f.Repositories, "repositories", report)
	checkCase(f.Environments, "environments", report)
	checkCase(f.Services, "services", report)
	checkCase(f.Frontends, "frontends", report)
	f.checkCore(report)
	f.checkProviders(report)
	f.checkRepositories(report)
	f.checkFrontends(report)
}

// checkCase reports names that differ by case only: people type them in any.
func checkCase[V any](m map[string]V, section string, report reporter) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		folded := strings.ToLower(name)
		if other, ok := seen[folded]; ok {
			report(keyAt(section, name), "differs from %s by case only; names are compared without regard to case", other)
		}
		seen[folded] = name
	}
}

func (f *File) checkCore(report reporter) {
	if f.Core.Listen == "" {
		f.Core.Listen = DefaultCoreListen
	}
	if f.Core.Committer.Name == "" {
		f.Core.Committer.Name = DefaultCommitterName
	}
	if f.Core.Committer.Email == "" {
		f.Core.Committer.Email = DefaultCommitterEmail
	}
	checkPort(f.Core.Listen, at("core", "listen"), report)
	who := f.Core.Committer
	if strings.TrimSpace(who.Name) == "" {
		report(at("core", "committer", "name"), "is empty; leave the key out if nothing is meant")
	}
	if !strings.Contains(who.Email, "@") || strings.ContainsAny(who.Email, " \t") {
		report(at("core", "committer", "email"), "want an address with an '@' and without spaces")
	}
}

func (f *File) checkProviders(report reporter) {
	for _, name := range slices.Sorted(maps.Keys(f.Providers)) {
		p, where := f.Providers[name], at("providers", name)
		if p.URL == "" {
			p.URL = "https://" + name
		}
		p.URL = strings.TrimSuffix(p.URL, "/")
		checkWebURL(p.URL, where.under("url"), report)
		checkSecret(p.TokenFrom, where.under("tokenFrom"), report)
		f.Providers[name] = p
	}
}

// provider returns the provider whose name a repository's begins with, and
// the path there; no name if there is none.
func (f *File) provider(repository string) (name, path string) {
	for p := range f.Providers {
		if tail, ok := strings.CutPrefix(repository, p+"/"); ok {
			return p, tail
		}
	}
	return "", ""
}

func (f *File) checkRepositories(report reporter) {
	if f.Repositories == nil {
		f.Repositories = map[string]Repository{}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Repositories)) {
		r, where := f.Repositories[name], at("repositories", name)
		f.fill(&r, name)
		if r.URL == "" {
			report(keyAt("repositories", name), "begins with no provider's name (%s) and has no url; give it one", f.providerNames())
		}
		checkRepository(r, where, report)
		f.Repositories[name] = r
	}
	// A repository needs an entry only if there is something to say about it.
	for _, env := range f.Environments {
		if _, ok := f.Repositories[env.Repository]; ok {
			continue
		}
		if provider, _ := f.provider(env.Repository); provider != "" {
			var r Repository
			f.fill(&r, env.Repository)
			f.Repositories[env.Repository] = r
		}
	}
}

// fill sets what the file leaves to the provider. The provider's token is for
// the provider alone: a repository elsewhere does not get to see it.
func (f *File) fill(r *Repository, name string) {
	provider, path := f.provider(name)
	if provider == "" {
		return
	}
	p := f.Providers[provider]
	if r.URL == "" {
		r.URL = p.URL + "/" + path
	}
	if r.PushTokenFrom == (Secret{}) && strings.HasPrefix(r.URL, p.URL+"/") {
		r.PushTokenFrom = p.TokenFrom
	}
}

func checkRepository(r Repository, where place, report reporter) {
	scheme := ""
	if r.URL != "" {
		scheme = checkRepositoryURL(r.URL, where.under("url"), report)
	}
	isHTTP, isSSH := scheme == "https" || scheme == "http", scheme == "ssh"
	if scheme != "" && !isHTTP && r.PushTokenFrom != (Secret{}) {
		report(where.under("pushTokenFrom"), "a token is for https://; the url is %s", scheme)
	}
	if scheme != "" && !isSSH && r.SSHKeyFrom != (Secret{}) {
		report(where.under("sshKeyFrom"), "a key is for SSH; add url: ssh://git@server/path")
	}
	if scheme != "" && !isSSH && r.KnownHosts != "" {
		report(where.under("knownHosts"), "is for SSH; add url: ssh://git@server/path")
	}
	checkSecret(r.PushTokenFrom, where.under("pushTokenFrom"), report)
	checkSecret(r.SSHKeyFrom, where.under("sshKeyFrom"), report)
}

// checkSecret reports a secret that was itself written where its place should be.
func checkSecret(s Secret, where place, report reporter) {
	for _, prefix := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"} {
		if strings.HasPrefix(s.Env, prefix) {
			report(where.under("env"), "looks like a token itself; put it into an environment variable and name that, and revoke this one if others have seen it")
		}
	}
}

func (f *File) checkFrontends(report reporter) {
	listeners := map[string]string{f.Core.Listen: "core.listen"}
	for _, name := range slices.Sorted(maps.Keys(f.Frontends)) {
		fe, where := f.Frontends[name], at("frontends", name)
		fe.SHA256 = strings.ToLower(fe.SHA256)
		for key, secrets := range fe.Secrets {
			for i, s := range secrets {
				checkSecret(s, where.under("secretsFrom", key, strconv.Itoa(i)), report)
			}
		}
		if name == "webhook" {
			f.checkWebhook(&fe, where, report)
		}
		if fe.Listen != "" {
			checkPort(fe.Listen, where.under("listen"), report)
			if other, ok := listeners[fe.Listen]; ok && !strings.HasSuffix(fe.Listen, ":0") {
				report(where.under("listen"), "is the address of %s too; choose another port", other)
			}
			listeners[fe.Listen] = keyPath(where.under("listen").path)
		}
		f.Frontends[name] = fe
	}
}

// checkWebhook looks at the settings of the front-end that is Tidebot's own.
func (f *File) checkWebhook(fe *Frontend, where place, report reporter) {
	if fe.Listen == "" {
		fe.Listen = DefaultWebhookListen
	}
	var settings struct {
		Endpoints map[string]struct {
			Provider    string   `json:"provider"`
			SecretsFrom []Secret `json:"secretsFrom"`
		} `json:"endpoints"`
	}
	if err := json.Unmarshal(fe.Settings, &settings); err != nil {
		report(where, "%v", err)
		return
	}
	fe.Secrets = map[string][]Secret{}
	for path, e := range settings.Endpoints {
		fe.Secrets[path] = e.SecretsFrom
		endpoint := where.under("endpoints", path)
		if _, ok := f.Providers[e.Provider]; !ok {
			report(endpoint.under("provider"), "there is no such provider; known: %s", f.providerNames())
		}
		for i, s := range e.SecretsFrom {
			checkSecret(s, endpoint.under("secretsFrom", strconv.Itoa(i)), report)
		}
	}
}

func (f *File) providerNames() string {
	return strings.Join(slices.Sorted(maps.Keys(f.Providers)), ", ")
}

// checkPort reports a port beyond what there is.
func checkPort(address string, where place, report reporter) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		report(where, "want host:port, such as 127.0.0.1:8080")
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n > 65535 {
		report(where, "there is no port %s; the last one is 65535", port)
	}
}

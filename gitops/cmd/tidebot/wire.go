package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
	"github.com/tidebot-dev/tidebot/vcs/github"
)

// load finds, reads and checks the configuration.
func load(path string) (*config.File, error) {
	path, err := config.Find(path)
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}

// wire makes a deployer of a configuration, and what ends its connections.
func wire(f *config.File, log *slog.Logger) (d *gitops.Deployer, disconnect func(), err error) {
	o, err := options(f, log)
	if err != nil {
		return nil, nil, err
	}
	if d, err = gitops.NewDeployer(o); err != nil {
		return nil, nil, err
	}
	return d, func() {
		for name, t := range o.Transports {
			if c, ok := t.(io.Closer); ok {
				if err := c.Close(); err != nil {
					log.Debug("connection not closed", "repository", name, "error", err)
				}
			}
		}
	}, nil
}

// options reads each secret once, so that a missing one is told at the start.
// Tokens are read again at every use, so that a mounted one can be renewed
// without a restart.
func options(f *config.File, log *slog.Logger) (gitops.Options, error) {
	o := gitops.Options{
		Config: f.Gitops(), Providers: make(map[string]vcs.Provider), Transports: make(map[string]gitops.Transport),
		Editor: yamledit.Editor{}, Verify: yamledit.Verify, Log: log,
	}
	var missing []error
	for _, name := range slices.Sorted(maps.Keys(f.Providers)) {
		p := f.Providers[name]
		if _, err := p.TokenFrom.Read(); err != nil {
			missing = append(missing, fmt.Errorf("provider %s: %w", name, err))
			continue
		}
		provider, err := github.New(github.Options{
			Name: name, BaseURL: apiURL(p.URL),
			Token: func(context.Context) (string, error) { return p.TokenFrom.Read() },
		})
		if err != nil {
			return o, fmt.Errorf("provider %s: %w", name, err)
		}
		o.Providers[name] = provider
	}
	for _, name := range slices.Sorted(maps.Keys(f.Repositories)) {
		t, err := transport(f.Repositories[name], log.With("repository", name))
		if err != nil {
			missing = append(missing, fmt.Errorf("repository %s: %w", name, err))
			continue
		}
		o.Transports[name] = t
	}
	return o, errors.Join(missing...)
}

// apiURL is where GitHub has its REST API: github.com on a name of its own,
// every other one below its web pages.
func apiURL(web string) string {
	if web == "https://github.com" {
		return "https://api.github.com/"
	}
	return web + "/api/v3/"
}

func transport(r config.Repository, log *slog.Logger) (gitops.Transport, error) {
	o := gitwire.Options{URL: r.URL, KnownHosts: r.KnownHosts, Log: log}
	if r.SSHKeyFrom != (config.Secret{}) {
		key, err := r.SSHKeyFrom.Read()
		if err != nil {
			return nil, err
		}
		o.SSHKey = []byte(key + "\n")
	}
	if r.PushTokenFrom != (config.Secret{}) && strings.HasPrefix(r.URL, "http") {
		if _, err := r.PushTokenFrom.Read(); err != nil {
			return nil, err
		}
		o.Token = func(context.Context) (string, string, error) {
			token, err := r.PushTokenFrom.Read()
			// The user that GitHub wants beside a token; other servers take any.
			return "x-access-token", token, err
		}
	}
	return gitwire.New(o)
}

// secrets reads a front-end's own secrets.
func secrets(f config.Frontend) (map[string][]string, error) {
	out := make(map[string][]string)
	for name, sources := range f.Secrets {
		for _, s := range sources {
			value, err := s.Read()
			if err != nil {
				return nil, fmt.Errorf("secret of %s: %w", name, err)
			}
			out[name] = append(out[name], value)
		}
	}
	return out, nil
}

// Package config loads and checks Tidebot's configuration file.
//
// The file is YAML; schema.json beside this source describes every key, for
// editors and for [Parse] alike. All problems of a file are reported together,
// each with its line, its key and what to write instead.
//
// A file holds no secret, only where one is read from: see [Secret].
package config

import (
	"encoding/json"
	"fmt"

	"github.com/tidebot-dev/tidebot/gitops"
)

// A File is a checked configuration with its defaults filled in.
type File struct {
	APIVersion      string                 `json:"apiVersion"`
	Kind            string                 `json:"kind"`
	Core            Core                   `json:"core"`
	Providers       map[string]Provider    `json:"providers"`
	Repositories    map[string]Repository  `json:"repositories"`
	Environments    map[string]Environment `json:"environments"`
	ServiceDefaults ServiceDefaults        `json:"serviceDefaults"`
	Services        map[string]Service     `json:"services"`
	Frontends       map[string]Frontend    `json:"frontends"`
}

// Core is the core process itself.
type Core struct {
	// Listen is host:port of metrics and health.
	Listen    string    `json:"listen"`
	Committer Committer `json:"committer"`
}

// A Committer is who the bot is in commits.
type Committer struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// What is used where the file says nothing. Both addresses can be reached
// from this machine only.
const (
	DefaultCoreListen     = "127.0.0.1:9090"
	DefaultWebhookListen  = "127.0.0.1:8080"
	DefaultCommitterName  = "Tidebot"
	DefaultCommitterEmail = "tidebot@localhost"
)

// A Provider is a Git hosting service and the bot's account there.
type Provider struct {
	// Type is the kind of provider: "github".
	Type string `json:"type"`
	// URL is the address of its web pages, without a slash at the end.
	URL       string `json:"url"`
	TokenFrom Secret `json:"tokenFrom"`
}

// A Repository says how a config repository is reached. Every repository of
// an environment has one in [File.Repositories], with URL and, over HTTP,
// PushTokenFrom filled in.
type Repository struct {
	// URL is https://, http:// (of this machine), ssh://, file:// or
	// user@server:path, without credentials.
	URL string `json:"url"`
	// PushTokenFrom is where the token for an HTTP repository is, the
	// provider's if the file names no other; zero if there is none.
	PushTokenFrom Secret `json:"pushTokenFrom"`
	// SSHKeyFrom is where the private key for an SSH repository is, in
	// OpenSSH's format; zero if there is none.
	SSHKeyFrom Secret `json:"sshKeyFrom"`
	// KnownHosts is a file with the SSH server's public keys; empty if none
	// was named.
	KnownHosts string `json:"knownHosts"`
}

// An Environment is a branch of a config repository that a cluster follows.
type Environment struct {
	// Repository is a key of [File.Repositories].
	Repository string `json:"repository"`
	Branch     string `json:"branch"`
	// Allow are rules as [gitops.ParseRule] reads them.
	Allow []string `json:"allow"`
}

// A Template is what targets are made from. In all of it {environment} and
// {service} stand for the names; Pattern and Pinned hold {branch} and {sha}
// besides, which stay until something is deployed.
type Template struct {
	Path    string `json:"path"`
	Object  string `json:"object"`
	Field   string `json:"field"`
	Pattern string `json:"pattern"`
	Pinned  string `json:"pinned"`
	Default string `json:"default"`
}

// ServiceDefaults are what services have in common. A service that leaves one
// of these keys out has it from here, as if it stood there.
type ServiceDefaults struct {
	// Tag is a [gitops.TagRule]; empty is the default one.
	Tag string `json:"tag"`
	Template
	Environments map[string]ServiceEnvironment `json:"environments"`
}

// A Service is what is deployed, as it stands in the file. [File.Gitops] has
// [ServiceDefaults] laid under it and its targets worked out.
type Service struct {
	// Source is provider/owner/name.
	Source string `json:"source"`
	// Tag is a [gitops.TagRule].
	Tag string `json:"tag"`
	Template
	// Fields are the fields of a service with several; what an entry leaves
	// empty comes from the environment or the service.
	Fields       []Template                    `json:"fields"`
	Environments map[string]ServiceEnvironment `json:"environments"`
}

// A ServiceEnvironment is what is different about a service in one
// environment. It goes before what the service says; its Fields, if any,
// replace the service's.
type ServiceEnvironment struct {
	Template
	Fields []Template `json:"fields"`
}

// A Frontend is a front-end program.
type Frontend struct {
	// Command is its absolute path; empty means beside the core's program.
	Command string
	// SHA256 is the sum it must have, in lower-case hex; empty if any.
	SHA256 string
	// User is the system user it runs as; empty means the core's.
	User string
	// TLS is "off" if the connection to the core goes without; else empty.
	TLS string
	// Listen is host:port of the socket that the core opens and hands over
	// as the listener named "listen"; empty if there is none.
	Listen string
	// Secrets are where the front-end's own secrets are, by the name under
	// which they are handed over. The webhook front-end's are named like its
	// endpoints: "/github".
	Secrets map[string][]Secret
	// Settings are all keys of the front-end but command, sha256, user and
	// tls, as JSON. They say where secrets are, but hold none.
	Settings json.RawMessage
}

// UnmarshalJSON takes the common keys out and keeps the rest as settings.
func (f *Frontend) UnmarshalJSON(data []byte) error {
	var known struct {
		Command     string              `json:"command"`
		SHA256      string              `json:"sha256"`
		User        string              `json:"user"`
		TLS         string              `json:"tls"`
		Listen      string              `json:"listen"`
		SecretsFrom map[string][]Secret `json:"secretsFrom"`
	}
	var rest map[string]json.RawMessage
	if err := json.Unmarshal(data, &known); err != nil {
		return fmt.Errorf("read front-end: %w", err)
	}
	if err := json.Unmarshal(data, &rest); err != nil {
		return fmt.Errorf("read front-end: %w", err)
	}
	for _, key := range []string{"command", "sha256", "user", "tls"} {
		delete(rest, key)
	}
	settings, err := json.Marshal(rest)
	if err != nil {
		return fmt.Errorf("write front-end's settings: %w", err)
	}
	*f = Frontend{
		Command: known.Command, SHA256: known.SHA256, User: known.User, TLS: known.TLS,
		Listen: known.Listen, Secrets: known.SecretsFrom, Settings: settings,
	}
	return nil
}

// Gitops returns what the file says about deployments: placeholders for
// environment and service are replaced, and what services say is laid over
// their defaults, and what environments say over that. The file must come from [Load] or [Parse]; of
// another one, what is wrong is left out.
func (f *File) Gitops() gitops.Config {
	return resolve(f, func(place, string, ...any) {})
}

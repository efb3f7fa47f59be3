package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile is how long a configuration file may be, in bytes.
const maxFile = 1 << 20

// Find returns the path of the configuration file: explicit if it is not
// empty, else TIDEBOT_CONFIG from the environment, else the first that exists
// of tidebot.yaml here and tidebot/config.yaml in the user's configuration
// directory (~/.config, or XDG_CONFIG_HOME). It wraps [fs.ErrNotExist] if
// there is none.
func Find(explicit string) (string, error) {
	if explicit != "" {
		return explicit, nil
	}
	if path := os.Getenv("TIDEBOT_CONFIG"); path != "" {
		return path, nil
	}
	paths := []string{"tidebot.yaml"}
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "tidebot", "config.yaml"))
	} else if home, err := os.UserHomeDir(); err == nil {
		paths = append(paths, filepath.Join(home, ".config", "tidebot", "config.yaml"))
	}
	for _, path := range paths {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find configuration: %w", err)
		}
	}
	return "", fmt.Errorf("find configuration: neither --config nor TIDEBOT_CONFIG is given, and there is no %s: %w",
		strings.Join(paths, " or "), fs.ErrNotExist)
}

// Load reads and checks a configuration file of at most 1 MiB. Relative paths
// in it are made to begin at its directory. An error about what the file says
// is an [*Error].
func Load(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	file, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	file.anchor(filepath.Dir(path))
	return file, nil
}

// Parse checks the text of a configuration file of at most 1 MiB. The name is
// for messages. An error about what the text says is an [*Error]. What is
// wrong with the structure is reported first; the rest is looked at once that
// is right.
func Parse(name string, data []byte) (*File, error) {
	if len(data) > maxFile {
		return nil, &Error{Problems: []Problem{{File: name, Text: fmt.Sprintf("longer than %d bytes", maxFile)}}}
	}
	d := readYAML(name, data)
	if err := newError(d.problems); err != nil {
		return nil, err
	}
	s, err := newSchema()
	if err != nil {
		return nil, err
	}
	if err := s.check(d); err != nil {
		return nil, err
	}
	if err := newError(d.problems); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(d.value)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var f File
	if err := json.Unmarshal(plain, &f); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	f.check(d.report)
	resolve(&f, d.report)
	if err := newError(d.problems); err != nil {
		return nil, err
	}
	return &f, nil
}

// anchor makes relative paths begin at dir.
func (f *File) anchor(dir string) {
	join := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	for name, p := range f.Providers {
		p.TokenFrom.File = join(p.TokenFrom.File)
		f.Providers[name] = p
	}
	for name, r := range f.Repositories {
		r.PushTokenFrom.File = join(r.PushTokenFrom.File)
		r.SSHKeyFrom.File = join(r.SSHKeyFrom.File)
		r.KnownHosts = join(r.KnownHosts)
		f.Repositories[name] = r
	}
	for _, frontend := range f.Frontends {
		for _, secrets := range frontend.Secrets {
			for i := range secrets {
				secrets[i].File = join(secrets[i].File)
			}
		}
	}
}

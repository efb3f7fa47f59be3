// Package gitopstest has what tests and demonstrations of the transport of
// commits need: the suite that every [gitops.Transport] passes
// ([TestTransport]), a transport in memory ([Memory]), and real Git servers
// over HTTP and SSH.
//
// The servers run the git program and stop with Close. They listen on the
// loopback interface only and are not made for anything else.
package gitopstest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Branch is the branch that a [Repository] starts with.
const Branch = "main"

// A Repository is a bare repository on disk, judged by the git program.
type Repository struct {
	// Dir is its directory, an absolute path.
	Dir string

	clock atomic.Int64 // seconds, for the dates of commits
}

// NewRepository makes a bare repository in a directory, which is made, with
// one commit of these files on [Branch]. Without files it has no commit.
func NewRepository(dir string, files map[string]string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	r := &Repository{Dir: dir}
	r.clock.Store(1_700_000_000)
	if _, err := runGit("", nil, "init", "-q", "--bare", "--template=", "-b", Branch, dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "hooks"), 0o755); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	if _, err := r.Git("config", "http.receivepack", "true"); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return r, nil
	}
	_, err = r.Commit("Add files", files)
	return r, err
}

// Commit adds a commit with these contents of files to [Branch], as somebody
// else would, and returns its object ID. Each is a minute after the one before.
func (r *Repository) Commit(message string, files map[string]string) (string, error) {
	var s strings.Builder
	fmt.Fprintf(&s, "commit refs/heads/%s\n", Branch)
	fmt.Fprintf(&s, "committer Somebody Else <else@example.com> %d +0000\n", r.clock.Add(60))
	fmt.Fprintf(&s, "data %d\n%s\n", len(message), message)
	if tip, err := r.Git("for-each-ref", "refs/heads/"+Branch); err != nil {
		return "", err
	} else if tip != "" {
		fmt.Fprintf(&s, "from refs/heads/%s^0\n", Branch)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&s, "M 100644 inline %s\ndata %d\n%s\n", path, len(files[path]), files[path])
	}
	if err := r.Import(s.String()); err != nil {
		return "", err
	}
	return r.Tip()
}

// Import feeds a stream to git fast-import: for links, submodules and other
// things that [Repository.Commit] cannot make.
func (r *Repository) Import(stream string) error {
	_, err := runGit(r.Dir, []byte(stream), "fast-import", "--quiet", "--force", "--date-format=raw")
	return err
}

// Tip returns the object ID of the commit at the tip of [Branch].
func (r *Repository) Tip() (string, error) {
	return r.Git("rev-parse", "--verify", "--quiet", "refs/heads/"+Branch)
}

// Log returns the object IDs of the commits of [Branch], newest first.
func (r *Repository) Log() ([]string, error) {
	out, err := r.Git("rev-list", "--first-parent", "refs/heads/"+Branch)
	return strings.Fields(out), err
}

// ReadFile returns a file as of a revision.
func (r *Repository) ReadFile(revision, path string) (string, error) {
	out, err := runGit(r.Dir, nil, "cat-file", "blob", revision+":"+path)
	return string(out), err
}

// Check has the git program check every object; an error says what it found.
func (r *Repository) Check() error {
	out, err := r.Git("fsck", "--full", "--strict", "--no-dangling")
	if err == nil && out != "" {
		err = errors.New("git fsck: " + out)
	}
	return err
}

// Hook installs a hook, a shell script that is run with sh, or removes it if
// the script is empty.
func (r *Repository) Hook(name, script string) error {
	path := filepath.Join(r.Dir, "hooks", name)
	if script == "" {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove hook: %w", err)
		}
		return nil
	}
	// Written elsewhere first: a server might just be starting the old one.
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		return fmt.Errorf("install hook: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("install hook: %w", err)
	}
	return nil
}

// URL is the address of the repository for a transport on this machine.
func (r *Repository) URL() string { return "file://" + r.Dir }

// Git runs the git program on the repository and returns what it prints,
// without space around it.
func (r *Repository) Git(args ...string) (string, error) {
	out, err := runGit(r.Dir, nil, args...)
	return strings.TrimSpace(string(out)), err
}

// gitEnv keeps the settings of the person who runs this out.
func gitEnv() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=Somebody Else", "GIT_AUTHOR_EMAIL=else@example.com",
		"GIT_COMMITTER_NAME=Somebody Else", "GIT_COMMITTER_EMAIL=else@example.com",
	}
}

func runGit(dir string, in []byte, args ...string) ([]byte, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = gitEnv()
	cmd.Stdin = bytes.NewReader(in)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(words.String()))
	}
	return out.Bytes(), nil
}

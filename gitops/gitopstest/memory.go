package gitopstest

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

// Memory is a [gitops.Transport] whose repository is in memory, for tests that
// need no Git. It has one branch, [Branch]. Use it as several transports to
// stand for several processes.
type Memory struct {
	mu       sync.Mutex
	tip      *memoryCommit
	clock    time.Time
	failures []Failure
	words    string
}

var _ gitops.Transport = (*Memory)(nil)

// A Failure is what happens to the next push.
type Failure struct {
	// Err is returned; it should wrap [gitops.ErrRejected],
	// [gitops.ErrUnavailable] or [gitops.ErrUnknown].
	Err error
	// Applied puts the commit on the branch all the same, as when the answer
	// of the server got lost.
	Applied bool
	// Race, if not nil, is called before the push, which then finds that the
	// branch may have moved. It may call [Memory.Commit]. If it does not, the
	// push is run again on the same files. Err is not looked at.
	Race func()
}

type memoryCommit struct {
	info   gitops.CommitInfo
	files  map[string]string
	parent *memoryCommit
}

// NewMemory returns a repository with one commit of these files.
func NewMemory(files map[string]string) *Memory {
	m := &Memory{clock: time.Unix(1_700_000_000, 0)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.append(gitops.Signature{Name: "Somebody Else", Email: "else@example.com"}, "Add files", files)
	return m
}

// Commit adds a commit with these contents of files, as somebody else would,
// and returns its revision. Each is a minute after the one before.
func (m *Memory) Commit(message string, files map[string]string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.append(gitops.Signature{Name: "Somebody Else", Email: "else@example.com"}, message, files)
	return m.tip.info.Revision, nil
}

func (m *Memory) append(who gitops.Signature, message string, files map[string]string) {
	m.clock = m.clock.Add(time.Minute)
	m.tip = newMemoryCommit(m.tip, gitops.CommitInfo{Author: who, Committer: who, Committed: m.clock, Message: message}, files)
}

// newMemoryCommit makes a commit whose revision depends on all that is in it.
func newMemoryCommit(parent *memoryCommit, info gitops.CommitInfo, files map[string]string) *memoryCommit {
	c := &memoryCommit{info: info, parent: parent, files: make(map[string]string)}
	sum := sha1.New()
	if parent != nil {
		maps.Copy(c.files, parent.files)
		fmt.Fprintf(sum, "%s\n", parent.info.Revision)
	}
	maps.Copy(c.files, files)
	fmt.Fprintf(sum, "%q %q %d %q\n", info.Author, info.Committer, info.Committed.Unix(), info.Message)
	for _, path := range slices.Sorted(maps.Keys(c.files)) {
		fmt.Fprintf(sum, "%q %q\n", path, c.files[path])
	}
	c.info.Revision = fmt.Sprintf("%x", sum.Sum(nil))
	return c
}

// Inject adds failures; each hits one push.
func (m *Memory) Inject(failures ...Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures = append(m.failures, failures...)
}

// Reject refuses all pushes with these words, or takes them again if there are
// none.
func (m *Memory) Reject(words string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.words = words
	return nil
}

// Log returns the revisions, newest first.
func (m *Memory) Log() ([]string, error) {
	var all []string
	for c := m.current(); c != nil; c = c.parent {
		all = append(all, c.info.Revision)
	}
	return all, nil
}

// ReadFile returns a file as of a revision.
func (m *Memory) ReadFile(revision, path string) (string, error) {
	for c := m.current(); c != nil; c = c.parent {
		if c.info.Revision == revision {
			data, err := memoryTree{c}.ReadFile(context.Background(), path)
			return string(data), err
		}
	}
	return "", fmt.Errorf("revision %s: %w", revision, fs.ErrNotExist)
}

func (m *Memory) current() *memoryCommit {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tip
}

func checkMemory(ctx context.Context, branch string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read branch %s: %w: %w", branch, gitops.ErrUnavailable, context.Cause(ctx))
	}
	if branch != Branch {
		return fmt.Errorf("read branch %s: %w: no such branch", branch, gitops.ErrUnavailable)
	}
	return nil
}

// View implements [gitops.Transport].
func (m *Memory) View(ctx context.Context, branch string, fn func(gitops.Tree) error) error {
	if err := checkMemory(ctx, branch); err != nil {
		return err
	}
	return fn(memoryTree{m.current()})
}

// Update implements [gitops.Transport].
func (m *Memory) Update(ctx context.Context, branch string, fn func(gitops.Tree) (gitops.Commit, error)) (gitops.Receipt, error) {
	for {
		if err := checkMemory(ctx, branch); err != nil {
			return gitops.Receipt{}, err
		}
		base := m.current()
		c, err := fn(memoryTree{base})
		if err == nil {
			err = checkCommit(base, c)
		}
		if err != nil {
			if m.current() == base {
				return gitops.Receipt{}, err
			}
			continue
		}
		files := make(map[string]string)
		for path, data := range c.Files {
			files[path] = string(data)
		}
		next := newMemoryCommit(base, gitops.CommitInfo{
			Author: c.Author, Committer: c.Committer, Committed: c.Time.Truncate(time.Second),
			Message: strings.TrimRight(c.Message, "\n") + "\n",
		}, files)
		done, err := m.push(base, next)
		if err != nil {
			return gitops.Receipt{}, fmt.Errorf("push to branch %s: %w", branch, err)
		}
		if done {
			return gitops.Receipt{Revision: next.info.Revision, Parent: base.info.Revision}, nil
		}
	}
}

// push moves the branch, if it still is where the commit was built on.
func (m *Memory) push(base, next *memoryCommit) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var f Failure
	if len(m.failures) > 0 {
		f, m.failures = m.failures[0], m.failures[1:]
	}
	if f.Race != nil {
		m.mu.Unlock()
		f.Race()
		m.mu.Lock()
		return false, nil
	}
	if f.Err != nil && !f.Applied {
		return false, f.Err
	}
	if m.tip != base {
		return false, nil
	}
	if m.words != "" {
		return false, fmt.Errorf("%w: %s", gitops.ErrRejected, m.words)
	}
	m.tip = next
	return true, f.Err
}

func checkCommit(base *memoryCommit, c gitops.Commit) error {
	changed := false
	for path, data := range c.Files {
		old, err := memoryTree{base}.ReadFile(context.Background(), path)
		if err != nil {
			return fmt.Errorf("make commit: %w", err)
		}
		changed = changed || !bytes.Equal(old, data)
	}
	switch {
	case !changed:
		return errors.New("make commit: nothing changes")
	case c.Author.Name == "" || c.Committer.Name == "":
		return errors.New("make commit: it has an author or committer without a name")
	case strings.TrimSpace(c.Message) == "":
		return errors.New("make commit: it has no message")
	case c.Time.IsZero():
		return errors.New("make commit: it has no time")
	}
	return nil
}

// memoryTree is a [gitops.Tree].
type memoryTree struct{ commit *memoryCommit }

func (t memoryTree) Info() gitops.CommitInfo { return t.commit.info }

func (t memoryTree) ReadFile(_ context.Context, path string) ([]byte, error) {
	if !fs.ValidPath(path) || path == "." || slices.Contains(strings.Split(path, "/"), ".git") {
		return nil, fmt.Errorf("read file: path %q is not one of a file in a repository", path)
	}
	data, ok := t.commit.files[path]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", path, fs.ErrNotExist)
	}
	return []byte(data), nil
}

func (t memoryTree) Parent(context.Context) (gitops.Tree, error) {
	if t.commit.parent == nil {
		return nil, fmt.Errorf("parent of %.10s: %w", t.commit.info.Revision, fs.ErrNotExist)
	}
	return memoryTree{t.commit.parent}, nil
}

func (t memoryTree) Log(ctx context.Context) iter.Seq2[gitops.Tree, error] {
	return func(yield func(gitops.Tree, error) bool) {
		for c := t.commit; c != nil; c = c.parent {
			if ctx.Err() != nil {
				yield(nil, fmt.Errorf("read history: %w", context.Cause(ctx)))
				return
			}
			if !yield(memoryTree{c}, nil) {
				return
			}
		}
	}
}

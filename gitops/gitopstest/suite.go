package gitopstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

// A Subject is a config repository under test.
type Subject struct {
	// Transport and Other lead to it as two processes would.
	Transport, Other gitops.Transport
	// Commit adds a commit to [Branch] as somebody else would, and returns
	// its revision.
	Commit func(message string, files map[string]string) (string, error)
	// Log returns the revisions on [Branch], newest first.
	Log func() ([]string, error)
	// ReadFile returns a file as of a revision.
	ReadFile func(revision, path string) (string, error)
	// Reject has the server refuse pushes with these words of a hook, and
	// take them again if there are none.
	Reject func(words string) error
	// Check, which may be nil, judges the repository afterwards.
	Check func() error
}

// Subject makes a subject of a repository on disk and two transports to it.
func (r *Repository) Subject(transport, other gitops.Transport) Subject {
	return Subject{
		Transport: transport, Other: other,
		Commit: r.Commit, Log: r.Log, ReadFile: r.ReadFile, Check: r.Check,
		Reject: func(words string) error {
			if words == "" {
				return r.Hook("pre-receive", "")
			}
			return r.Hook("pre-receive", "cat >/dev/null\nprintf '%s\\n' '"+strings.ReplaceAll(words, "'", `'\''`)+"' >&2\nexit 1")
		},
	}
}

// Subject makes a subject of a repository in memory.
func (m *Memory) Subject() Subject {
	return Subject{Transport: m, Other: m, Commit: m.Commit, Log: m.Log, ReadFile: m.ReadFile, Reject: m.Reject}
}

// TestTransport tests that a transport keeps the contract of
// [gitops.Transport]. open makes a repository that has one commit of these
// files on [Branch].
func TestTransport(t *testing.T, open func(t *testing.T, files map[string]string) Subject) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *trial)
	}{
		{"an update appends one commit with just what it says", testUpdate},
		{"one commit may change several files", testSeveralFiles},
		{"a second update builds on the first", testSecondUpdate},
		{"a view sees what others have pushed", testView},
		{"an update starts over on what others have pushed", testStale},
		{"an error of fn is returned as it is and nothing is pushed", testFnError},
		{"a verdict of fn on old files does not count", testStaleVerdict},
		{"a commit that changes nothing is an error", testNothingChanges},
		{"a file that does not exist is not made", testMissingFile},
		{"only paths of files are read", testPaths},
		{"a branch that does not exist is an error", testMissingBranch},
		{"a refused push is told in the server's words", testRejected},
		{"older commits can be read with their files", testHistory},
		{"an update whose context has ended does nothing", testCancelled},
		{"bytes handed out and taken are copies", testCopies},
		{"many updates through two transports all land, once each", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, map[string]string{
				"README.md":          "# Config\n",
				"apps/shop/web.yaml": "image: web:1\nreplicas: 2\n",
				"apps/shop/db.yaml":  "image: db:1\n",
				"apps/other.yaml":    "a: b\n",
			})
			k := &trial{T: t, Subject: s, start: 1}
			c.run(t, k)
			if s.Check != nil {
				if err := s.Check(); err != nil {
					t.Errorf("repository afterwards: %v", err)
				}
			}
		})
	}
}

const (
	web = "apps/shop/web.yaml"
	db  = "apps/shop/db.yaml"
)

// trial is a subject with helpers that fail the test.
type trial struct {
	*testing.T
	Subject
	start int
}

func (k *trial) log() []string {
	k.Helper()
	log, err := k.Log()
	if err != nil {
		k.Fatalf("read log: %v", err)
	}
	return log
}

func (k *trial) file(revision, path string) string {
	k.Helper()
	s, err := k.ReadFile(revision, path)
	if err != nil {
		k.Fatalf("read %s: %v", path, err)
	}
	return s
}

func (k *trial) commit(message string, files map[string]string) string {
	k.Helper()
	rev, err := k.Commit(message, files)
	if err != nil {
		k.Fatalf("commit: %v", err)
	}
	return rev
}

// Change returns a commit that sets files, for tests.
func Change(message string, files map[string]string) gitops.Commit {
	c := gitops.Commit{
		Files:     make(map[string][]byte),
		Author:    gitops.Signature{Name: "Ann Author", Email: "ann@example.com"},
		Committer: gitops.Signature{Name: "Tidebot", Email: "bot@example.com"},
		Time:      time.Unix(1_750_000_000, 0).UTC(),
		Message:   message,
	}
	for path, data := range files {
		c.Files[path] = []byte(data)
	}
	return c
}

// set is an update without regard to what was there.
func set(message string, files map[string]string) func(gitops.Tree) (gitops.Commit, error) {
	return func(gitops.Tree) (gitops.Commit, error) { return Change(message, files), nil }
}

func (k *trial) update(tr gitops.Transport, fn func(gitops.Tree) (gitops.Commit, error)) gitops.Receipt {
	k.Helper()
	r, err := tr.Update(k.Context(), Branch, fn)
	if err != nil {
		k.Fatalf("Update: %v", err)
	}
	return r
}

func (k *trial) unmoved(log []string) {
	k.Helper()
	if now := k.log(); !slices.Equal(now, log) {
		k.Errorf("branch moved: log is %v, was %v", now, log)
	}
}

func testUpdate(t *testing.T, k *trial) {
	before := k.log()
	c := Change("Deploy web 2\n\nRequested-By: ann\n", map[string]string{web: "image: web:2\nreplicas: 2\n"})
	r := k.update(k.Transport, func(tree gitops.Tree) (gitops.Commit, error) {
		if got := tree.Info().Revision; got != before[0] {
			t.Errorf("fn saw revision %s, want %s", got, before[0])
		}
		data, err := tree.ReadFile(t.Context(), web)
		if err != nil || string(data) != "image: web:1\nreplicas: 2\n" {
			t.Errorf("fn read %q, %v", data, err)
		}
		return c, nil
	})
	if want := append([]string{r.Revision}, before...); !slices.Equal(k.log(), want) {
		t.Fatalf("log is %v, want %v", k.log(), want)
	}
	if r.Parent != before[0] {
		t.Errorf("receipt says parent %s, want %s", r.Parent, before[0])
	}
	if got := k.file(r.Revision, web); got != "image: web:2\nreplicas: 2\n" {
		t.Errorf("file is %q", got)
	}
	if got := k.file(r.Revision, db); got != "image: db:1\n" {
		t.Errorf("other file is %q", got)
	}
	err := k.Other.View(t.Context(), Branch, func(tree gitops.Tree) error {
		i := tree.Info()
		if i.Revision != r.Revision || i.Author != c.Author || i.Committer != c.Committer || !i.Committed.Equal(c.Time) || i.Message != c.Message {
			t.Errorf("commit reads as %+v, want %+v", i, c)
		}
		return nil
	})
	if err != nil {
		t.Errorf("View: %v", err)
	}
}

func testSeveralFiles(t *testing.T, k *trial) {
	before := k.log()
	files := map[string]string{web: "x: 1\n", db: "x: 1\n", "apps/other.yaml": "y: 2\n", "README.md": ""}
	r := k.update(k.Transport, set("Change all", files))
	if n := len(k.log()); n != len(before)+1 {
		t.Errorf("log has %d commits, want %d", n, len(before)+1)
	}
	for path, want := range files {
		if got := k.file(r.Revision, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func testSecondUpdate(t *testing.T, k *trial) {
	first := k.update(k.Transport, set("one", map[string]string{web: "1\n"}))
	second := k.update(k.Transport, set("two", map[string]string{db: "2\n"}))
	back := k.update(k.Transport, set("three", map[string]string{web: "image: web:1\nreplicas: 2\n"}))
	if second.Parent != first.Revision || back.Parent != second.Revision {
		t.Errorf("receipts do not follow each other: %v %v %v", first, second, back)
	}
	if got := k.file(back.Revision, db); got != "2\n" {
		t.Errorf("the second update's file is %q", got)
	}
}

func testView(t *testing.T, k *trial) {
	for i := range 3 {
		want := fmt.Sprintf("image: web:%d\n", i)
		rev := k.commit("by hand", map[string]string{web: want})
		err := k.Transport.View(t.Context(), Branch, func(tree gitops.Tree) error {
			data, err := tree.ReadFile(t.Context(), web)
			if tree.Info().Revision != rev || string(data) != want {
				t.Errorf("view sees %s with %q, want %s with %q", tree.Info().Revision, data, rev, want)
			}
			return err
		})
		if err != nil {
			t.Errorf("View: %v", err)
		}
	}
	own := errors.New("own")
	if err := k.Transport.View(t.Context(), Branch, func(gitops.Tree) error { return own }); !errors.Is(err, own) {
		t.Errorf("View returned %v, want fn's error", err)
	}
}

func testStale(t *testing.T, k *trial) {
	k.update(k.Transport, set("warm", map[string]string{db: "warm\n"}))
	rev := k.commit("by hand", map[string]string{web: "by hand\n", db: "warm\n"})
	calls := 0
	r := k.update(k.Transport, func(tree gitops.Tree) (gitops.Commit, error) {
		calls++
		data, err := tree.ReadFile(t.Context(), web)
		return Change("append", map[string]string{web: string(data) + "and more\n"}), err
	})
	if r.Parent != rev {
		t.Errorf("commit is on %s, want %s", r.Parent, rev)
	}
	if got := k.file(r.Revision, web); got != "by hand\nand more\n" {
		t.Errorf("file is %q after %d calls", got, calls)
	}
}

func testFnError(t *testing.T, k *trial) {
	own := errors.New("own")
	for range 2 {
		before := k.log()
		r, err := k.Transport.Update(t.Context(), Branch, func(gitops.Tree) (gitops.Commit, error) {
			return Change("never", map[string]string{web: "never\n"}), own
		})
		if err != own || r != (gitops.Receipt{}) {
			t.Errorf("Update returned %v, %v; want fn's error as it is", r, err)
		}
		k.unmoved(before)
		k.update(k.Transport, set("warm", map[string]string{web: fmt.Sprint(len(before))}))
	}
}

func testStaleVerdict(t *testing.T, k *trial) {
	k.update(k.Transport, set("warm", map[string]string{db: "warm\n"}))
	k.commit("by hand", map[string]string{web: "free\n"})
	r := k.update(k.Transport, func(tree gitops.Tree) (gitops.Commit, error) {
		data, err := tree.ReadFile(t.Context(), web)
		if err == nil && string(data) != "free\n" {
			err = errors.New("not free")
		}
		return Change("take", map[string]string{web: "taken\n"}), err
	})
	if got := k.file(r.Revision, web); got != "taken\n" {
		t.Errorf("file is %q", got)
	}
	// So too if it is the commit that does not fit old files.
	k.commit("by hand", map[string]string{"new.yaml": "1\n"})
	k.update(k.Transport, set("change new", map[string]string{"new.yaml": "2\n"}))
}

func testNothingChanges(t *testing.T, k *trial) {
	before := k.log()
	for name, files := range map[string]map[string]string{
		"same contents": {web: "image: web:1\nreplicas: 2\n", db: "image: db:1\n"},
		"no files":      {},
	} {
		if _, err := k.Transport.Update(t.Context(), Branch, set("empty", files)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	k.unmoved(before)
}

func testMissingFile(t *testing.T, k *trial) {
	before := k.log()
	for _, path := range []string{"apps/shop/none.yaml", "none/web.yaml", web + "/x", "apps/shop", "../x", "/etc/passwd", ""} {
		if _, err := k.Transport.Update(t.Context(), Branch, set("make", map[string]string{web: "1\n", path: "1\n"})); err == nil {
			t.Errorf("%q: no error", path)
		}
	}
	k.unmoved(before)
	err := k.Transport.View(t.Context(), Branch, func(tree gitops.Tree) error {
		_, err := tree.ReadFile(t.Context(), "apps/shop/none.yaml")
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a missing file returned %v, want fs.ErrNotExist", err)
	}
}

func testPaths(t *testing.T, k *trial) {
	err := k.Transport.View(t.Context(), Branch, func(tree gitops.Tree) error {
		for _, path := range []string{"", ".", "/", "/" + web, "./" + web, "apps/../" + web, "apps//other.yaml", "apps/", "apps", ".git/config", "apps/.git/x"} {
			if data, err := tree.ReadFile(t.Context(), path); err == nil {
				t.Errorf("%q was read: %q", path, data)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("View: %v", err)
	}
}

func testMissingBranch(t *testing.T, k *trial) {
	const none = "no-such-branch"
	err := k.Transport.View(t.Context(), none, func(gitops.Tree) error { t.Error("fn was called"); return nil })
	_, updateErr := k.Transport.Update(t.Context(), none, set("x", map[string]string{web: "1\n"}))
	for _, err := range []error{err, updateErr} {
		if !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), none) || !strings.Contains(err.Error(), "no such branch") {
			t.Errorf("error is %v, want gitops.ErrUnavailable and the branch", err)
		}
	}
}

func testRejected(t *testing.T, k *trial) {
	k.update(k.Transport, set("warm", map[string]string{db: "warm\n"}))
	before := k.log()
	if err := k.Reject("frozen until Monday, ask the release team"); err != nil {
		t.Fatal(err)
	}
	for _, tr := range []gitops.Transport{k.Transport, k.Other} {
		r, err := tr.Update(t.Context(), Branch, set("x", map[string]string{web: "1\n"}))
		if !errors.Is(err, gitops.ErrRejected) || !strings.Contains(err.Error(), "frozen until Monday") || r != (gitops.Receipt{}) {
			t.Errorf("Update returned %v, %v; want gitops.ErrRejected with the words of the hook", r, err)
		}
	}
	k.unmoved(before)
	if err := k.Reject(""); err != nil {
		t.Fatal(err)
	}
	if r := k.update(k.Transport, set("x", map[string]string{web: "1\n"})); r.Parent != before[0] {
		t.Errorf("after a refusal the commit is on %s, want %s", r.Parent, before[0])
	}
}

func testHistory(t *testing.T, k *trial) {
	content := map[string]string{k.log()[0]: "image: web:1\nreplicas: 2\n"}
	add := func(n int) {
		for range n {
			s := fmt.Sprintf("image: web:%d\n", len(content)+1)
			content[k.commit("by hand", map[string]string{web: s})] = s
		}
	}
	add(12)
	s := "image: by-update\n"
	content[k.update(k.Transport, set("by update", map[string]string{web: s})).Revision] = s
	add(12)
	want := k.log()
	err := k.Transport.View(t.Context(), Branch, func(tree gitops.Tree) error {
		var got []string
		for c, err := range tree.Log(t.Context()) {
			if err != nil {
				return err
			}
			rev := c.Info().Revision
			got = append(got, rev)
			data, err := c.ReadFile(t.Context(), web)
			if err != nil || string(data) != content[rev] {
				t.Errorf("file at %s is %q, %v; want %q", rev, data, err, content[rev])
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("Log yields %v, want %v", got, want)
		}
		for i := range want {
			if rev := tree.Info().Revision; rev != want[i] {
				t.Fatalf("parent %d is %s, want %s", i, rev, want[i])
			}
			parent, err := tree.Parent(t.Context())
			if i == len(want)-1 {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("parent of the first commit is %v, %v; want fs.ErrNotExist", parent, err)
				}
				return nil
			}
			if err != nil {
				return err
			}
			tree = parent
		}
		return nil
	})
	if err != nil {
		t.Errorf("View: %v", err)
	}
}

func testCancelled(t *testing.T, k *trial) {
	before := k.log()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Transport.Update(ctx, Branch, set("x", map[string]string{web: "1\n"})); !errors.Is(err, context.Canceled) {
		t.Errorf("Update returned %v, want context.Canceled", err)
	}
	k.unmoved(before)
}

func testCopies(t *testing.T, k *trial) {
	data := []byte("mine\n")
	r := k.update(k.Transport, func(tree gitops.Tree) (gitops.Commit, error) {
		c := Change("x", nil)
		c.Files[web] = data
		return c, nil
	})
	copy(data, "your")
	err := k.Transport.View(t.Context(), Branch, func(tree gitops.Tree) error {
		for range 2 {
			got, err := tree.ReadFile(t.Context(), web)
			if err != nil || string(got) != "mine\n" {
				t.Errorf("file is %q, %v", got, err)
			}
			copy(got, "your")
		}
		return nil
	})
	if err != nil {
		t.Errorf("View: %v", err)
	}
	if got := k.file(r.Revision, web); got != "mine\n" {
		t.Errorf("file is %q", got)
	}
}

func testConcurrent(t *testing.T, k *trial) {
	const each, foreign = 6, 3
	var mu sync.Mutex
	landed := make(map[string]string) // line by revision
	var wait sync.WaitGroup
	run := func(tr gitops.Transport, line string) {
		r, err := tr.Update(t.Context(), Branch, func(tree gitops.Tree) (gitops.Commit, error) {
			data, err := tree.ReadFile(t.Context(), db)
			return Change(line, map[string]string{db: string(data) + line + "\n"}), err
		})
		if err != nil {
			t.Errorf("Update: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		landed[r.Revision] = line
	}
	for i := range each {
		wait.Go(func() { run(k.Transport, fmt.Sprintf("one-%d", i)) })
		wait.Go(func() { run(k.Other, fmt.Sprintf("other-%d", i)) })
	}
	wait.Wait()
	for i := range foreign {
		rev := k.commit("by hand", map[string]string{"README.md": fmt.Sprint(i)})
		mu.Lock()
		landed[rev] = ""
		mu.Unlock()
		wait.Go(func() { run(k.Transport, fmt.Sprintf("late-one-%d", i)) })
		wait.Go(func() { run(k.Other, fmt.Sprintf("late-other-%d", i)) })
		wait.Wait()
	}
	log := k.log()
	if got, want := slices.Sorted(slices.Values(log[:len(log)-1])), slices.Sorted(maps.Keys(landed)); !slices.Equal(got, want) {
		t.Errorf("the branch has %d commits, want %d: each acknowledged one, once", len(got), len(want))
	}
	lines := strings.Split(strings.TrimSpace(k.file(log[0], db)), "\n")[1:]
	slices.Sort(lines)
	if unique := slices.Compact(slices.Clone(lines)); len(lines) != 2*each+2*foreign || len(unique) != len(lines) {
		t.Errorf("the file has the lines %v, want %d, once each", lines, 2*each+2*foreign)
	}
}

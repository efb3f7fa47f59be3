package gitwire_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
)

func (b *bench) git(args ...string) string {
	b.Helper()
	out, err := b.Git(args...)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *bench) set(path, data string) (gitops.Receipt, error) {
	return b.Update(b.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		return gitopstest.Change("Set "+path, map[string]string{path: data}), nil
	})
}

func (b *bench) read(path string) (string, error) {
	var data []byte
	err := b.View(b.Context(), gitopstest.Branch, func(tree gitops.Tree) (err error) {
		data, err = tree.ReadFile(b.Context(), path)
		return err
	})
	return string(data), err
}

// odd is a tree with all that may be in one.
const odd = `commit refs/heads/main
committer A <a@b> 1700000600 +0000
data 3
odd
from refs/heads/main^0
M 100755 inline bin/run.sh
data <<END
#!/bin/sh
echo 1
END
M 100644 inline crlf.yaml
data 14
a: 1` + "\r\nb: 2\r\n\r\n" + `
M 100644 inline .gitattributes
data 17
*.yaml eol=crlf

M 120000 inline link.yaml
data 8
web.yaml
M 120000 inline dir
data 3
bin
M 160000 1234567890123456789012345678901234567890 module
M 100644 inline lfs.yaml
data 43
version https://git-lfs.github.com/spec/v1

`

func TestGitAgrees(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	if err := b.Import(odd); err != nil {
		t.Fatal(err)
	}
	before := b.git("ls-tree", "-r", "main")

	if _, err := b.set("bin/run.sh", "#!/bin/sh\necho 2\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.set("crlf.yaml", "a: 1\r\nb: 3\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"crlf.yaml", "bin/run.sh"} {
		got := b.git("show", "--numstat", "--summary", "--format=%an <%ae>|%cn <%ce>|%at|%ct|%B", fmt.Sprintf("main~%d", i))
		want := fmt.Sprintf("Ann Author <ann@example.com>|Tidebot <bot@example.com>|1750000000|1750000000|Set %s\n\n\n1\t1\t%s", path, path)
		if got != want {
			t.Errorf("git shows %q, want %q: one line, and no change of mode", got, want)
		}
	}
	after := strings.Split(b.git("ls-tree", "-r", "main"), "\n")
	changed := slices.DeleteFunc(after, func(s string) bool { return strings.Contains(before, s) })
	if len(changed) != 2 || !strings.HasPrefix(changed[0], "100755 ") || !strings.HasPrefix(changed[1], "100644 ") {
		t.Errorf("git sees other entries: %q", changed)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	if err := b.Import(odd); err != nil {
		t.Fatal(err)
	}
	before := b.commits()
	for path, says := range map[string]string{
		"link.yaml":     "symbolic link",
		"dir/run.sh":    "symbolic link",
		"module":        "submodule",
		"module/x.yaml": "submodule",
		"lfs.yaml":      "Git LFS",
		"bin":           "directory",
	} {
		if _, err := b.read(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("reading %s: %v, want %q", path, err, says)
		}
		if _, err := b.set(path, "x\n"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("writing %s: %v, want %q", path, err, says)
		}
	}
	if !slices.Equal(b.commits(), before) {
		t.Error("the branch moved")
	}
}

func TestLargeFiles(t *testing.T) {
	for name, filter := range map[string]string{"the server sends it": "false", "the server leaves it out": "true"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, gitwire.Options{})
			b.git("config", "uploadpack.allowFilter", filter)
			b.by("large", map[string]string{
				"large.bin": strings.Repeat("x", 10<<20+1),
				"most.bin":  strings.Repeat("x", 10<<20),
			})
			if _, err := b.read("large.bin"); err == nil || !strings.Contains(err.Error(), "larger than 10 MiB") {
				t.Errorf("a file of 10 MiB and a byte: %v", err)
			}
			if data, err := b.read("most.bin"); err != nil || len(data) != 10<<20 {
				t.Errorf("a file of 10 MiB: %d bytes, %v", len(data), err)
			}
			if _, err := b.set("web.yaml", strings.Repeat("x", 10<<20+1)); err == nil {
				t.Error("a file of 10 MiB and a byte was written")
			}
			if _, err := b.set("web.yaml", "x\n"); err != nil {
				t.Errorf("another file beside it: %v", err)
			}
		})
	}
}

func TestRepositoriesThatCannotBeUsed(t *testing.T) {
	empty := newRepository(t, nil)
	long := &gitopstest.Repository{Dir: filepath.Join(t.TempDir(), "sha256.git")}
	if _, err := empty.Git("init", "-q", "--bare", "--object-format=sha256", "-b", "main", long.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := long.Commit("x", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, says string }{
		{serveHTTP(t, empty).URL, "repository is empty"},
		{empty.URL(), "repository is empty"},
		{long.URL(), "SHA-256"},
		{serveHTTP(t, long).URL, "SHA-256"},
	} {
		tr := newTransport(t, gitwire.Options{URL: c.url})
		_, err := tr.Update(t.Context(), "main", func(gitops.Tree) (gitops.Commit, error) {
			return gitopstest.Change("x", map[string]string{"a": "c"}), nil
		})
		if !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Update returned %v, want %q", c.url, err, c.says)
		}
	}
}

func TestReadOnlyServer(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	b.git("config", "http.receivepack", "false")
	if _, err := b.set("web.yaml", "x\n"); !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), "(HTTP 403)") {
		t.Errorf("Update returned %v", err)
	}
	if data, err := b.read("web.yaml"); err != nil || data != "image: web:0\n" {
		t.Errorf("reading still: %q, %v", data, err)
	}
}

func TestProtectedBranch(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	b.warm()
	before := b.commits()
	hook := `printf '\033[31mred\033[0m\a first line\nsecond line\n\342\200\256evil\n' >&2; head -c 9000 /dev/zero | tr '\0' x >&2; exit 1`
	for _, name := range []string{"pre-receive", "update"} {
		if err := b.Hook(name, hook); err != nil {
			t.Fatal(err)
		}
		_, err := b.set("web.yaml", "x\n")
		if !errors.Is(err, gitops.ErrRejected) {
			t.Fatalf("%s: Update returned %v", name, err)
		}
		s := err.Error()
		if !strings.Contains(s, "first line; second line; evil") || !strings.Contains(s, "hook declined") {
			t.Errorf("%s: the words of the hook are missing: %q", name, s)
		}
		if strings.ContainsAny(s, "\x1b\a\n\u202e") || len(s) > 1500 {
			t.Errorf("%s: the words of the hook are not inert: %q", name, s)
		}
		if err := b.Hook(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(b.commits(), before) {
		t.Error("the branch moved")
	}
	b.wantPushes(2)
}

// wantPushes says how often something was pushed.
func (b *bench) wantPushes(n int) {
	b.Helper()
	got := 0
	for _, r := range b.server.Requests() {
		if r == pushPack {
			got++
		}
	}
	if got != n {
		b.Errorf("%d pushes, want %d: a refusal is not tried again", got, n)
	}
}

func TestRewrittenBranch(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	for range 3 {
		b.warm()
	}
	// Somebody rewinds the branch, and somebody else replaces it.
	for _, to := range []string{"main~2", b.git("commit-tree", "main^{tree}", "-m", "all new")} {
		b.git("update-ref", "refs/heads/main", to)
		tip := b.commits()[0]
		r, err := b.deploy(t.Context())
		if err != nil || r.Parent != tip {
			t.Errorf("Update returned %v, %v; want a commit on %s", r, err, tip)
		}
	}
	b.git("update-ref", "-d", "refs/heads/main")
	b.git("update-ref", "refs/heads/elsewhere", b.git("commit-tree", "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "-m", "x"))
	if _, err := b.deploy(t.Context()); !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), "no such branch") {
		t.Errorf("after the branch was deleted: %v", err)
	}
}

// The history has a branch of its own that was merged.
func TestHistoryWithMerges(t *testing.T) {
	commit := func(mark, date int, path string, parents string) string {
		return fmt.Sprintf("commit refs/heads/main\nmark :%d\ncommitter A <a@b> %d +0000\ndata 2\nc%d\n%sM 100644 inline %s\ndata 2\n%d\n\n",
			mark, 1_700_000_000+date, mark%10, parents, path, mark%10)
	}
	b := newBench(t, gitwire.Options{})
	err := b.Import(commit(1, 10, "web.yaml", "from refs/heads/main^0\n") +
		commit(2, 20, "web.yaml", "from :1\n") + // this side
		commit(3, 30, "other.yaml", "from :1\n") + // the other side
		commit(4, 40, "web.yaml", "from :2\n") +
		commit(5, 50, "other.yaml", "from :3\n") +
		commit(6, 60, "x.yaml", "from :4\nmerge :5\n"))
	if err != nil {
		t.Fatal(err)
	}
	b.git("update-ref", "refs/heads/main", "main")
	want := strings.Fields(b.git("rev-list", "--date-order", "main"))
	var got []string
	err = b.View(t.Context(), gitopstest.Branch, func(tree gitops.Tree) error {
		for c, err := range tree.Log(t.Context()) {
			if err != nil {
				return err
			}
			got = append(got, c.Info().Revision)
			data, err := c.ReadFile(t.Context(), "web.yaml")
			if want := b.git("show", c.Info().Revision+":web.yaml"); err != nil || strings.TrimSpace(string(data)) != want {
				t.Errorf("at %s: %q, %v; git says %q", c.Info().Revision, data, err, want)
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Log yields %v (%v), git says %v", got, err, want)
	}
}

func TestSSHServerMustBeKnown(t *testing.T) {
	r := newRepository(t, map[string]string{"a": "1"})
	s, err := gitopstest.ServeSSH(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := gitopstest.ServeSSH(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	known, err := os.ReadFile(other.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	right, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	// The name of this server with the key of the other.
	name, _, _ := strings.Cut(string(right), " ")
	_, key, _ := strings.Cut(string(known), " ")
	file := func(data string) string {
		path := filepath.Join(t.TempDir(), "known_hosts")
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, known string
		key         []byte
		path        string
		says        string
	}{
		{"an unknown server", file(string(known)), s.Key, "", "not in known hosts"},
		{"a known server with another key", file(name + " " + key), s.Key, "", "not the one in known hosts"},
		{"a key that the server does not know", s.KnownHosts, other.Key, "", "credentials not accepted (SSH)"},
		{"a repository that is not there", s.KnownHosts, s.Key, "-x", "does not appear to be a git repository"},
	} {
		tr := newTransport(t, gitwire.Options{URL: s.URL + c.path, SSHKey: c.key, KnownHosts: c.known})
		err := tr.View(t.Context(), "main", func(gitops.Tree) error { return nil })
		if !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: View returned %v, want %q", c.name, err, c.says)
		}
	}
}

func TestSSHConnectionIsReplaced(t *testing.T) {
	r := newRepository(t, map[string]string{"a": "1"})
	s, err := gitopstest.ServeSSH(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tr := newTransport(t, gitwire.Options{URL: s.URL, SSHKey: s.Key, KnownHosts: s.KnownHosts})
	for i := range 3 {
		_, err := tr.Update(t.Context(), "main", func(gitops.Tree) (gitops.Commit, error) {
			return gitopstest.Change("x", map[string]string{"a": fmt.Sprint("v", i)}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Disconnect()
	}
}

func TestOptions(t *testing.T) {
	for url, says := range map[string]string{
		"":                                   "no URL",
		"https://user:s3cr3t@example.com/x":  "holds a password",
		"https://s3cr3t@example.com/x":       "holds a user",
		"https://example.com/x?token=s3cr3t": "query",
		"https:///x":                         "names no server",
		"ftp://example.com/x":                "scheme",
		"file://server/x":                    "absolute path",
		"s3cr3t":                             "URL is none",
		"https://example.com/%zz-s3cr3t":     "malformed",
		"ssh://git@example.com/x":            "SSHKey",
		"git@example.com:x.git":              "SSHKey",
	} {
		_, err := gitwire.New(gitwire.Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("New with %q returned %v, want %q and no secret", url, err, says)
		}
	}
	for _, o := range []gitwire.Options{
		{URL: "git@example.com:x.git", SSHAgent: "/no/agent"},
		{URL: "git@example.com:x.git", SSHKey: []byte("s3cr3t"), KnownHosts: "x"},
		{URL: "https://example.com/x", Timeout: -1},
	} {
		if _, err := gitwire.New(o); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("New with %+v returned %v", o, err)
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	repository, err := gitopstest.NewRepository(filepath.Join(dir, "config.git"), map[string]string{"web.yaml": "image: web:1\n"})
	if err != nil {
		fmt.Println(err)
		return
	}

	transport, err := gitwire.New(gitwire.Options{URL: repository.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()
	_, err = transport.Update(context.Background(), "main", func(tree gitops.Tree) (gitops.Commit, error) {
		data, err := tree.ReadFile(context.Background(), "web.yaml")
		if err != nil {
			return gitops.Commit{}, err
		}
		data = []byte(strings.Replace(string(data), "web:1", "web:2", 1))
		c := gitopstest.Change("Deploy web 2", nil)
		c.Files["web.yaml"] = data
		return c, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, _ := repository.Git("log", "-p", "--format=%an: %s", "-U0", "-1", "main")
	fmt.Println(out)
	// Output:
	// Ann Author: Deploy web 2
	//
	// diff --git a/web.yaml b/web.yaml
	// index 927885c..9bcf1f4 100644
	// --- a/web.yaml
	// +++ b/web.yaml
	// @@ -1 +1 @@
	// -image: web:1
	// +image: web:2
}

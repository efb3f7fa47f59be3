package gitwire

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
)

// Memory stays in bounds however long a transport lives, and what was dropped
// is fetched again when it is asked for.
func TestMemoryIsBounded(t *testing.T) {
	r, err := gitopstest.NewRepository(filepath.Join(t.TempDir(), "config.git"), map[string]string{"large": "0", "small": "0"})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := New(Options{URL: r.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	const n, size = 12, 4 << 20
	var contents []string
	for range n {
		noise := make([]byte, size)
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(noise))
		_, err := tr.Update(t.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
			return gitopstest.Change("large", map[string]string{"large": string(noise)}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := tr.use(gitopstest.Branch)
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	if got := b.cached().store.bytes(); got > slack+3*size {
		t.Errorf("%d bytes are held after %d updates of %d", got, n, size)
	}
	if got := len(b.cached().store.commits); got != n+1 {
		t.Errorf("%d commits are known, want all %d, if not their files", got, n+1)
	}
	err = tr.View(t.Context(), gitopstest.Branch, func(tree gitops.Tree) error {
		i := n
		for c, err := range tree.Log(t.Context()) {
			if err != nil {
				return err
			}
			if i--; i < 0 {
				break
			}
			if data, err := c.ReadFile(t.Context(), "large"); err != nil || string(data) != contents[i] {
				t.Errorf("file of the commit %d is not what it was (%d bytes, %v)", i, len(data), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBranchesAreBounded(t *testing.T) {
	tr, err := New(Options{URL: "https://example.com/x"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxBranches {
		b, err := tr.use(fmt.Sprint("b", i))
		if err != nil {
			t.Fatal(err)
		}
		b.release()
	}
	if n := len(tr.branches); n > maxBranches {
		t.Errorf("%d branches are remembered", n)
	}
	for _, name := range []string{"", "-x", "a b", "a..b", "refs/heads/a", "a/", "/a", "a//b", ".a", "a\x00b", "a~1", "a.lock", "a\nb"} {
		if _, err := tr.use(name); err == nil {
			t.Errorf("%q is taken for a branch", name)
		}
	}
}

func TestCommitIsOnTheTipOrNotAtAll(t *testing.T) {
	tree := append([]byte("100644 a\x00"), make([]byte, 20)...)
	blob := plumbing.ComputeHash(plumbing.BlobObject, []byte("1"))
	copy(tree[len(tree)-20:], blob[:])
	root := plumbing.ComputeHash(plumbing.TreeObject, tree)
	me, err := newPerson("Ann <x>\n", "a@b>")
	if err != nil || me != "Ann x <a@b>" {
		t.Fatalf("person is %q, %v", me, err)
	}
	data, err := encodeCommit(root, hash{}, me, me, time.Unix(1, 0), "first")
	if err != nil {
		t.Fatal(err)
	}
	tip := plumbing.ComputeHash(plumbing.CommitObject, data)
	s := newStore()
	err = s.add(map[hash]rawObject{
		blob: {plumbing.BlobObject, []byte("1")},
		root: {plumbing.TreeObject, tree},
		tip:  {plumbing.CommitObject, data},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCandidate(newSnapshot(tip, s, 0), gitopstest.Change("x", map[string]string{"a": "2"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.objects) != 3 || c.parent != tip {
		t.Errorf("candidate has %d objects on %s, want a file, a tree and a commit on %s", len(c.objects), c.parent, tip)
	}
	// A message that tries to be a header stays a message.
	evil := gitopstest.Change("x\nparent "+blob.String(), map[string]string{"a": "2"})
	if _, err := newCandidate(newSnapshot(tip, s, 0), evil); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*gitops.Commit){
		"no author":    func(c *gitops.Commit) { c.Author.Name = "<>" },
		"no committer": func(c *gitops.Commit) { c.Committer.Name = "" },
		"no message":   func(c *gitops.Commit) { c.Message = " \n" },
		"a NUL":        func(c *gitops.Commit) { c.Message = "a\x00b" },
		"no time":      func(c *gitops.Commit) { c.Time = time.Time{} },
	} {
		bad := gitopstest.Change("x", map[string]string{"a": "2"})
		spoil(&bad)
		if _, err := newCandidate(newSnapshot(tip, s, 0), bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func lines(t testing.TB, ss ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pktline.NewEncoder(&b).EncodeString(ss...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const someID = "1234567890123456789012345678901234567890"

func TestReportIsBelievedOnlyIfComplete(t *testing.T) {
	band := func(channel string, inner []byte) []byte { return lines(t, channel+string(inner)) }
	whole := lines(t, "unpack ok\n", "ok refs/heads/main\n", "")
	for name, c := range map[string]struct {
		answer []byte
		ok     bool
		err    bool
	}{
		"all is well":               {append(band("\x01", whole), "0000"...), true, false},
		"split in pieces":           {slicesJoin(band("\x01", whole[:7]), band("\x02", []byte("hi\n")), band("\x01", whole[7:]), []byte("0000")), true, false},
		"another branch":            {band("\x01", lines(t, "unpack ok\n", "ok refs/heads/mainly\n", "")), false, true},
		"no branch":                 {band("\x01", lines(t, "unpack ok\n", "")), false, true},
		"cut off":                   {band("\x01", whole[:len(whole)-4]), false, true},
		"nothing":                   {nil, false, true},
		"only progress":             {append(band("\x02", []byte("ok refs/heads/main\n")), "0000"...), false, true},
		"an error of the server":    {band("\x03", []byte("died")), false, true},
		"a refusal":                 {band("\x01", lines(t, "unpack ok\n", "ng refs/heads/main no\n", "")), false, false},
		"objects that did not fit":  {band("\x01", lines(t, "unpack missing\n", "ng refs/heads/main no\n", "")), false, false},
		"a web page":                {[]byte("<html>"), false, true},
		"a report without sideband": {whole, false, true},
	} {
		r, err := readReport(bytes.NewReader(c.answer), "main")
		if (err != nil) != c.err || err == nil && r.ok != c.ok {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func slicesJoin(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func FuzzReadAdvertisement(f *testing.F) {
	f.Add(lines(f, "# service=git-upload-pack\n", "", someID+" HEAD\x00shallow side-band-64k\n", someID+" refs/heads/main\n", ""))
	f.Add(lines(f, "version 1\n", someID+" refs/heads/main\x00object-format=sha256\n", ""))
	f.Add(lines(f, "0000000000000000000000000000000000000000 capabilities^{}\x00report-status\n", "shallow "+someID+"\n", ""))
	f.Add(lines(f, "ERR no such\x1b thing\n"))
	f.Add([]byte("0000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readAdvertisement(bytes.NewReader(data), "main")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\n\r") {
				t.Errorf("error is not inert: %q", err)
			}
			return
		}
		if !a.tip.IsZero() && (a.empty || !bytes.Contains(bytes.ToLower(data), []byte(a.tip.String()+" refs/heads/main"))) {
			t.Errorf("tip %s is not in the list", a.tip)
		}
	})
}

func FuzzReadFetched(f *testing.F) {
	var pack bytes.Buffer
	blob := plumbing.ComputeHash(plumbing.BlobObject, []byte("x"))
	if err := writePack(&pack, map[hash]rawObject{blob: {plumbing.BlobObject, []byte("x")}}); err != nil {
		f.Fatal(err)
	}
	f.Add(slicesJoin(lines(f, "shallow "+someID+"\n", "", "NAK\n", "\x01"+pack.String()), []byte("0000")))
	f.Add(lines(f, "ERR upload-pack: not our ref\n"))
	f.Add(lines(f, "ACK "+someID+"\n", "\x02counting\n", "\x03died\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStore()
		if err := readFetched(bytes.NewReader(data), s); err != nil && len(s.objects) > 0 {
			t.Errorf("objects were taken in from a bad answer: %v", err)
		}
		for h, o := range s.objects {
			if plumbing.ComputeHash(o.kind, o.data) != h {
				t.Errorf("object %s is not what its ID says", h)
			}
		}
	})
}

func FuzzTree(f *testing.F) {
	f.Add(append([]byte("100644 a\x00"), make([]byte, 20)...), "a")
	f.Add([]byte("40000 dir\x00short"), "dir")
	f.Fuzz(func(t *testing.T, tree []byte, name string) {
		e, ok, err := findEntry(tree, name)
		if ok && err == nil && (e.name != name || e.at+20 > len(tree)) {
			t.Errorf("found %+v for %q in %d bytes", e, name, len(tree))
		}
	})
}

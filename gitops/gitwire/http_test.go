package gitwire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
)

const (
	getRefs  = "GET git-upload-pack"
	fetch    = "POST git-upload-pack"
	askPush  = "GET git-receive-pack"
	pushPack = "POST git-receive-pack"
)

// bench is a transport over HTTP to a repository with one file.
type bench struct {
	*testing.T
	*gitopstest.Repository
	server *gitopstest.HTTPServer
	*gitwire.Transport
	n int
}

func newBench(t *testing.T, o gitwire.Options) *bench {
	t.Helper()
	r := newRepository(t, map[string]string{"web.yaml": "image: web:0\n", "other.yaml": "a: b\n"})
	s := serveHTTP(t, r)
	o.URL = s.URL
	return &bench{T: t, Repository: r, server: s, Transport: newTransport(t, o)}
}

// deploy sets another version in the file.
func (b *bench) deploy(ctx context.Context) (gitops.Receipt, error) {
	b.n++
	return b.Update(ctx, gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		return gitopstest.Change(fmt.Sprintf("Deploy web %d", b.n), map[string]string{"web.yaml": fmt.Sprintf("image: web:%d\n", b.n)}), nil
	})
}

// warm makes the transport know the branch.
func (b *bench) warm() {
	b.Helper()
	if _, err := b.deploy(b.Context()); err != nil {
		b.Fatalf("first update: %v", err)
	}
	b.server.Requests()
}

func (b *bench) commits() []string {
	b.Helper()
	log, err := b.Log()
	if err != nil {
		b.Fatal(err)
	}
	return log
}

func (b *bench) by(message string, files map[string]string) string {
	b.Helper()
	rev, err := b.Commit(message, files)
	if err != nil {
		b.Fatal(err)
	}
	return rev
}

func (b *bench) wantRequests(what string, want ...string) {
	b.Helper()
	if got := b.server.Requests(); !slices.Equal(got, want) {
		b.Errorf("%s took the requests %q, want %q", what, got, want)
	}
}

func TestRequests(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	if _, err := b.deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantRequests("a first update", getRefs, fetch, askPush, pushPack)
	for range 3 {
		if _, err := b.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.wantRequests("an update when nobody else has pushed", pushPack)
	}
	b.by("by hand", map[string]string{"other.yaml": "a: c\n"})
	b.by("by hand", map[string]string{"other.yaml": "a: d\n"})
	if _, err := b.deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantRequests("an update after somebody else's push", pushPack, getRefs, fetch, pushPack)

	own := errors.New("own")
	_, err := b.Update(t.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) { return gitops.Commit{}, own })
	if err != own {
		t.Errorf("Update returned %v", err)
	}
	b.wantRequests("a refusal by fn", getRefs)

	if err := b.View(t.Context(), gitopstest.Branch, func(gitops.Tree) error { return nil }); err != nil {
		t.Error(err)
	}
	b.wantRequests("a view", getRefs)

	// The command's commit is looked for among those of the last minutes:
	// these are known, once they were asked for.
	read := func(n int) {
		t.Helper()
		_, err := b.Update(t.Context(), gitopstest.Branch, func(tree gitops.Tree) (gitops.Commit, error) {
			i := 0
			for _, err := range tree.Log(t.Context()) {
				if err != nil {
					return gitops.Commit{}, err
				}
				if i++; i == n {
					break
				}
			}
			return gitopstest.Change("after reading", map[string]string{"web.yaml": fmt.Sprint(n)}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read(2)
	b.wantRequests("an update that reads what was fetched", pushPack)
	read(5)
	b.wantRequests("an update that reads further back", fetch, pushPack)
	read(6)
	b.wantRequests("the next one", pushPack)
}

func TestServerWantsToBeAsked(t *testing.T) {
	for name, refusal := range map[string]gitopstest.Fault{
		"it answers 400":        {On: pushPack, Status: 400},
		"it answers 411":        {On: pushPack, Status: 411},
		"it answers nothing":    {On: pushPack, Empty: true},
		"it answers a web page": {On: pushPack, Status: 203},
		"it redirects":          {On: pushPack, Redirect: "/elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, gitwire.Options{})
			b.warm()
			b.server.Inject(refusal)
			if _, err := b.deploy(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := b.server.Requests()
			if len(got) < 3 || !slices.Equal(got[len(got)-2:], []string{askPush, pushPack}) {
				t.Errorf("requests %q, want the last two to ask and push", got)
			}
			if _, err := b.deploy(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.wantRequests("an update after that", askPush, pushPack)
			if n := len(b.commits()); n != 4 {
				t.Errorf("%d commits, want 4", n)
			}
		})
	}
}

func times(n int, f gitopstest.Fault) []gitopstest.Fault {
	return slices.Repeat([]gitopstest.Fault{f}, n)
}

func TestFaults(t *testing.T) {
	const pushed, not = true, false
	for _, c := range []struct {
		name   string
		faults []gitopstest.Fault
		landed bool
		err    error
		says   string
	}{
		{"502 and nothing done is sent again", times(1, gitopstest.Fault{On: pushPack, Status: 502}), pushed, nil, ""},
		{"502 and done all the same is found out", times(1, gitopstest.Fault{On: pushPack, Status: 502, After: true}), pushed, nil, ""},
		{"500 and nothing done is sent again", times(1, gitopstest.Fault{On: pushPack, Status: 500}), pushed, nil, ""},
		{"500 and done all the same is found out", times(1, gitopstest.Fault{On: pushPack, Status: 500, After: true}), pushed, nil, ""},
		{"a cut before the effect is sent again", times(1, gitopstest.Fault{On: pushPack, Cut: true}), pushed, nil, ""},
		{"a cut after the effect is found out", times(1, gitopstest.Fault{On: pushPack, Cut: true, After: true}), pushed, nil, ""},
		{"an empty 200 is no success: nothing was done", times(1, gitopstest.Fault{On: pushPack, Empty: true}), pushed, nil, ""},
		{"an empty 200 is no failure: it was done", times(1, gitopstest.Fault{On: pushPack, Empty: true, After: true}), pushed, nil, ""},
		{"no answer in time, and done all the same", times(1, gitopstest.Fault{On: pushPack, Delay: time.Minute, After: true}), pushed, nil, ""},
		{"the branch cannot be read at once", append(times(1, gitopstest.Fault{On: pushPack, Cut: true, After: true}), gitopstest.Fault{On: getRefs, Status: 503}), pushed, nil, ""},

		{"401", times(1, gitopstest.Fault{On: pushPack, Status: 401}), not, gitops.ErrUnavailable, "(HTTP 401)"},
		{"403", times(1, gitopstest.Fault{On: pushPack, Status: 403}), not, gitops.ErrUnavailable, "not permitted with these credentials (HTTP 403): told to fail"},
		{"404", times(1, gitopstest.Fault{On: pushPack, Status: 404}), not, gitops.ErrUnavailable, "no such repository"},
		{"429", times(1, gitopstest.Fault{On: pushPack, Status: 429}), not, gitops.ErrUnavailable, "too many requests (HTTP 429)"},
		{"500 all the time", times(9, gitopstest.Fault{On: pushPack, Status: 500}), not, gitops.ErrUnavailable, "(HTTP 500)"},
		{"502 all the time may yet come into effect", times(9, gitopstest.Fault{On: pushPack, Status: 502}), not, gitops.ErrUnknown, "(HTTP 502)"},
		{"nothing but empty answers", times(9, gitopstest.Fault{On: pushPack, Empty: true}), not, gitops.ErrUnknown, "EOF"},
		{"done, and then the branch cannot be read", append(times(1, gitopstest.Fault{On: pushPack, Cut: true, After: true}), times(9, gitopstest.Fault{On: getRefs, Status: 503})...), pushed, gitops.ErrUnknown, "(HTTP 503)"},
		{"not done, and then the branch cannot be read", append(times(1, gitopstest.Fault{On: pushPack, Cut: true}), times(9, gitopstest.Fault{On: getRefs, Status: 503})...), not, gitops.ErrUnknown, "(HTTP 503)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := gitwire.Options{}
			if c.faults[0].Delay > 0 {
				o.Timeout = 4 * time.Second
			}
			b := newBench(t, o)
			b.warm()
			before := b.commits()
			b.server.Inject(c.faults...)
			r, err := b.deploy(t.Context())
			if !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("Update returned %v, want %v with %q", err, c.err, c.says)
			}
			after := b.commits()
			if n := len(after) - len(before); c.landed && n != 1 || !c.landed && n != 0 {
				t.Errorf("%d new commits", n)
			}
			if err == nil && r != (gitops.Receipt{Revision: after[0], Parent: before[0]}) {
				t.Errorf("receipt is %v, log %v", r, after)
			}
		})
	}
}

// What follows a push on the branch must not hide it.
func TestLostAnswerAndSomebodyElseOnTop(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	b.warm()
	// After our push somebody else pushes three more.
	err := b.Hook("post-receive", `cd "$GIT_DIR" && [ ! -e done ] && touch done || exit 0

for i in 1 2 3; do git update-ref refs/heads/main $(git commit-tree -p main -m $i main^{tree}); done`)
	if err != nil {
		t.Fatal(err)
	}
	b.server.Inject(gitopstest.Fault{On: pushPack, Cut: true, After: true})
	before := b.commits()
	r, err := b.deploy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := b.commits()
	if len(after) != len(before)+4 || after[3] != r.Revision || r.Parent != before[0] {
		t.Errorf("receipt is %v, log is %v", r, after)
	}
	// And what is remembered is the new tip.
	if r, err := b.deploy(t.Context()); err != nil || r.Parent != after[0] {
		t.Errorf("next update: %v, %v", r, err)
	}
}

func TestLostRequestAndSomebodyElseWasFaster(t *testing.T) {
	b := newBench(t, gitwire.Options{})
	b.warm()
	rev := b.by("by hand", map[string]string{"other.yaml": "a: c\n"})
	b.server.Inject(gitopstest.Fault{On: pushPack, Cut: true})
	r, err := b.deploy(t.Context())
	if err != nil || r.Parent != rev {
		t.Errorf("Update returned %v, %v; want a commit on %s", r, err, rev)
	}
	if n := len(b.commits()); n != 4 {
		t.Errorf("%d commits, want 4", n)
	}
}

func TestEndOfTheContextWhileThePushIsOnItsWay(t *testing.T) {
	b := newBench(t, gitwire.Options{Settle: 2 * time.Second})
	b.warm()
	before := b.commits()
	// endOnceSent runs an update, and ends its context once it was sent.
	endOnceSent := func() (gitops.Receipt, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for !slices.Contains(b.server.Requests(), pushPack) {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		r, err := b.deploy(ctx)
		<-gone
		return r, err
	}
	t.Run("and it has effect", func(t *testing.T) {
		b.server.Inject(gitopstest.Fault{On: pushPack, Delay: 300 * time.Millisecond})
		r, err := endOnceSent()
		if log := b.commits(); err != nil || r.Revision != log[0] || r.Parent != before[0] {
			t.Errorf("Update returned %v, %v; log is %v", r, err, log)
		}
	})
	t.Run("and nothing is heard of it", func(t *testing.T) {
		before := b.commits()
		b.server.Inject(gitopstest.Fault{On: pushPack, Delay: time.Hour})
		if _, err := endOnceSent(); !errors.Is(err, gitops.ErrUnknown) {
			t.Errorf("Update returned %v, want gitops.ErrUnknown", err)
		}
		if after := b.commits(); !slices.Equal(after, before) {
			t.Errorf("log is %v, was %v", after, before)
		}
	})
	t.Run("and it has effect, but nothing is heard of it", func(t *testing.T) {
		b.server.Inject(gitopstest.Fault{On: pushPack, Delay: time.Hour, After: true})
		r, err := endOnceSent()
		if log := b.commits(); err != nil || r.Revision != log[0] {
			t.Errorf("Update returned %v, %v; log is %v", r, err, log)
		}
	})
}

func TestCredentials(t *testing.T) {
	const secret = "s3cr3t-token"
	token := func(password string) func(context.Context) (string, string, error) {
		return func(context.Context) (string, string, error) { return "x-access-token", password, nil }
	}
	for _, c := range []struct {
		name  string
		token func(context.Context) (string, string, error)
		says  string
	}{
		{"the right ones are accepted", token(secret), ""},
		{"wrong ones are not", token(secret + "x"), "credentials not accepted (HTTP 401)"},
		{"none are not", nil, "server wants credentials (HTTP 401)"},
		{"there are none to be had", func(context.Context) (string, string, error) { return "", "", errors.New("no key") }, "get credentials: no key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, gitwire.Options{Token: c.token})
			b.server.RequireAuth("x-access-token", secret)
			_, err := b.deploy(t.Context())
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (!errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), c.says)):
				t.Errorf("Update returned %v, want %q", err, c.says)
			case err != nil && strings.Contains(err.Error(), secret):
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	var visits atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer elsewhere.Close()
	token := func(context.Context) (string, string, error) { return "user", "secret", nil }
	for _, on := range []string{getRefs, fetch, askPush} {
		b := newBench(t, gitwire.Options{Token: token})
		b.server.Inject(gitopstest.Fault{On: on, Redirect: elsewhere.URL + "/x"})
		if _, err := b.deploy(t.Context()); !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%s: Update returned %v", on, err)
		}
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
	// Within the server it is followed, and remembered.
	b := newBench(t, gitwire.Options{Token: token})
	b.server.Inject(gitopstest.Fault{On: getRefs, Redirect: "/./config.git/info/refs?service=git-upload-pack"})
	if _, err := b.deploy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestServersThatAreNone(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>Log in</html>")
	}))
	defer page.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	for url, says := range map[string]string{
		page.URL + "/x.git":          "is not a Git server",
		gone.URL + "/x.git":          "connection refused",
		silent.URL + "/x.git":        "no answer in time",
		"http://no.such.invalid/x":   "name of the server not found",
		"file:///no/such/repository": "does not appear to be a git repository",
	} {
		tr := newTransport(t, gitwire.Options{URL: url, Timeout: time.Second})
		err := tr.View(t.Context(), "main", func(gitops.Tree) error { return nil })
		if !errors.Is(err, gitops.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: View returned %v, want %q", url, err, says)
		}
	}
}

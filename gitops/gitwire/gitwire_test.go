package gitwire_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
)

func newRepository(t testing.TB, files map[string]string) *gitopstest.Repository {
	t.Helper()
	r, err := gitopstest.NewRepository(filepath.Join(t.TempDir(), "config.git"), files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newTransport(t testing.TB, o gitwire.Options) *gitwire.Transport {
	t.Helper()
	tr, err := gitwire.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

func serveHTTP(t testing.TB, r *gitopstest.Repository) *gitopstest.HTTPServer {
	t.Helper()
	s, err := gitopstest.ServeHTTP(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTransportOverHTTP(t *testing.T) {
	gitopstest.TestTransport(t, func(t *testing.T, files map[string]string) gitopstest.Subject {
		r := newRepository(t, files)
		o := gitwire.Options{URL: serveHTTP(t, r).URL}
		return r.Subject(newTransport(t, o), newTransport(t, o))
	})
}

func TestTransportOverHTTPWithFilter(t *testing.T) {
	gitopstest.TestTransport(t, func(t *testing.T, files map[string]string) gitopstest.Subject {
		r := newRepository(t, files)
		if _, err := r.Git("config", "uploadpack.allowFilter", "true"); err != nil {
			t.Fatal(err)
		}
		o := gitwire.Options{URL: serveHTTP(t, r).URL}
		return r.Subject(newTransport(t, o), newTransport(t, o))
	})
}

func TestTransportToFile(t *testing.T) {
	gitopstest.TestTransport(t, func(t *testing.T, files map[string]string) gitopstest.Subject {
		r := newRepository(t, files)
		o := gitwire.Options{URL: r.URL()}
		return r.Subject(newTransport(t, o), newTransport(t, o))
	})
}

func overSSH(serve func(string, *gitopstest.Repository) (*gitopstest.SSHServer, error)) func(*testing.T, map[string]string) gitopstest.Subject {
	return func(t *testing.T, files map[string]string) gitopstest.Subject {
		r := newRepository(t, files)
		s, err := serve(t.TempDir(), r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		o := gitwire.Options{URL: s.URL, SSHKey: s.Key, KnownHosts: s.KnownHosts}
		return r.Subject(newTransport(t, o), newTransport(t, o))
	}
}

// OpenSSH is tried where it is there; TIDEBOT_REQUIRE=openssh makes it a must.
func TestTransportOverSSH(t *testing.T) {
	gitopstest.TestTransport(t, overSSH(gitopstest.ServeSSH))
	switch {
	case gitopstest.FindOpenSSH() != "":
		t.Run("OpenSSH", func(t *testing.T) { gitopstest.TestTransport(t, overSSH(gitopstest.ServeOpenSSH)) })
	case slices.Contains(strings.Split(os.Getenv("TIDEBOT_REQUIRE"), ","), "openssh"):
		t.Error("OpenSSH's sshd is required and was not found")
	}
}

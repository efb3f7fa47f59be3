package gitwire_test

import (
	"fmt"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitwire"
)

// manyFiles are 2,000 files, five levels deep.
func manyFiles() map[string]string {
	files := make(map[string]string)
	for i := range 2000 {
		files[fmt.Sprintf("clusters/c%d/apps/team%d/app%d.yaml", i%4, i%50, i)] = fmt.Sprintf("app: %d\nimage: app:1\n", i)
	}
	return files
}

func update(b *testing.B, tr *gitwire.Transport, n int) {
	b.Helper()
	_, err := tr.Update(b.Context(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		return gitopstest.Change("Deploy", map[string]string{"clusters/c0/apps/team0/app0.yaml": fmt.Sprintf("app: 0\nimage: app:%d\n", n+2)}), nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkUpdateWarm(b *testing.B) {
	r := newRepository(b, manyFiles())
	s := serveHTTP(b, r)
	tr := newTransport(b, gitwire.Options{URL: s.URL})
	n := 0
	update(b, tr, n)
	s.Requests()
	for b.Loop() {
		n++
		update(b, tr, n)
	}
	b.ReportMetric(float64(len(s.Requests()))/float64(n), "requests/op")
}

func BenchmarkUpdateCold(b *testing.B) {
	r := newRepository(b, manyFiles())
	s := serveHTTP(b, r)
	n := 0
	for b.Loop() {
		tr, err := gitwire.New(gitwire.Options{URL: s.URL})
		if err != nil {
			b.Fatal(err)
		}
		n++
		update(b, tr, n)
		if err := tr.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(s.Requests()))/float64(n), "requests/op")
}

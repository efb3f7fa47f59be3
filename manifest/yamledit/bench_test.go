package yamledit

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/manifest"
)

// manifestOf returns a file of about so many lines, twenty a document, and an
// edit of its last document.
func manifestOf(lines int) ([]byte, manifest.Edit) {
	var b strings.Builder
	n := 0
	for ; n < max(1, lines/20); n++ {
		fmt.Fprintf(&b, `---
# The release of app%d.
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: app%d
  namespace: qa1
  annotations:
    fluxcd.io/automated: "true"
    fluxcd.io/tag.app: glob:master-*  # set by people
spec:
  releaseName: app%d
  chart: {git: "git@example.com:org/charts", path: charts/app, ref: master}
  values:
    replicas: 2
    resources:
      requests:
        cpu: 100m
        memory: 128Mi
    host: app.example.com
`, n, n, n)
	}
	return []byte(b.String()), manifest.Edit{
		Location: manifest.Location{
			Object: manifest.Object{Kind: "HelmRelease", Namespace: "qa1", Name: fmt.Sprintf("app%d", n-1)},
			Field:  manifest.Field{Type: manifest.Annotation, Name: "fluxcd.io/tag.app"},
		},
		Value: "glob:db-jwt-*",
	}
}

func benchmarkEdit(b *testing.B, lines int) {
	src, e := manifestOf(lines)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (Editor{}).Edit(src, e); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkVerify(b *testing.B, lines int) {
	src, e := manifestOf(lines)
	out, _, err := Editor{}.Edit(src, e)
	if err != nil || bytes.Equal(src, out) {
		b.Fatal("nothing to verify: ", err)
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Verify(src, out, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEdit60Lines(b *testing.B)    { benchmarkEdit(b, 60) }
func BenchmarkVerify60Lines(b *testing.B)  { benchmarkVerify(b, 60) }
func BenchmarkEdit10kLines(b *testing.B)   { benchmarkEdit(b, 10_000) }
func BenchmarkVerify10kLines(b *testing.B) { benchmarkVerify(b, 10_000) }

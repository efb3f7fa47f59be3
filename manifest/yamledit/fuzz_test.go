package yamledit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/tidebot-dev/tidebot/manifest"
)

// sources returns every input of the golden files and every sample file.
func sources(tb testing.TB) [][]byte {
	tb.Helper()
	var all [][]byte
	archives, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasPrefix(f.Name, "in") {
				all = append(all, content(tb, f))
			}
		}
	}
	samples, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range samples {
		src, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, src)
	}
	return all
}

// FuzzEdit edits one of the annotations that the file has, and then back.
func FuzzEdit(f *testing.F) {
	values := []string{"new", "glob:db-jwt-*", "on", "0o17", "it's", `a "b" \c`, "a: b #c", "", "... x", "- x", "🌊", "[x]"}
	for i, src := range sources(f) {
		f.Add(src, uint(i), values[i%len(values)])
	}
	f.Fuzz(func(t *testing.T, src []byte, n uint, value string) {
		locations := annotations(src)
		if len(locations) == 0 {
			// Must not break, whatever it says.
			_, _, _ = Editor{}.Edit(src, manifest.Edit{Value: value})
			return
		}
		e := manifest.Edit{Location: locations[n%uint(len(locations))], Value: value}
		reason, err := tryEdit(src, e)
		if err != nil {
			t.Fatal(err)
		}
		if reason != "" {
			return
		}
		out, changes, err := Editor{}.Edit(src, e)
		if err != nil {
			t.Fatal(err)
		}
		undo := manifest.Edit{Location: e.Location, Value: changes[0].Old}
		if unfit(undo.Value) != "" {
			return // written with escapes, which Edit does not write
		}
		if _, err := tryEdit(out, undo); err != nil {
			t.Fatal(err)
		}
		back, _, err := Editor{}.Edit(out, undo)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := Editor{}.Edit(back, e)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, out) {
			t.Errorf("there and back and there again: %q is not %q", again, out)
		}
		if len(out)-len(src) == len(value)-len(undo.Value) && !bytes.Equal(back, src) {
			t.Errorf("the style was kept, but back is %q and not %q", back, src)
		}
	})
}

// FuzzVerify changes bytes at random: what Verify accepts must be what Edit
// makes, or at least be that value in quotes.
func FuzzVerify(f *testing.F) {
	for i, src := range sources(f) {
		f.Add(src, uint(i), "new", uint(7*i), "x")
	}
	f.Fuzz(func(t *testing.T, src []byte, n uint, value string, at uint, garbage string) {
		locations := annotations(src)
		if len(locations) == 0 {
			return
		}
		e := manifest.Edit{Location: locations[n%uint(len(locations))], Value: value}
		out, changes, err := Editor{}.Edit(src, e)
		if err != nil || bytes.Equal(out, src) {
			return
		}
		i := int(at % uint(len(out)))
		bad := append(append(bytes.Clone(out[:i]), garbage...), out[min(len(out), i+len(garbage)):]...)
		if bytes.Equal(bad, out) {
			return
		}
		if err := Verify(src, bad, e); err != nil {
			return
		}
		// Another spelling of the value is all that may have passed.
		undo := manifest.Edit{Location: e.Location, Value: changes[0].Old}
		got, err := Editor{}.Get(bad, e.Location)
		if err != nil || got[0].Value != value {
			t.Fatalf("Verify accepts %q as %q with %q: %v", bad, src, value, err)
		}
		if unfit(undo.Value) == "" {
			if _, err := tryEdit(bad, undo); err != nil {
				t.Fatal(err)
			}
		}
	})
}

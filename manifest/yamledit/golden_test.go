package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tidebot-dev/tidebot/manifest"
)

// content returns the file's bytes. One whose name ends in .quoted holds Go
// strings, one a line, so that line endings and the like can be seen.
func content(tb testing.TB, f txtar.File) []byte {
	tb.Helper()
	if !strings.HasSuffix(f.Name, ".quoted") {
		return f.Data
	}
	var b []byte
	for line := range strings.Lines(string(f.Data)) {
		s, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			tb.Fatalf("%s: %s: %v", f.Name, line, err)
		}
		b = append(b, s...)
	}
	return b
}

// parseEdits reads lines of: object[@apiVersion] field "value".
func parseEdits(tb testing.TB, data []byte) []manifest.Edit {
	tb.Helper()
	var edits []manifest.Edit
	for line := range strings.Lines(string(data)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(words) != 3 {
			tb.Fatalf("edit %q: want object, field and value", line)
		}
		name, version, _ := strings.Cut(words[0], "@")
		object, err := manifest.ParseObject(name)
		if err != nil {
			tb.Fatal(err)
		}
		object.APIVersion = version
		field, err := manifest.ParseField(words[1])
		if err != nil {
			tb.Fatal(err)
		}
		value, err := strconv.Unquote(words[2])
		if err != nil {
			tb.Fatalf("edit %q: %v", line, err)
		}
		edits = append(edits, manifest.Edit{Location: manifest.Location{Object: object, Field: field}, Value: value})
	}
	return edits
}

// kindOf names the sentinel that err wraps.
func kindOf(err error) string {
	for _, kind := range []error{manifest.ErrNotFound, manifest.ErrAmbiguous, manifest.ErrUnsupported, manifest.ErrSyntax} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "unknown"
}

// TestGolden runs the cases of testdata/*.txtar. A case is the files in, edits
// and out (with the changes, if they matter) or error.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) < 60 {
		t.Fatalf("only %d golden files were found", len(archives))
	}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			files := make(map[string][]byte)
			for _, f := range a.Files {
				files[strings.TrimSuffix(f.Name, ".quoted")] = content(t, f)
			}
			src := files["in"]
			edits := parseEdits(t, files["edits"])
			want, exact := files["out"]

			out, changes, err := Editor{}.Edit(bytes.Clone(src), edits...)
			if !exact {
				if err == nil {
					t.Fatalf("no error, but:\n%s", out)
				}
				var e *manifest.Error
				if !errors.As(err, &e) || out != nil || changes != nil {
					t.Errorf("got %q, %v and the error %#v", out, changes, err)
				}
				if diff := cmp.Diff(string(files["error"]), err.Error()+"\n"); diff != "" {
					t.Errorf("error of kind %s (-want +got):\n%s", kindOf(err), diff)
				}
				if !strings.Contains(err.Error(), kindOf(err)) {
					t.Errorf("%v does not say its kind, %s", err, kindOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(out)); diff != "" {
				t.Errorf("out (-want +got):\n%s", diff)
			}
			if err := Verify(src, out, edits...); err != nil {
				t.Error(err)
			}
			var got strings.Builder
			for i, c := range changes {
				if c.Location != edits[i].Location {
					t.Errorf("change %d is of %s, not of %s", i, c.Location, edits[i].Location)
				}
				fmt.Fprintf(&got, "line %d: %q -> %q\n", c.Line, c.Old, c.New)
			}
			if want, ok := files["changes"]; ok {
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("changes (-want +got):\n%s", diff)
				}
			}
			for i, e := range edits {
				values, err := Editor{}.Get(out, e.Location)
				if err != nil {
					t.Fatal(err)
				}
				if values[0] != (manifest.Value{Location: e.Location, Value: e.Value, Line: changes[i].Line}) {
					t.Errorf("Get returns %+v for %+v", values[0], e)
				}
			}
		})
	}
}

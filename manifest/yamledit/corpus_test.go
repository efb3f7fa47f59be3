package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

// TestCorpus edits every annotation of every file below the directory that
// TIDEBOT_CORPUS names (make corpus sets it), or else of a few sample files.
// Each edit must be exact or refused.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("TIDEBOT_CORPUS")
	if dir == "" {
		dir = filepath.Join("testdata", "corpus")
	}
	var files, unreadable, exact, wrong int
	refused := make(map[string]int)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml" {
			return err
		}
		files++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := read(src); err != nil {
			unreadable++
			var e *manifest.Error
			if !errors.As(err, &e) {
				t.Errorf("%s: %v is not a *manifest.Error", path, err)
			}
			return nil
		}
		for _, loc := range annotations(src) {
			for _, value := range []string{"glob:db-jwt-*", "on", "it's: a \"value\" # of Ünïcode 🌊"} {
				reason, err := tryEdit(src, manifest.Edit{Location: loc, Value: value})
				switch {
				case err != nil:
					wrong++
					t.Errorf("%s: %s: %v", path, loc, err)
				case reason != "":
					refused[reason]++
				default:
					exact++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 || exact == 0 {
		t.Errorf("%s: nothing was edited in %d files", dir, files)
	}
	t.Logf("%d files (%d unreadable): %d edits exact, %d wrong", files, unreadable, exact, wrong)
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("refused %d times: %s", refused[reason], reason)
	}
}

// tryEdit makes the edit and judges it by what is outside of the editor. It
// returns why the edit was refused, or an error if it was made wrongly.
func tryEdit(src []byte, e manifest.Edit) (reason string, err error) {
	copied := bytes.Clone(src)
	out, changes, err := Editor{}.Edit(src, e)
	if !bytes.Equal(src, copied) {
		return "", errors.New("the source was modified")
	}
	if err != nil {
		var refusal *manifest.Error
		if !errors.As(err, &refusal) || out != nil || changes != nil {
			return "", fmt.Errorf("refused with %d bytes and the error %w", len(out), err)
		}
		return refusal.Err.Error(), nil
	}
	if err := Verify(src, out, e); err != nil {
		return "", err
	}
	got, err := Editor{}.Get(out, e.Location)
	if err != nil {
		return "", err
	}
	if got[0].Value != e.Value || got[0].Line != changes[0].Line || changes[0].New != e.Value {
		return "", fmt.Errorf("want %q on line %d, got %q on line %d", e.Value, changes[0].Line, got[0].Value, got[0].Line)
	}
	if changes[0].Old == e.Value {
		if !bytes.Equal(src, out) {
			return "", errors.New("the same value changed bytes")
		}
		return "", nil
	}
	// One line differs, and in nothing but a stretch about as long as a value
	// that is quoted, all quotes escaped.
	before, after := bytes.Split(src, []byte("\n")), bytes.Split(out, []byte("\n"))
	if len(before) != len(after) {
		return "", fmt.Errorf("%d lines became %d", len(before), len(after))
	}
	differing := 0
	for i := range before {
		if bytes.Equal(before[i], after[i]) {
			continue
		}
		differing++
		b, a := before[i], after[i]
		for len(b) > 0 && len(a) > 0 && b[0] == a[0] {
			b, a = b[1:], a[1:]
		}
		for len(b) > 0 && len(a) > 0 && b[len(b)-1] == a[len(a)-1] {
			b, a = b[:len(b)-1], a[:len(a)-1]
		}
		longest := len(e.Value) + 2 + strings.Count(e.Value, "'") + strings.Count(e.Value, `"`) + strings.Count(e.Value, `\`)
		if len(a) > longest {
			return "", fmt.Errorf("line %d changed to %q, which is more than the value", i+1, after[i])
		}
	}
	if differing != 1 {
		return "", fmt.Errorf("%d lines differ", differing)
	}
	return "", nil
}

// annotations lists the string annotations of every object in src, without
// telling those apart that cannot be edited. It reads no more of YAML than
// that, so that it is wrong in other ways than the editor.
func annotations(src []byte) []manifest.Location {
	var found []manifest.Location
	seen := make(map[manifest.Location]bool)
	get := func(m *yaml.Node, key string) *yaml.Node {
		for i := 1; i < len(m.Content); i += 2 {
			if m.Content[i-1].Value == key {
				return m.Content[i]
			}
		}
		return &yaml.Node{}
	}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		meta := get(n, "metadata")
		object := manifest.Object{
			APIVersion: get(n, "apiVersion").Value,
			Kind:       get(n, "kind").Value,
			Namespace:  get(meta, "namespace").Value,
			Name:       get(meta, "name").Value,
		}
		list := get(meta, "annotations")
		for i := 1; i < len(list.Content) && object.Kind != "" && object.Name != ""; i += 2 {
			if list.Content[i].ShortTag() != "!!str" {
				continue
			}
			loc := manifest.Location{Object: object, Field: manifest.Field{Type: manifest.Annotation, Name: list.Content[i-1].Value}}
			if !seen[loc] {
				seen[loc] = true
				found = append(found, loc)
			}
		}
		for _, item := range get(n, "items").Content {
			visit(item)
		}
	}
	for dec := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return found
		}
		visit(doc.Content[0])
	}
}

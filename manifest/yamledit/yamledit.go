// Package yamledit edits single values of Kubernetes manifests and keeps every
// other byte: comments, quotes, indentation, line endings, anchors, the order
// of keys.
//
// A YAML library that writes a file back cannot keep it. So [Editor] uses one
// only to read: the parsed nodes say where a value begins, the bytes say where
// it ends, and the new value is spliced in between. What cannot be done that
// way without doubt is refused with a [manifest.Error] that says why.
//
// [Verify] proves afterwards that a text differs from another by given edits
// only. It is to be run before an edit is published and shares no code with
// Editor that could be wrong for both in the same way.
package yamledit

import (
	"bytes"
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 10 << 20

// An Editor reads and sets annotations that exist already, in files of one or
// many documents, in the items of lists too. It implements [manifest.Editor];
// its zero value is ready to use.
//
// A value keeps its quotes, and is put in quotes if it needs them to be read
// as that string by YAML 1.1 and YAML 1.2 readers alike. Whatever Edit would
// refuse about a value as it stands, Get refuses as well.
type Editor struct{}

var _ manifest.Editor = Editor{}

// Get returns the values at the locations, in their order.
func (Editor) Get(src []byte, locations ...manifest.Location) ([]manifest.Value, error) {
	f, err := read(src)
	if err != nil {
		return nil, err
	}
	values := make([]manifest.Value, 0, len(locations))
	for _, loc := range locations {
		s, err := f.locate(loc)
		if err != nil {
			return nil, err
		}
		values = append(values, manifest.Value{Location: loc, Value: s.node.Value, Line: s.node.Line})
	}
	return values, nil
}

// Edit returns a copy of src with the fields set, and one change for each
// edit, in their order. Two edits of one value are [manifest.ErrAmbiguous].
func (Editor) Edit(src []byte, edits ...manifest.Edit) ([]byte, []manifest.Change, error) {
	f, err := read(src)
	if err != nil {
		return nil, nil, err
	}
	type splice struct {
		span
		text string
	}
	splices := make([]splice, 0, len(edits))
	changes := make([]manifest.Change, 0, len(edits))
	seen := make(map[*yaml.Node]bool, len(edits))
	for _, e := range edits {
		s, err := f.locate(e.Location)
		if err != nil {
			return nil, nil, err
		}
		if seen[s.node] {
			return nil, nil, refuse(manifest.ErrAmbiguous, e.Location, s.node.Line, "two edits set this value")
		}
		seen[s.node] = true
		changes = append(changes, manifest.Change{Location: e.Location, Old: s.node.Value, New: e.Value, Line: s.node.Line})
		if e.Value == s.node.Value {
			continue
		}
		if reason := unfit(e.Value); reason != "" {
			return nil, nil, refuse(manifest.ErrUnsupported, e.Location, s.node.Line, "the new value %s", reason)
		}
		splices = append(splices, splice{s, encode(e.Value, s.node.Style, s.flow)})
	}
	slices.SortFunc(splices, func(a, b splice) int { return a.start - b.start })

	var out bytes.Buffer
	out.Grow(len(src) + 64*len(splices))
	end := 0
	for _, s := range splices {
		out.Write(src[end:s.start])
		out.WriteString(s.text)
		end = s.end
	}
	out.Write(src[end:])
	if out.Len() > MaxSize {
		return nil, nil, refuse(manifest.ErrUnsupported, manifest.Location{}, 0, "the file would be larger than %d MiB", MaxSize>>20)
	}
	return out.Bytes(), changes, nil
}

package yamledit

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

// A span is where a value is in the file.
type span struct {
	node       *yaml.Node
	start, end int
	// flow is set inside {} or [], where a plain scalar may hold less.
	flow bool
}

// locate finds the value at loc and makes sure that it can be replaced.
func (f *file) locate(loc manifest.Location) (span, error) {
	s, err := f.find(loc)
	if err != nil {
		// The steps do not know what they are taken for.
		err.Location = loc
		return span{}, err
	}
	return s, nil
}

func (f *file) find(loc manifest.Location) (span, *manifest.Error) {
	if loc.Field.Type != manifest.Annotation {
		return span{}, refuse(manifest.ErrUnsupported, loc, 0, "unknown type of field %q", loc.Field.Type)
	}
	o, err := f.object(loc.Object)
	if err != nil {
		return span{}, err
	}
	metadata, err := step(o.node, "metadata", "key metadata")
	if err != nil {
		return span{}, err
	}
	// There are metadata: the object was selected by the name in them.
	annotations, err := step(metadata, "annotations", "key annotations")
	if err != nil {
		return span{}, err
	}
	if annotations == nil || annotations.ShortTag() == yaml.NodeTagNull {
		return span{}, refuse(manifest.ErrNotFound, loc, o.node.Line, "the object has no annotations")
	}
	if annotations.Kind != yaml.MappingNode {
		return span{}, refuse(manifest.ErrUnsupported, loc, annotations.Line, "metadata.annotations is not a mapping")
	}
	value, err := step(annotations, loc.Field.Name, "annotation")
	if err != nil {
		return span{}, err
	}
	if value == nil {
		return span{}, refuse(manifest.ErrNotFound, loc, annotations.Line, "the object has no such annotation%s", near(annotations, loc.Field.Name))
	}
	above := append(o.above[:len(o.above):len(o.above)], metadata, annotations)
	if err := f.shared(above); err != nil {
		return span{}, err
	}
	s := span{node: value}
	for _, n := range above {
		s.flow = s.flow || n.Style&yaml.FlowStyle != 0
	}
	if err := f.measure(&s); err != nil {
		return span{}, err
	}
	return s, nil
}

// object returns the one object that want selects.
func (f *file) object(want manifest.Object) (*object, *manifest.Error) {
	var found *object
	for _, o := range f.objects {
		if !o.matches(want) {
			continue
		}
		if found != nil {
			return nil, refuse(manifest.ErrAmbiguous, manifest.Location{}, o.node.Line,
				"the file has several such objects, the first on line %d", found.node.Line)
		}
		found = o
	}
	if found == nil {
		return nil, refuse(manifest.ErrNotFound, manifest.Location{}, 0, "the file has no such object%s", f.others(want))
	}
	if found.trouble != nil {
		trouble := *found.trouble
		return nil, &trouble
	}
	return found, nil
}

// step returns the value of key in m, nil if there is none. The way to a value
// must be in plain sight: what an alias or a merge key leads to is in use
// elsewhere too.
func step(m *yaml.Node, key, what string) (*yaml.Node, *manifest.Error) {
	hits := fields(m, key)
	if len(hits) == 0 {
		return nil, nil
	}
	h := hits[0]
	line := h.value.Line
	switch {
	case len(hits) > 1:
		return nil, duplicate(hits, what)
	case h.merged:
		return nil, refuse(manifest.ErrUnsupported, manifest.Location{}, line, "the %s comes through a merge key", what)
	case h.key.Kind == yaml.AliasNode:
		return nil, refuse(manifest.ErrUnsupported, manifest.Location{}, line, "the %s is written as an alias", what)
	case h.value.Kind == yaml.AliasNode:
		return nil, refuse(manifest.ErrUnsupported, manifest.Location{}, line, "the %s has the alias *%s for a value", what, clean(h.value.Value, maxShown))
	}
	return h.value, nil
}

// shared refuses a value that an alias repeats elsewhere: changing it would
// change more than one field.
func (f *file) shared(above []*yaml.Node) *manifest.Error {
	anchored := slices.DeleteFunc(slices.Clone(above), func(n *yaml.Node) bool { return n.Anchor == "" })
	if len(anchored) == 0 {
		return nil
	}
	for _, doc := range f.docs {
		if alias := aliasOf(doc, anchored); alias != nil {
			return refuse(manifest.ErrUnsupported, manifest.Location{}, alias.Alias.Line,
				"the value is part of the anchor &%s, which line %d repeats", clean(alias.Value, maxShown), alias.Line)
		}
	}
	return nil
}

// aliasOf returns an alias below n of one of the nodes, nil if there is none.
func aliasOf(n *yaml.Node, anchored []*yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && slices.Contains(anchored, n.Alias) {
		return n
	}
	for _, c := range n.Content {
		if alias := aliasOf(c, anchored); alias != nil {
			return alias
		}
	}
	return nil
}

// measure checks the form of the value and finds where it begins and ends.
func (f *file) measure(s *span) *manifest.Error {
	n := s.node
	unsupported := func(format string, args ...any) *manifest.Error {
		return refuse(manifest.ErrUnsupported, manifest.Location{}, n.Line, format, args...)
	}
	if n.Kind != yaml.ScalarNode {
		return unsupported("the value is not a string")
	}
	if n.Anchor != "" {
		return unsupported("the value has the anchor &%s", clean(n.Anchor, maxShown))
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return unsupported("the value is a block scalar")
	}
	s.start = f.offset(n.Line, n.Column)
	rest := f.src[s.start:]
	// Not every tag shows in the node: ! alone does not.
	if len(rest) > 0 && rest[0] == '!' {
		return unsupported("the value has a tag")
	}
	var size int
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		size = doubleQuoted(rest)
	case n.Style&yaml.SingleQuotedStyle != 0:
		size = singleQuoted(rest)
	case n.Value == "":
		return unsupported("the value is empty, which is null and not a string; put it in quotes")
	case n.ShortTag() != yaml.NodeTagString || otherType(n.Value):
		return unsupported("the value %s is not a string to every YAML reader; put it in quotes", clean(n.Value, maxShown))
	default:
		size = plain(rest, n.Value)
	}
	if size == 0 {
		return unsupported("the value spans several lines")
	}
	s.end = s.start + size
	return nil
}

// offset turns a node's position into a byte offset. Lines end where YAML 1.1
// says so, columns count runes from 1, and a byte order mark at the beginning
// counts for nothing.
func (f *file) offset(line, column int) int {
	if f.lines == nil {
		start := 0
		if bytes.HasPrefix(f.src, []byte(byteOrderMark)) {
			start = len(byteOrderMark)
		}
		f.lines = []int{start}
		for i := start; i < len(f.src); {
			size := lineBreak(f.src[i:])
			if size > 0 {
				f.lines = append(f.lines, i+size)
			}
			i += max(size, 1)
		}
	}
	if line < 1 || line > len(f.lines) {
		return len(f.src)
	}
	at := f.lines[line-1]
	for range column - 1 {
		_, size := utf8.DecodeRune(f.src[at:])
		at += size
	}
	return at
}

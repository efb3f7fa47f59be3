package yamledit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

// Verify proves that after is before with just these edits made, and returns
// an error that says what else differs if it is not. It does so twice: the
// parsed documents are equal node by node but for those values, comments,
// anchors, tags and styles included, and the bytes are equal but for those
// values' spans. A value may only have gained quotes.
//
// Verify takes nothing from [Editor]: it finds the values by a walk of its own
// and expands no alias.
func Verify(before, after []byte, edits ...manifest.Edit) error {
	b, err := documents(before)
	if err != nil {
		return fmt.Errorf("verify the text before: %w", err)
	}
	a, err := documents(after)
	if err != nil {
		return fmt.Errorf("verify the text after: %w", err)
	}
	if len(a) != len(b) {
		return fmt.Errorf("verify: %d documents became %d", len(b), len(a))
	}
	pairs := make([]pair, 0, len(edits))
	meant := make(map[*yaml.Node]*manifest.Edit, len(edits))
	for _, e := range edits {
		p := pair{edit: e}
		if p.before, err = pick(b, e.Location); err != nil {
			return fmt.Errorf("verify the text before: %s: %w", e.Location, err)
		}
		if p.after, err = pick(a, e.Location); err != nil {
			return fmt.Errorf("verify the text after: %s: %w", e.Location, err)
		}
		if meant[p.before] != nil {
			return fmt.Errorf("verify: %s: edited twice", e.Location)
		}
		meant[p.before] = &e
		pairs = append(pairs, p)
	}
	for i := range b {
		if err := same(b[i], a[i], meant); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	if err := sameBytes(before, after, pairs); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// A pair is the value of an edit in the text before and in the text after.
type pair struct {
	edit          manifest.Edit
	before, after *yaml.Node
}

// documents parses the whole text.
func documents(src []byte) (docs []*yaml.Node, err error) {
	if len(src) > MaxSize {
		return nil, fmt.Errorf("larger than %d MiB", MaxSize>>20)
	}
	// The parser takes UTF-16, in which bytes are no measure.
	if !utf8.Valid(src) {
		return nil, errors.New("not UTF-8")
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser broke: %v", r)
		}
	}()
	for dec := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case err == io.EOF:
			return docs, nil
		case err != nil:
			return nil, err
		}
		docs = append(docs, &doc)
	}
}

// same compares two trees. Where an edit is meant, the value must be the one
// that was asked for, and may have gained quotes.
func same(b, a *yaml.Node, meant map[*yaml.Node]*manifest.Edit) error {
	value, style := b.Value, b.Style
	if e := meant[b]; e != nil {
		value = e.Value
		if style == 0 {
			style = a.Style & (yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle)
		}
	}
	switch {
	case a.Value != value && a.Kind == b.Kind:
		return fmt.Errorf("line %d: the value is %q and should be %q", b.Line, a.Value, value)
	case a.Kind != b.Kind, a.Tag != b.Tag, a.Anchor != b.Anchor, a.Style != style:
		return fmt.Errorf("line %d: kind, tag, anchor or quotes changed", b.Line)
	case a.HeadComment != b.HeadComment, a.LineComment != b.LineComment, a.FootComment != b.FootComment:
		return fmt.Errorf("line %d: a comment changed", b.Line)
	case len(a.Content) != len(b.Content):
		return fmt.Errorf("line %d: %d nodes became %d", b.Line, len(b.Content), len(a.Content))
	}
	for i := range b.Content {
		if err := same(b.Content[i], a.Content[i], meant); err != nil {
			return err
		}
	}
	return nil
}

// pick returns the value at loc, which must be there once and in plain sight.
func pick(docs []*yaml.Node, loc manifest.Location) (*yaml.Node, error) {
	if loc.Field.Type != manifest.Annotation {
		return nil, fmt.Errorf("unknown type of field %q", loc.Field.Type)
	}
	var ways [][]*yaml.Node
	for _, doc := range docs {
		ways = append(ways, selected(nil, doc.Content[0], loc.Object)...)
	}
	if len(ways) != 1 {
		return nil, fmt.Errorf("there are %d such objects", len(ways))
	}
	way := ways[0]
	for _, key := range []string{"apiVersion", "kind"} {
		if n := len(values(way[len(way)-1], key)); n > 1 {
			return nil, fmt.Errorf("%s is there %d times", key, n)
		}
	}
	for _, key := range []string{"metadata", "annotations", loc.Field.Name} {
		found := values(way[len(way)-1], key)
		if len(found) != 1 {
			return nil, fmt.Errorf("%s is there %d times", key, len(found))
		}
		way = append(way, found[0])
		if key == "metadata" && (len(values(found[0], "name")) > 1 || len(values(found[0], "namespace")) > 1) {
			return nil, errors.New("the name or namespace is there more than once")
		}
	}
	value := way[len(way)-1]
	if value.Kind != yaml.ScalarNode || value.ShortTag() != "!!str" || value.Anchor != "" ||
		value.Style == 0 && yaml.IsValueNonString(value.Value) {
		return nil, errors.New("the value is not a string, or has an anchor")
	}
	anchored := make(map[*yaml.Node]bool)
	for _, n := range way {
		if n.Anchor != "" {
			anchored[n] = true
		}
	}
	if len(anchored) > 0 && slices.ContainsFunc(docs, func(d *yaml.Node) bool { return repeats(d, anchored) }) {
		return nil, errors.New("an alias repeats the value elsewhere")
	}
	return value, nil
}

// selected returns the ways from the root to each object that may be the one
// that want selects: n itself, or one of its items if it is a list.
func selected(way []*yaml.Node, n *yaml.Node, want manifest.Object) [][]*yaml.Node {
	way = append(slices.Clone(way), n)
	n = meaning(n)
	var ways [][]*yaml.Node
	var meta []*yaml.Node
	for _, m := range values(n, "metadata") {
		meta = append(meta, meaning(m))
	}
	if has([]*yaml.Node{n}, "kind", want.Kind) && has(meta, "name", want.Name) &&
		(want.Namespace == "" || has(meta, "namespace", want.Namespace)) &&
		(want.APIVersion == "" || has([]*yaml.Node{n}, "apiVersion", want.APIVersion)) {
		ways = append(ways, way)
	}
	for _, items := range values(way[len(way)-1], "items") {
		for _, kind := range values(n, "kind") {
			// A way that long is no list of lists but an attack.
			if items.Kind != yaml.SequenceNode || !strings.HasSuffix(meaning(kind).Value, "List") || len(way) > 20 {
				continue
			}
			for _, item := range items.Content {
				ways = append(ways, selected(append(way, items), item, want)...)
			}
		}
	}
	return ways
}

// has tells whether key has the given value in one of the mappings.
func has(mappings []*yaml.Node, key, value string) bool {
	for _, m := range mappings {
		for _, v := range values(m, key) {
			if v = meaning(v); v.Kind == yaml.ScalarNode && v.Value == value {
				return true
			}
		}
	}
	return false
}

// meaning returns what an alias stands for, unless that is too large to be
// looked through time and again.
func meaning(n *yaml.Node) *yaml.Node {
	if n.Alias == nil || len(n.Alias.Content) > 200 {
		return n
	}
	return n.Alias
}

// values returns what the mapping has for key, once for each time it is there.
func values(mapping *yaml.Node, key string) []*yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	var found []*yaml.Node
	for i := 1; i < len(mapping.Content); i += 2 {
		if k := mapping.Content[i-1]; k.Kind == yaml.ScalarNode && k.Value == key {
			found = append(found, mapping.Content[i])
		}
	}
	return found
}

// repeats tells whether an alias below n stands for one of the nodes.
func repeats(n *yaml.Node, nodes map[*yaml.Node]bool) bool {
	return nodes[n.Alias] || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return repeats(c, nodes) })
}

// sameBytes compares what is around the values of the pairs.
func sameBytes(before, after []byte, pairs []pair) error {
	inOrder := func(x, y *yaml.Node) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	}
	slices.SortFunc(pairs, func(x, y pair) int { return inOrder(x.before, y.before) })
	b, a := cursor{text: before, line: 1, column: 1}, cursor{text: after, line: 1, column: 1}
	for _, p := range pairs {
		gapB, tokenB, err := b.take(p.before)
		if err != nil {
			return fmt.Errorf("%s: before: %w", p.edit.Location, err)
		}
		gapA, tokenA, err := a.take(p.after)
		if err != nil {
			return fmt.Errorf("%s: after: %w", p.edit.Location, err)
		}
		if !bytes.Equal(gapB, gapA) {
			return fmt.Errorf("bytes above or left of line %d changed", p.before.Line)
		}
		if p.before.Value == p.edit.Value && !bytes.Equal(tokenB, tokenA) {
			return fmt.Errorf("line %d: the same value is written in another way", p.before.Line)
		}
	}
	if !bytes.Equal(b.text, a.text) {
		return errors.New("bytes after the last edit changed")
	}
	return nil
}

// A cursor goes through a text, rune by rune, and knows its position in the
// parser's terms.
type cursor struct {
	text         []byte // what is left
	line, column int
}

// take moves behind the value n and returns what was before it, and itself.
// It makes sure that what it takes for the value spells just that.
func (c *cursor) take(n *yaml.Node) (gap, token []byte, err error) {
	start := c.text
	if c.line == 1 && c.column == 1 {
		c.text = bytes.TrimPrefix(c.text, []byte("\xEF\xBB\xBF"))
	}
	for c.line != n.Line || c.column != n.Column {
		if len(c.text) == 0 {
			return nil, nil, fmt.Errorf("line %d, column %d is not in the text", n.Line, n.Column)
		}
		r, size := utf8.DecodeRune(c.text)
		switch r {
		case '\r':
			if len(c.text) > 1 && c.text[1] == '\n' {
				size++
			}
			fallthrough
		case '\n', '\u0085', '\u2028', '\u2029':
			c.line, c.column = c.line+1, 0
		}
		c.text = c.text[size:]
		c.column++
	}
	gap = start[:len(start)-len(c.text)]

	size := len(n.Value)
	switch n.Style {
	case yaml.SingleQuotedStyle:
		size += 2 + strings.Count(n.Value, "'")
	case yaml.DoubleQuotedStyle:
		size = 1
		for size < len(c.text) && c.text[size] != '"' {
			if c.text[size] == '\\' {
				size++
			}
			size++
		}
		size++
	}
	token = c.text[:min(size, len(c.text))]
	if bytes.ContainsAny(token, "\r\n\u0085\u2028\u2029") || !spells(token, n) {
		return nil, nil, fmt.Errorf("line %d: the bytes there do not spell the value", n.Line)
	}
	c.text = c.text[len(token):]
	c.column += utf8.RuneCount(token)
	return gap, token, nil
}

// spells tells whether the token is the value in its style and nothing more.
func spells(token []byte, n *yaml.Node) bool {
	switch n.Style {
	case 0:
		return string(token) == n.Value
	case yaml.SingleQuotedStyle:
		return string(token) == "'"+strings.ReplaceAll(n.Value, "'", "''")+"'"
	case yaml.DoubleQuotedStyle:
		var alone yaml.Node
		return len(token) > 1 && token[0] == '"' && token[len(token)-1] == '"' && yaml.Unmarshal(token, &alone) == nil &&
			alone.Content[0].Style == yaml.DoubleQuotedStyle && alone.Content[0].Value == n.Value
	}
	return false
}

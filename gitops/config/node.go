package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth is how deeply values may be nested. A front-end's settings may be
// deeper than what the schema knows, but not without end.
const maxDepth = 32

// A document is a YAML document as plain values, and where each stands.
type document struct {
	file  string
	value any
	// keys and values are the positions, by the joined path.
	keys, values map[string]position
	problems     []Problem
}

type position struct{ line, column int }

// join makes a map key of a path. NUL cannot stand in YAML.
func join(path []string) string { return strings.Join(path, "\x00") }

// report notes a problem at a place, or at the nearest place around it that
// is in the file.
func (d *document) report(p place, format string, args ...any) {
	problem := Problem{File: d.file, Key: keyPath(p.path), Text: fmt.Sprintf(format, args...)}
	for path := p.path; ; path = path[:len(path)-1] {
		pos, ok := d.values[join(path)]
		if p.isKey && len(path) == len(p.path) {
			pos, ok = d.keys[join(path)]
		}
		if ok {
			problem.Line, problem.Column = pos.line, pos.column
			break
		}
		if len(path) == 0 {
			break
		}
	}
	d.problems = append(d.problems, problem)
}

var (
	yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)
	// parserError are the errors for which the parser counts lines from 0.
	parserError = regexp.MustCompile(`: did not find expected (<|node content|key|'-' indicator|',' or )`)
)

// readYAML reads the one document of data. What YAML allows and a
// configuration does better without is refused: aliases, merge keys,
// repeated keys, keys that are no text, tags.
func readYAML(file string, data []byte) *document {
	d := &document{file: file, keys: map[string]position{}, values: map[string]position{}}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		// YAML in UTF-16 has NULs too; one way to write a file is enough.
		line := bytes.Count(data[:i], []byte("\n")) + 1
		d.problems = append(d.problems, Problem{File: file, Line: line, Text: "not a text file in UTF-8: it holds a NUL byte"})
		return d
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	err := dec.Decode(&root)
	if err == nil {
		if err = dec.Decode(&second); err == nil {
			d.problems = append(d.problems, Problem{File: file, Line: second.Line, Column: second.Column,
				Text: "a second document begins here; a configuration is one document"})
			return d
		}
	}
	switch {
	case root.Kind == 0 && errors.Is(err, io.EOF):
		d.problems = append(d.problems, Problem{File: file, Line: 1, Text: "the file is empty"})
	case !errors.Is(err, io.EOF):
		text := err.Error()
		m := yamlLine.FindStringSubmatch(text)
		p := Problem{File: file, Text: "not valid YAML: " + strings.TrimPrefix(text, "yaml: ")}
		if m != nil {
			p.Line, _ = strconv.Atoi(m[1]) // without a number it stays 0: unknown
			if p.Line > 0 && parserError.MatchString(text) {
				p.Line++
			}
			p.Text = "not valid YAML: " + text[len(m[0]):]
		}
		d.problems = append(d.problems, p)
	default:
		d.value = d.read(root.Content[0], nil)
	}
	return d
}

// read turns a node into a plain value.
func (d *document) read(n *yaml.Node, path []string) any {
	d.values[join(path)] = position{n.Line, n.Column}
	if n.Style&yaml.TaggedStyle != 0 {
		d.report(at(path...), "a tag (%s) is not wanted here; write the value alone", n.Tag)
		return nil
	}
	if len(path) > maxDepth {
		d.report(at(path...), "is nested too deeply: more than %d levels", maxDepth)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return d.readMapping(n, path)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = d.read(item, append(path[:len(path):len(path)], strconv.Itoa(i)))
		}
		return list
	case yaml.ScalarNode:
		return scalar(n)
	}
	d.report(at(path...), "an alias is not taken here; write the value out")
	return nil
}

func (d *document) readMapping(n *yaml.Node, path []string) any {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		inner := append(path[:len(path):len(path)], key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			d.problems = append(d.problems, Problem{File: d.file, Line: key.Line, Column: key.Column, Key: keyPath(path),
				Text: "a key must be plain text"})
			continue
		case key.Tag == "!!merge":
			d.problems = append(d.problems, Problem{File: d.file, Line: key.Line, Column: key.Column, Key: keyPath(path),
				Text: "merge keys (<<) are not taken here; write the keys out"})
			continue
		}
		if first, ok := d.keys[join(inner)]; ok {
			d.problems = append(d.problems, Problem{File: d.file, Line: key.Line, Column: key.Column, Key: keyPath(inner),
				Text: fmt.Sprintf("stands here a second time, after line %d; remove one of them", first.line)})
			continue
		}
		d.keys[join(inner)] = position{key.Line, key.Column}
		m[key.Value] = d.read(n.Content[i+1], inner)
	}
	return m
}

// scalar returns the value of a scalar. What only YAML has, such as a date,
// is the text that was written.
func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	}
	return n.Value
}

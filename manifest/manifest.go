// Package manifest names single values ("fields") in Kubernetes manifests and
// says what it means to edit them: the field is set, every other byte stays.
//
// It holds the vocabulary only and imports nothing but the standard library.
// The editor itself is [github.com/tidebot-dev/tidebot/manifest/yamledit].
package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// An Object selects one Kubernetes object among those of a file. APIVersion
// and Namespace may be empty, which matches any; Kind and Name are required.
type Object struct {
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
}

// ParseObject reads an object written as Kind/name or Kind/namespace/name.
func ParseObject(s string) (Object, error) {
	parts := strings.Split(s, "/")
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, " \t\r\n") {
			return Object{}, fmt.Errorf("object %q: want Kind/name or Kind/namespace/name", s)
		}
	}
	switch len(parts) {
	case 2:
		return Object{Kind: parts[0], Name: parts[1]}, nil
	case 3:
		return Object{Kind: parts[0], Namespace: parts[1], Name: parts[2]}, nil
	}
	return Object{}, fmt.Errorf("object %q: want Kind/name or Kind/namespace/name", s)
}

// String writes the object as [ParseObject] reads it.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Kind + "/" + o.Namespace + "/" + o.Name
}

// A FieldType says where in an object a field lies.
type FieldType string

// Annotation is the type of a field that is a value of metadata.annotations.
const Annotation FieldType = "annotation"

// A Field is one value in an object. It is written type:name, for example
// annotation:fluxcd.io/tag.shoreline.
type Field struct {
	Type FieldType
	Name string
}

// ParseField reads a field written as type:name.
func ParseField(s string) (Field, error) {
	typ, name, ok := strings.Cut(s, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") {
		return Field{}, fmt.Errorf("field %q: want type:name, for example annotation:fluxcd.io/tag.shoreline", s)
	}
	if FieldType(typ) != Annotation {
		return Field{}, fmt.Errorf("field %q: unknown type %q, want %q", s, typ, Annotation)
	}
	return Field{Type: Annotation, Name: name}, nil
}

// String writes the field as [ParseField] reads it.
func (f Field) String() string { return string(f.Type) + ":" + f.Name }

// A Location is a field of an object.
type Location struct {
	Object Object
	Field  Field
}

// String writes the location for people.
func (l Location) String() string { return l.Field.String() + " of " + l.Object.String() }

// An Edit is a wanted value for a field.
type Edit struct {
	Location
	Value string
}

// A Change is what became of an edit. Old equals New if the field already had
// the value, in which case no byte was changed for it.
type Change struct {
	Location
	Old, New string
	// Line is the line of the value in the file, counted from 1.
	Line int
}

// A Value is what a field holds now.
type Value struct {
	Location
	Value string
	// Line is the line of the value in the file, counted from 1.
	Line int
}

// An Editor reads and sets fields of a file that may hold several documents.
// It is safe for concurrent use.
//
// Both methods refuse what they cannot do exactly with an [*Error] that wraps
// [ErrNotFound], [ErrAmbiguous], [ErrUnsupported] or [ErrSyntax].
type Editor interface {
	// Get returns the values at the locations, in their order.
	Get(src []byte, locations ...Location) ([]Value, error)
	// Edit returns src with the fields set and every other byte kept, and
	// one change for each edit, in their order. It is all or nothing, and
	// never modifies src.
	Edit(src []byte, edits ...Edit) ([]byte, []Change, error)
}

// Why an edit is refused. Test with [errors.Is].
var (
	// ErrNotFound means that the object or the field is not in the file.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous means that several objects or fields match.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrUnsupported means that the value is there but in a form that cannot
	// be changed exactly: an alias, a block scalar, a number.
	ErrUnsupported = errors.New("not supported")
	// ErrSyntax means that the file is not YAML that every reader agrees on.
	ErrSyntax = errors.New("not valid YAML")
)

// An Error says what could not be read or edited, where and why.
type Error struct {
	// Location is zero if the file as a whole is at fault.
	Location Location
	// Line is counted from 1; 0 if unknown.
	Line int
	// Reason is for people.
	Reason string
	// Err is one of the Err variables of this package.
	Err error
}

// Error says where, what and why on one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Location != (Location{}) {
		fmt.Fprintf(&b, "%s: ", e.Location)
	}
	b.WriteString(e.Err.Error())
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

package manifest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/manifest"
)

func TestParseObject(t *testing.T) {
	tests := []struct {
		in   string
		want manifest.Object
		ok   bool
	}{
		{"HelmRelease/shoreline", manifest.Object{Kind: "HelmRelease", Name: "shoreline"}, true},
		{"HelmRelease/qa1/shoreline", manifest.Object{Kind: "HelmRelease", Namespace: "qa1", Name: "shoreline"}, true},
		{"", manifest.Object{}, false},
		{"HelmRelease", manifest.Object{}, false},
		{"HelmRelease/", manifest.Object{}, false},
		{"/shoreline", manifest.Object{}, false},
		{"HelmRelease//shoreline", manifest.Object{}, false},
		{"apps/v1/Deployment/shoreline", manifest.Object{}, false},
		{"HelmRelease/shore line", manifest.Object{}, false},
		{"HelmRelease/shoreline\n", manifest.Object{}, false},
	}
	for _, tt := range tests {
		got, err := manifest.ParseObject(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseObject(%q) = %+v, %v; want %+v, ok %t", tt.in, got, err, tt.want, tt.ok)
		}
		if err == nil && got.String() != tt.in {
			t.Errorf("%q is written as %q", tt.in, got)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q", tt.in)) {
			t.Errorf("error %q does not quote %q", err, tt.in)
		}
	}
}

func TestParseField(t *testing.T) {
	tests := []struct {
		in   string
		want manifest.Field
		err  string // part of the error, "" for none
	}{
		{"annotation:fluxcd.io/tag.shoreline", manifest.Field{Type: manifest.Annotation, Name: "fluxcd.io/tag.shoreline"}, ""},
		{"annotation:a:b", manifest.Field{Type: manifest.Annotation, Name: "a:b"}, ""},
		{"", manifest.Field{}, "want type:name"},
		{"annotation", manifest.Field{}, "want type:name"},
		{"annotation:", manifest.Field{}, "want type:name"},
		{"annotation:a b", manifest.Field{}, "want type:name"},
		{"annotation:a\r\n", manifest.Field{}, "want type:name"},
		{"label:a", manifest.Field{}, `unknown type "label", want "annotation"`},
		{"Annotation:a", manifest.Field{}, "unknown type"},
	}
	for _, tt := range tests {
		got, err := manifest.ParseField(tt.in)
		if got != tt.want || (err == nil) != (tt.err == "") {
			t.Errorf("ParseField(%q) = %+v, %v; want %+v, %q", tt.in, got, err, tt.want, tt.err)
		}
		if err == nil && got.String() != tt.in {
			t.Errorf("%q is written as %q", tt.in, got)
		}
		if err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("error %q, want one with %q", err, tt.err)
		}
	}
}

func TestErrorSaysWhereWhatAndWhy(t *testing.T) {
	loc := manifest.Location{
		Object: manifest.Object{Kind: "HelmRelease", Namespace: "qa1", Name: "shoreline"},
		Field:  manifest.Field{Type: manifest.Annotation, Name: "a"},
	}
	tests := []struct {
		err  manifest.Error
		want string
	}{
		{manifest.Error{Err: manifest.ErrSyntax}, "not valid YAML"},
		{manifest.Error{Err: manifest.ErrSyntax, Line: 3, Reason: "a tab"}, "line 3: not valid YAML: a tab"},
		{manifest.Error{Err: manifest.ErrNotFound, Location: loc}, "annotation:a of HelmRelease/qa1/shoreline: not found"},
		{manifest.Error{Err: manifest.ErrAmbiguous, Location: loc, Line: 7, Reason: "two"}, "line 7: annotation:a of HelmRelease/qa1/shoreline: ambiguous: two"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		wrapped := fmt.Errorf("edit a.yaml: %w", &tt.err)
		var e *manifest.Error
		if !errors.Is(wrapped, tt.err.Err) || !errors.As(wrapped, &e) || e.Line != tt.err.Line {
			t.Errorf("%v is not found in what wraps it", tt.err.Err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("HelmRelease/qa1/shoreline")
	f.Add("annotation:fluxcd.io/tag.shoreline")
	f.Add("annotation:\u00a0/\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := manifest.ParseObject(s); err == nil && o.String() != s {
			t.Errorf("object %q is written as %q", s, o)
		}
		if field, err := manifest.ParseField(s); err == nil && field.String() != s {
			t.Errorf("field %q is written as %q", s, field)
		}
	})
}

func Example() {
	object, err := manifest.ParseObject("HelmRelease/qa1/shoreline")
	if err != nil {
		fmt.Println(err)
		return
	}
	field, err := manifest.ParseField("annotation:fluxcd.io/tag.shoreline")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(manifest.Location{Object: object, Field: field})

	_, err = manifest.ParseField("label:app")
	fmt.Println(err)
	// Output:
	// annotation:fluxcd.io/tag.shoreline of HelmRelease/qa1/shoreline
	// field "label:app": unknown type "label", want "annotation"
}

package config_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/config"
)

// A part is a part of the schema.
type part struct {
	Ref         string          `json:"$ref"`
	Description string          `json:"description"`
	Properties  map[string]part `json:"properties"`
	Patterns    map[string]part `json:"patternProperties"`
	Items       *part           `json:"items"`
	Enum        []string        `json:"enum"`
	Defs        map[string]part `json:"$defs"`
}

func readSchema(t *testing.T) part {
	t.Helper()
	data, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root part
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// follow returns what a part refers to. Its own description goes before.
func (root part) follow(p part) part {
	name, ok := strings.CutPrefix(p.Ref, "#/$defs/")
	if !ok {
		return p
	}
	target := root.Defs[name]
	if p.Description != "" {
		target.Description = p.Description
	}
	return target
}

// keys returns the paths of all keys below a part; * is a name.
func (root part) keys(t *testing.T, p part, prefix string) []string {
	t.Helper()
	p = root.follow(p)
	if p.Description == "" {
		t.Errorf("%s has no description", prefix)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Properties)) {
		path := prefix + "/" + name
		out = append(out, path)
		out = append(out, root.keys(t, p.Properties[name], path)...)
	}
	for _, inner := range p.Patterns {
		out = append(out, root.keys(t, inner, prefix+"/*")...)
	}
	if p.Items != nil {
		out = append(out, root.keys(t, *p.Items, prefix+"/*")...)
	}
	return out
}

// used returns the paths of all keys in a value of the file.
func used(value any, prefix string) []string {
	var out []string
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			out = append(out, prefix+"/"+key)
			out = append(out, used(inner, prefix+"/"+key)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, used(inner, prefix+"/0")...)
		}
	}
	return out
}

// TestParseTakesEveryKeyOfTheSchema loads a file in which every key of the
// schema stands, and looks whether it really does. That no other key is taken
// is what the golden files show.
func TestParseTakesEveryKeyOfTheSchema(t *testing.T) {
	path := filepath.Join("testdata", "everything.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse("everything.yaml", data); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	have := used(value, "")
	root := readSchema(t)
	for _, want := range root.keys(t, root, "") {
		if !slices.ContainsFunc(have, func(p string) bool { return pathMatches(want, p) }) {
			t.Errorf("%s is in the schema and not in %s", want, path)
		}
	}
}

func pathMatches(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	// A key such as github.com/o/r or /github has slashes of its own.
	return len(b) >= len(a) && globPath(a, b)
}

func globPath(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	if a[0] == b[0] && globPath(a[1:], b[1:]) {
		return true
	}
	if a[0] != "*" {
		return false
	}
	for n := 1; n <= len(b); n++ {
		if globPath(a[1:], b[n:]) {
			return true
		}
	}
	return false
}

// TestEveryKeyOfTheSchemaHasAField compares the keys of the schema's objects
// with the fields they are read into: a key that is accepted and not read
// would be ignored in silence.
func TestEveryKeyOfTheSchemaHasAField(t *testing.T) {
	root := readSchema(t)
	tests := []struct {
		name string
		part part
		into any
	}{
		{"the file", root, config.File{}},
		{"core", root.Properties["core"], config.Core{}},
		{"committer", root.Properties["core"].Properties["committer"], config.Committer{}},
		{"provider", root.Defs["provider"], config.Provider{}},
		{"secret", root.Defs["secret"], config.Secret{}},
		{"repository", root.Defs["repository"], config.Repository{}},
		{"environment", root.Defs["environment"], config.Environment{}},
		{"service", root.Defs["service"], config.Service{}},
		{"what services have in common", root.Defs["serviceDefaults"], config.ServiceDefaults{}},
		{"service's environment", root.Defs["serviceEnvironment"], config.ServiceEnvironment{}},
		{"fields", *root.Defs["fields"].Items, config.Template{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := slices.Sorted(maps.Keys(tt.part.Properties))
			got := jsonNames(reflect.TypeOf(tt.into))
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-schema +struct):\n%s", diff)
			}
		})
	}
}

func jsonNames(typ reflect.Type) []string {
	var out []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Anonymous {
			out = append(out, jsonNames(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

func TestTagRulesOfTheSchemaAreThoseOfTheCore(t *testing.T) {
	want := []string{string(gitops.SlashToDash), string(gitops.GitLabRefSlug), string(gitops.DockerMetadata)}
	if diff := cmp.Diff(want, readSchema(t).Defs["tag"].Enum); diff != "" {
		t.Errorf("tag rules (-core +schema):\n%s", diff)
	}
}

func TestSchemaIsAValidSchema(t *testing.T) {
	data, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := jsonschema.NewCompiler().Compile("https://json-schema.org/draft/2020-12/schema")
	if err != nil {
		t.Fatal(err)
	}
	if err := meta.Validate(value); err != nil {
		t.Error(err)
	}
}

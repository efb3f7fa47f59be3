package config

import (
	"bytes"
	_ "embed" // for the schema
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

//go:embed schema.json
var schemaJSON []byte

// A schema checks a document's structure.
type schema struct {
	compiled *jsonschema.Schema
	// raw is the schema itself, where messages are looked up.
	raw any
}

func newSchema() (*schema, error) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	const name = "config.json"
	if err := c.AddResource(name, raw); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &schema{compiled, raw}, nil
}

// check reports where the document's structure is not the schema's.
func (s *schema) check(d *document) error {
	err := s.compiled.Validate(d.value)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		s.report(d, invalid)
	default:
		return fmt.Errorf("check against schema: %w", err)
	}
	return nil
}

// report walks to the leaves of an error. The schema says which names are good
// with patternProperties instead of propertyNames, for which the validator
// reports places that are not right.
func (s *schema) report(d *document, e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		s.report(d, cause)
	}
	if len(e.Causes) > 0 {
		return
	}
	node, where := s.at(e.SchemaURL), at(e.InstanceLocation...)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			d.report(keyAt(where.under(key).path...), "%s", unknownKey(node, key))
		}
	case *kind.Required:
		d.report(where, "%s", s.missing(node, k.Missing))
	default:
		d.report(where, "%s", message(node, k))
	}
}

// unknownKey says why a key is not taken by a part of the schema.
func unknownKey(node map[string]any, key string) string {
	if want, ok := node["patternErrorMessage"].(string); ok {
		return want
	}
	return "unknown key; " + suggest(key, slices.Sorted(maps.Keys(object(node["properties"]))))
}

// missing says which keys are missing and, of a single one, what is wanted.
func (s *schema) missing(node map[string]any, keys []string) string {
	if len(keys) > 1 {
		return strings.Join(keys, ", ") + " are missing"
	}
	text := keys[0] + " is missing"
	property := object(object(node["properties"])[keys[0]])
	if ref, ok := property["$ref"].(string); ok {
		property = s.at(ref)
	}
	if want, ok := property["errorMessage"].(string); ok {
		text += ": " + want
	}
	return text
}

// at returns the part of the schema that a URL's fragment points to.
func (s *schema) at(url string) map[string]any {
	_, pointer, _ := strings.Cut(url, "#")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	value := s.raw
	for _, part := range strings.Split(pointer, "/")[1:] {
		value = object(value)[unescape.Replace(part)]
	}
	return object(value)
}

// object returns a JSON object's members; none if it is something else.
func object(value any) map[string]any {
	m, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	return m
}

// suggest ends a message about an unknown word.
func suggest(word string, known []string) string {
	if best, ok := nearest(word, known); ok {
		return "did you mean " + best + "?"
	}
	return "known are " + strings.Join(known, ", ")
}

// message says what a leaf means. Values are not repeated but where the schema
// lists the good ones: the others may be secrets that were put in the wrong
// place.
func message(node map[string]any, k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return typeMessage(k)
	case *kind.Const:
		return fmt.Sprintf("want %v", k.Want)
	case *kind.Enum:
		known := make([]string, len(k.Want))
		for i, w := range k.Want {
			known[i] = fmt.Sprint(w)
		}
		return fmt.Sprintf("%s is not known; known: %s", shorten(k.Got), strings.Join(known, ", "))
	case *kind.Pattern:
		return fmt.Sprint(node["patternErrorMessage"])
	case *kind.MaxLength:
		return fmt.Sprintf("is %d characters long, at most %d are good", k.Got, k.Want)
	case *kind.MinLength:
		return "is empty; leave the key out if nothing is meant"
	case *kind.MinItems, *kind.MinProperties, *kind.MaxProperties:
		return fmt.Sprint(node["errorMessage"])
	case *kind.MaxItems:
		if want, ok := node["maxItemsErrorMessage"].(string); ok {
			return want
		}
		return fmt.Sprintf("has %d entries, at most %d are good", k.Got, k.Want)
	case *kind.Minimum:
		return fmt.Sprintf("want %s or more", k.Want.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("want %s or less", k.Want.RatString())
	}
	return "is not as the schema says"
}

// typeMessage says which type is there and which is wanted, in YAML's terms.
func typeMessage(k *kind.Type) string {
	words := map[string]string{
		"object": "a mapping", "array": "a list", "string": "text", "null": "nothing",
		"boolean": "a boolean", "number": "a number", "integer": "a whole number",
	}
	text := "is " + words[k.Got] + ", want " + words[k.Want[0]]
	switch {
	case k.Got == "null":
		text = "is empty, want " + words[k.Want[0]]
	case k.Want[0] == "string" && (k.Got == "boolean" || k.Got == "number"):
		text += "; put it in quotes"
	}
	return text
}

// shorten writes a value from the file on one line.
func shorten(value any) string {
	text, ok := value.(string)
	if !ok {
		data, err := json.Marshal(value)
		if err != nil {
			return "this"
		}
		text = string(data)
	}
	if len(text) > 60 {
		text = text[:60] + "..."
	}
	return strconv.Quote(text)
}

package yamledit

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

const (
	// maxShown is how much of a text from a file enters an error, in runes.
	maxShown = 80
	// maxNamed is how many objects an error names.
	maxNamed = 5
	// maxCompared is how many keys are looked at for a near one.
	maxCompared = 200
	// maxKey is the longest annotation key: prefix/name of 253 and 63.
	maxKey = 317
)

// others names the objects of the file that have the wanted kind or name.
func (f *file) others(want manifest.Object) string {
	var names []string
	more := 0
	for _, o := range f.objects {
		if !slices.Contains(o.kinds, want.Kind) && !slices.Contains(o.names, want.Name) {
			continue
		}
		if len(names) == maxNamed {
			more++
			continue
		}
		names = append(names, o.describe(want))
	}
	if len(names) == 0 {
		return ", nor another of that kind or name"
	}
	s := "; it has " + strings.Join(names, ", ")
	if more > 0 {
		s += " and " + strconv.Itoa(more) + " more"
	}
	return s
}

// describe writes the object like [manifest.Object.String], with what a
// selection by want may have failed on.
func (o *object) describe(want manifest.Object) string {
	first := func(s []string) string {
		if len(s) == 0 {
			return ""
		}
		return s[0]
	}
	s := manifest.Object{Kind: first(o.kinds), Namespace: first(o.namespaces), Name: first(o.names)}.String()
	if want.APIVersion != "" && !slices.Contains(o.versions, want.APIVersion) {
		s += " of " + first(o.versions)
	}
	return clean(s, maxShown)
}

// near names the annotation whose key is most like key, if one is.
func near(annotations *yaml.Node, key string) string {
	best, least := "", min(max(2, len(key)/8)+1, len(key))
	for i := 0; i+1 < len(annotations.Content) && i < 2*maxCompared; i += 2 {
		k := annotations.Content[i].Value
		if annotations.Content[i].Kind != yaml.ScalarNode || k == "" || len(k) > maxKey || len(key) > maxKey {
			continue
		}
		d := distance(strings.ToLower(k), strings.ToLower(key))
		// fluxcd.io/tag.app for flux.weave.works/tag.app is worth a hint.
		if _, name, ok := strings.Cut(key, "/"); ok && strings.HasSuffix(k, "/"+name) {
			d = min(d, 2)
		}
		if d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + clean(best, maxShown) + "?"
}

// distance is the number of bytes to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

// clean makes text from a file fit for one line of an error.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "..."
		}
		n++
	}
	return s
}

package yamledit

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

const (
	// maxNested bounds lists in lists, two nodes each on the way to an object.
	// The API knows none; the bound keeps the ways short.
	maxNested = 16
	// maxAliased is how many nodes a mapping may hold to be looked at through
	// an alias. An object and its metadata have few keys; a huge mapping with
	// a host of aliases would take hours.
	maxAliased = 128
)

// An object is a Kubernetes object of a file. It holds every value that one of
// its identifying keys has, since what readers make of a duplicate key differs.
type object struct {
	node                               *yaml.Node
	versions, kinds, namespaces, names []string
	// above leads to node from the root of its document, both included.
	above []*yaml.Node
	// trouble is why the object cannot be edited whichever field is meant.
	trouble *manifest.Error
}

// collect adds node, and its items if it is a list, to the file's objects.
func (f *file) collect(node *yaml.Node, above []*yaml.Node, trouble *manifest.Error) {
	if node.Kind == yaml.AliasNode {
		if trouble == nil {
			trouble = refuse(manifest.ErrUnsupported, manifest.Location{}, node.Line,
				"the object is an alias of the anchor %s", clean(node.Value, maxShown))
		}
		node = target(node)
	}
	if node.Kind != yaml.MappingNode {
		return
	}
	o := &object{node: node, above: above, trouble: trouble}
	o.versions = o.texts(node, "apiVersion")
	o.kinds = o.texts(node, "kind")
	for _, metadata := range o.all(node, "metadata") {
		o.namespaces = append(o.namespaces, o.texts(target(metadata), "namespace")...)
		o.names = append(o.names, o.texts(target(metadata), "name")...)
	}
	f.objects = append(f.objects, o)

	// What is reached through an alias is not searched for further lists: a
	// few aliases of aliases would make that endless.
	if above[len(above)-1] != node || len(above) > maxNested || !slices.ContainsFunc(o.kinds, isList) {
		return
	}
	for _, items := range o.all(node, "items") {
		if items.Kind != yaml.SequenceNode {
			continue
		}
		above := append(slices.Clip(above), items)
		for _, item := range items.Content {
			f.collect(item, append(slices.Clip(above), item), o.trouble)
		}
	}
}

func isList(kind string) bool { return strings.HasSuffix(kind, "List") }

// all returns every value of key in m and notes as the object's trouble that
// there are several, or that they come through a merge key.
func (o *object) all(m *yaml.Node, key string) []*yaml.Node {
	hits := fields(m, key)
	if o.trouble == nil {
		switch {
		case len(hits) > 1:
			o.trouble = duplicate(hits, "key "+key)
		case len(hits) == 1 && hits[0].merged:
			o.trouble = refuse(manifest.ErrUnsupported, manifest.Location{}, hits[0].key.Line, "%s comes through a merge key", key)
		}
	}
	values := make([]*yaml.Node, len(hits))
	for i, h := range hits {
		values[i] = h.value
	}
	return values
}

// texts returns every scalar value of key in m.
func (o *object) texts(m *yaml.Node, key string) []string {
	var texts []string
	for _, v := range o.all(m, key) {
		if v = target(v); v.Kind == yaml.ScalarNode {
			texts = append(texts, v.Value)
		}
	}
	return texts
}

// matches tells whether the object may be the one that want selects.
func (o *object) matches(want manifest.Object) bool {
	return slices.Contains(o.kinds, want.Kind) && slices.Contains(o.names, want.Name) &&
		(want.Namespace == "" || slices.Contains(o.namespaces, want.Namespace)) &&
		(want.APIVersion == "" || slices.Contains(o.versions, want.APIVersion))
}

// A hit is a key of a mapping with its value.
type hit struct {
	key, value *yaml.Node
	// merged is set if the mapping has the key through a merge key only.
	merged bool
}

// fields returns every occurrence of key in m, or, if there is none, in what
// m merges.
func fields(m *yaml.Node, key string) []hit {
	hits := direct(m, key)
	if len(hits) == 0 {
		budget := 1000 // nodes
		hits = inherited(m, key, &budget)
	}
	return hits
}

func direct(m *yaml.Node, key string) []hit {
	if m.Kind != yaml.MappingNode {
		return nil
	}
	var hits []hit
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := target(m.Content[i]); k.Kind == yaml.ScalarNode && k.Value == key {
			hits = append(hits, hit{key: m.Content[i], value: m.Content[i+1]})
		}
	}
	return hits
}

// inherited looks through the mappings that m merges. Merges of merges grow
// like 2^n in a file made to that end, hence the budget.
func inherited(m *yaml.Node, key string, budget *int) []hit {
	var hits []hit
	for _, merge := range direct(m, "<<") {
		if merge.key.ShortTag() != yaml.MergeTag {
			continue
		}
		sources := []*yaml.Node{merge.value}
		if s := target(merge.value); s.Kind == yaml.SequenceNode {
			sources = s.Content
		}
		for _, s := range sources {
			*budget -= 1 + len(target(s).Content)
			if *budget < 0 || len(hits) > 0 {
				return hits
			}
			for _, h := range direct(target(s), key) {
				h.merged = true
				hits = append(hits, h)
			}
			if len(hits) == 0 {
				hits = inherited(target(s), key, budget)
			}
		}
	}
	return hits
}

// target returns what n stands for, n itself if that is a huge mapping. An
// alias never stands for an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && (n.Alias.Kind != yaml.MappingNode || len(n.Alias.Content) <= maxAliased) {
		return n.Alias
	}
	return n
}

func duplicate(hits []hit, what string) *manifest.Error {
	return refuse(manifest.ErrAmbiguous, manifest.Location{}, hits[1].key.Line,
		"the %s is there more than once, first on line %d", what, hits[0].key.Line)
}

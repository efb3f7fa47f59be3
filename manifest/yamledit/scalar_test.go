package yamledit

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// What either of the two parsers at hand, one for YAML 1.1 and one for 1.2,
// takes for another type than a string must be known here.
func TestOtherTypeKnowsWhatParsersKnow(t *testing.T) {
	digits := []string{"", "0", "1", "7", "9", "12", "1_0", "00", "08"}
	signs := []string{"", "+", "-"}
	var words []string
	for _, w := range []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ".inf", ".nan", "inf", "nan", "infinity", "<<", "="} {
		words = append(words, w, strings.ToUpper(w), strings.ToUpper(w[:1])+w[1:])
	}
	var values []string
	for _, sign := range signs {
		for _, w := range words {
			values = append(values, sign+w)
		}
		for _, prefix := range []string{"", "0b", "0B", "0o", "0O", "0x", "0X", "0", "_"} {
			for _, a := range append(slices.Clone(digits), "f", "FF", "1e") {
				values = append(values, sign+prefix+a)
				for _, between := range []string{".", "e", "E", "e+", "e-", ":", "_", ".e", "p"} {
					for _, b := range digits {
						values = append(values, sign+prefix+a+between+b, sign+prefix+a+between+b+".5", sign+prefix+a+between+b+":30")
					}
				}
			}
		}
	}
	for _, date := range []string{"2026-11-24", "2026-1-2", "2026-01-02"} {
		for _, rest := range []string{"", "T12:30:45Z", "t12:30:45.5+01:00", " 12:30:45", " 12:30:45 -5", "\t12:30:45", "T1:2:3"} {
			values = append(values, date+rest)
		}
	}
	other := 0
	for _, v := range values {
		n := yaml.Node{Kind: yaml.ScalarNode, Value: v}
		want := n.ShortTag() != yaml.NodeTagString || yaml.IsValueNonString(v)
		if want && v != "-" && !strings.HasSuffix(v, ":") { // not scalars
			other++
			if !otherType(v) {
				t.Errorf("%q is no string to a parser", v)
			}
		}
	}
	if other < 500 {
		t.Errorf("only %d of %d values were of another type", other, len(values))
	}
}

// Quotes that are not needed would be a change that nobody asked for.
func TestOtherTypeLetsOrdinaryTextBe(t *testing.T) {
	for _, v := range []string{
		"a", "yes-man", "v1", "1.2.3", "1.2.3-rc.1", "0.1.x", "12ab34c", "0xyz", "0b2", "1e3f", "e3", "1e", ".", "-a", "+", "nullable",
		"master-1a2b3c4", "2026-11", "2026-11-24-build", "2026-11-24x", "20261124-1", "glob:*", "1:a", "semver:~1.0", "10.0.0.1", "10.0.0.1:80",
	} {
		if otherType(v) {
			t.Errorf("%q is taken for something else than a string", v)
		}
	}
}

func TestNearNamesAKeyOnlyIfItIsClose(t *testing.T) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range []string{"fluxcd.io/tag.shoreline", "fluxcd.io/automated", "b", "owner\x7f"} {
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode})
	}
	tests := []struct{ key, want string }{
		{"fluxcd.io/tag.shorelines", "; did you mean fluxcd.io/tag.shoreline?"},
		{"FluxCD.io/tag.shoreline", "; did you mean fluxcd.io/tag.shoreline?"},
		{"flux.weave.works/automated", "; did you mean fluxcd.io/automated?"},
		{"owner", "; did you mean owner\ufffd?"},
		{"owners", "; did you mean owner\ufffd?"},
		{"a", ""},
		{"something/else", ""},
	}
	for _, tt := range tests {
		if got := near(m, tt.key); got != tt.want {
			t.Errorf("near(%q) = %q, want %q", tt.key, got, tt.want)
		}
	}
}

package yamledit

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/tidebot-dev/tidebot/manifest"
)

const verified = `# head
kind: X
metadata:
  name: x
  labels: &l {l: "m"}  # beside
  annotations:
    # above
    a: old # of a
    b: 'other'
    # below

spec:
  empty: !e {}
  refs: [*l, !t u]
  text: |
    one
    two
---
kind: Y
`

func editOf(key, value string) manifest.Edit {
	return manifest.Edit{
		Location: manifest.Location{
			Object: manifest.Object{Kind: "X", Name: "x"},
			Field:  manifest.Field{Type: manifest.Annotation, Name: key},
		},
		Value: value,
	}
}

// replaced returns s with one occurrence of old replaced for each pair.
func replaced(t *testing.T, s string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if strings.Count(s, oldnew[i]) != 1 {
			t.Fatalf("%q is not there exactly once", oldnew[i])
		}
		s = strings.Replace(s, oldnew[i], oldnew[i+1], 1)
	}
	return s
}

func TestVerifyAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change []string
		edits  []manifest.Edit
	}{
		{"nothing", nil, nil},
		{"the same value", nil, []manifest.Edit{editOf("a", "old")}},
		{"a new value", []string{"a: old", "a: new"}, []manifest.Edit{editOf("a", "new")}},
		{"a value that gained quotes", []string{"a: old", "a: \"on\""}, []manifest.Edit{editOf("a", "on")}},
		{"two values", []string{"a: old", "a: new", "'other'", "'it''s'"}, []manifest.Edit{editOf("b", "it's"), editOf("a", "new")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := Verify([]byte(verified), []byte(replaced(t, verified, tt.change...)), tt.edits...); err != nil {
				t.Error(err)
			}
		})
	}
}

// Every row makes the edit of a and something else besides, and says which
// check sees it. Most are seen by the trees and by the bytes, each of which is
// asked alone: without either, the other is still there.
func TestVerifyRefuses(t *testing.T) {
	tests := []struct {
		name         string
		change       []string
		verify       string // what Verify says
		tree, inByte bool   // who sees it when asked alone
	}{
		{"another value changed", []string{"'other'", "'othes'"}, `the value is "othes" and should be "other"`, true, true},
		{"a key changed", []string{"labels:", "lapels:"}, `should be "labels"`, true, true},
		{"another document's value changed", []string{"kind: Y", "kind: Z"}, `should be "Y"`, true, true},
		{"a comment at the head changed", []string{"# head", "# tail"}, "a comment changed", true, true},
		{"a comment beside changed", []string{"# beside", "# besides"}, "a comment changed", true, true},
		{"the value's own comment changed", []string{"# of a", "# of b"}, "a comment changed", true, true},
		{"a comment is lost", []string{"    # above\n", ""}, "a comment changed", true, true},
		{"a comment below changed", []string{"# below", "# under"}, "a comment changed", true, true},
		{"a tagged mapping became a sequence", []string{"!e {}", "!e []"}, "kind, tag", true, true},
		{"an anchor and its alias are renamed", []string{"&l", "&k", "*l", "*k"}, "anchor or quotes changed", true, true},
		{"a tag changed", []string{"!t", "!s"}, "tag", true, true},
		{"other quotes", []string{`"m"`, `'m'`}, "quotes changed", true, true},
		{"flow style became block style", []string{"[*l, !t u]", "\n  - *l\n  - !t u"}, "quotes changed", true, true},
		{"a scalar became a mapping", []string{"'other'", "{}"}, "kind, tag", true, true},
		{"a node more", []string{"!t u", "!t u, v"}, "2 nodes became 3", true, true},
		{"spaces elsewhere", []string{"labels: &l", "labels:  &l"}, "bytes above or left", false, true},
		{"spaces below", []string{"kind: Y", "kind:  Y"}, "bytes after the last edit", false, true},
		{"a blank line", []string{"spec:", "\nspec:"}, "bytes after the last edit", false, true},
		{"spaces between the value and its comment", []string{" # of a", "  # of a"}, "bytes after the last edit", false, true},
		{"another line ending", []string{"kind: X\n", "kind: X\r\n"}, "bytes above or left", false, true},
		{"no final newline", []string{"kind: Y\n", "kind: Y"}, "bytes after the last edit", false, true},
		{"a block's indentation", []string{"    one\n    two", "     one\n     two"}, "bytes after the last edit", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := editOf("a", "new")
			after := replaced(t, replaced(t, verified, "a: old", "a: new"), tt.change...)
			wantError(t, Verify([]byte(verified), []byte(after), e), tt.verify)

			b, err := documents([]byte(verified))
			if err != nil {
				t.Fatal(err)
			}
			a, err := documents([]byte(after))
			if err != nil {
				t.Fatal(err)
			}
			p := pair{edit: e}
			if p.before, err = pick(b, e.Location); err != nil {
				t.Fatal(err)
			}
			if p.after, err = pick(a, e.Location); err != nil {
				t.Fatal(err)
			}
			seen := false
			for i := range b {
				seen = seen || same(b[i], a[i], map[*yaml.Node]*manifest.Edit{p.before: &e}) != nil
			}
			if seen != tt.tree {
				t.Errorf("seen by the trees alone: %t, want %t", seen, tt.tree)
			}
			if seen := sameBytes([]byte(verified), []byte(after), []pair{p}) != nil; seen != tt.inByte {
				t.Errorf("seen by the bytes alone: %t, want %t", seen, tt.inByte)
			}
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want one with %q", err, want)
	}
}

// The rows here break what Verify asks of the edits and of the two texts as
// wholes.
func TestVerifyRefusesEditsThatDoNotFit(t *testing.T) {
	edited := "kind: X\nmetadata: {name: x, annotations: {a: new}}\n"
	toNew := []manifest.Edit{editOf("a", "new")}
	tests := []struct {
		name, before, after string
		edits               []manifest.Edit
		want                string
	}{
		{"an edit that was not asked for", simple, edited, nil, `should be "old"`},
		{"an edit that was not made", simple, simple, toNew, `should be "new"`},
		{"another value than asked for", simple, edited, []manifest.Edit{editOf("a", "newer")}, `should be "newer"`},
		{"the same value in other quotes", simple, replaced(t, simple, "old", "'old'"), []manifest.Edit{editOf("a", "old")}, "written in another way"},
		{"a value that lost its quotes", replaced(t, simple, "old", "'old'"), edited, toNew, "quotes changed"},
		{"a value in other quotes", replaced(t, simple, "old", "'old'"), replaced(t, simple, "old", `"new"`), toNew, "quotes changed"},
		{"a value that became a boolean", simple, replaced(t, simple, "old", "true"), []manifest.Edit{editOf("a", "true")}, "not a string"},
		{"a value that became a date", simple, replaced(t, simple, "old", "2026-11-24"), []manifest.Edit{editOf("a", "2026-11-24")}, "not a string"},
		{"a value that YAML 1.1 takes for a boolean", simple, replaced(t, simple, "old", "on"), []manifest.Edit{editOf("a", "on")}, "not a string"},
		{"a value that got an anchor", simple, replaced(t, simple, "old", "&a new"), toNew, "has an anchor"},
		{"a value that got a tag", simple, replaced(t, simple, "old", "!!str new"), toNew, "quotes changed"},
		{"a value that got the tag that means none", simple, replaced(t, simple, "old", "! new"), toNew, "do not spell"},
		{"a value on two lines", simple, replaced(t, simple, "old", "\n  new\n  er"), []manifest.Edit{editOf("a", "new er")}, "do not spell"},
		{"a quoted value on two lines", replaced(t, simple, "old", `"old"`), replaced(t, simple, "old", "\"new\n  er\""), []manifest.Edit{editOf("a", "new er")}, "do not spell"},
		{"a value that became a block", "kind: X\nmetadata:\n  name: x\n  annotations:\n    a: old\n", "kind: X\nmetadata:\n  name: x\n  annotations:\n    a: |-\n      new\n", toNew, "quotes changed"},
		{"a document was dropped", simple + "---\nkind: Y\n", edited, toNew, "2 documents became 1"},
		{"a document was added", simple, edited + "---\nkind: Y\n", toNew, "1 documents became 2"},
		{"an empty document was dropped", "---\n" + simple + "---\n", "---\n" + edited, toNew, "2 documents became 1"},
		{"the object is not there", simple, edited, []manifest.Edit{{Location: manifest.Location{Object: manifest.Object{Kind: "Y", Name: "x"}, Field: toNew[0].Field}, Value: "new"}}, "0 such objects"},
		{"the object is there twice", simple + "---\n" + simple, edited + "---\n" + simple, toNew, "2 such objects"},
		{"the object moved to another document", simple + "---\nkind: Y\nmetadata: {name: x, annotations: {a: old}}\n", replaced(t, edited, "X", "Y") + "---\nkind: X\nmetadata: {name: x, annotations: {a: new}}\n", toNew, `should be "X"`},
		{"the annotation is not there", simple, edited, []manifest.Edit{editOf("b", "new")}, "b is there 0 times"},
		{"the annotation is there twice", replaced(t, simple, "a: old", "a: old, a: b"), replaced(t, simple, "a: old", "a: new, a: b"), toNew, "a is there 2 times"},
		{"the name is there twice", replaced(t, simple, "name: x", "name: x, name: y"), replaced(t, edited, "name: x", "name: x, name: y"), toNew, "more than once"},
		{"the kind is there twice", simple + "kind: Y\n", edited + "kind: Y\n", toNew, "kind is there 2 times"},
		{"metadata is there twice", simple + "metadata: {}\n", edited + "metadata: {}\n", toNew, "metadata is there 2 times"},
		{"the same value is edited twice", simple, edited, append(toNew, toNew...), "edited twice"},
		{"another type of field", simple, edited, []manifest.Edit{{Location: manifest.Location{Object: toNew[0].Object, Field: manifest.Field{Type: "label", Name: "a"}}, Value: "new"}}, "unknown type"},
		{"the value is an alias", "x: &v old\n" + replaced(t, simple, "old", "*v"), "x: &v new\n" + replaced(t, simple, "old", "*v"), toNew, "not a string"},
		{"an alias repeats the value", "kind: X\nmetadata: {name: x, annotations: &b {a: old}}\nz: *b\n", "kind: X\nmetadata: {name: x, annotations: &b {a: new}}\nz: *b\n", toNew, "alias repeats"},
		{"the text before is not YAML", "a: [\n", edited, toNew, "the text before"},
		{"the text after is not YAML", simple, "a: [\n", toNew, "the text after"},
		{"the text after is UTF-16", simple, "\xff\xfek\x00", toNew, "not UTF-8"},
		{"the text after is too large", simple, edited + strings.Repeat("#", MaxSize), toNew, "larger than"},
		{"a byte order mark was lost", "\ufeff" + simple, edited, toNew, "bytes above or left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantError(t, Verify([]byte(tt.before), []byte(tt.after), tt.edits...), tt.want)
		})
	}
}

// bomb returns a file whose aliases expand to 10^levels nodes.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("kind: X\nmetadata: {name: x, annotations: {a: old}}\nl0: &l0 {m: m}\n")
	for i := 1; i <= levels; i++ {
		refs := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 10), ", ")
		fmt.Fprintf(&b, "l%d: &l%d {<<: [%s], x: [%s]}\n", i, i, refs, refs)
	}
	fmt.Fprintf(&b, "---\nkind: List\nitems: [{kind: X, metadata: {name: y, annotations: {a: old}}}]\n<<: &c {d: *c}\n")
	return b.String()
}

// many returns n repetitions; %d in the format counts them.
func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(format, "%d", fmt.Sprint(i), 1))
	}
	return b.String()
}

// Hostile files must be edited or refused. Each would take minutes to ages, or all
// memory, if it were not for a bound somewhere.
func TestHostileFilesEnd(t *testing.T) {
	deep := 9000
	nested := "kind: X\nmetadata: {name: x, annotations: {a: old}}\nspec: " + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "\n"
	var lists strings.Builder
	for range 2000 {
		lists.WriteString("{kind: List, items: [")
	}
	lists.WriteString("{kind: X, metadata: {name: x, annotations: {a: old}}}" + strings.Repeat("]}", 2000) + "\n")
	tests := []struct {
		name, src string
		err       string
	}{
		{"an alias bomb", bomb(40), ""},
		{"deep nesting", nested, ""},
		{"lists in lists", lists.String(), "no such object"},
		{"many aliases of a huge object", "x: &x {" + many("k%d: v, ", 30_000) + "}\n---\nkind: List\nitems: [" + many("*x, ", 100_000) + "]\n", "no such object"},
		{"many aliases of huge metadata", "x: &x {" + many("k%d: v, ", 30_000) + "}\n---\nkind: List\nitems: [" + many("{kind: X, metadata: *x}, ", 30_000) + "]\n", "no such object"},
		{"many merges of a huge mapping", "x: &x {" + many("k%d: v, ", 30_000) + "}\n---\nkind: List\nitems: [" + many("{<<: *x}, ", 30_000) + "]\n", "no such object"},
		{"too deep nesting", strings.Repeat("[", 20000), "depth"},
		{"a merge bomb on the way", bomb(40) + "---\nkind: X\nmetadata: {name: x2, annotations: {<<: *l40}}\n", ""},
		{"a merge bomb for annotations", strings.Replace(bomb(40), "kind: X\nmetadata: {name: x, annotations: {a: old}}\n", "", 1) + "---\nkind: X\nmetadata: {name: x, annotations: {<<: *l40}}\n", "no such annotation"},
		{"an anchor in itself", "x: &x {<<: *x, y: [*x]}\nkind: X\nmetadata: &m {<<: *m, name: x, annotations: {a: old}}\n", "part of the anchor"},
		{"items that are their own list", "&l {kind: List, items: [*l, {kind: X, metadata: {name: x, annotations: {a: old}}}]}\n", "part of the anchor"},
		{"too large", strings.Repeat("#", MaxSize+1), "larger than 10 MiB"},
		{"only spaces", strings.Repeat(" ", MaxSize), "no such object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := editOf("a", "new")
			out, _, err := Editor{}.Edit([]byte(tt.src), e)
			if err == nil {
				err = Verify([]byte(tt.src), out, e)
			} else if Verify([]byte(tt.src), []byte(tt.src), e) == nil {
				t.Error("Verify has nothing to say")
			}
			if tt.err != "" {
				wantError(t, err, tt.err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

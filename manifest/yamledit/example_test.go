package yamledit_test

import (
	"errors"
	"fmt"

	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
)

const release = `kind: HelmRelease
metadata:
  name: shoreline
  annotations:
    fluxcd.io/tag.shoreline: glob:master-*   # set by people
`

var tag = manifest.Location{
	Object: manifest.Object{Kind: "HelmRelease", Name: "shoreline"},
	Field:  manifest.Field{Type: manifest.Annotation, Name: "fluxcd.io/tag.shoreline"},
}

func ExampleEditor_Edit() {
	out, changes, err := yamledit.Editor{}.Edit([]byte(release), manifest.Edit{Location: tag, Value: "glob:db-jwt-*"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("line %d: %s -> %s\n", changes[0].Line, changes[0].Old, changes[0].New)
	fmt.Print(string(out))
	// Output:
	// line 5: glob:master-* -> glob:db-jwt-*
	// kind: HelmRelease
	// metadata:
	//   name: shoreline
	//   annotations:
	//     fluxcd.io/tag.shoreline: glob:db-jwt-*   # set by people
}

// What cannot be done exactly is refused in words.
func ExampleEditor_Edit_refused() {
	wrong := tag
	wrong.Field.Name = "fluxcd.io/tag.shorelin"
	_, _, err := yamledit.Editor{}.Edit([]byte(release), manifest.Edit{Location: wrong, Value: "glob:db-jwt-*"})
	var refusal *manifest.Error
	if errors.As(err, &refusal) && errors.Is(err, manifest.ErrNotFound) {
		fmt.Printf("line %d: %s\n", refusal.Line, refusal.Reason)
	}
	// Output:
	// line 5: the object has no such annotation; did you mean fluxcd.io/tag.shoreline?
}

func ExampleEditor_Get() {
	values, err := yamledit.Editor{}.Get([]byte(release), tag)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(values[0].Value, "on line", values[0].Line)
	// Output:
	// glob:master-* on line 5
}

func ExampleVerify() {
	edit := manifest.Edit{Location: tag, Value: "glob:db-jwt-*"}
	out, _, err := yamledit.Editor{}.Edit([]byte(release), edit)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(yamledit.Verify([]byte(release), out, edit))
	fmt.Println(yamledit.Verify([]byte(release), append(out, '\n'), edit))
	// Output:
	// <nil>
	// verify: bytes after the last edit changed
}

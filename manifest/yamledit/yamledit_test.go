package yamledit

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tidebot-dev/tidebot/manifest"
)

const simple = "kind: X\nmetadata: {name: x, annotations: {a: old}}\n"

// wantRefusal checks what every refusal owes the caller.
func wantRefusal(t *testing.T, err, kind error, reason string) {
	t.Helper()
	var e *manifest.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) || !strings.Contains(e.Reason, reason) {
		t.Errorf("error %v, want one of kind %q with %q", err, kind, reason)
	}
}

func TestEditRefusesFieldsOfUnknownType(t *testing.T) {
	e := editOf("a", "new")
	e.Field.Type = "label"
	_, _, err := Editor{}.Edit([]byte(simple), e)
	wantRefusal(t, err, manifest.ErrUnsupported, `unknown type of field "label"`)
}

func TestEditRefusesValuesAndFilesBeyondTheirSize(t *testing.T) {
	_, _, err := Editor{}.Edit([]byte(simple), editOf("a", strings.Repeat("a", maxValue+1)))
	wantRefusal(t, err, manifest.ErrUnsupported, "larger than 256 KiB")
	if _, _, err := (Editor{}).Edit([]byte(simple), editOf("a", strings.Repeat("a", maxValue))); err != nil {
		t.Error(err)
	}
	full := simple + "#" + strings.Repeat(" ", MaxSize-len(simple)-1)
	_, _, err = Editor{}.Edit([]byte(full), editOf("a", "newer"))
	wantRefusal(t, err, manifest.ErrUnsupported, "would be larger than 10 MiB")
}

func TestErrorsCarryLittleOfTheFileAndNoControlCharacters(t *testing.T) {
	src := "kind: X\nmetadata: {name: \"\\e[31m\\n" + strings.Repeat("é", 500) + "\"}\n"
	_, err := Editor{}.Get([]byte(src), editOf("a", "").Location)
	wantRefusal(t, err, manifest.ErrNotFound, "X/\ufffd[31m\ufffdé")
	if len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%q", err)
	}
}

func TestGetReturnsValuesInTheOrderOfTheLocations(t *testing.T) {
	src := []byte("kind: X\nmetadata:\n  name: x\n  annotations:\n    a: 'o''ld'\n    b: \"\\u263a\"\n")
	a, b := editOf("a", "").Location, editOf("b", "").Location
	got, err := Editor{}.Get(src, b, a, b)
	if err != nil {
		t.Fatal(err)
	}
	want := []manifest.Value{{Location: b, Value: "☺", Line: 6}, {Location: a, Value: "o'ld", Line: 5}, {Location: b, Value: "☺", Line: 6}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("value %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	_, err = Editor{}.Get(src, a, editOf("c", "").Location)
	wantRefusal(t, err, manifest.ErrNotFound, "no such annotation")
}

func TestEditWithoutEditsCopiesTheFile(t *testing.T) {
	src := []byte(simple)
	out, changes, err := Editor{}.Edit(src)
	if err != nil || len(changes) != 0 || !bytes.Equal(out, src) {
		t.Fatalf("got %q, %v, %v", out, changes, err)
	}
	if out[0] = '!'; src[0] == '!' {
		t.Error("the result shares the source's bytes")
	}
}

func TestEditorsWorkSideBySide(t *testing.T) {
	var editor Editor
	src := []byte(simple)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			e := editOf("a", "new")
			out, _, err := editor.Edit(src, e)
			if err == nil {
				err = Verify(src, out, e)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

package github

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidebot-dev/tidebot/vcs"
)

func TestParseAnswerIsStrict(t *testing.T) {
	const key = "github.com/acme/shop/pull/12/comment/345"
	for _, test := range []struct {
		name, body string
		final, ok  bool
	}{
		{"running", "<!-- tidebot key=" + key + " state=running -->\nx", false, true},
		{"final", "<!-- tidebot key=" + key + " state=final -->\nx", true, true},
		{"with a carriage return", "<!-- tidebot key=" + key + " state=final -->\r\nx", true, true},
		{"alone", "<!-- tidebot key=" + key + " state=final -->", true, true},
		{"indented", " <!-- tidebot key=" + key + " state=final -->\nx", false, false},
		{"after an empty line", "\n<!-- tidebot key=" + key + " state=final -->\nx", false, false},
		{"with text after it", "<!-- tidebot key=" + key + " state=final --> x", false, false},
		{"two states", "<!-- tidebot key=" + key + " state=running state=final -->", false, false},
		{"no state", "<!-- tidebot key=" + key + " -->", false, false},
		{"another state", "<!-- tidebot key=" + key + " state=done -->", false, false},
		{"a longer key", "<!-- tidebot key=" + key + "6 state=final -->", false, false},
		{"a key in another case", "<!-- tidebot key=" + strings.ToUpper(key) + " state=final -->", false, false},
		{"empty", "", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, ok := parseAnswer(test.body, key)
			if ok != test.ok || a.Final != test.final {
				t.Errorf("got %+v, %v", a, ok)
			}
		})
	}
}

func TestRenderCutsAtTheLimit(t *testing.T) {
	head := utf8.RuneCountInString(marker("k", true)) + 1
	for _, letter := range []string{"x", "ж", "👗", "\xff"} {
		for _, extra := range []int{-1, 0, 1, 100_000} {
			a := vcs.Answer{Key: "k", Final: true}
			if letter == "\xff" {
				// Bytes that are no text become one character together.
				a.Body = strings.Repeat(letter+"a", (maxBody-head)/2+extra)
			} else {
				a.Body = strings.Repeat(letter, maxBody-head+extra)
			}
			got := render(a)
			n, cut := utf8.RuneCountInString(got), strings.HasSuffix(got, cutNotice)
			if n > maxBody || !utf8.ValidString(got) {
				t.Errorf("%q %+d: %d characters", letter, extra, n)
			}
			if letter != "\xff" && cut != (extra > 0) || cut && n != maxBody {
				t.Errorf("%q %+d: cut %v at %d characters", letter, extra, cut, n)
			}
			if _, ok := parseAnswer(got, "k"); !ok {
				t.Errorf("%q %+d: not found again", letter, extra)
			}
		}
	}
}

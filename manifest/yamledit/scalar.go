package yamledit

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const byteOrderMark = "\ufeff"

// maxValue is the most that all annotations of an object may hold together:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
const maxValue = 256 << 10

// lineBreak returns the size of the line break that b begins with, else 0.
// YAML 1.1 counts NEL, LS and PS, which YAML 1.2 does not.
// https://yaml.org/spec/1.1/#b-char
func lineBreak(b []byte) int {
	switch {
	case len(b) == 0:
		return 0
	case b[0] == '\n':
		return 1
	case b[0] == '\r':
		if len(b) > 1 && b[1] == '\n' {
			return 2
		}
		return 1
	case b[0] == 0xC2 && bytes.HasPrefix(b, []byte("\u0085")):
		return 2
	case b[0] == 0xE2 && (bytes.HasPrefix(b, []byte("\u2028")) || bytes.HasPrefix(b, []byte("\u2029"))):
		return 3
	}
	return 0
}

// doubleQuoted returns the size of the double-quoted scalar that b begins
// with, 0 if it does not end on its line.
func doubleQuoted(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b) && lineBreak(b[i:]) == 0; i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			// An escaped line break is one all the same.
			if i++; lineBreak(b[i:]) > 0 {
				return 0
			}
		}
	}
	return 0
}

// singleQuoted is doubleQuoted for single quotes.
func singleQuoted(b []byte) int {
	if len(b) == 0 || b[0] != '\'' {
		return 0
	}
	for i := 1; i < len(b) && lineBreak(b[i:]) == 0; i++ {
		if b[i] != '\'' {
			continue
		}
		if i+1 == len(b) || b[i+1] != '\'' {
			return i + 1
		}
		i++
	}
	return 0
}

// plain returns the size of the plain scalar that b begins with, 0 if it does
// not end on its line. On one line, a plain scalar is its value.
func plain(b []byte, value string) int {
	if len(b) < len(value) || string(b[:len(value)]) != value {
		return 0
	}
	return len(value)
}

// unfit says why value cannot be an annotation on one line, "" if it can.
func unfit(value string) string {
	if len(value) > maxValue {
		return fmt.Sprintf("is larger than %d KiB", maxValue>>10)
	}
	if !utf8.ValidString(value) {
		return "is not UTF-8"
	}
	for _, r := range value {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return fmt.Sprintf("holds the control character %U", r)
		case r == '\ufeff', r == '\ufffe', r == '\uffff':
			return fmt.Sprintf("holds %U, which YAML does not allow there", r)
		}
	}
	return ""
}

// encode writes value in the style that the old value has, or with the least
// quotes that are safe.
func encode(value string, style yaml.Style, flow bool) string {
	switch {
	case style&yaml.DoubleQuotedStyle != 0:
		return inDouble(value)
	case style&yaml.SingleQuotedStyle != 0:
		return inSingle(value)
	case safePlain(value, flow):
		return value
	case strings.Contains(value, "'") && !strings.ContainsAny(value, `"\`):
		return inDouble(value)
	}
	return inSingle(value)
}

func inSingle(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

func inDouble(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// safePlain tells whether every reader takes value without quotes for that
// string. It says no to more than the letter of YAML demands: some readers
// are stricter, and quotes never hurt.
func safePlain(value string, flow bool) bool {
	if value == "" || strings.TrimSpace(value) != value || otherType(value) {
		return false
	}
	if strings.Contains("-?:,[]{}#&*!|>'\"%@`", value[:1]) {
		return false
	}
	if strings.Contains(value, ": ") || strings.HasSuffix(value, ":") || strings.Contains(value, " #") {
		return false
	}
	return !flow || !strings.ContainsAny(value, "?,[]{}")
}

// otherType tells whether a YAML 1.1 or 1.2 reader may take the plain scalar
// for something else than a string. https://yaml.org/type/
func otherType(s string) bool {
	switch strings.ToLower(s) {
	case "", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false", "=", "<<":
		return true
	}
	// At the start of a line these would end the document.
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return true
	}
	return number(s) || timestamp(s)
}

// number tells whether s is a number in any of the notations, all of which may
// have a sign and be strewn with underscores.
func number(s string) bool {
	s = strings.ToLower(s)
	s = strings.TrimLeft(s, "+-")
	switch s {
	case ".inf", ".nan", "inf", "infinity", "nan":
		return true
	}
	if len(s) > 2 && s[0] == '0' {
		switch s[1] {
		case 'b':
			return only(s[2:], "01_")
		case 'o':
			return only(s[2:], "01234567_")
		case 'x':
			return only(s[2:], "0123456789abcdef_.p+-")
		}
	}
	// Base 60, as in 12:30:45.5.
	if hours, rest, ok := strings.Cut(s, ":"); ok {
		return only(hours, "0123456789_") && isDigit(hours[0]) && only(rest, "0123456789_:.")
	}
	mantissa, exponent, found := strings.Cut(s, "e")
	if found && !only(strings.TrimLeft(exponent, "+-"), "0123456789_") {
		return false
	}
	return strings.Count(mantissa, ".") < 2 && strings.ContainsAny(mantissa, "0123456789") && only(mantissa, "0123456789_.")
}

// timestamp tells whether s begins like a date that nothing, or a time, follows.
func timestamp(s string) bool {
	parts := strings.SplitN(s, "-", 3)
	if len(parts) < 3 || len(parts[0]) != 4 || !only(parts[0], "0123456789") || !only(parts[1], "0123456789") || len(parts[1]) > 2 {
		return false
	}
	day := parts[2]
	n := 0
	for n < len(day) && n < 2 && isDigit(day[n]) {
		n++
	}
	return n > 0 && (n == len(day) || strings.IndexByte("Tt \t", day[n]) >= 0)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// only tells whether s is made of the characters of set only; "" is not.
func only(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }

package terminal

import (
	"regexp"
	"strings"
	"unicode"
)

// sequence matches the terminal codes of ECMA-48: control sequences (CSI),
// the strings that end with BEL or ST (OSC, DCS, SOS, PM, APC), each in its
// 7-bit and 8-bit form, and the short escapes. A string without an end is
// taken up to the end of the line, as a terminal would swallow it.
var sequence = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?` +
	`|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}\n]*(?:\x07|\x1b\\|\x{9c})?` +
	`|\x1b[ -/]*[0-~]?`)

// inert makes text from outside safe to show on one line: no terminal code,
// no other control character, nothing that is invisible or turns the writing
// direction, so that it cannot pass for something else.
func inert(s string) string {
	s = sequence.ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || unicode.Is(unicode.Z, r):
			return ' '
		case invisible(r):
			return -1
		}
		return r
	}, s))
}

// inertLines does so for each line, and keeps the indentation.
func inertLines(s string) []string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		text := strings.TrimLeft(line, " ")
		lines[i] = line[:len(line)-len(text)] + inert(text)
	}
	return lines
}

// invisible tells of control characters (Cc) and formatting ones (Cf:
// zero-width, bidirectional, tags), surrogates and private use.
func invisible(r rune) bool { return unicode.Is(unicode.C, r) }

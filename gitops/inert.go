package gitops

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text from outside goes into logs, commits and answers only through the
// functions of this file.

// hidden tells whether r is a character that people do not see, or that
// changes how they see others: controls, bidirectional marks, zero-width
// characters, fillers, private use and what is not assigned.
func hidden(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	case r == 0x2800: // the Braille pattern without dots
		return true
	}
	return !unicode.IsGraphic(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// visible is s on one line: line breaks, tabs and unusual spaces are spaces,
// and hidden characters are gone. What is not UTF-8 becomes U+FFFD.
func visible(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || r == '\u2028' || r == '\u2029':
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, s)
}

// oneLine is s on one line, without hidden characters and trailing space, in
// at most limit bytes of whole characters. Leading space stays: the changed
// lines of a file keep their indentation.
func oneLine(s string, limit int) string {
	if limit <= 0 {
		return ""
	}
	// What comes later can matter only for a text made of hidden characters.
	// It bounds the work.
	if most := 8 * limit; len(s) > most {
		s = cut(s, most) + " ..."
	}
	s = strings.TrimRight(visible(s), " ")
	if len(s) <= limit {
		return s
	}
	const more = "..."
	return cut(s, max(0, limit-len(more))) + more[:min(len(more), limit)]
}

// cut is the first n bytes of s, or a few less to end with a whole character.
func cut(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// quoted is outside text within an error or a reason.
func quoted(s string) string {
	return `"` + strings.NewReplacer("`", "'", `"`, "'").Replace(oneLine(s, 100)) + `"`
}

// gap is a zero-width space. Providers look for mentions and references in
// the text as it reads once the Markdown is gone, where an escape does not
// help; only something in between does.
const gap = "&#8203;"

// markdownText is Markdown that shows s as plain text: no markup, HTML, link,
// mention, reference to an issue or commit, emoji or quick action comes of
// it. Space at both ends stays, so that texts can be put together.
func markdownText(s string) string {
	s = visible(s)
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	start := true   // nothing but space so far: what begins a block matters
	number := false // nothing but space and digits so far
	hex := 0        // length of the run of hexadecimal digits before i
	for i, r := range s {
		next := s[i+utf8.RuneLen(r):]
		switch {
		case isHex(r):
			// Seven digits and more may be a commit.
			if hex++; hex > 1 && hex%4 == 1 {
				b.WriteString(gap)
			}
		default:
			hex = 0
		}
		switch r {
		case '\\', '*', '_', '[', ']':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '|':
			b.WriteString("&#124;")
		case '`':
			// As \` it would touch the backticks of code that follows.
			b.WriteString("&#96;")
		case '@', '#', '!', '$', '%', '&', '~', '^':
			switch r {
			case '&':
				b.WriteString("&amp;")
			case '$':
				b.WriteString("&#36;")
			case '#':
				b.WriteString("&#35;")
			default:
				b.WriteByte('\\')
				b.WriteRune(r)
			}
			if refers(next) {
				b.WriteString(gap)
			}
		case ':':
			b.WriteRune(r)
			if strings.HasPrefix(next, "/") || isEmoji(next) {
				b.WriteString(gap)
			}
		case '-', '+', '=':
			if start {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
			if r == '-' && strings.EqualFold(s[max(0, i-2):i], "gh") && refers(next) {
				b.WriteString(gap)
			}
		case '/':
			if start {
				b.WriteString("&#47;") // GitLab runs quick actions of bots too
			} else {
				b.WriteRune(r)
			}
		case '.', ')':
			if number {
				b.WriteByte('\\') // not the number of a list item
			}
			b.WriteRune(r)
			if r == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www") {
				b.WriteString(gap)
			}
		default:
			b.WriteRune(r)
		}
		number = (start || number) && '0' <= r && r <= '9'
		start = start && r == ' '
	}
	return b.String()
}

// markdownCode is a code span that shows s on one line.
func markdownCode(s string) string {
	s = visible(s)
	if strings.Trim(s, " ") == "" {
		return "` `"
	}
	longest, run := 0, 0
	for i := range len(s) {
		if run++; s[i] != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	// A space at both ends is taken off by the reader, see
	// https://spec.commonmark.org/0.31.2/#code-spans.
	if s[0] == '`' || s[len(s)-1] == '`' || s[0] == ' ' && s[len(s)-1] == ' ' {
		s = " " + s + " "
	}
	return fence + s + fence
}

// refers tells whether a reference can follow: a name, a number, or for
// GitLab a quoted name.
func refers(next string) bool {
	r, _ := utf8.DecodeRuneInString(next)
	return next != "" && (r == '"' || r == '_' || r == '.' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// isEmoji tells whether what follows a colon reads like :tada:.
func isEmoji(next string) bool {
	i := 0
	for i < len(next) && i < 64 && (isAlnum(rune(next[i])) || strings.IndexByte("_+-", next[i]) >= 0) {
		i++
	}
	return i > 0 && i < len(next) && next[i] == ':'
}

func isAlnum(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func isHex(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F'
}

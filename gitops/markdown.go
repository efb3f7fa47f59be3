package gitops

import (
	"iter"
	"slices"
	"sort"
	"strings"
)

// commandLines returns the lines of a comment that begin with a slash, after
// three spaces at most, and are text: neither code nor a quote nor HTML. It follows the block structure of
// https://spec.commonmark.org/0.31.2/, in time linear in the text. Where it
// is not exact it takes a command for text, not text for a command.
//
// Lists are looked through: a line under a list item that begins with a slash
// is meant as a command, whether or not it is shown as part of the item.
func commandLines(body string) []string {
	s := scanner{quoteFrom: -1}
	for line := range lines(body) {
		s.line(line)
	}
	s.endParagraph()
	return s.found
}

// lines yields the lines of s without their ends: LF, CRLF or CR.
func lines(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s != "" {
			i := strings.IndexAny(s, "\r\n")
			if i < 0 {
				yield(s)
				return
			}
			if !yield(s[:i]) {
				return
			}
			if strings.HasPrefix(s[i:], "\r\n") {
				i++
			}
			s = s[i+1:]
		}
	}
}

// A leaf is a block without blocks in it.
type leaf int

const (
	noLeaf leaf = iota
	paragraph
	fenced
	indented
	htmlBlock
)

// quote stands for a quote among the containers.
const quote = 0

// maxDepth bounds how deep containers nest; what is deeper is text.
const maxDepth = 100

// A scanner reads the block structure line by line.
type scanner struct {
	found []string

	// containers are the open quotes and list items, outermost first: quote,
	// or the width of the item's indentation.
	containers []int
	fresh      bool // the innermost item has nothing in it yet

	leaf  leaf
	fence string // the opening fence
	end   string // what ends the HTML block; empty for a blank line

	// text is the open paragraph; candidates are offsets of lines in it.
	text       strings.Builder
	candidates []int

	// quoteFrom is how many lines had been found when a >>> line opened one
	// of GitLab's multi-line quotes; -1 if none is open. See
	// https://docs.gitlab.com/user/markdown/#multiline-blockquote.
	quoteFrom int
}

// A cursor is a place in a line. Tabs count up to the next multiple of four.
type cursor struct {
	rest string
	col  int
	over int // columns of a tab that are not consumed yet
}

// indent is how many columns of space come next.
func (c cursor) indent() int {
	n := c.over
	for i := 0; i < len(c.rest); i++ {
		switch c.rest[i] {
		case ' ':
			n++
		case '\t':
			n += 4 - (c.col+n)%4
		default:
			return n
		}
	}
	return n
}

// skip consumes n columns of space.
func (c *cursor) skip(n int) {
	for n > 0 {
		if c.over > 0 {
			d := min(n, c.over)
			c.over, c.col, n = c.over-d, c.col+d, n-d
			continue
		}
		if c.rest == "" || c.rest[0] != ' ' && c.rest[0] != '\t' {
			return
		}
		c.over = 1
		if c.rest[0] == '\t' {
			c.over = 4 - c.col%4
		}
		c.rest = c.rest[1:]
	}
}

// take consumes n bytes that are no tabs.
func (c *cursor) take(n int) { c.rest, c.col = c.rest[n:], c.col+n }

func (c cursor) blank() bool { return strings.Trim(c.rest, " \t") == "" }

func (s *scanner) line(line string) {
	at := cursor{rest: line}
	first := at.indent()
	matched := s.match(&at)
	all := matched == len(s.containers)

	if all && (s.leaf == fenced || s.leaf == htmlBlock) {
		s.inside(at)
		return
	}
	if !all && s.leaf != paragraph {
		s.closeTo(matched)
	}
	opened := s.open(&at, &matched)
	if opened {
		return
	}
	if at.blank() {
		s.endParagraph()
		s.closeTo(matched)
		return
	}
	lazy := s.leaf == paragraph && matched < len(s.containers)
	if !lazy && s.leaf != paragraph {
		s.closeTo(matched)
		s.leaf = paragraph
	}
	s.fresh = false
	at.skip(at.indent())
	// Before at.rest there may be no mark of a container, only spaces.
	before := line[:len(line)-len(at.rest)]
	if word, _ := firstWord(at.rest); word != "" && first <= 3 && strings.Trim(before, " ") == "" && !slices.Contains(s.containers, quote) {
		s.candidates = append(s.candidates, s.text.Len())
	}
	s.text.WriteString(at.rest)
	s.text.WriteByte('\n')
}

// match consumes the marks of the open containers and returns how many of
// them go on.
func (s *scanner) match(at *cursor) int {
	for i, width := range s.containers {
		switch {
		case width == quote:
			if at.indent() > 3 {
				return i
			}
			c := *at
			c.skip(c.indent())
			if !strings.HasPrefix(c.rest, ">") {
				return i
			}
			c.take(1)
			c.skip(1)
			*at = c
		case at.blank():
			if s.fresh && i == len(s.containers)-1 {
				return i // an item begins with one blank line at most
			}
		case at.indent() >= width:
			at.skip(width)
		default:
			return i
		}
	}
	return len(s.containers)
}

// inside reads a line of a code fence or an HTML block.
func (s *scanner) inside(at cursor) {
	if s.leaf == fenced {
		if at.indent() > 3 {
			return
		}
		text := strings.Trim(at.rest, " \t")
		if len(text) >= len(s.fence) && strings.Trim(text, s.fence[:1]) == "" {
			s.leaf = noLeaf
		}
		return
	}
	if s.end == "" && at.blank() || s.end != "" && endsHTML(at.rest, s.end) {
		s.leaf = noLeaf
	}
}

// open opens the blocks that begin here. It reports whether the line is done,
// and sets matched to the number of containers that the rest of it is in.
func (s *scanner) open(at *cursor, matched *int) bool {
	for {
		if at.blank() {
			return false
		}
		inParagraph := s.leaf == paragraph
		if at.indent() > 3 {
			if inParagraph {
				return false
			}
			s.closeTo(*matched)
			s.leaf, s.fresh = indented, false
			return true
		}
		c := *at
		c.skip(c.indent())
		text := c.rest
		switch {
		case strings.TrimRight(text, " \t") == ">>>" && *matched == 0 && len(s.containers) == 0:
			s.endParagraph()
			s.closeTo(0)
			if s.quoteFrom < 0 {
				s.quoteFrom = len(s.found)
			} else {
				s.found, s.quoteFrom = s.found[:s.quoteFrom], -1
			}
			return true
		case text[0] == '>':
			c.take(1)
			c.skip(1)
			s.push(quote, matched)
		case isFence(text):
			s.begin(fenced, *matched)
			s.fence = text[:len(text)-len(strings.TrimLeft(text, text[:1]))]
			return true
		case text[0] == '<' && s.beginHTML(text, *matched):
			return true
		case isHeading(text):
			s.begin(noLeaf, *matched)
			return true
		case inParagraph && *matched == len(s.containers) && isUnderline(text):
			s.begin(noLeaf, *matched)
			return true
		case isBreak(text):
			s.begin(noLeaf, *matched)
			return true
		default:
			n := marker(text, inParagraph && *matched == len(s.containers))
			if n == 0 {
				return false
			}
			width := at.indent() + n
			c.take(n)
			space := c.indent()
			switch {
			case c.blank():
				width++
			case space > 4:
				width++
				c.skip(1)
			default:
				width += space
				c.skip(space)
			}
			s.push(width, matched)
			s.fresh = c.blank()
		}
		*at = c
		if len(s.containers) > maxDepth {
			return true
		}
	}
}

// begin closes what does not go on and opens a leaf.
func (s *scanner) begin(l leaf, matched int) {
	s.endParagraph()
	s.closeTo(matched)
	s.leaf, s.fresh = l, false
}

// push closes what does not go on and opens a container.
func (s *scanner) push(width int, matched *int) {
	s.begin(noLeaf, *matched)
	s.containers = append(s.containers, width)
	*matched = len(s.containers)
}

// closeTo closes all but the first n containers, with what is in them.
func (s *scanner) closeTo(n int) {
	if n < len(s.containers) {
		s.endParagraph()
		s.containers = s.containers[:n]
		s.leaf, s.fresh = noLeaf, false
	}
	if s.leaf != paragraph {
		s.leaf = noLeaf
	}
}

// endParagraph finds the command lines of the paragraph that ends.
func (s *scanner) endParagraph() {
	if s.leaf == paragraph {
		s.leaf = noLeaf
	}
	text := s.text.String()
	if len(s.candidates) > 0 {
		spans := inlineSpans(text)
		for _, at := range s.candidates {
			i := sort.Search(len(spans), func(i int) bool { return spans[i].end > at })
			if i < len(spans) && spans[i].start < at {
				continue
			}
			line, _, _ := strings.Cut(text[at:], "\n")
			s.found = append(s.found, line)
		}
	}
	s.text.Reset()
	s.candidates = s.candidates[:0]
}

// isFence tells whether a line begins fenced code.
func isFence(text string) bool {
	if strings.HasPrefix(text, "~~~") {
		return true
	}
	return strings.HasPrefix(text, "```") && !strings.Contains(strings.TrimLeft(text, "`"), "`")
}

func isHeading(text string) bool {
	n := len(text) - len(strings.TrimLeft(text, "#"))
	return n >= 1 && n <= 6 && (n == len(text) || text[n] == ' ' || text[n] == '\t')
}

func isUnderline(text string) bool {
	text = strings.TrimRight(text, " \t")
	return strings.Trim(text, "=") == "" || strings.Trim(text, "-") == ""
}

func isBreak(text string) bool {
	c := text[:1]
	return strings.Contains("*-_", c) && strings.Trim(text, c+" \t") == "" && strings.Count(text, c) >= 3
}

// marker is the length of the list marker at the beginning of the line, 0 if
// there is none. Not every one can end a paragraph.
func marker(text string, inParagraph bool) int {
	n := 0
	for n < len(text) && n < 9 && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	switch {
	case n == 0 && strings.IndexByte("-+*", text[0]) >= 0:
	case n > 0 && n < len(text) && (text[n] == '.' || text[n] == ')'):
		if inParagraph && text[:n] != "1" {
			return 0
		}
	default:
		return 0
	}
	n++
	if n < len(text) && text[n] != ' ' && text[n] != '\t' {
		return 0
	}
	if inParagraph && strings.Trim(text[n:], " \t") == "" {
		return 0
	}
	return n
}

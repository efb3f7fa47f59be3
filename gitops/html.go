package gitops

import (
	"slices"
	"strings"
)

// beginHTML opens an HTML block if the line begins one, see
// https://spec.commonmark.org/0.31.2/#html-blocks.
func (s *scanner) beginHTML(text string, matched int) bool {
	end, ok := htmlStart(text)
	if !ok {
		// Any other tag that is alone on its line, if no paragraph goes on.
		n := tagLen(text, &missing{})
		if s.leaf == paragraph || n == 0 || strings.Trim(text[n:], " \t") != "" || text[1] == '!' || text[1] == '?' {
			return false
		}
	}
	s.begin(htmlBlock, matched)
	s.end = end
	if end != "" && endsHTML(text, end) {
		s.leaf = noLeaf
	}
	return true
}

// htmlStart tells what ends the HTML block that begins here; empty is a blank
// line.
func htmlStart(text string) (end string, ok bool) {
	for _, kind := range []struct{ start, end string }{
		{"<!--", "-->"}, {"<?", "?>"}, {"<![CDATA[", "]]>"},
	} {
		if strings.HasPrefix(text, kind.start) {
			return kind.end, true
		}
	}
	if len(text) > 2 && text[1] == '!' && isLetter(text[2]) {
		return ">", true
	}
	name := strings.TrimPrefix(text[1:], "/")
	closing := len(name) < len(text)-1
	n := 0
	for n < len(name) && isAlnum(rune(name[n])) {
		n++
	}
	after := name[n:]
	name = strings.ToLower(name[:n])
	plain := after == "" || strings.IndexByte(" \t>", after[0]) >= 0
	if !closing && plain && slices.Contains(rawTags(), name) {
		return "</", true
	}
	return "", (plain || strings.HasPrefix(after, "/>")) && slices.Contains(blockTags(), name)
}

// endsHTML tells whether the line has the end of an HTML block; </ stands for
// the end tag of any element whose content is raw.
func endsHTML(line, end string) bool {
	if end != "</" {
		return strings.Contains(line, end)
	}
	line = strings.ToLower(line)
	return slices.ContainsFunc(rawTags(), func(tag string) bool { return strings.Contains(line, "</"+tag+">") })
}

func rawTags() []string { return []string{"pre", "script", "style", "textarea"} }

func blockTags() []string {
	return []string{
		"address", "article", "aside", "base", "basefont", "blockquote", "body", "caption", "center", "col",
		"colgroup", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure",
		"footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr",
		"html", "iframe", "legend", "li", "link", "main", "menu", "menuitem", "nav", "noframes", "ol",
		"optgroup", "option", "p", "param", "search", "section", "summary", "table", "tbody", "td", "tfoot",
		"th", "thead", "title", "tr", "track", "ul",
	}
}

// A span is a part of a paragraph that is no text: code or HTML.
type span struct{ start, end int }

// missing remembers what was searched for to the end of the paragraph in
// vain, so that it is searched for once.
type missing map[string]bool

// find is the index behind the next end in text, -1 if there is none.
func (m missing) find(text, end string) int {
	if m[end] {
		return -1
	}
	i := strings.Index(text, end)
	if i < 0 {
		m[end] = true
		return -1
	}
	return i + len(end)
}

// inlineSpans finds code spans and HTML in a paragraph.
func inlineSpans(text string) []span {
	if !strings.ContainsAny(text, "`<") {
		return nil
	}
	ticks := make(map[int][]int) // where runs of so many backticks begin
	for i := 0; i < len(text); i++ {
		if n := run(text[i:]); n > 0 {
			ticks[n] = append(ticks[n], i)
			i += n
		}
	}
	var spans []span
	not := missing{}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '`':
			n := run(text[i:])
			later := ticks[n]
			for len(later) > 0 && later[0] < i+n {
				later = later[1:]
			}
			ticks[n] = later
			if len(later) > 0 {
				spans = append(spans, span{i, later[0] + n})
				i = later[0]
			}
			i += n - 1
		case '<':
			if n := max(tagLen(text[i:], &not), linkLen(text[i:])); n > 0 {
				spans = append(spans, span{i, i + n})
				i += n - 1
			}
		}
	}
	return spans
}

// run is how many backticks text begins with.
func run(text string) int { return len(text) - len(strings.TrimLeft(text, "`")) }

// linkLen is the length of the link that text begins with, such as
// <https://example.com/`>, 0 if it is none. Backticks in it are no code.
func linkLen(text string) int {
	i := 1
	for i < len(text) && text[i] > ' ' && text[i] != '<' && text[i] != '>' {
		i++
	}
	if i == len(text) || text[i] != '>' || !strings.ContainsAny(text[:i], ":@") || !isAlnum(rune(text[1])) {
		return 0
	}
	return i + 1
}

// tagLen is the length of the HTML tag or comment that text begins with, 0 if
// it is none.
func tagLen(text string, not *missing) int {
	for _, kind := range []struct{ start, end string }{
		{"<!--", "-->"}, {"<?", "?>"}, {"<![CDATA[", "]]>"}, {"<!", ">"},
	} {
		if rest, ok := strings.CutPrefix(text, kind.start); ok {
			if kind.start == "<!--" && (strings.HasPrefix(rest, ">") || strings.HasPrefix(rest, "->")) {
				return len(kind.start) + strings.IndexByte(rest, '>') + 1
			}
			if kind.start == "<!" && (rest == "" || !isLetter(rest[0])) {
				return 0
			}
			if n := not.find(rest, kind.end); n >= 0 {
				return len(kind.start) + n
			}
			return 0
		}
	}
	i := 1
	closing := strings.HasPrefix(text, "</")
	if closing {
		i++
	}
	if i >= len(text) || !isLetter(text[i]) {
		return 0
	}
	for i < len(text) && (isAlnum(rune(text[i])) || text[i] == '-') {
		i++
	}
	for {
		space := spaces(text[i:])
		i += space
		switch {
		case i >= len(text):
			return 0
		case text[i] == '>':
			return i + 1
		case closing:
			return 0
		case strings.HasPrefix(text[i:], "/>"):
			return i + 2
		}
		n := attrLen(text[i:], not)
		if space == 0 || n == 0 {
			return 0
		}
		i += n
	}
}

// attrLen is the length of the attribute that text begins with.
func attrLen(text string, not *missing) int {
	i := 0
	for i < len(text) && (isAlnum(rune(text[i])) || text[i] == '_' || text[i] == ':' || i > 0 && (text[i] == '.' || text[i] == '-')) {
		i++
	}
	if i == 0 || '0' <= text[0] && text[0] <= '9' {
		return 0
	}
	j := i + spaces(text[i:])
	if j >= len(text) || text[j] != '=' {
		return i
	}
	j++
	j += spaces(text[j:])
	if j >= len(text) {
		return 0
	}
	if q := text[j : j+1]; q == `"` || q == "'" {
		n := not.find(text[j+1:], q)
		if n < 0 {
			return 0
		}
		return j + 1 + n
	}
	start := j
	for j < len(text) && strings.IndexByte(" \t\n\"'=<>`", text[j]) < 0 {
		j++
	}
	if j == start {
		return 0
	}
	return j
}

func spaces(text string) int { return len(text) - len(strings.TrimLeft(text, " \t\n")) }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

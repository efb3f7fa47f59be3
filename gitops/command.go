package gitops

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	maxBody     = 256 << 10 // bytes of a comment: GitHub's 65,536 characters of at most four
	maxCommands = 20        // in a comment
	maxName     = 63        // bytes of the name of an environment or a service
	maxServices = 100       // in a command
	maxVerb     = 12        // letters of a word that can be close to a verb
)

// VerbInfo describes a verb. [Verbs] is what the grammar, usage lines and
// help are made of.
type VerbInfo struct {
	Verb    Verb
	Aliases []Verb
	// Usage is how it is written: /status [environment] [service...]
	Usage string
	// Short says in a few words what it does.
	Short string

	least, most int  // number of names
	sha, dryRun bool // what else it takes
}

// Verbs returns the verbs, in the order of help.
func Verbs() []VerbInfo {
	return []VerbInfo{
		{Deploy, nil, "/deploy <environment> [service...] [@sha] [--dry-run]",
			"the branch of this pull request into the environment", 1, 1 + maxServices, true, true},
		{Default, nil, "/default <environment> [service...] [--dry-run]",
			"back to the default pattern", 1, 1 + maxServices, false, true},
		{Status, []Verb{"query"}, "/status [environment] [service...]",
			"what runs where, since when and by whom", 0, 1 + maxServices, false, false},
		{Diff, nil, "/diff <environment> [service...] [@sha]",
			"what /deploy would change, and whether it would be allowed", 1, 1 + maxServices, true, false},
		{Help, nil, "/help", "this list", 0, 0, false, false},
	}
}

// Parsed is a line of a comment that is a command, or was meant as one.
type Parsed struct {
	Command Command
	// Err is nil if the command is good.
	Err *CommandError
}

// A CommandError says why a line is not a command. Its texts are on one line
// each, without hidden characters.
type CommandError struct {
	// Verb is the one of the line, or for a hint the one that was meant;
	// empty if the error is not about one.
	Verb Verb
	// Text is the line.
	Text string
	// Reason is for people, and Usage how the verb is written.
	Reason, Usage string
	// Hint means that the verb is none of ours, but close to one.
	Hint bool
}

// Error says the reason and the usage.
func (e *CommandError) Error() string {
	if e.Usage == "" {
		return e.Reason
	}
	return e.Reason + "; usage: " + e.Usage
}

// ParseComment finds the commands in the Markdown of a comment, in their
// order. A line is a command if it begins, after three spaces at most, with a
// slash and one of the [Verbs], in upper or lower case, and is neither in code
// nor in a quote nor in HTML. Lines with a verb that is close to one of ours
// are returned with a hint; other lines belong to somebody else and are not
// returned.
//
// A comment of more than 256 KiB is not read: one error says so if it may hold
// a command. So it is with the commands after the twentieth.
func ParseComment(body string) []Parsed {
	if len(body) > maxBody {
		if !HasCommand(body) {
			return nil
		}
		return []Parsed{{Err: &CommandError{Reason: "the comment is too long to be read: put the command into a short one"}}}
	}
	if !HasCommand(body) {
		return nil
	}
	var found []Parsed
	verbs := Verbs()
	for _, line := range commandLines(body) {
		word, rest := firstWord(line)
		m := match(word, verbs)
		if m.info == nil {
			continue
		}
		if len(found) == maxCommands {
			return append(found, Parsed{Err: &CommandError{
				Text:   oneLine(line, 200),
				Reason: fmt.Sprintf("there are more than %d commands in the comment; this one and those after it were not read", maxCommands),
			}})
		}
		p := parse(m, rest)
		if p.Err != nil {
			p.Err.Text = oneLine(line, 200)
		}
		found = append(found, p)
	}
	return found
}

// HasCommand tells whether the comment may hold a command. It does not look
// at the Markdown and is quick: if it is false, [ParseComment] returns
// nothing.
func HasCommand(body string) bool {
	var verbs []VerbInfo
	for line := range lines(body) {
		// Most lines are prose, and done with after one byte.
		if len(line) < 2 || line[0] > ' ' && line[0] < utf8.RuneSelf && line[0] != '/' && line[0] != 0x7f {
			continue
		}
		word, _ := firstWord(line)
		if word == "" {
			continue
		}
		if verbs == nil {
			verbs = Verbs()
		}
		if match(word, verbs).info != nil {
			return true
		}
	}
	return false
}

// firstWord is the word at the beginning of a line, with the slash and the
// hidden characters before it, and what follows. It is empty if the line does
// not begin with a slash.
func firstWord(line string) (word, rest string) {
	line = strings.TrimLeftFunc(line, isSpace)
	slash := strings.TrimLeftFunc(line, func(r rune) bool { return isSpace(r) || hidden(r) })
	if !strings.HasPrefix(slash, "/") {
		return "", ""
	}
	before := len(line) - len(slash)
	i := strings.IndexFunc(slash, isSpace)
	if i < 0 {
		i = len(slash)
	}
	return line[:before+i], slash[i:]
}

// isSpace tells whether r separates words: a tab or a space of any width.
func isSpace(r rune) bool { return r == '\t' || unicode.Is(unicode.Zs, r) }

// A verbMatch is what a first word is; info is nil if it is none of ours.
type verbMatch struct {
	info  *VerbInfo
	exact bool
	odd   rune // a hidden or look-alike character in the word, 0 if none
}

// match finds the verb that a word is, or is close to.
func match(word string, verbs []VerbInfo) verbMatch {
	var letters [maxVerb]rune
	n := 0
	var odd rune
	slash := false
	for _, r := range word {
		switch {
		case hidden(r):
			if odd == 0 {
				odd = r
			}
			continue
		case isSpace(r) || r == '/' && !slash:
			slash = slash || r == '/'
			continue
		case n == maxVerb:
			return verbMatch{}
		case r > unicode.MaxASCII && odd == 0:
			odd = r
		}
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		letters[n] = r
		n++
	}
	got := letters[:n]
	for i := range verbs {
		if equal(got, verbs[i].Verb) || slices.ContainsFunc(verbs[i].Aliases, func(a Verb) bool { return equal(got, a) }) {
			return verbMatch{&verbs[i], true, odd}
		}
	}
	if foreign(string(got)) {
		return verbMatch{}
	}
	for i := range verbs {
		if near(got, verbs[i].Verb) || slices.ContainsFunc(verbs[i].Aliases, func(a Verb) bool { return near(got, a) }) {
			return verbMatch{&verbs[i], false, odd}
		}
	}
	return verbMatch{}
}

func equal(got []rune, verb Verb) bool {
	return string(got) == string(verb)
}

// foreign are words close to our verbs that are commands of other bots, or
// words of their own.
func foreign(word string) bool {
	switch word {
	case "helm", "state", "stats", "delay", "queue", "depot":
		return true
	}
	return false
}

// near tells whether a word is a slip of the verb: one letter wrong, missing,
// too many or swapped with its neighbour; two in a verb of six letters and
// more if the first letter is right.
func near(got []rune, verb Verb) bool {
	allowed := 1
	if len(verb) >= 6 && len(got) > 0 && got[0] == rune(verb[0]) {
		allowed = 2
	}
	if len(got) < len(verb)-allowed || len(got) > len(verb)+allowed {
		return false
	}
	// The distance of Damerau and Levenshtein, by rows.
	var rows [3][maxVerb + 1]int
	for j := range len(verb) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(got); i++ {
		row, up, up2 := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(verb); j++ {
			cost := 1
			if got[i-1] == rune(verb[j-1]) {
				cost = 0
			}
			row[j] = min(up[j]+1, row[j-1]+1, up[j-1]+cost)
			if i > 1 && j > 1 && got[i-1] == rune(verb[j-2]) && got[i-2] == rune(verb[j-1]) {
				row[j] = min(row[j], up2[j-2]+1)
			}
		}
	}
	return rows[len(got)%3][len(verb)] <= allowed
}

// parse reads what follows the verb.
func parse(m verbMatch, rest string) Parsed {
	info := m.info
	refuse := func(reason string) Parsed {
		return Parsed{Command{Verb: info.Verb}, &CommandError{Verb: info.Verb, Reason: reason, Usage: info.Usage}}
	}
	switch {
	case !m.exact:
		reason := "did you mean /" + string(info.Verb) + "?"
		if m.odd != 0 {
			reason += " There is " + describe(m.odd) + " in the word"
		}
		p := refuse(reason)
		p.Command, p.Err.Hint = Command{}, true
		return p
	case m.odd != 0:
		return refuse("there is " + describe(m.odd) + " in the verb")
	}
	cmd := Command{Verb: info.Verb}
	words := strings.FieldsFunc(rest, isSpace)
	if len(words) > 2*maxServices {
		return refuse("there are too many words")
	}
	names := 0
	for _, word := range words {
		word = plain(word)
		switch {
		case strings.EqualFold(word, "--dry-run"):
			if cmd.DryRun {
				return refuse("--dry-run is there twice")
			}
			cmd.DryRun = true
		case strings.HasPrefix(word, "-"):
			return refuse("/" + string(info.Verb) + " has no flag " + shown(word))
		case strings.HasPrefix(word, "@"):
			if cmd.SHA != "" {
				return refuse("more than one commit is named")
			}
			if cmd.SHA = word[1:]; cmd.SHA == "" {
				return refuse("no commit is named after @")
			}
		case names == 0:
			cmd.Environment = word
			names++
		default:
			cmd.Services = append(cmd.Services, word)
			names++
		}
	}
	if reason := check(info, cmd); reason != "" {
		return refuse(reason)
	}
	return Parsed{Command: cmd}
}

// plain undoes what phones and word processors do to a word: long dashes, and
// quotes around it.
func plain(word string) string {
	const dashes, quotes = "‐‑‒–—―−", "\"'“”„‟‘’‚‛«»"
	if i := strings.IndexFunc(word, func(r rune) bool { return r != '-' && !strings.ContainsRune(dashes, r) }); i > 0 && strings.ContainsAny(word[:i], dashes) {
		word = "--" + strings.Map(func(r rune) rune {
			if strings.ContainsRune(dashes, r) {
				return '-'
			}
			return r
		}, word[i:])
	}
	first, n := utf8.DecodeRuneInString(word)
	last, m := utf8.DecodeLastRuneInString(word)
	if len(word) > n+m && strings.ContainsRune(quotes, first) && strings.ContainsRune(quotes, last) {
		word = word[n : len(word)-m]
	}
	return word
}

// CheckCommand checks a command that did not come as a line of text by the
// rules of [ParseComment]. The error is a [*CommandError].
func CheckCommand(c Command) error {
	for _, info := range Verbs() {
		if info.Verb != c.Verb {
			continue
		}
		if reason := check(&info, c); reason != "" {
			return &CommandError{Verb: c.Verb, Reason: reason, Usage: info.Usage}
		}
		return nil
	}
	return &CommandError{Reason: "there is no command " + shown(string(c.Verb))}
}

// check returns the reason why the command is not one, empty if it is.
func check(info *VerbInfo, c Command) string {
	verb := "/" + string(info.Verb)
	names := len(c.Services)
	if c.Environment != "" {
		names++
	}
	switch {
	case names > 0 && info.most == 0:
		return verb + " takes no arguments"
	case names < info.least:
		return "no environment is named"
	case names > 0 && c.Environment == "":
		return "services are named, but no environment"
	case names > info.most:
		return fmt.Sprintf("more than %d services are named", maxServices)
	case c.DryRun && !info.dryRun:
		return verb + " has no flag --dry-run"
	case c.SHA != "" && !info.sha:
		return verb + " takes no commit"
	}
	if c.Environment != "" {
		if reason := checkName("environment", c.Environment); reason != "" {
			return reason
		}
	}
	seen := make(map[string]bool, len(c.Services))
	for _, service := range c.Services {
		if reason := checkName("service", service); reason != "" {
			return reason
		}
		if low := strings.ToLower(service); !seen[low] {
			seen[low] = true
		} else {
			return "service " + shown(service) + " is named twice"
		}
	}
	if c.SHA != "" && (len(c.SHA) < 7 || len(c.SHA) > 64 || strings.IndexFunc(c.SHA, func(r rune) bool { return !isHex(r) }) >= 0) {
		return shown("@"+c.SHA) + " is no commit: 7 to 64 hexadecimal digits are expected" + odd(c.SHA)
	}
	return ""
}

// checkName checks the name of an environment or a service.
func checkName(what, name string) string {
	if len(name) > maxName {
		return fmt.Sprintf("the name of the %s has more than %d characters", what, maxName) + odd(name)
	}
	for i, r := range name {
		if isAlnum(r) || i > 0 && (r == '.' || r == '_' || r == '-') {
			continue
		}
		if hint := odd(name); hint != "" {
			return shown(name) + " is no name of " + article(what) + hint
		}
		bad := shown(string(r))
		switch r {
		case ' ':
			bad = "a space"
		case '`':
			bad = "a backtick"
		case '"':
			bad = "a quotation mark"
		}
		return fmt.Sprintf("%s is no name of %s: %s cannot stand there", shown(name), article(what), bad)
	}
	if name == "" {
		return "the name of " + article(what) + " is empty"
	}
	return ""
}

func article(what string) string {
	if what == "environment" {
		return "an " + what
	}
	return "a " + what
}

// odd says which character in s people would not notice, if there is one.
func odd(s string) string {
	for _, r := range s {
		if r > unicode.MaxASCII || hidden(r) {
			return ": there is " + describe(r) + " in it"
		}
	}
	return ""
}

func describe(r rune) string {
	switch {
	case r == utf8.RuneError:
		return "something that is not UTF-8"
	case hidden(r):
		return fmt.Sprintf("the invisible character %U", r)
	}
	return fmt.Sprintf("the character %U", r)
}

// shown is outside text within a reason: short, and told from the words
// around it.
func shown(s string) string { return quoted(oneLine(s, maxName)) }

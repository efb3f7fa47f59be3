package gitops

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A TagRule names how a CI makes an image tag of a branch name.
type TagRule string

// The rules.
const (
	// SlashToDash writes - for each / and changes nothing else. It is the
	// default.
	SlashToDash TagRule = "slash-to-dash"
	// GitLabRefSlug is GitLab's CI_COMMIT_REF_SLUG: the name "in lowercase,
	// shortened to 63 bytes, and with everything except 0-9 and a-z replaced
	// with -. No leading / trailing -", see
	// https://docs.gitlab.com/ci/variables/predefined_variables/.
	GitLabRefSlug TagRule = "gitlab-ref-slug"
	// DockerMetadata is what docker/metadata-action makes for type=ref with
	// event=branch: one - for each run of characters other than letters,
	// digits, dot, underscore and dash (sanitizeTag in its src/meta.ts).
	DockerMetadata TagRule = "docker-metadata"
)

// ParseTagRule reads the name of a rule. Empty is [SlashToDash].
func ParseTagRule(s string) (TagRule, error) {
	if s == "" {
		return SlashToDash, nil
	}
	rules := []TagRule{SlashToDash, GitLabRefSlug, DockerMetadata}
	if !slices.Contains(rules, TagRule(s)) {
		return "", fmt.Errorf("unknown tag rule %q: want one of %q", oneLine(s, maxName), rules)
	}
	return TagRule(s), nil
}

// Tag returns the tag that images of the branch have. It is an error if the
// branch is no name that Git allows, or no valid image tag comes of it.
func (r TagRule) Tag(branch string) (string, error) {
	if err := CheckBranch(branch); err != nil {
		return "", err
	}
	var tag string
	switch r {
	case SlashToDash, "":
		tag = strings.ReplaceAll(branch, "/", "-")
	case GitLabRefSlug:
		tag = refSlug(branch)
	case DockerMetadata:
		tag = sanitizedTag(branch)
	default:
		return "", fmt.Errorf("unknown tag rule %q", oneLine(string(r), maxName))
	}
	if !validTag(tag) {
		return "", fmt.Errorf("no image tag can come of branch %s under the rule %s: "+
			"a tag is at most 128 letters, digits, dots, underscores and dashes, and does not begin with a dot or a dash",
			quoted(branch), r)
	}
	return tag, nil
}

func refSlug(branch string) string {
	// GitLab's slugify counts 63 characters after the replacement of each
	// character, not byte, by one dash.
	var b strings.Builder
	for _, c := range strings.ToLower(branch) {
		if b.Len() == 63 {
			break
		}
		if c > unicode.MaxASCII || !isAlnum(c) {
			c = '-'
		}
		b.WriteRune(c)
	}
	return strings.Trim(b.String(), "-")
}

func sanitizedTag(branch string) string {
	var b strings.Builder
	gap := false
	for _, c := range branch {
		ok := isAlnum(c) || c == '.' || c == '_' || c == '-'
		if ok {
			b.WriteRune(c)
		} else if !gap {
			b.WriteByte('-')
		}
		gap = !ok
	}
	return b.String()
}

// validTag checks a tag by the grammar of
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests.
func validTag(tag string) bool {
	for i, c := range tag {
		if !isAlnum(c) && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return tag != "" && len(tag) <= 128
}

// CheckBranch checks the name of a branch as git check-ref-format --branch
// does, see https://git-scm.com/docs/git-check-ref-format, and that it is UTF-8
// without invisible characters and at most 255 bytes long. The name has no
// refs/heads/ in front. The error says on one line what is wrong.
func CheckBranch(name string) error {
	fault := ""
	switch {
	case name == "":
		return errors.New("the branch has no name")
	case len(name) > 255:
		fault = "it is longer than 255 bytes"
	case !utf8.ValidString(name):
		fault = "it is not UTF-8"
	case name == "@" || name == "HEAD":
		fault = "Git keeps the name for itself"
	case strings.HasPrefix(name, "refs/"):
		fault = "it is written without refs/heads/"
	case strings.HasPrefix(name, "-"):
		fault = "it begins with a dash"
	case strings.HasSuffix(name, "."):
		fault = "it ends with a dot"
	case strings.Contains(name, ".."):
		fault = "it has two dots in a row"
	case strings.Contains(name, "@{"):
		fault = "it has @{ in it"
	case strings.ContainsAny(name, " ~^:?*[\\"):
		fault = "it has a character that Git does not allow"
	}
	for _, c := range name {
		if fault == "" && hidden(c) {
			fault = fmt.Sprintf("it has the invisible character %U in it", c)
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		if fault == "" && (part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")) {
			fault = "a part of it is empty, begins with a dot or ends with .lock"
		}
	}
	if fault != "" {
		return fmt.Errorf("%s is no name of a branch: %s", quoted(name), fault)
	}
	return nil
}

// An engine is what reads a pattern to select image tags.
type engine int

const (
	globEngine engine = iota
	semverEngine
	regexpEngine
)

// engineOf finds the engine as Flux v1 does, by the prefix, see NewPattern in
// https://github.com/fluxcd/flux/blob/master/pkg/policy/pattern.go. A pattern
// without a prefix is a glob.
func engineOf(pattern string) (e engine, rest string) {
	for _, known := range []struct {
		prefix string
		engine engine
	}{{"semver:", semverEngine}, {"regexp:", regexpEngine}, {"regex:", regexpEngine}} {
		if rest, ok := strings.CutPrefix(pattern, known.prefix); ok {
			return known.engine, rest
		}
	}
	return globEngine, strings.TrimPrefix(pattern, "glob:")
}

// PatternFor returns the value that makes the target follow the images with
// the tag of a branch. The tag is quoted for the engine that reads the value,
// so that it stands for nothing but itself.
func (t Target) PatternFor(tag string) (string, error) {
	if !strings.Contains(t.Pattern, "{branch}") {
		return "", errors.New("the configured pattern does not say where the branch goes")
	}
	return fill(t.Pattern, tag, "")
}

// PinnedFor returns the value that pins the target to the image of one
// commit, given by its full SHA, of the branch with the tag.
func (t Target) PinnedFor(tag, sha string) (string, error) {
	if !strings.Contains(t.Pinned, "{sha}") {
		return "", errors.New("no pattern that pins to a commit is configured")
	}
	if strings.Trim(sha, "0123456789abcdef") != "" || len(sha) != 40 && len(sha) != 64 {
		return "", fmt.Errorf("%s is no full SHA of a commit", quoted(sha))
	}
	return fill(t.Pinned, tag, sha)
}

func fill(pattern, tag, sha string) (string, error) {
	if err := CheckPattern(pattern); err != nil {
		return "", err
	}
	if !validTag(tag) {
		// A glob has no way to quote a *, so this check is what keeps a
		// pattern from widening.
		return "", fmt.Errorf("%s is no image tag", quoted(tag))
	}
	e, _ := engineOf(pattern)
	if e == regexpEngine {
		tag = regexp.QuoteMeta(tag)
	}
	value := strings.NewReplacer("{branch}", tag, "{sha}", sha).Replace(pattern)
	got, rest := engineOf(value)
	if got != e {
		return "", fmt.Errorf("pattern %s reads as one for another engine", quoted(value))
	}
	if e == regexpEngine {
		// Flux v1 takes a regexp that does not compile as one that matches
		// every tag.
		if _, err := regexp.Compile(rest); err != nil {
			return "", fmt.Errorf("compile pattern %s: %w", quoted(value), err)
		}
	}
	return value, nil
}

// CheckPattern checks a pattern of the configuration: it is not empty, has no
// placeholder but {branch} and {sha}, compiles if it is a regexp, and holds no
// placeholder where the engine would not take it as a whole. That {40} is no
// placeholder but a count in a regexp. The constraint of a semver pattern is
// not looked at.
func CheckPattern(pattern string) error {
	e, rest := engineOf(pattern)
	if rest == "" {
		return errors.New("the pattern is empty")
	}
	for _, c := range pattern {
		if hidden(c) || c == utf8.RuneError {
			return fmt.Errorf("pattern %s: has the invisible character %U in it", quoted(pattern), c)
		}
	}
	for _, name := range placeholders(pattern) {
		switch {
		case name != "{branch}" && name != "{sha}":
			return fmt.Errorf("pattern %s: unknown placeholder %s, want {branch} or {sha}", quoted(pattern), quoted(name))
		case e == semverEngine:
			return fmt.Errorf("pattern %s: a version constraint cannot hold %s", quoted(pattern), name)
		}
	}
	if e == regexpEngine {
		return checkRegexp(pattern, rest)
	}
	return nil
}

// checkRegexp checks that the regexp compiles, and that what goes in for a
// placeholder is matched literally: in a class or before a quantifier it
// would stand for less than itself.
func checkRegexp(pattern, rest string) error {
	const first, last = '\uE000', '\uE001'
	tree, err := syntax.Parse(strings.NewReplacer(
		"{branch}", string([]rune{first, last}), "{sha}", string([]rune{first, last})).Replace(rest), syntax.Perl)
	if err == nil {
		_, err = regexp.Compile(strings.NewReplacer("{branch}", "branch", "{sha}", "0000000").Replace(rest))
	}
	if err != nil {
		return fmt.Errorf("compile pattern %s: %w", quoted(pattern), err)
	}
	var whole func(re *syntax.Regexp) bool
	whole = func(re *syntax.Regexp) bool {
		switch re.Op {
		case syntax.OpConcat, syntax.OpCapture, syntax.OpAlternate:
			return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !whole(sub) })
		case syntax.OpLiteral:
			for i, c := range re.Rune {
				if c == first && (i+1 == len(re.Rune) || re.Rune[i+1] != last) || c == last && (i == 0 || re.Rune[i-1] != first) {
					return false
				}
			}
			return true
		}
		return !mentions(re, first, last)
	}
	if !whole(tree) {
		return fmt.Errorf("pattern %s: a placeholder stands in a class or under a quantifier", quoted(pattern))
	}
	return nil
}

// mentions tells whether a literal below re has one of the runes from first to
// last in it, or a class begins or ends there. Those of [^/] and the like do
// not.
func mentions(re *syntax.Regexp, first, last rune) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return slices.ContainsFunc(re.Rune, func(r rune) bool { return first <= r && r <= last })
	case syntax.OpCharClass: // pairs of bounds
		return slices.ContainsFunc(re.Rune, func(r rune) bool { return first-1 <= r && r <= last+1 })
	}
	return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return mentions(sub, first, last) })
}

// placeholders are what stands in braces, but for counts such as {40} and
// {2,} and classes such as \p{Greek}.
func placeholders(pattern string) []string {
	var found []string
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '{' || i > 1 && pattern[i-2] == '\\' && strings.ContainsRune("pPx", rune(pattern[i-1])) {
			continue
		}
		end := strings.IndexByte(pattern[i:], '}')
		if end < 0 {
			break
		}
		if name := pattern[i : i+end+1]; strings.ContainsFunc(name, unicode.IsLetter) {
			found = append(found, name)
		}
		i += end
	}
	return found
}

// patternMatches tells whether the value takes images with the tag.
func patternMatches(value, tag string) bool {
	switch e, rest := engineOf(value); e {
	case regexpEngine:
		re, err := regexp.Compile(rest)
		return err != nil || re.MatchString(tag) // Flux v1 takes a broken one for all
	case globEngine:
		return globMatches(rest, tag)
	}
	return false // versions are none of a branch's
}

// globMatches matches as https://github.com/ryanuber/go-glob does, which Flux
// v1 uses: * is any text, nothing else is special.
func globMatches(glob, tag string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == tag
	}
	tag, ok := strings.CutPrefix(tag, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, tag, ok = strings.Cut(tag, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(tag, parts[len(parts)-1])
}

// overlapping returns those of the other branches whose images the value would
// take too, as a CI names them (<tag>-<sha>), five at most, inert.
func overlapping(value, own string, others []string, rule TagRule) []string {
	const most = 5
	sha := strings.Repeat("0123456789abcdef", 3)[:40]
	var found []string
	for _, other := range others {
		if len(found) == most {
			break
		}
		tag, err := rule.Tag(other)
		if other == own || err != nil || !patternMatches(value, tag+"-"+sha) {
			continue
		}
		found = append(found, oneLine(other, 255))
	}
	return found
}

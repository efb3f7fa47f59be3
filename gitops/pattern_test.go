package gitops

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTag(t *testing.T) {
	long := strings.Repeat("a", 70)
	for _, tt := range []struct {
		branch               string
		dash, gitlab, docker string // empty is refused
	}{
		{"db-jwt", "db-jwt", "db-jwt", "db-jwt"},
		{"feature/DB_jwt.v2", "feature-DB_jwt.v2", "feature-db-jwt-v2", "feature-DB_jwt.v2"},
		{"a/b/c", "a-b-c", "a-b-c", "a-b-c"},
		{"fix#12", "", "fix-12", "fix-12"},
		{"fix##/12", "", "fix---12", "fix-12"},
		{"größe", "", "gr--e", "gr-e"},
		{"_x_", "_x_", "x", "_x_"},
		{long, long, long[:63], long},
		{strings.Repeat("a", 62) + "/b", strings.Repeat("a", 62) + "-b", strings.Repeat("a", 62), strings.Repeat("a", 62) + "-b"},
		{strings.Repeat("a", 129), "", long[:63], ""},
		{"___", "___", "", "___"},
		{"#x", "", "x", ""},
		{"日本", "", "", ""},
	} {
		for rule, want := range map[TagRule]string{SlashToDash: tt.dash, "": tt.dash, GitLabRefSlug: tt.gitlab, DockerMetadata: tt.docker} {
			got, err := rule.Tag(tt.branch)
			if got != want || (err == nil) != (want != "") {
				t.Errorf("%q.Tag(%q) = %q, %v, want %q", rule, tt.branch, got, err, want)
			}
		}
	}
}

func TestTagRefusesWhatIsNoBranch(t *testing.T) {
	for _, branch := range []string{
		"", "-x", "--force", "@", "HEAD", "a..b", "a.lock", "a.lock/b", ".a", "a/.b", "a.", "/a", "a/", "a//b", "a@{1}",
		"a b", "a~1", "a^", "a:b", "a?", "*", "a[b", "a\\b", "a\x00", "a\nb", "a\x7f", "a\u202eb", "a\u200b", "\xff", strings.Repeat("a", 256),
	} {
		for _, rule := range []TagRule{SlashToDash, GitLabRefSlug, DockerMetadata, "other"} {
			if tag, err := rule.Tag(branch); err == nil || tag != "" || strings.ContainsFunc(err.Error(), hidden) {
				t.Errorf("%s.Tag(%q) = %q, %v", rule, branch, tag, err)
			}
		}
	}
}

func TestParseTagRule(t *testing.T) {
	for in, want := range map[string]TagRule{"": SlashToDash, "slash-to-dash": SlashToDash, "gitlab-ref-slug": GitLabRefSlug, "docker-metadata": DockerMetadata} {
		if got, err := ParseTagRule(in); got != want || err != nil {
			t.Errorf("ParseTagRule(%q) = %q, %v", in, got, err)
		}
	}
	_, err := ParseTagRule("slug")
	want := `unknown tag rule "slug": want one of ["slash-to-dash" "gitlab-ref-slug" "docker-metadata"]`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := TagRule("slug").Tag("x"); err == nil {
		t.Error("a rule that is unknown made a tag")
	}
}

func TestPatternFor(t *testing.T) {
	for _, tt := range []struct{ pattern, tag, want string }{
		{"glob:{branch}-*", "db-jwt", "glob:db-jwt-*"},
		{"{branch}-*", "v1.2", "v1.2-*"},
		{"regexp:^{branch}-[0-9a-f]{40}$", "v1.2_x-y", `regexp:^v1\.2_x-y-[0-9a-f]{40}$`},
		{"regex:^(?:{branch})-(?P<sha>[a-f0-9]{7,})$", "a", "regex:^(?:a)-(?P<sha>[a-f0-9]{7,})$"},
		{"regexp:^(?:{branch}|hotfix)-", "a.b", `regexp:^(?:a\.b|hotfix)-`},
		{`regexp:^{branch}-\p{Greek}[^/]*`, "a", `regexp:^a-\p{Greek}[^/]*`},
	} {
		if err := CheckPattern(tt.pattern); err != nil {
			t.Errorf("CheckPattern(%q) = %v", tt.pattern, err)
		}
		got, err := Target{Pattern: tt.pattern}.PatternFor(tt.tag)
		if got != tt.want || err != nil {
			t.Errorf("PatternFor of %q with %q = %q, %v, want %q", tt.pattern, tt.tag, got, err, tt.want)
		}
	}
}

func TestPatternsThatCouldWidenAreRefused(t *testing.T) {
	for _, tt := range []struct{ pattern, tag string }{
		{"glob:{branch}-*", "*"},
		{"glob:{branch}-*", "a*"},
		{"glob:{branch}-*", ""},
		{"regexp:^{branch}-", ".*"},
		{"regexp:^{branch}-", "a\n"},
		{"glob:{branch}-*", "-a"},
		{"glob:{branch}-*", strings.Repeat("a", 129)},
		{"{branch}:*", "regexp"},
		{"glob:master-*", "a"},
		{"", "a"},
		{"semver:{branch}", "1.0"},
		{"regexp:({branch}", "a"},
		{"regexp:{branch}*", "a"},
		{"regexp:{branch}?-x", "a"},
		{"regexp:^{branch}{0,3}", "a"},
		{"regexp:^(?:{branch})?-", "a"},
		{"regexp:^[{branch}]+-", "a"},
		{"regexp:^[^{branch}]+-", "a"},
		{"glob:{branch}-{service}-*", "a"},
	} {
		if got, err := (Target{Pattern: tt.pattern}).PatternFor(tt.tag); err == nil {
			t.Errorf("PatternFor of %q with %q = %q", tt.pattern, tt.tag, got)
		}
	}
}

func TestPinnedFor(t *testing.T) {
	sha := strings.Repeat("3f9c1e2d", 5)
	for _, tt := range []struct{ pinned, want string }{
		{"glob:{branch}-{sha}", "glob:v1.2-" + sha},
		{"regexp:^{branch}-{sha}$", `regexp:^v1\.2-` + sha + "$"},
		{"sha-{sha}", "sha-" + sha},
		{"glob:{branch}-*", ""},
		{"semver:{sha}", ""},
		{"", ""},
	} {
		got, err := Target{Pinned: tt.pinned}.PinnedFor("v1.2", sha)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("PinnedFor of %q = %q, %v, want %q", tt.pinned, got, err, tt.want)
		}
	}
	for _, sha := range []string{"", "3f9c1e2", strings.Repeat("*", 40), strings.Repeat("A", 40), strings.Repeat("a", 41)} {
		if got, err := (Target{Pinned: "glob:{sha}"}).PinnedFor("a", sha); err == nil {
			t.Errorf("PinnedFor with the SHA %q = %q", sha, got)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"glob:master-*":            "",
		"master":                   "",
		"semver:~1.0":              "",
		"semver:not looked at":     "",
		"regexp:^a{40}$":           "",
		"regexp:^a{2,}b{2,3}$":     "",
		`regexp:^\x{10FFFF}`:       "",
		"":                         "the pattern is empty",
		"glob:":                    "the pattern is empty",
		"regexp:":                  "the pattern is empty",
		"glob:{brunch}-*":          `pattern "glob:{brunch}-*": unknown placeholder "{brunch}", want {branch} or {sha}`,
		"glob:{Branch}":            `pattern "glob:{Branch}": unknown placeholder "{Branch}", want {branch} or {sha}`,
		"semver:{branch}":          `pattern "semver:{branch}": a version constraint cannot hold {branch}`,
		"regexp:(":                 "compile pattern \"regexp:(\": error parsing regexp: missing closing ): `(`",
		"regexp:{branch}+":         `pattern "regexp:{branch}+": a placeholder stands in a class or under a quantifier`,
		"glob:a\u200b*":            `pattern "glob:a*": has the invisible character U+200B in it`,
		"regexp:^a{1001}":          "compile pattern \"regexp:^a{1001}\": error parsing regexp: invalid repeat count: `{1001}`",
		"glob:{branch}-{sha}-{40}": "",
	} {
		got := ""
		if err := CheckPattern(pattern); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CheckPattern(%q) = %s, want %s", pattern, got, want)
		}
	}
}

func TestPatternMatchesAsFluxDoes(t *testing.T) {
	for _, tt := range []struct {
		value, tag string
		want       bool
	}{
		{"glob:a-*", "a-1", true}, {"a-*", "a-1", true}, {"glob:a-*", "ba-1", false}, {"glob:*", "", true},
		{"glob:a", "a", true}, {"glob:a", "ab", false}, {"glob:*-a", "b-a", true}, {"glob:*-a", "b-ab", false},
		{"glob:a*b*c", "axbxc", true}, {"glob:a*b*c", "axc", false}, {"glob:a*a", "a", false}, {"glob:**", "x", true},
		{"glob:a?", "ab", false}, {"glob:[a]", "a", false},
		{"regexp:^a-", "a-1", true}, {"regexp:a", "bab", true}, {"regex:^a$", "ab", false}, {"regexp:(", "anything", true},
		{"semver:*", "a-1", false},
	} {
		if got := patternMatches(tt.value, tt.tag); got != tt.want {
			t.Errorf("patternMatches(%q, %q) = %v", tt.value, tt.tag, got)
		}
	}
}

func TestOverlappingTellsOtherBranchesThatThePatternTakes(t *testing.T) {
	others := []string{"db-jwt", "db-jwt-v2", "db-jw", "db-jwt/x", "DB-JWT-1", "-bad", "db-jwt-\u65e5"}
	for _, tt := range []struct {
		value string
		rule  TagRule
		want  []string
	}{
		{"glob:db-jwt-*", SlashToDash, []string{"db-jwt-v2", "db-jwt/x"}},
		{"glob:db-jwt-*", GitLabRefSlug, []string{"db-jwt-v2", "db-jwt/x", "DB-JWT-1", "db-jwt-\u65e5"}},
		{"regexp:^db-jwt-[0-9a-f]{40}$", SlashToDash, nil},
	} {
		if diff := cmp.Diff(tt.want, overlapping(tt.value, "db-jwt", others, tt.rule)); diff != "" {
			t.Errorf("%s under %s: -want +got\n%s", tt.value, tt.rule, diff)
		}
	}
	var many []string
	for i := range 9 {
		many = append(many, fmt.Sprint("a-", i))
	}
	if got := overlapping("glob:a-*", "a", many, SlashToDash); len(got) != 5 {
		t.Errorf("%d branches are told", len(got))
	}
}

// The pattern of a branch takes each image of the branch, and a regexp that
// is closed at both ends no other.
func FuzzPattern(f *testing.F) {
	for _, branch := range []string{"db-jwt", "feature/a.b+c", "a(b)|c$", "x{3}", "größe/x", "*", "-x", "a..b", "v1.2"} {
		f.Add(branch, "v1x2")
	}
	f.Fuzz(func(t *testing.T, branch, other string) {
		sha := strings.Repeat("3f9c1e2d", 5)
		for _, rule := range []TagRule{SlashToDash, GitLabRefSlug, DockerMetadata} {
			tag, err := rule.Tag(branch)
			if err != nil {
				if !strings.Contains(err.Error(), "branch") || strings.ContainsFunc(err.Error(), hidden) {
					t.Errorf("%s.Tag(%q): %v", rule, branch, err)
				}
				continue
			}
			if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`).MatchString(tag) {
				t.Errorf("%s.Tag(%q) = %q", rule, branch, tag)
			}
			for _, pattern := range []string{"glob:{branch}-*", "{branch}-*", "regexp:^{branch}-[0-9a-f]{40}$"} {
				value, err := Target{Pattern: pattern}.PatternFor(tag)
				if err != nil || !patternMatches(value, tag+"-"+sha) {
					t.Errorf("%q with %q is %q, %v", pattern, tag, value, err)
				}
				if otherTag, err := rule.Tag(other); err == nil && otherTag != tag &&
					(strings.HasPrefix(pattern, "regexp:") || !strings.HasPrefix(otherTag+"-", tag+"-")) && patternMatches(value, otherTag+"-"+sha) {
					t.Errorf("%q takes %q", value, otherTag)
				}
			}
		}
	})
}

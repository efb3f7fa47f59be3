package tidebot_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADMEShowsTheExampleAsItIs compares the deployer in the README with the
// program that it is said to be the heart of, which is built and tested.
func TestREADMEShowsTheExampleAsItIs(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("examples/embed/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var snippets []string
	for _, block := range regexp.MustCompile("(?s)\n```go\n(.*?)\n```").FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(block[1], "gitops.NewDeployer") {
			snippets = append(snippets, block[1])
		}
	}
	if len(snippets) != 1 {
		t.Fatalf("README.md has %d blocks of Go with gitops.NewDeployer, want one", len(snippets))
	}
	if line := missing(snippets[0], string(example)); line != "" {
		t.Errorf("README.md has this line, and examples/embed/main.go has not, at least not there:\n%s", line)
	}
}

func TestALineThatIsNotInTheExampleIsSeen(t *testing.T) {
	const source = "func f() {\n\ta := 1\n\n\tif a > 0 {\n\t\tb()\n\t}\n}\n"
	tests := []struct{ name, snippet, want string }{
		{"all of it", source, ""},
		{"a part, indented otherwise", "a := 1\nif a > 0 {\n    b()\n}", ""},
		{"with lines left out", "a := 1\n\n}", ""},
		{"a line of its own", "a := 1\nb(a)\n}", "b(a)"},
		{"a part of a line", "a :=", "a :="},
		{"another order", "b()\na := 1", "a := 1"},
		{"one line twice", "a := 1\na := 1", "a := 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := missing(tt.snippet, source); got != tt.want {
				t.Errorf("missing line %q, want %q", got, tt.want)
			}
		})
	}
}

// missing returns the first line of a snippet that the source does not have
// after the lines before it; empty if there is none. Indentation and empty
// lines do not count.
func missing(snippet, source string) string {
	rest := strings.Split(source, "\n")
	for line := range strings.SplitSeq(snippet, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		i := 0
		for i < len(rest) && strings.TrimSpace(rest[i]) != line {
			i++
		}
		if i == len(rest) {
			return line
		}
		rest = rest[i+1:]
	}
	return ""
}

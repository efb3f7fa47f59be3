package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxProblems is how many problems are reported at once. Who has more than a
// screen of them has one cause, and wants to see that.
const maxProblems = 20

// A Problem is one thing that is wrong with a file.
type Problem struct {
	File string
	// Line and Column are counted from 1, in characters; 0 if unknown.
	Line, Column int
	// Key is the path of keys to the place, such as services.shoreline.tag.
	Key string
	// Text says what is wrong and what to write instead. It holds no value
	// of a place that is meant for secrets.
	Text string
}

// String writes the problem as file:line:column: key: text.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

// An Error is all that is wrong with a file.
type Error struct {
	// Problems are in the order of the file, at most 20.
	Problems []Problem
	// More is the number of further ones.
	More int
}

// Error writes one problem a line.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.More)
	}
	return b.String()
}

// newError sorts the problems and keeps the first at each place: what else
// is said there mostly follows from it.
func newError(problems []Problem) error {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	problems = slices.CompactFunc(problems, func(a, b Problem) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Key == b.Key
	})
	if len(problems) == 0 {
		return nil
	}
	e := &Error{Problems: problems}
	if len(problems) > maxProblems {
		e.Problems, e.More = problems[:maxProblems], len(problems)-maxProblems
	}
	return e
}

// A place is a path of keys and list positions; isKey means the last key
// itself instead of what it holds.
type place struct {
	path  []string
	isKey bool
}

func at(path ...string) place { return place{path: path} }

func keyAt(path ...string) place { return place{path: path, isKey: true} }

// under returns the place further down.
func (p place) under(keys ...string) place {
	return place{path: slices.Concat(p.path, keys)}
}

var (
	plainKey  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	listIndex = regexp.MustCompile(`^[0-9]+$`)
)

// keyPath writes a path for people. Keys with dots and slashes in them are
// quoted, so that one sees where they end.
func keyPath(path []string) string {
	var b strings.Builder
	for i, key := range path {
		switch {
		case listIndex.MatchString(key):
			b.WriteString("[" + key + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if len(key) > 80 {
			key = key[:80] + "..."
		}
		if plainKey.MatchString(key) {
			b.WriteString(key)
		} else {
			b.WriteString(strconv.Quote(key))
		}
	}
	return b.String()
}

// nearest returns the word most like s, and false if none is.
func nearest(s string, words []string) (string, bool) {
	best, least := "", max(2, len(s)/3)+1
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	return best, best != ""
}

// distance is how many characters must be put in, left out or replaced to
// turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			if a[i] != b[j] {
				diagonal++
			}
			row[j+1] = min(diagonal, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}

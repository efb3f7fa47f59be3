package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/tidebot-dev/tidebot/gitops"
)

// Output is what --output json writes.
type Output struct {
	// ID is the request ID, cli/<uuid>.
	ID string `json:"id"`
	// Commands has one element: a call of the program is one command.
	Commands []Command `json:"commands"`
}

// A Command is what became of the command.
type Command struct {
	// ID is the command ID, as found in the trailer Deploy-Command.
	ID string `json:"id"`
	// Verb is deploy, default, status or diff.
	Verb        string   `json:"verb"`
	Environment string   `json:"environment"`
	Services    []string `json:"services"`
	SHA         string   `json:"sha"`
	DryRun      bool     `json:"dryRun"`
	// Outcome is changed, unchanged, told, refused, failed or unknown.
	Outcome   string   `json:"outcome"`
	Summary   string   `json:"summary"`
	Details   []string `json:"details"`
	AllowedBy string   `json:"allowedBy"`
	Changes   []Change `json:"changes"`
	Status    []Status `json:"status"`
	// Revision is the pushed commit, and URL its page.
	Revision string `json:"revision"`
	URL      string `json:"url"`
}

// A Place is where a field is.
type Place struct {
	Service     string `json:"service"`
	Environment string `json:"environment"`
	File        string `json:"file"`
	// Line is counted from 1; 0 if it is not known.
	Line int `json:"line"`
	// Object is Kind/name or Kind/namespace/name, and Field type:name.
	Object string `json:"object"`
	Field  string `json:"field"`
}

// A Change is a field that was changed or, for diff, would be.
type Change struct {
	Place
	Old string `json:"old"`
	New string `json:"new"`
	// OldText and NewText are the changed lines of the file.
	OldText string `json:"oldText"`
	NewText string `json:"newText"`
}

// A Status is what a field holds.
type Status struct {
	Place
	Value string `json:"value"`
	// Default tells that it is the default.
	Default bool `json:"default"`
	// By, PullRequest, Since and Revision are of the deployment that set it;
	// Since is RFC 3339 in UTC, and all are empty if it is not known.
	By          string `json:"by"`
	PullRequest string `json:"pullRequest"`
	Since       string `json:"since"`
	Revision    string `json:"revision"`
	// ByHand tells that the value is not what the newest deployment wrote.
	ByHand bool `json:"byHand"`
	// Problem says why the value could not be read.
	Problem string `json:"problem"`
}

// NewOutput puts a result into the form of --output json.
func NewOutput(r gitops.Result) Output {
	out := Output{ID: r.ID, Commands: []Command{}}
	for _, c := range r.Commands {
		cmd := Command{
			ID:          c.ID,
			Verb:        string(c.Command.Verb),
			Environment: c.Command.Environment,
			Services:    list(c.Command.Services),
			SHA:         c.Command.SHA,
			DryRun:      c.Command.DryRun,
			Outcome:     string(c.Outcome),
			Summary:     c.Summary,
			Details:     list(c.Details),
			AllowedBy:   c.AllowedBy,
			Changes:     []Change{},
			Status:      []Status{},
			Revision:    c.Revision,
			URL:         c.URL,
		}
		for _, f := range c.Changes {
			cmd.Changes = append(cmd.Changes, Change{
				Place: place(f.Target, f.Line), Old: f.Old, New: f.New, OldText: f.OldText, NewText: f.NewText,
			})
		}
		for _, f := range c.Status {
			s := Status{
				Place: place(f.Target, f.Line), Value: f.Value, Default: f.Default, By: f.By,
				PullRequest: f.PullRequest, Revision: f.Revision, ByHand: f.ByHand, Problem: f.Problem,
			}
			if !f.Since.IsZero() {
				s.Since = f.Since.UTC().Format(time.RFC3339)
			}
			cmd.Status = append(cmd.Status, s)
		}
		out.Commands = append(out.Commands, cmd)
	}
	return out
}

func place(t gitops.Target, line int) Place {
	return Place{
		Service: t.Service, Environment: t.Environment, File: t.File, Line: line,
		Object: t.Object.String(), Field: t.Field.String(),
	}
}

// list is never nil, so that JSON has [] and not null.
func list(s []string) []string { return append([]string{}, s...) }

// JSON writes a result as [Output], indented and with a final newline. All
// values are exact; characters that a terminal would act on are written as \u
// escapes.
func JSON(r gitops.Result) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(NewOutput(r)); err != nil {
		return "", fmt.Errorf("encode result: %w", err)
	}
	var out strings.Builder
	for _, c := range b.String() {
		switch {
		case c == '\n' || !invisible(c):
			out.WriteRune(c)
		case c > 0xFFFF:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	return out.String(), nil
}

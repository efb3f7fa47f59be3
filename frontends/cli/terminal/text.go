package terminal

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/tidebot-dev/tidebot/gitops"
)

// Text writes a result for people, with a final newline. Everything in it
// that came from outside is made inert.
func Text(r gitops.Result) string {
	var b strings.Builder
	for i, c := range r.Commands {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeCommand(&b, c)
	}
	return b.String()
}

func writeCommand(b *strings.Builder, c gitops.CommandResult) {
	if summary := inert(c.Summary); summary != "" {
		fmt.Fprintln(b, summary)
	} else {
		fmt.Fprintln(b, inert(string(c.Outcome)))
	}
	if len(c.Status) > 0 {
		b.WriteByte('\n')
		writeStatus(b, c.Status)
	}
	for _, f := range c.Changes {
		writeChange(b, f)
	}
	if len(c.Details) > 0 {
		b.WriteByte('\n')
		for _, d := range c.Details {
			fmt.Fprintln(b, inert(d))
		}
	}

	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", name, inert(value))
		}
	}
	if c.AllowedBy != "" || c.URL != "" || c.Revision != "" {
		fmt.Fprintln(w)
	}
	fact("Allowed by", c.AllowedBy)
	fact("Commit", orElse(c.URL, c.Revision))
	if c.Revision != "" {
		fact("Command", c.ID)
	}
	w.Flush()
}

// writeChange writes a change with its lines as diff does.
func writeChange(b *strings.Builder, f gitops.FieldChange) {
	fmt.Fprintf(b, "\n%s on %s: %s -> %s\n", inert(f.Target.Service), inert(f.Target.Environment),
		value(f.Old), value(f.New))
	fmt.Fprintf(b, "%s\n", where(f.Target.File, f.Line))
	for _, side := range []struct{ sign, text string }{{"-", f.OldText}, {"+", f.NewText}} {
		if side.text == "" {
			continue
		}
		for _, line := range inertLines(side.text) {
			fmt.Fprintf(b, "  %s%s\n", side.sign, line)
		}
	}
}

// writeStatus writes a table with a row for each field.
func writeStatus(b *strings.Builder, fields []gitops.FieldStatus) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENVIRONMENT\tSERVICE\tVALUE\tSINCE\tBY\tPULL REQUEST\tNOTE")
	for _, f := range fields {
		var since, note string
		if !f.Since.IsZero() {
			since = f.Since.UTC().Format("2006-01-02 15:04 UTC")
		}
		switch {
		case f.Problem != "":
			note = f.Problem
		case f.ByHand:
			note = "changed by hand"
		case f.Default:
			note = "default"
		}
		if f.Problem != "" || f.ByHand {
			note += ", " + where(f.Target.File, f.Line)
		}
		var cells []string
		for _, s := range []string{f.Target.Environment, f.Target.Service, f.Value, since, f.By, f.PullRequest, note} {
			cells = append(cells, orElse(inert(s), "-"))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	w.Flush()
}

// value shows an empty value as such.
func value(s string) string { return orElse(inert(s), `""`) }

func where(file string, line int) string {
	if line == 0 {
		return inert(file)
	}
	return fmt.Sprintf("%s:%d", inert(file), line)
}

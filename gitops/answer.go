package gitops

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Markdown is the answer to a request as it is put on the pull request. All
// that came from outside is in it as inert text.
func Markdown(res Result) string {
	var b strings.Builder
	for i, c := range res.Commands {
		if i > 0 {
			b.WriteString("\n---\n\n")
		}
		c.markdown(&b, res.Actor)
	}
	return b.String()
}

func (c CommandResult) markdown(b *strings.Builder, actor string) {
	fmt.Fprintf(b, "**%s**", inline(c.Summary))
	if len(c.Changes) == 1 {
		fmt.Fprintf(b, " · %s", c.Changes[0].markdown())
	}
	b.WriteString("\n")
	if len(c.Changes) > 1 {
		b.WriteString("\n")
		for _, ch := range c.Changes {
			fmt.Fprintf(b, "- %s: %s\n", markdownCode(ch.Target.Service), ch.markdown())
		}
		b.WriteString("\n")
	}
	if c.Revision != "" {
		fmt.Fprintf(b, "%s for %s", c.commitLink(), markdownText(actor))
		if c.AllowedBy != "" {
			fmt.Fprintf(b, ", allowed by %s", markdownText(c.AllowedBy))
		}
		b.WriteString(".\n")
	}
	if c.Command.Verb == Help {
		b.WriteString("\n")
		for _, s := range c.Details {
			fmt.Fprintf(b, "- %s\n", inline(s))
		}
	} else {
		for _, s := range c.Details {
			b.WriteString(inline(s) + "\n")
		}
	}
	c.statusTable(b)
	if len(c.Changes) > 0 {
		b.WriteString("\n<details><summary>Details</summary>\n\n")
		for _, ch := range c.Changes {
			fmt.Fprintf(b, "%s, %s\n\n", markdownCode(fmt.Sprintf("%s:%d", ch.Target.File, ch.Line)), markdownCode(ch.Target.Object.String()))
			fence := fence(ch.OldText + ch.NewText)
			fmt.Fprintf(b, "%sdiff\n-%s\n+%s\n%s\n\n", fence, oneLine(ch.OldText, 500), oneLine(ch.NewText, 500), fence)
		}
		fmt.Fprintf(b, "Command %s\n\n</details>\n", markdownCode(c.ID))
	}
}

func (c CommandResult) commitLink() string {
	short := c.Revision[:min(7, len(c.Revision))]
	if c.URL == "" {
		return "Commit " + markdownCode(short)
	}
	return fmt.Sprintf("[%s](%s)", markdownCode(short), c.URL)
}

func (ch FieldChange) markdown() string {
	return fmt.Sprintf("%s: %s -> %s", markdownCode(ch.Target.Field.Name), markdownCode(ch.Old), markdownCode(ch.New))
}

func (c CommandResult) statusTable(b *strings.Builder) {
	if len(c.Status) == 0 {
		return
	}
	b.WriteString("\n| environment | service | follows | since | by |\n|---|---|---|---|---|\n")
	for _, f := range c.Status {
		row := []string{markdownCode(f.Target.Environment), markdownCode(f.Target.Service), "", "", ""}
		switch {
		case f.Problem != "":
			row[2] = "not read: " + markdownText(f.Problem)
		case f.Default:
			row[2] = markdownCode(f.Value) + " (default)"
		default:
			row[2] = markdownCode(f.Value)
		}
		if f.ByHand {
			row[4] = "changed by hand"
		}
		if f.By != "" {
			row[3] = f.Since.UTC().Format("2006-01-02 15:04 UTC")
			row[4] = markdownText(f.By)
			if f.PullRequest != "" {
				row[4] += " in " + address(f.PullRequest)
			}
		}
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", `\|`)
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
}

// address renders an address of the provider's so that it can be followed, and
// anything that is not plainly one as inert text.
func address(s string) string {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("./:_-", r))
	}
	if strings.HasPrefix(s, "https://") && strings.Trim(s, "./:") == s && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return markdownText(s)
}

// inline renders a summary or detail: what stands between backticks is code,
// everything else is inert text.
func inline(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		switch {
		case part == "":
		case i%2 == 1:
			b.WriteString(markdownCode(part))
		default:
			b.WriteString(markdownText(part))
		}
	}
	return b.String()
}

// fence is a code fence that does not occur in the text.
func fence(text string) string {
	f := "```"
	for strings.Contains(text, f) {
		f += "`"
	}
	return f
}

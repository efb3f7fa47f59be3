package terminal

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageTemplate is cobra's without what Tidebot has not, and with the exit
// codes, which scripts rely on.
const usageTemplate = `Usage: {{.UseLine}}
{{- if .Aliases}}
Also:  {{.NameAndAliases}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

Verbs:
{{- range .Commands}}{{if or .IsAvailableCommand (eq .Name "help")}}
  {{rpad .Name .NamePadding}} {{.Short}}{{if .Aliases}} (also: {{index .Aliases 0}}){{end}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}

Exit codes: 0 done (changed, already so, told), 1 failed or not known,
2 wrong arguments, 3 refused with nothing changed
`

// newHelp makes the verb help. Cobra's own one exits with 0 when it does not
// know the verb.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:                   "help [verb]",
		Short:                 "This help, or that of a verb",
		DisableFlagsInUseLine: true,
		Args:                  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return root.Help()
			}
			cmd := lookup(root, args[0])
			if cmd == nil {
				return unknownVerb(root, args[0])
			}
			return cmd.Help()
		},
	}
}

// lookup returns the command of a verb, or nil.
func lookup(root *cobra.Command, verb string) *cobra.Command {
	for _, cmd := range root.Commands() {
		if cmd.Name() == verb || cmd.HasAlias(verb) {
			return cmd
		}
	}
	return nil
}

// unknownVerb says that there is no such verb, and which one is close.
func unknownVerb(root *cobra.Command, verb string) *usageError {
	var verbs []string
	for _, cmd := range root.Commands() {
		verbs = append(append(verbs, cmd.Name()), cmd.Aliases...)
	}
	e := &usageError{reason: "unknown verb " + quote(verb), usage: root.UseLine()}
	if c := closest(verb, append(verbs, "help")); c != "" {
		e.meant = "tidebot " + c
	}
	return e
}

// flagError adds to pflag's words which flag of the verb is close.
func flagError(cmd *cobra.Command, err error) error {
	e := &usageError{reason: err.Error(), usage: cmd.UseLine()}
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if c := closest(name, names); c != "" {
			e.meant = "--" + c
		}
	}
	return e
}

// quote shows an argument, however long, within quotes.
func quote(s string) string {
	const most = 40
	r := []rune(inert(s))
	if len(r) > most {
		r = append(r[:most], '…')
	}
	return `"` + string(r) + `"`
}

// closest returns the candidate that word was perhaps meant to be: at most
// two letters off, or begun with the same letters; empty if there is none.
func closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, least := "", 3
	for _, c := range candidates {
		if d := distance(word, c); d < least && d < len(c) {
			best, least = c, d
		}
	}
	for _, c := range candidates {
		if best == "" && len(word) > 1 && strings.HasPrefix(c, word) {
			best = c
		}
	}
	return best
}

// distance is the Levenshtein distance: how many letters must be added, taken
// away or replaced to make b of a. Words too long to be close cost nothing.
func distance(a, b string) int {
	if len(a) > 2*len(b)+3 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

package terminal

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/vcs"
)

// A call is what the arguments ask for; the request ID is still to be made.
type call struct {
	direct gitops.Direct
	json   bool
}

// A usageError says what is wrong with the arguments.
type usageError struct {
	reason, usage string
	// meant is what was perhaps meant.
	meant string
}

func (e *usageError) Error() string { return e.reason }

// text is what is shown on stderr. The reason may repeat arguments.
func (e *usageError) text() string {
	text := "tidebot: " + inert(e.reason) + "\n"
	if e.meant != "" {
		text += "Did you mean " + e.meant + "?\n"
	}
	return text + "Usage: " + e.usage + "\nHelp: tidebot help\n"
}

// The flags as typed. A verb has those that mean something for it.
type flags struct {
	services             []string
	branch, pr, provider string
	dryRun               bool
	output               string
}

// parse reads the arguments. It returns either a call, or help to be shown,
// or an error of type [*usageError]; cobra parses and writes the help, but
// carries out and prints nothing.
func parse(args []string) (c call, help string, err error) {
	var shown strings.Builder
	root := newRoot(&c)
	root.SetArgs(args)
	root.SetOut(&shown)
	root.SetErr(&shown)

	// Cobra has verbs of its own for shells to call (__complete), which are
	// not offered here, so the verb is looked up before cobra sees it.
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && lookup(root, args[0]) == nil {
		return call{}, "", unknownVerb(root, args[0])
	}
	if len(args) == 0 {
		return call{}, "", &usageError{reason: "say what to do", usage: root.UseLine()}
	}
	cmd, err := root.ExecuteC()
	if err == nil {
		return c, shown.String(), nil
	}
	if usage := new(usageError); errors.As(err, &usage) {
		return call{}, "", usage
	}
	return call{}, "", &usageError{reason: err.Error(), usage: cmd.UseLine()}
}

// newRoot makes the command tree, which writes what it reads into c.
func newRoot(c *call) *cobra.Command {
	root := &cobra.Command{
		Use:   "tidebot <verb>",
		Short: "Deploy by one commit to the config repository",
		Long: `Deploy by one commit to the config repository: the same verbs, rules and
answers as in a pull request comment. Who acts is the owner of the provider
token that Tidebot is configured with.`,
		Example: `  tidebot deploy qa1 shoreline --branch db-jwt
  tidebot deploy qa1 --pr tidepool-org/shoreline#12 @3f9c1e2
  tidebot status qa1 --output json`,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:                  cobra.NoArgs,
		RunE: func(root *cobra.Command, _ []string) error {
			return &usageError{reason: "say what to do", usage: root.UseLine()}
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(newHelp(root))
	root.AddCommand(
		newVerb(c, gitops.Deploy, &cobra.Command{
			Use:   "deploy <environment> [service...] (--branch b | --pr owner/repo#12) [@sha] [flags]",
			Short: "A branch into an environment",
			Long: `Deploy a branch, or the head of a pull request, into an environment. The field
follows the branch: later pushes to it too. @sha pins to one commit instead.
No service means all that come from the pull request's repository.`,
		}),
		newVerb(c, gitops.Default, &cobra.Command{
			Use:   "default <environment> [service...] [--pr owner/repo#12] [flags]",
			Short: "Back to the default pattern",
			Long: `Return services in an environment to their default pattern. No service means
all that come from the repository of the pull request given by --pr.`,
		}),
		newVerb(c, gitops.Status, &cobra.Command{
			Use:     "status [environment] [service...] [flags]",
			Aliases: []string{"query"},
			Short:   "What runs where, since when, by whom",
		}),
		newVerb(c, gitops.Diff, &cobra.Command{
			Use:   "diff <environment> [service...] (--branch b | --pr owner/repo#12) [@sha] [flags]",
			Short: "What deploy would change; changes nothing",
		}),
	)
	root.InitDefaultHelpCmd()
	return root
}

// newVerb completes cmd with the flags and the arguments of a verb.
func newVerb(c *call, verb gitops.Verb, cmd *cobra.Command) *cobra.Command {
	var f flags
	set := cmd.Flags()
	set.SortFlags = false
	set.StringArrayVarP(&f.services, "service", "s", nil, "the `service`, like the argument; may be repeated")
	deploys := verb == gitops.Deploy || verb == gitops.Diff
	if deploys {
		set.StringVarP(&f.branch, "branch", "b", "", "the `branch` to deploy")
	}
	set.StringVar(&f.pr, "pr", "", "the pull request, as `owner/repo#number`")
	if verb == gitops.Deploy || verb == gitops.Default {
		set.BoolVar(&f.dryRun, "dry-run", false, "show what would be changed, change nothing")
	}
	set.StringVarP(&f.output, "output", "o", "text", "the `format` of the result: text or json")
	set.StringVar(&f.provider, "provider", "", "the `name` of the provider, such as github.com; needed\nonly if several are configured")

	cmd.DisableFlagsInUseLine = true
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		c.json = f.output == "json"
		c.direct, err = f.direct(verb, set, args)
		if err == nil {
			err = gitops.CheckCommand(c.direct.Command)
		}
		if wrong := new(gitops.CommandError); errors.As(err, &wrong) {
			err = errors.New(wrong.Reason)
		}
		if err != nil {
			return &usageError{reason: err.Error(), usage: cmd.UseLine()}
		}
		return nil
	}
	return cmd
}

// shaPattern is a commit ID or a prefix of one.
var shaPattern = regexp.MustCompile(`^[0-9A-Fa-f]{7,64}$`)

// direct makes the command of the flags and arguments of a verb. It checks
// their form; what names mean is for the core.
func (f flags) direct(verb gitops.Verb, set *pflag.FlagSet, args []string) (gitops.Direct, error) {
	d := gitops.Direct{
		Provider: f.provider,
		Command:  gitops.Command{Verb: verb, DryRun: f.dryRun},
		Branch:   f.branch,
	}
	deploys := set.Lookup("branch") != nil
	var names []string
	for _, arg := range args {
		sha, pinned := strings.CutPrefix(arg, "@")
		switch {
		case !pinned && arg != "":
			names = append(names, arg)
		case !pinned:
			return d, errors.New("an argument is empty")
		case !deploys:
			return d, fmt.Errorf("%s takes no commit, but got %q", verb, arg)
		case !shaPattern.MatchString(sha):
			return d, fmt.Errorf("commit %q: want @ and 7 to 64 hexadecimal digits", arg)
		case d.Command.SHA != "":
			return d, errors.New("more than one commit given")
		default:
			d.Command.SHA = sha
		}
	}
	if len(names) == 0 && verb != gitops.Status {
		return d, errors.New("which environment?")
	}
	if len(names) > 0 {
		d.Command.Environment, d.Command.Services = names[0], names[1:]
	}
	for _, s := range f.services {
		if s == "" {
			return d, errors.New("--service is empty")
		}
		if d.Command.Environment == "" {
			return d, errors.New("--service needs an environment")
		}
	}
	d.Command.Services = append(d.Command.Services, f.services...)

	switch {
	case f.output != "text" && f.output != "json":
		return d, fmt.Errorf("--output %q: want text or json", f.output)
	case set.Changed("branch") && set.Changed("pr"):
		return d, errors.New("--branch and --pr exclude each other")
	case deploys && f.branch == "" && f.pr == "":
		return d, errors.New("what is to be deployed? Give --branch or --pr")
	case set.Changed("pr"):
		pr, err := parsePullRequest(f.pr)
		if err != nil {
			return d, err
		}
		pr.Repo.Provider = f.provider
		d.PullRequest = &pr
	}
	return d, nil
}

// prPattern allows several segments before the name, as GitLab's groups have.
var prPattern = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*)+)#([1-9][0-9]{0,17})$`)

// parsePullRequest reads owner/repo#number.
func parsePullRequest(s string) (vcs.PullRequestRef, error) {
	m := prPattern.FindStringSubmatch(s)
	if m == nil {
		return vcs.PullRequestRef{}, fmt.Errorf("pull request %q: want owner/repo#number", s)
	}
	number, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		return vcs.PullRequestRef{}, fmt.Errorf("pull request %q: %w", s, err)
	}
	return vcs.PullRequestRef{Repo: vcs.Repo{Path: m[1]}, Number: number}, nil
}

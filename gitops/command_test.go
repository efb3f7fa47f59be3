package gitops

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// deployed are the commands of a comment as text, errors as "! reason".
func deployed(body string) []string {
	var got []string
	for _, p := range ParseComment(body) {
		if p.Err != nil {
			got = append(got, "! "+p.Err.Reason)
			continue
		}
		s := string(p.Command.Verb)
		for _, name := range append([]string{p.Command.Environment}, p.Command.Services...) {
			if name != "" {
				s += " " + name
			}
		}
		if p.Command.SHA != "" {
			s += " @" + p.Command.SHA
		}
		if p.Command.DryRun {
			s += " dry"
		}
		got = append(got, s)
	}
	return got
}

func TestParseComment(t *testing.T) {
	type comments map[string][]string
	one := []string{"deploy qa1"}
	for row, cases := range map[string]comments{
		"a line that begins with a verb is a command": {
			"/deploy qa1":                            one,
			"   /deploy qa1":                         one,
			"please:\n/deploy qa1\nthanks":           one,
			"/deploy qa1\n/status qa1":               {"deploy qa1", "status qa1"},
			"/query":                                 {"status"},
			"/help":                                  {"help"},
			"/deploy qa1 shoreline gatekeeper":       {"deploy qa1 shoreline gatekeeper"},
			"/deploy qa1 --dry-run":                  {"deploy qa1 dry"},
			"/deploy --dry-run qa1 @3f9c1e2":         {"deploy qa1 @3f9c1e2 dry"},
			"/diff qa1 @3f9c1e2":                     {"diff qa1 @3f9c1e2"},
			"/default qa1 --DRY-RUN":                 {"default qa1 dry"},
			"# Title\n/deploy qa1":                   one,
			"/deploy qa1\n---\nmore":                 one,
			"- tested by hand\n\n/deploy qa1":        one,
			"- tested by hand\n/deploy qa1":          one,
			"* * *\n/deploy qa1":                     one,
			"text `with code` and ` \n\n/deploy qa1": one,
			"an odd ` tick\n/deploy qa1\nend":        one,
			"1 < 2\n/deploy qa1\n2 > 1":              one,
			"a <!-- that never ends\n\n/deploy qa1":  one,
			"use `<!--` here\n/deploy qa1":           one,
			"\\`not code\n/deploy qa1\nat all`":      one,
		},
		"fenced code is text": {
			"```\n/deploy qa1\n```":               nil,
			"```sh\r\n/deploy qa1\r\n```\r\n":     nil,
			"~~~\n/deploy qa1\n~~~":               nil,
			"```\n/deploy qa1":                    nil,
			"````\n```\n/deploy qa1\n```\n````":   nil,
			"   ```\n/deploy qa1\n   ```":         nil,
			"- item\n  ```\n  /deploy qa1\n  ```": nil,
			"~~~ `\n/deploy qa1\n~~~":             nil,
			"```\n~~~\n/deploy qa1\n```":          nil,
			"```\ncode\n```\n/deploy qa1":         one,
			"```\ncode\n    ```\n/deploy qa1":     nil,
			"``` not ` a fence\n/deploy qa1":      one,
			"- item\n  ```\n/deploy qa1\n":        one,
		},
		"indented code is text": {
			"    /deploy qa1":                   nil,
			"\t/deploy qa1":                     nil,
			"text\n\n    /deploy qa1":           nil,
			"text\n    /deploy qa1":             nil,
			"  \t/deploy qa1":                   nil,
			"- item\n\n      /deploy qa1":       nil,
			"    code\n\n    more\n/deploy qa1": one,
		},
		"a quote is text": {
			"> /deploy qa1":                 nil,
			">/deploy qa1":                  nil,
			"> said:\n/deploy qa1":          nil,
			"> > deep\n/deploy qa1":         nil,
			"- > in a list\n/deploy qa1":    nil,
			"> said\n\n/deploy qa1":         one,
			"> ```\n/deploy qa1":            one,
			">>>\n/deploy qa1\n\n>>>":       nil,
			">>>\nquoted\n>>>\n/deploy qa1": one,
			">>>\n/deploy qa1":              one,
		},
		"HTML is text": {
			"<!-- /deploy qa1 -->":                        nil,
			"<!--\n/deploy qa1\n-->":                      nil,
			"<!--\n\n/deploy qa1":                         nil,
			"see <!-- this\n/deploy qa1\n--> there":       nil,
			"<!-- a -->\n/deploy qa1":                     one,
			"<!--\n-->\n/deploy qa1":                      one,
			"<details>\n/deploy qa1\n</details>":          nil,
			"<details>\n\n/deploy qa1\n\n</details>":      one,
			"<pre>\n\n/deploy qa1\n</pre>":                nil,
			"<PRE class=x>\n\n/deploy qa1\n":              nil,
			"<script>\n\n/deploy qa1\n</script>\n/status": {"status"},
			"<style>\n/deploy qa1":                        nil,
			"<textarea>\n\n/deploy qa1\n</textarea>":      nil,
			"<?php\n\n/deploy qa1\n?>":                    nil,
			"<!DOCTYPE\n/deploy qa1\n>":                   nil,
			"<![CDATA[\n\n/deploy qa1\n]]>":               nil,
			"<x-tag>\n/deploy qa1":                        nil,
			"text <a title=\"\n/deploy qa1\n\"> more":     nil,
			"<https://example.com>\n/deploy qa1":          one,
			"</pre>\n/deploy qa1":                         nil,
			"> <x-tag>\t\n/deploy qa1":                    one,
			"<https://a.b/`>\n/deploy qa1\n`":             one,
			"text <a title=\"\n/deploy qa1\nmore":         one,
		},
		"inline code is text": {
			"`/deploy qa1`":                    nil,
			"so `this\n/deploy qa1\nthat`":     nil,
			"so ``this `\n/deploy qa1\nthat``": nil,
			"so ``this\n/deploy qa1\nthat`":    one,
		},
		"mid-sentence and in an address is text": {
			"please do not /deploy qa1":      nil,
			"https://example.com/deploy qa1": nil,
			"- /deploy qa1":                  nil,
			"1. /deploy qa1":                 nil,
			"| /deploy qa1 |":                nil,
			"**/deploy qa1**":                nil,
			"/ deploy qa1":                   nil,
			"//deploy qa1":                   {"! did you mean /deploy?"},
			"deploy qa1":                     nil,
			"":                               nil,
		},
		"upper case is taken": {
			"/DEPLOY QA1": {"deploy QA1"},
			"/Deploy Qa1": {"deploy Qa1"},
			"/QUERY":      {"status"},
		},
		"line ends, spaces and what phones put in": {
			"/deploy qa1\r":               one,
			"text\r/deploy qa1\rtext":     one,
			"/deploy qa1 \t \u00a0":       one,
			"/deploy\u00a0qa1":            one,
			"/deploy\tqa1":                one,
			"\u00a0/deploy qa1":           one,
			"/deploy qa1 —dry-run":        {"deploy qa1 dry"},
			"/deploy qa1 –dry-run":        {"deploy qa1 dry"},
			"/deploy qa1 −−dry‑run":       {"deploy qa1 dry"},
			"/deploy “qa1”":               one,
			"/deploy \"qa1\" ‘shoreline’": {"deploy qa1 shoreline"},
		},
		"characters that people do not see are refused": {
			"/deploy qa\u202e1":      {`! "qa1" is no name of an environment: there is the invisible character U+202E in it`},
			"/deploy qa1\u200b":      {`! "qa1" is no name of an environment: there is the invisible character U+200B in it`},
			"/deploy qa1 sh\u043ere": {"! \"sh\u043ere\" is no name of a service: there is the character U+043E in it"},
			"/deploy qa\x001":        {`! "qa1" is no name of an environment: there is the invisible character U+0000 in it`},
			"/deploy qa\xff1":        {"! \"qa\ufffd1\" is no name of an environment: there is something that is not UTF-8 in it"},
			"/de\u200bploy qa1":      {"! there is the invisible character U+200B in the verb"},
			"\ufeff/deploy qa1":      {"! there is the invisible character U+FEFF in the verb"},
			"/depl\u043ey qa1":       {"! did you mean /deploy? There is the character U+043E in the word"},
			"/deploy qa–1":           {"! \"qa–1\" is no name of an environment: there is the character U+2013 in it"},
			"/he\u200bllo":           nil,
		},
		"a slip of a verb gets a hint": {
			"/depoly qa1": {"! did you mean /deploy?"},
			"/deply qa1":  {"! did you mean /deploy?"},
			"/deploys":    {"! did you mean /deploy?"},
			"/dploy qa1":  {"! did you mean /deploy?"},
			"/dpeloi qa1": {"! did you mean /deploy?"},
			"/deploy: x":  {"! did you mean /deploy?"},
			"/defualt x":  {"! did you mean /default?"},
			"/statsu":     {"! did you mean /status?"},
			"/qeury":      {"! did you mean /status?"},
			"/dif qa1":    {"! did you mean /diff?"},
			"/halp":       {"! did you mean /help?"},
		},
		"other words are somebody else's": {
			"/hold\n/retest\n/test all\n/approve\n/lgtm\n/helm\n/state\n/queue\n/cc @x\n/assign\n/close": nil,
			"/history qa1\n/rollback qa1\n/promote a b\n/lock qa1\n/unlock qa1":                          nil,
			"/reply\n/replay\n/delete\n/destroy\n/develop\n/usr/bin\n/d\n/":                              nil,
			"/deploy/qa1":         nil,
			"/deploymentpipeline": nil,
		},
		"missing, surplus and contradictory arguments are refused": {
			"/deploy":                             {"! no environment is named"},
			"/deploy\nqa1":                        {"! no environment is named"},
			"/default @3f9c1e2 qa1":               {"! /default takes no commit"},
			"/status qa1 --dry-run":               {"! /status has no flag --dry-run"},
			"/diff qa1 --dry-run":                 {"! /diff has no flag --dry-run"},
			"/help deploy":                        {"! /help takes no arguments"},
			"/deploy qa1 --for 2h":                {`! /deploy has no flag "--for"`},
			"/deploy qa1 --force":                 {`! /deploy has no flag "--force"`},
			"/deploy -f qa1":                      {`! /deploy has no flag "-f"`},
			"/deploy qa1 --dry-run=true":          {`! /deploy has no flag "--dry-run=true"`},
			"/deploy qa1 --dry-run —dry-run":      {"! --dry-run is there twice"},
			"/deploy qa1 @3f9c1e2 @3f9c1e2":       {"! more than one commit is named"},
			"/deploy qa1 @3f9c1e":                 {`! "@3f9c1e" is no commit: 7 to 64 hexadecimal digits are expected`},
			"/deploy qa1 @someone":                {`! "@someone" is no commit: 7 to 64 hexadecimal digits are expected`},
			"/deploy qa1 @":                       {"! no commit is named after @"},
			"/deploy qa1, qa2":                    {`! "qa1," is no name of an environment: "," cannot stand there`},
			"/deploy ../etc":                      {`! "../etc" is no name of an environment: "." cannot stand there`},
			"/deploy qa1 a A":                     {`! service "A" is named twice`},
			"/deploy `qa1`":                       {`! "'qa1'" is no name of an environment: a backtick cannot stand there`},
			"/deploy " + strings.Repeat("a", 63):  {"deploy " + strings.Repeat("a", 63)},
			"/deploy " + strings.Repeat("a", 64):  {"! the name of the environment has more than 63 characters"},
			"/deploy" + strings.Repeat(" a", 300): {"! there are too many words"},
		},
		"a long comment is bounded": {
			strings.Repeat("x\n", maxBody/2) + "/deploy qa1": {"! the comment is too long to be read: put the command into a short one"},
			strings.Repeat("x\n", maxBody):                   nil,
			strings.Repeat("/status\n", 50): append(strings.Split(strings.Repeat("status ", 20), " ")[:20],
				"! there are more than 20 commands in the comment; this one and those after it were not read"),
		},
	} {
		t.Run(row, func(t *testing.T) {
			for body, want := range cases {
				if diff := cmp.Diff(want, deployed(body)); diff != "" {
					t.Errorf("ParseComment(%.80q): -want +got\n%s", body, diff)
				}
				if len(want) > 0 && !HasCommand(body) {
					t.Errorf("HasCommand(%.80q) is false", body)
				}
			}
		})
	}
}

func TestCommandErrorShowsTheLineAndTheUsage(t *testing.T) {
	got := ParseComment("/deploy qa1 --force \u202e`@someone`")
	want := []Parsed{{
		Command: Command{Verb: Deploy},
		Err: &CommandError{
			Verb: Deploy, Text: "/deploy qa1 --force `@someone`", Reason: `/deploy has no flag "--force"`,
			Usage: "/deploy <environment> [service...] [@sha] [--dry-run]",
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := got[0].Err.Error(), `/deploy has no flag "--force"; usage: /deploy <environment> [service...] [@sha] [--dry-run]`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	hint := ParseComment("/deplyo qa1")[0]
	if hint.Command.Verb != "" || !hint.Err.Hint || hint.Err.Verb != Deploy {
		t.Errorf("a hint is %+v, %+v", hint.Command, hint.Err)
	}
}

func TestCheckCommandHoldsAStructuredCommandToTheGrammar(t *testing.T) {
	for want, c := range map[string]Command{
		"":                                       {Verb: Deploy, Environment: "qa1", Services: []string{"a", "b"}, SHA: "3F9C1E2", DryRun: true},
		`there is no command "lock"`:             {Verb: "lock", Environment: "qa1"},
		`there is no command ""`:                 {},
		"no environment is named":                {Verb: Default},
		"services are named, but no environment": {Verb: Status, Services: []string{"a"}},
		"/help takes no arguments":               {Verb: Help, Environment: "qa1"},
		"/help has no flag --dry-run":            {Verb: Help, DryRun: true},
		"/status takes no commit":                {Verb: Status, SHA: "3f9c1e2"},
		"the name of a service is empty":         {Verb: Deploy, Environment: "qa1", Services: []string{""}},
		`"-x" is no name of an environment: "-" cannot stand there`:                                                         {Verb: Deploy, Environment: "-x"},
		`"@3f9c1e2 x" is no commit: 7 to 64 hexadecimal digits are expected: there is the invisible character U+000A in it`: {Verb: Diff, Environment: "qa1", SHA: "3f9c1e2\nx"},
		"more than 100 services are named":                                                                                  {Verb: Deploy, Environment: "qa1", Services: make([]string, 101)},
	} {
		err := CheckCommand(c)
		if want == "" {
			if err != nil {
				t.Errorf("CheckCommand(%+v) = %v", c, err)
			}
			continue
		}
		e := new(CommandError)
		if !errors.As(err, &e) || e.Reason != want {
			t.Errorf("CheckCommand(%+v) = %v, want %s", c, err, want)
		}
	}
}

func TestVerbsAreWhatTheGrammarTakes(t *testing.T) {
	for _, v := range Verbs() {
		for _, name := range append([]Verb{v.Verb}, v.Aliases...) {
			line := "/" + string(name)
			if strings.Contains(v.Usage, "<environment>") {
				line += " qa1"
			}
			if strings.Contains(v.Usage, "[service...]") && v.least > 0 {
				line += " shoreline"
			}
			if strings.Contains(v.Usage, "[@sha]") {
				line += " @0123456789abcdef"
			}
			if strings.Contains(v.Usage, "[--dry-run]") {
				line += " --dry-run"
			}
			got := ParseComment(line)
			if len(got) != 1 || got[0].Err != nil || got[0].Command.Verb != v.Verb {
				t.Errorf("ParseComment(%q) = %+v", line, got)
			}
		}
		if !strings.HasPrefix(v.Usage, "/"+string(v.Verb)) || v.Short == "" {
			t.Errorf("%s is described as %q, %q", v.Verb, v.Usage, v.Short)
		}
	}
}

func ExampleParseComment() {
	comment := "Looks good.\n\n/deploy qa1 shoreline\n\n> /deploy prod\n\n/depoly qa2\n"
	for _, p := range ParseComment(comment) {
		if p.Err != nil {
			fmt.Println(p.Err.Text, "-", p.Err.Reason)
			continue
		}
		fmt.Println(p.Command.Verb, p.Command.Environment, p.Command.Services)
	}
	// Output:
	// deploy qa1 [shoreline]
	// /depoly qa2 - did you mean /deploy?
}

// hostile are texts that make careless scanners slow.
func hostile(n int) map[string]string {
	m := map[string]string{
		"prose":    strings.Repeat("Some prose with `code` and a line break.\n", n/41),
		"commands": strings.Repeat("/deploy qa1 shoreline @3f9c1e2\n", n/31),
		"ticks":    "/status\n" + strings.Repeat("` `` ``` ", n/9),
		"growing":  "/status\n",
		"comments": "/status\n" + strings.Repeat("<!-- ", n/5),
		"tags":     "/status\n" + strings.Repeat("<a b='<a b=\"", n/12),
		"quotes":   strings.Repeat(">", n),
		"nested":   strings.Repeat("> - 1. ", n/7) + "\n/status",
		"deep":     strings.Repeat("- ", 100) + "x\n" + strings.Repeat("\n/status", n/8),
		"lazy":     strings.Repeat("> ", 100) + "x\n" + strings.Repeat("/status\n", n/8),
		"spaces":   strings.Repeat(" ", n) + "/status",
		"dashes":   "/status " + strings.Repeat("—", n/3),
		"hidden":   strings.Repeat("\u200b", n/3) + "/status",
	}
	for i := 1; len(m["growing"]) < n; i++ {
		m["growing"] += strings.Repeat("`", i) + " "
	}
	return m
}

func BenchmarkParseComment(b *testing.B) {
	for _, n := range []int{16 << 10, 128 << 10} {
		for name, body := range hostile(n) {
			b.Run(fmt.Sprintf("%s/%dKiB", name, n>>10), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					ParseComment(body)
				}
			})
		}
	}
}

func BenchmarkHasCommand(b *testing.B) {
	body := hostile(16 << 10)["prose"]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		HasCommand(body)
	}
}

func FuzzParseComment(f *testing.F) {
	for _, body := range hostile(200) {
		f.Add(body)
	}
	for _, body := range []string{
		"/deploy qa1", "/DEPLOY\u00a0QA1 “a” —dry-run @3f9c1e2\r\n/query", "```\n/deploy qa1\n```\n/help",
		"> a\n/deploy qa1\n\n- b\n  ~~~\n/diff x", "<!-- `\n/deploy qa1\n-->\n/status", "/de\u200bploy qa\u202e1",
		"    /deploy\n\t/deploy\n /depoly -x", ">>>\n/status\n>>>\n<pre>\n/status\n</pre>/status", "1. a\n\n   /status\n2)\n\n/status",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := ParseComment(body)
		if len(got) > 0 && !HasCommand(body) {
			t.Errorf("HasCommand is false, and there is %+v", got)
		}
		if len(got) > maxCommands+1 {
			t.Errorf("%d commands", len(got))
		}
		for _, p := range got {
			if p.Err == nil {
				if err := CheckCommand(p.Command); err != nil {
					t.Errorf("%+v is not a command: %v", p.Command, err)
				}
				continue
			}
			for _, s := range []string{p.Err.Text, p.Err.Reason, p.Err.Usage, p.Err.Error()} {
				if s != visible(s) || !utf8.ValidString(s) || len(s) > 500 {
					t.Errorf("text is not inert: %q", s)
				}
			}
		}
		// A quote around everything leaves nothing to run.
		if quoted := deployed("> " + strings.NewReplacer("\r\n", "\n> ", "\r", "\n> ", "\n", "\n> ").Replace(body)); quoted != nil && len(body) < maxBody/4 {
			t.Errorf("in a quote there is %q", quoted)
		}
	})
}

package gitops

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		"two\r\nlines\nand\rmore\n":    "two lines and more",
		"  indented\t":                 "  indented",
		"\x1b[31mred\x07\x00":          "[31mred",
		"a\u202eb\u2066c\u200bd\ufeff": "abcd",
		"soft\u00adhyphen\u2028x":      "softhyphen x",
		"tag\U000e0041s and \ufe0f":    "tags and",
		"not utf-8 \xff\xfe":           "not utf-8 \ufffd\ufffd",
		"nel\u0085nbsp\u00a0x":         "nel nbsp x",
		"Zoë Müller 日本":                "Zoë Müller 日本",
		"":                             "",
	} {
		if got := oneLine(in, 100); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOneLineCutsBetweenCharacters(t *testing.T) {
	for _, s := range []string{strings.Repeat("日", 40), strings.Repeat("\u200b", 400) + "x", strings.Repeat("a", 400), "ab"} {
		for limit := range 30 {
			got := oneLine(s, limit)
			if len(got) > limit || !utf8.ValidString(got) {
				t.Errorf("oneLine(%.9q..., %d) = %q", s, limit, got)
			}
		}
	}
	if got, want := oneLine("日本語テキスト", 11), "日本..."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMarkdownTextIsInert(t *testing.T) {
	for in, want := range map[string]string{
		"plain words, 14:02 UTC. Done": "plain words, 14:02 UTC. Done",
		" on ":                         " on ",
		"@someone and @org/team":       `\@&#8203;someone and \@&#8203;org/team`,
		"a@example.com":                `a\@&#8203;example.com`,
		"#12 o/r#12 GH-12":             "&#35;&#8203;12 o/r&#35;&#8203;12 GH-&#8203;12",
		"!12 $3 %\"x\" ~bug &4":        `\!&#8203;12 &#36;&#8203;3 \%&#8203;"x" \~&#8203;bug &amp;&#8203;4`,
		"50% & more":                   `50\% &amp; more`,
		"# heading":                    "&#35; heading",
		"- item":                       `\- item`,
		"12. item. 3. x":               `12\. item. 3. x`,
		"1) item":                      `1\) item`,
		"=== ":                         `\=== `,
		"/close":                       "&#47;close",
		"a/b":                          "a/b",
		"> quote":                      "&gt; quote",
		"*b* _i_ ~~s~~":                `\*b\* \_i\_ \~\~&#8203;s\~\~`,
		"[a](javascript:x)":            `\[a\](javascript:x)`,
		"![a](//x)":                    `\!\[a\](//x)`,
		"<img src=x onerror=y>":        "&lt;img src=x onerror=y&gt;",
		"<!-- x -->":                   `&lt;\!&#8203;-- x --&gt;`,
		"https://x.y www.x.y":          "https:&#8203;//x.y www.&#8203;x.y",
		"`code` \\":                    `&#96;code&#96; \\`,
		"a|b":                          "a&#124;b",
		":tada: a:b":                   ":&#8203;tada: a:b",
		"3f9c1e2d":                     "3f9c&#8203;1e2d",
		"&lt;":                         "&amp;&#8203;lt;",
		"two\nlines\u202e":             "two lines",
		"":                             "",
	} {
		if got := markdownText(in); got != want {
			t.Errorf("markdownText(%q) =\n%s, want\n%s", in, got, want)
		}
	}
}

func TestMarkdownCodeHoldsAnyBackticks(t *testing.T) {
	for in, want := range map[string]string{
		"glob:a-*":     "`glob:a-*`",
		"a`b":          "``a`b``",
		"`a``":         "``` `a`` ```",
		" a ":          "`  a  `",
		" a":           "` a`",
		"":             "` `",
		"  ":           "` `",
		"a\n```\nb":    "````a ``` b````",
		"\\":           "`\\`",
		"@x\u202e\x1b": "`@x`",
	} {
		if got := markdownCode(in); got != want {
			t.Errorf("markdownCode(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzInert(f *testing.F) {
	f.Add("@a #1 `b` <c> \\", 10)
	f.Add("\u202e\xff日本\r\n/close", 7)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit = limit & 0xff; len(oneLine(s, limit)) > limit {
			t.Errorf("oneLine(%q, %d) is longer", s, limit)
		}
		for _, out := range []string{oneLine(s, limit), markdownText(s), markdownCode(s)} {
			if strings.ContainsAny(out, "\n\r\t") || !utf8.ValidString(out) || strings.ContainsFunc(out, hidden) {
				t.Errorf("%q is not inert", out)
			}
		}
		text := markdownText(s)
		if strings.ContainsAny(text, "<>`|") || strings.Contains(text, "://") || strings.Contains(text, "@a") {
			t.Errorf("markdownText(%q) = %q", s, text)
		}
		// Code is one span: no run of backticks inside ends it.
		code := markdownCode(s)
		if spans := inlineSpans(code); len(spans) != 1 || spans[0] != (span{0, len(code)}) {
			t.Errorf("markdownCode(%q) = %q is %v", s, code, spans)
		}
	})
}

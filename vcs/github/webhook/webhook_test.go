package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebot-dev/tidebot/vcs"
)

const created = `{"action": "created",
	"issue": {"number": 12, "pull_request": {"url": "https://api.github.com/repos/acme/shop/pulls/12"}},
	"comment": {"id": 345, "body": "/deploy qa1", "user": {"login": "ann", "type": "User"}},
	"repository": {"full_name": "acme/shop"},
	"sender": {"login": "ann", "type": "User"}}`

func headers(event string) http.Header {
	h := http.Header{}
	h.Set("X-GitHub-Event", event)
	h.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	h.Set("Content-Type", "application/json")
	return h
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestVerify(t *testing.T) {
	const body = `{"zen": "Speak like a human."}`
	for _, test := range []struct {
		name       string
		signatures []string
		secrets    []string
		ok         bool
	}{
		{"the secret has signed", []string{sign("s1", body)}, []string{"s1"}, true},
		{"the second of two secrets has signed", []string{sign("s2", body)}, []string{"s1", "s2"}, true},
		{"an empty secret beside a good one", []string{sign("s2", body)}, []string{"", "s2"}, true},
		{"another secret has signed", []string{sign("s3", body)}, []string{"s1", "s2"}, false},
		{"another body was signed", []string{sign("s1", body+" ")}, []string{"s1"}, false},
		{"no secret is configured", []string{sign("", body)}, nil, false},
		{"an empty secret signs nothing", []string{sign("", body)}, []string{""}, false},
		{"an empty secret among others signs nothing", []string{sign("", body)}, []string{"s1", ""}, false},
		{"no signature", nil, []string{"s1"}, false},
		{"an empty signature", []string{""}, []string{"s1"}, false},
		{"two signatures", []string{sign("s1", body), sign("s1", body)}, []string{"s1"}, false},
		{"no prefix", []string{strings.TrimPrefix(sign("s1", body), "sha256=")}, []string{"s1"}, false},
		{"SHA-1's prefix", []string{strings.Replace(sign("s1", body), "sha256", "sha1", 1)}, []string{"s1"}, false},
		{"cut short", []string{sign("s1", body)[:40]}, []string{"s1"}, false},
		{"longer", []string{sign("s1", body) + "00"}, []string{"s1"}, false},
		{"not hexadecimal", []string{"sha256=" + strings.Repeat("zz", 32)}, []string{"s1"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			for _, s := range test.signatures {
				h.Add("X-Hub-Signature-256", s)
			}
			var secrets [][]byte
			for _, s := range test.secrets {
				secrets = append(secrets, []byte(s))
			}
			err := Verify(h, []byte(body), secrets...)
			if test.ok && err != nil {
				t.Fatal(err)
			}
			if !test.ok && !errors.Is(err, ErrSignature) {
				t.Fatalf("got %v, want ErrSignature", err)
			}
		})
	}
}

// The values are those of GitHub's page on validating deliveries.
func TestVerifyTakesTheDocumentedExample(t *testing.T) {
	h := http.Header{}
	h.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	if err := Verify(h, []byte("Hello, World!"), []byte("It's a Secret to Everybody")); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyIgnoresTheOlderHeader(t *testing.T) {
	h := http.Header{}
	h.Set("X-Hub-Signature", sign("s1", "x"))
	if err := Verify(h, []byte("x"), []byte("s1")); !errors.Is(err, ErrSignature) {
		t.Fatalf("got %v, want ErrSignature", err)
	}
}

func TestVerifyKeepsSecrets(t *testing.T) {
	h := http.Header{}
	h.Set("X-Hub-Signature-256", sign("wrong", "x"))
	err := Verify(h, []byte("x"), []byte("hunter2"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("got %v", err)
	}
}

func TestParse(t *testing.T) {
	swap := func(old, new string) string {
		if !strings.Contains(created, old) {
			panic("not in the payload: " + old)
		}
		return strings.Replace(created, old, new, 1)
	}
	ref := vcs.CommentRef{
		PullRequest: vcs.PullRequestRef{Repo: vcs.Repo{Path: "acme/shop"}, Number: 12},
		ID:          345,
	}
	for _, test := range []struct {
		name, event, body string
		want              Event
		fails             bool
	}{
		{name: "a person's comment counts", event: "issue_comment", body: created,
			want: Event{Kind: Comment, Action: "created", Ref: ref, Body: "/deploy qa1"}},
		{name: "an edited comment is ignored", event: "issue_comment", body: swap("created", "edited"),
			want: Event{Kind: Other, Action: "edited", Reason: "comment edited"}},
		{name: "a deleted comment is ignored", event: "issue_comment", body: swap("created", "deleted"),
			want: Event{Kind: Other, Action: "deleted", Reason: "comment deleted"}},
		{name: "an issue's comment is ignored", event: "issue_comment", body: swap(`"pull_request"`, `"x"`),
			want: Event{Kind: Other, Action: "created", Reason: "comment of an issue"}},
		{name: "pull_request null is an issue", event: "issue_comment",
			body: swap(`{"url": "https://api.github.com/repos/acme/shop/pulls/12"}`, "null"),
			want: Event{Kind: Other, Action: "created", Reason: "comment of an issue"}},
		{name: "a bot's comment is ignored", event: "issue_comment", body: swap(`"type": "User"`, `"type": "Bot"`),
			want: Event{Kind: Other, Action: "created", Reason: "comment not by a person"}},
		{name: "a comment by a deleted account is ignored", event: "issue_comment",
			body: swap(`{"login": "ann", "type": "User"}},`, `null},`),
			want: Event{Kind: Other, Action: "created", Reason: "comment not by a person"}},
		{name: "ping", event: "ping", body: `{"zen": "x"}`, want: Event{Kind: Ping}},
		{name: "another event's body is not read", event: "push", body: `{`, want: Event{Kind: Other, Reason: "event push"}},

		{name: "no event's name", event: "", body: created, fails: true},
		{name: "an event's name with a new line", event: "issue_comment\nx", body: created, fails: true},
		{name: "no JSON", event: "issue_comment", body: "payload=%7B%7D", fails: true},
		{name: "empty", event: "issue_comment", body: "", fails: true},
		{name: "null", event: "issue_comment", body: "null", fails: true},
		{name: "two documents", event: "issue_comment", body: created + created, fails: true},
		{name: "an ID that is text", event: "issue_comment", body: swap("345", `"345"`), fails: true},
		{name: "an ID beyond 64 bits", event: "issue_comment", body: swap("345", "18446744073709551616"), fails: true},
		{name: "a negative ID", event: "issue_comment", body: swap("345", "-345"), fails: true},
		{name: "no number", event: "issue_comment", body: swap(`"number": 12`, `"number": 0`), fails: true},
		{name: "a repository that climbs", event: "issue_comment", body: swap(`"acme/shop"`, `"acme/.."`), fails: true},
		{name: "a repository with a query", event: "issue_comment", body: swap(`"acme/shop"`, `"acme/shop?x"`), fails: true},
		{name: "a repository in three parts", event: "issue_comment", body: swap(`"acme/shop"`, `"acme/shop/x"`), fails: true},
		{name: "a repository without owner", event: "issue_comment", body: swap(`"acme/shop"`, `"/shop"`), fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(headers(test.event), []byte(test.body))
			if test.fails {
				if !errors.Is(err, ErrPayload) {
					t.Fatalf("got %+v, %v, want ErrPayload", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			test.want.Name = test.event
			test.want.Delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseTakesJSONOnly(t *testing.T) {
	h := headers("issue_comment")
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, err := Parse(h, []byte(created)); !errors.Is(err, ErrPayload) {
		t.Fatalf("got %v, want ErrPayload", err)
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	if e, err := Parse(h, []byte(created)); err != nil || e.Kind != Comment {
		t.Fatalf("got %+v, %v", e, err)
	}
}

func TestParseDropsAStrangeDelivery(t *testing.T) {
	h := headers("ping")
	h.Set("X-GitHub-Delivery", "a\x1b[31m")
	if e, err := Parse(h, nil); err != nil || e.Delivery != "" {
		t.Fatalf("got %+v, %v", e, err)
	}
}

// check holds Parse to what holds for every payload.
func check(t *testing.T, event string, body []byte) {
	t.Helper()
	e, err := Parse(headers(event), body)
	if err != nil {
		if !errors.Is(err, ErrPayload) {
			t.Errorf("%v does not wrap ErrPayload", err)
		}
		if e != (Event{}) {
			t.Errorf("an event beside an error: %+v", e)
		}
		return
	}
	switch e.Kind {
	case Comment:
		if e.Ref.ID <= 0 || e.Ref.PullRequest.Number <= 0 || !repository(e.Ref.PullRequest.Repo.Path) || e.Action != "created" {
			t.Errorf("a comment without a place: %+v", e)
		}
	case Other:
		if e.Reason == "" {
			t.Errorf("ignored without a reason: %+v", e)
		}
	case Ping:
	default:
		t.Errorf("kind %q", e.Kind)
	}
}

// TestPayloads also reads every payload below the directory in the environment
// variable TIDEBOT_PAYLOADS, if set; else the one in this file.
func TestPayloads(t *testing.T) {
	payloads := [][]byte{[]byte(created)}
	if dir := os.Getenv("TIDEBOT_PAYLOADS"); dir != "" {
		files := 0
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			payloads = append(payloads, b)
			files++
			return err
		})
		if err != nil || files == 0 {
			t.Fatalf("read payloads: %d, %v", files, err)
		}
	}
	for _, p := range payloads {
		check(t, "issue_comment", p)
		for n := 0; n < len(p); n += 100 {
			check(t, "issue_comment", p[:n])
		}
		var v any
		if json.Unmarshal(p, &v) != nil {
			continue
		}
		for _, other := range []any{nil, "text", 1.5, -1, true, []any{}, map[string]any{}} {
			for _, changed := range replace(v, other, 4) {
				b, err := json.Marshal(changed)
				if err != nil {
					t.Fatal(err)
				}
				check(t, "issue_comment", b)
			}
		}
	}
}

// replace returns copies of v, each with another one of its values replaced.
func replace(v, by any, depth int) []any {
	out := []any{by}
	m, ok := v.(map[string]any)
	if !ok || depth == 0 {
		return out
	}
	for k := range m {
		// The rest of a payload is not looked at.
		if !strings.Contains(" action comment issue repository id body user type number pull_request full_name ", " "+k+" ") {
			continue
		}
		for _, c := range replace(m[k], by, depth-1) {
			n := make(map[string]any, len(m))
			for k, v := range m {
				n[k] = v
			}
			n[k] = c
			out = append(out, n)
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	f.Add("issue_comment", []byte(created))
	f.Add("issue_comment", []byte(strings.Replace(created, "created", "edited", 1)))
	f.Add("issue_comment", []byte(strings.Replace(created, "User", "Bot", 1)))
	f.Add("issue_comment", []byte(`{"action":"created","issue":{"pull_request":{}},"comment":{"user":{"type":"User"}}}`))
	f.Add("issue_comment", []byte(`{"ACTION":"created","action":1}`))
	f.Add("issue_comment", bytes.Repeat([]byte("["), 20000))
	f.Add("ping", []byte(`{}`))
	f.Add("push\x00", []byte{0xff, 0xfe})
	f.Fuzz(check)
}

package frontendv1

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/vcs"
)

// fill sets every field of v to something that is not zero, so that a field
// which a conversion forgets is missed.
func fill(t *testing.T, v reflect.Value, n *int64) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+*n, 0).UTC()))
		return
	case gitops.Verb:
		v.Set(reflect.ValueOf(gitops.Diff))
		return
	case gitops.Outcome:
		v.Set(reflect.ValueOf(gitops.Told))
		return
	case gitops.Phase:
		v.Set(reflect.ValueOf(gitops.Running))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n)
	case reflect.String:
		v.SetString(strings.Repeat("x", int(*n%50)+1))
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("cannot fill a %s", v.Type())
	}
}

func filled[T any](t *testing.T) T {
	var v T
	var n int64
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

// wire sends a message over the wire.
func wire[M proto.Message](t *testing.T, m M, err error, into M) M {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func TestEveryFieldOfARequestIsKept(t *testing.T) {
	comment, branch, pr := filled[gitops.Request](t), filled[gitops.Request](t), filled[gitops.Request](t)
	comment.Direct = nil
	branch.Comment, pr.Comment = vcs.CommentRef{}, vcs.CommentRef{}
	branch.Direct.PullRequest, pr.Direct.Branch = nil, ""
	for name, want := range map[string]gitops.Request{"comment": comment, "branch": branch, "pull request": pr} {
		t.Run(name, func(t *testing.T) {
			p, err := RequestToProto(want)
			got, err := RequestFromProto(wire(t, p, err, &Request{}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryFieldOfAResultIsKept(t *testing.T) {
	want := filled[gitops.Result](t)
	p, err := ResultToProto(want)
	got, err := ResultFromProto(wire(t, p, err, &Result{}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFieldOfAProgressIsKept(t *testing.T) {
	want := filled[gitops.Progress](t)
	p, err := ProgressToProto(want)
	got, err := ProgressFromProto(wire(t, p, err, &Progress{}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryEnumValueHasItsPair(t *testing.T) {
	for name, n := range map[string][2]int{
		"verb":    {len(verbs.proto), len(Verb_name)},
		"phase":   {len(phases.proto), len(Phase_name)},
		"outcome": {len(outcomes.proto), len(Outcome_name)},
	} {
		if n[0] != n[1]-1 { // less the unspecified one
			t.Errorf("%s: %d values in Go, %d in the protocol", name, n[0], n[1]-1)
		}
	}
}

func TestResultOfAnUnknownCommandCanBeSent(t *testing.T) {
	p, err := ResultToProto(gitops.Result{Commands: []gitops.CommandResult{{
		Command: gitops.Command{Verb: "depoly"}, Outcome: gitops.Refused, Summary: "not \xff text",
	}}})
	got, err := ResultFromProto(wire(t, p, err, &Result{}))
	if err != nil || got.Commands[0].Command.Verb != "" || got.Commands[0].Outcome != gitops.Refused {
		t.Errorf("got %+v and error %v", got, err)
	}
}

func TestHostileRequestIsRefused(t *testing.T) {
	pr := func() *PullRequestRef { return &PullRequestRef{Provider: "github.com", Path: "o/r", Number: 1} }
	direct := func(change func(*Direct)) *Request {
		d := &Direct{Id: "cli/1", Command: &Command{Verb: Verb_VERB_DEPLOY}}
		change(d)
		return &Request{Request: &Request_Direct{Direct: d}}
	}
	comment := func(pr *PullRequestRef, id int64) *Request {
		return &Request{Request: &Request_Comment{Comment: &CommentRef{PullRequest: pr, Id: id}}}
	}
	for name, r := range map[string]*Request{
		"nothing":               nil,
		"neither":               {},
		"empty comment":         {Request: &Request_Comment{}},
		"empty direct":          {Request: &Request_Direct{}},
		"no pull request":       comment(nil, 1),
		"no comment ID":         comment(pr(), 0),
		"negative comment ID":   comment(pr(), -1),
		"no number":             comment(&PullRequestRef{Provider: "github.com", Path: "o/r"}, 1),
		"long path":             comment(&PullRequestRef{Provider: "github.com", Path: strings.Repeat("x", 2000), Number: 1}, 1),
		"newline in path":       comment(&PullRequestRef{Provider: "github.com", Path: "o/r\nx", Number: 1}, 1),
		"no ID":                 direct(func(d *Direct) { d.Id = "" }),
		"no command":            direct(func(d *Direct) { d.Command = nil }),
		"unknown verb":          direct(func(d *Direct) { d.Command.Verb = 99 }),
		"branch and PR":         direct(func(d *Direct) { d.Branch, d.PullRequest = "main", pr() }),
		"half a PR":             direct(func(d *Direct) { d.PullRequest = &PullRequestRef{} }),
		"a thousand services":   direct(func(d *Direct) { d.Command.Services = make([]string, 1000) }),
		"escape in environment": direct(func(d *Direct) { d.Command.Environment = "qa1\x1b[2J" }),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := RequestFromProto(r); err == nil {
				t.Errorf("got %+v and no error", got)
			}
		})
	}
}

// Package webhook checks and reads what GitHub posts to a webhook: first
// [Verify] with the bytes as they came, then [Parse].
//
// What a payload says is a hint that something happened, and where; who wrote
// what is for the core to read from GitHub itself. So Parse gives little: the
// place of the comment, and its text to drop those without a command early.
//
// The package imports no API client, so that the program that listens to the
// internet stays small. Formats are those of
// https://docs.github.com/en/webhooks/webhook-events-and-payloads.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidebot-dev/tidebot/vcs"
)

// MaxBody is the size in bytes of the largest payload that GitHub sends.
// Nobody needs to read more than that before [Verify].
const MaxBody = 25 << 20

// The headers of a delivery.
const (
	headerEvent     = "X-GitHub-Event"
	headerDelivery  = "X-GitHub-Delivery"
	headerSignature = "X-Hub-Signature-256"
)

// Why a delivery is not taken. Test with [errors.Is].
var (
	// ErrSignature means that nobody who knows a secret sent these bytes.
	ErrSignature = errors.New("signature not accepted")
	// ErrPayload means that the delivery is not what GitHub documents.
	ErrPayload = errors.New("payload not understood")
)

// A Kind says what an [Event] is to us.
type Kind string

// The kinds of events.
const (
	// Comment is a new comment of a person under a pull request.
	Comment Kind = "comment"
	// Ping is what GitHub sends when the webhook is set up.
	Ping Kind = "ping"
	// Other is everything else, to be acknowledged and dropped.
	Other Kind = "other"
)

// An Event is one delivery.
type Event struct {
	Kind Kind
	// Name is GitHub's name for the event, "issue_comment".
	Name string
	// Delivery identifies the delivery at GitHub, for the log; empty if it
	// did not look like an identifier.
	Delivery string
	// Action is what happened to the comment, "created"; empty for other
	// events than issue_comment.
	Action string
	// Reason says, for the log, why the event is of kind Other.
	Reason string
	// Ref is where the comment is, if Kind is Comment. Its provider's name is
	// empty: whoever knows whose secret has signed fills it in.
	Ref vcs.CommentRef
	// Body is the comment's text, if Kind is Comment.
	Body string
}

// Verify checks that one of the secrets has signed the body, which must be
// the bytes as received. Two secrets are accepted while one replaces the
// other. An empty secret signs nothing. The error wraps [ErrSignature].
//
// See https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries;
// the older header with SHA-1 is not accepted.
func Verify(header http.Header, body []byte, secrets ...[]byte) error {
	values := header.Values(headerSignature)
	if len(values) != 1 {
		return fmt.Errorf("%w: want one header %s, got %d", ErrSignature, headerSignature, len(values))
	}
	digest, ok := strings.CutPrefix(values[0], "sha256=")
	if !ok {
		return fmt.Errorf("%w: %s does not begin with sha256=", ErrSignature, headerSignature)
	}
	got, err := hex.DecodeString(digest)
	if err != nil || len(got) != sha256.Size {
		return fmt.Errorf("%w: %s is not a SHA-256 in hexadecimal", ErrSignature, headerSignature)
	}
	// Every secret is tried, also after a match: how long it takes says
	// nothing about which one it was.
	usable, match := 0, false
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		usable++
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if hmac.Equal(got, mac.Sum(nil)) {
			match = true
		}
	}
	switch {
	case usable == 0:
		return fmt.Errorf("%w: no secret is configured", ErrSignature)
	case !match:
		return fmt.Errorf("%w: none of %d secrets has signed this", ErrSignature, usable)
	}
	return nil
}

// payload is what is read of an issue_comment event, see
// https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment.
type payload struct {
	Action  string `json:"action"`
	Comment struct {
		ID   int64  `json:"id"`
		Body string `json:"body"`
		User struct {
			Type string `json:"type"`
		} `json:"user"`
	} `json:"comment"`
	Issue struct {
		Number      int64     `json:"number"`
		PullRequest *struct{} `json:"pull_request"`
	} `json:"issue"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

// Parse reads a delivery whose signature was checked. An event that is none
// of ours is no error: it is of kind [Other], with the reason. The error wraps
// [ErrPayload].
func Parse(header http.Header, body []byte) (Event, error) {
	e := Event{
		Kind:     Other,
		Name:     identifier(header.Get(headerEvent)),
		Delivery: identifier(header.Get(headerDelivery)),
	}
	switch e.Name {
	case "":
		return Event{}, fmt.Errorf("%w: no event's name in header %s", ErrPayload, headerEvent)
	case "ping":
		e.Kind = Ping
		return e, nil
	case "issue_comment":
	default:
		e.Reason = "event " + e.Name
		return e, nil
	}
	if media, _, _ := strings.Cut(header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return Event{}, fmt.Errorf("%w: content type %.80q: set the webhook to application/json", ErrPayload, media)
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, fmt.Errorf("%w: issue_comment: %w", ErrPayload, err)
	}
	e.Action = identifier(p.Action)
	switch {
	case e.Action == "":
		return Event{}, fmt.Errorf("%w: issue_comment without an action", ErrPayload)
	case e.Action != "created":
		// An edited comment never runs: who edited it need not be its author.
		e.Reason = "comment " + e.Action
		return e, nil
	case p.Issue.PullRequest == nil:
		e.Reason = "comment of an issue"
		return e, nil
	case p.Comment.User.Type != "User":
		e.Reason = "comment not by a person"
		return e, nil
	}
	if p.Comment.ID <= 0 || p.Issue.Number <= 0 || !repository(p.Repository.FullName) {
		return Event{}, fmt.Errorf("%w: issue_comment without the place of the comment", ErrPayload)
	}
	e.Kind = Comment
	e.Body = p.Comment.Body
	e.Ref = vcs.CommentRef{
		PullRequest: vcs.PullRequestRef{
			Repo:   vcs.Repo{Path: p.Repository.FullName},
			Number: p.Issue.Number,
		},
		ID: p.Comment.ID,
	}
	return e, nil
}

// identifier returns s if it can go into a log line as it is, else nothing.
func identifier(s string) string {
	if len(s) > 64 || !plain(s, "_-") {
		return ""
	}
	return s
}

// repository tells whether s is the full name of a repository.
func repository(s string) bool {
	owner, name, ok := strings.Cut(s, "/")
	return ok && owner != "" && name != "" && len(s) <= 140 &&
		plain(owner, "_-") && plain(name, "._-") && name != "." && name != ".."
}

// plain tells whether s has ASCII letters, digits and the others only.
func plain(s, others string) bool {
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.ContainsRune(others, c):
		default:
			return false
		}
	}
	return true
}

package vcstest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// A Delivery is what the forge posts to a webhook.
type Delivery struct {
	Event string
	// ID stays the same if the delivery is sent again.
	ID   string
	Body []byte
}

// CommentDelivery tells that something happened to a comment: created, edited
// or deleted, by the sender. That of a deleted comment is made before it is
// deleted. See
// https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment.
func (f *Forge) CommentDelivery(id int64, action, sender string) (Delivery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, u := f.comments[id], f.users[fold(sender)]
	if c == nil || u == nil {
		return Delivery{}, fmt.Errorf("make delivery for comment %d by %s: no such thing", id, sender)
	}
	issue := map[string]any{"number": c.number}
	if pr := c.repo.pull(c.number); pr != nil {
		issue["pull_request"] = map[string]any{
			"url":      fmt.Sprintf("%s%s/repos/%s/pulls/%d", f.web, prefix, c.repo.Path, c.number),
			"html_url": fmt.Sprintf("%s/%s/pull/%d", f.web, c.repo.Path, c.number),
		}
	}
	payload := map[string]any{
		"action":     action,
		"issue":      issue,
		"comment":    f.commentJSON(c),
		"repository": f.repoJSON(c.repo),
		"sender":     f.userJSON(u, false),
	}
	if action == "edited" {
		payload["changes"] = map[string]any{"body": map[string]any{"from": "before"}}
	}
	return newDelivery("issue_comment", payload)
}

// PingDelivery is sent when a webhook is set up. See
// https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping.
func PingDelivery() (Delivery, error) {
	return newDelivery("ping", map[string]any{"zen": "Speak like a human.", "hook_id": 1})
}

func newDelivery(event string, payload any) (Delivery, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Delivery{}, fmt.Errorf("make delivery: %w", err)
	}
	b := make([]byte, 16)
	rand.Read(b)
	return Delivery{event, fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), body}, nil
}

// Sign returns the value of X-Hub-Signature-256 for a body.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Request makes the request that brings the delivery to a webhook, signed
// with the secret; an empty one signs nothing, as with GitHub.
func (d Delivery) Request(ctx context.Context, url string, secret []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
	if err != nil {
		return nil, fmt.Errorf("make delivery: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "GitHub-Hookshot/0000000")
	r.Header.Set("X-GitHub-Event", d.Event)
	r.Header.Set("X-GitHub-Delivery", d.ID)
	r.Header.Set("X-GitHub-Hook-Installation-Target-Type", "repository")
	if len(secret) > 0 {
		r.Header.Set("X-Hub-Signature-256", Sign(secret, d.Body))
	}
	return r, nil
}

// Post brings the delivery to a webhook and returns the status of the answer.
func (d Delivery) Post(ctx context.Context, url string, secret []byte) (status int, err error) {
	r, err := d.Request(ctx, url, secret)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("post delivery: %w", err)
	}
	return resp.StatusCode, resp.Body.Close()
}

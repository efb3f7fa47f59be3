package receiver

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
	"github.com/tidebot-dev/tidebot/gitops/frontend/frontendtest"
	"github.com/tidebot-dev/tidebot/vcs/github/webhook"
)

func TestItRefusesToStartWhenAnybodyCouldGiveCommands(t *testing.T) {
	const one = `{"endpoints": {"/github": {"provider": "github.com"}}}`
	good := map[string][]string{"/github": {secret}}
	tests := map[string]struct {
		settings string
		secrets  map[string][]string
		want     string
	}{
		"no settings":             {"", good, "read settings"},
		"settings are no object":  {"[]", good, "read settings"},
		"no endpoint":             {`{"endpoints": {}}`, good, "no endpoint in the settings"},
		"no secret at all":        {one, nil, "endpoint /github: no secret"},
		"a secret of another":     {one, map[string][]string{"/gitlab": {secret}}, "endpoint /github: no secret"},
		"an empty list":           {one, map[string][]string{"/github": {}}, "endpoint /github: no secret"},
		"an empty secret":         {one, map[string][]string{"/github": {""}}, "endpoint /github: a secret is empty"},
		"a blank second secret":   {one, map[string][]string{"/github": {secret, " \n"}}, "endpoint /github: a secret is empty"},
		"no provider":             {`{"endpoints": {"/github": {}}}`, good, "endpoint /github: no provider"},
		"an unknown type":         {`{"endpoints": {"/github": {"provider": "x", "type": "gitlab"}}}`, good, `unknown type "gitlab"`},
		"a path without a slash":  {`{"endpoints": {"github": {"provider": "x"}}}`, good, "want a path that begins with /"},
		"a size below zero":       {`{"maxBodyBytes": -1, "endpoints": {"/github": {"provider": "x"}}}`, good, "maxBodyBytes"},
		"good, but no listener":   {one, good, `no listener named "listen"`},
		"one endpoint of several": {`{"endpoints": {"/github": {"provider": "x"}, "/b": {"provider": "y"}}}`, good, "endpoint /b: no secret"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := New().Run(t.Context(), unasked(t), frontend.Env{
				Settings: json.RawMessage(tt.settings), Secrets: tt.secrets,
				Ready: func() { t.Error("it is ready") },
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
}

func TestNoSettingRaisesTheLimitForBodies(t *testing.T) {
	for size, want := range map[string]int64{"0": webhook.MaxBody, "1": 1, "1000": 1000, "26214400": webhook.MaxBody, "33554432": webhook.MaxBody} {
		log := new(lineLog)
		s, err := newServer(frontend.Env{
			Settings: json.RawMessage(`{"maxBodyBytes": ` + size + `, "endpoints": {"/github": {"provider": "x"}}}`),
			Secrets:  map[string][]string{"/github": {secret}},
		}, unasked(t), testLog(log), standard())
		if err != nil {
			t.Fatal(err)
		}
		if s.maxBody != want {
			t.Errorf("limit for maxBodyBytes %s = %d, want %d", size, s.maxBody, want)
		}
		if told := strings.Contains(log.String(), "lowered"); told != (size == "33554432") {
			t.Errorf("log for maxBodyBytes %s: %q", size, log)
		}
	}
}

func TestTheLimiterCountsWhatItHolds(t *testing.T) {
	var l limiter
	now := time.Unix(1000, 0)
	for i := range 12 {
		if ok, skipped := l.allow(now.Add(time.Duration(i) * 80 * time.Millisecond)); ok != (i < perSecond) || skipped != 0 {
			t.Errorf("event %d: passes %v, skipped %d", i, ok, skipped)
		}
	}
	if ok, skipped := l.allow(now.Add(time.Second)); !ok || skipped != 12-perSecond {
		t.Errorf("first event of the next second: passes %v, skipped %d", ok, skipped)
	}
}

func TestItServesOverTheRealProtocol(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan gitops.Request, 1)
	core := frontendtest.CoreFunc(func(_ context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		asked <- req
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{ID: req.ID()}, nil
	})
	p := frontendtest.Start(t, New(), core, frontend.Env{
		Settings:  json.RawMessage(twoEndpoints),
		Secrets:   twoSecrets(),
		Listeners: map[string]net.Listener{"listen": listener},
	})
	url := "http://" + listener.Addr().String() + "/github"
	if status, _, text := send(t, delivery(url, "issue_comment", comment("/deploy qa1"))); status != 202 {
		t.Errorf("answer = %d %s, want 202", status, text)
	}
	if id := (<-asked).ID(); id != "github.com/tidepool-org/shoreline/pull/12/comment/345" {
		t.Errorf("request = %s", id)
	}
	if code, err := p.Stop(); code != 0 || err != nil {
		t.Errorf("end: code %d, %v", code, err)
	}
}

// BenchmarkWebhookToAccepted measures from the first byte of a delivery to the
// last one of its answer, with a core that accepts at once.
func BenchmarkWebhookToAccepted(b *testing.B) {
	server := start(b, saying(gitops.Accepted, ""), nil)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	// GitHub's payloads have about 12 KiB.
	body := strings.TrimSuffix(comment("/deploy qa1"), "}") + `,"padding":"` + strings.Repeat("x", 12<<10) + `"}`
	var took []time.Duration
	for b.Loop() {
		r := delivery(server.url+"/github", "issue_comment", body)
		began := time.Now()
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		took = append(took, time.Since(began))
		if resp.StatusCode != 202 {
			b.Fatalf("answer = %s", resp.Status)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

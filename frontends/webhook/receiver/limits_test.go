package receiver

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

func TestAFloodIsAnsweredAndForgotten(t *testing.T) {
	server := start(t, saying(gitops.Unavailable, "queue is full"), nil)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	defer client.CloseIdleConnections()
	var counts [600]atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				resp, err := client.Do(delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
				if err != nil {
					t.Errorf("send: %v", err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				counts[resp.StatusCode].Add(1)
			}
		})
	}
	wg.Wait()
	if got := counts[503].Load(); got != 1000 {
		t.Errorf("%d of 1000 answered with 503", got)
	}
}

func TestThereIsRoomForSomeRequestsToTheCoreOnly(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	server := start(t, coreFunc(func(_ context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		close(began)
		<-release
		report(gitops.Progress{Phase: gitops.Accepted})
		return gitops.Result{}, nil
	}), func(l *limits) { l.asks = 1 })
	first := make(chan int, 1)
	go func() {
		status, _, _ := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
		first <- status
	}()
	<-began
	status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
	if status != 503 || text != "too many requests at a time\n" {
		t.Errorf("second answer = %d %q", status, text)
	}
	close(release)
	if status := <-first; status != 202 {
		t.Errorf("first answer = %d, want 202", status)
	}
}

func TestRefusalsOfStrangersDoNotFillTheLog(t *testing.T) {
	server := start(t, unasked(t), nil)
	for range 200 {
		r := delivery(server.url+"/github", "issue_comment", "{}")
		r.Header.Set("X-Hub-Signature-256", "none")
		r.Header.Set("X-GitHub-Delivery", "x\u202e"+strings.Repeat("y", 5000))
		if status, _, _ := send(t, r); status != 403 {
			t.Fatalf("answer = %d, want 403", status)
		}
	}
	log := server.log.String()
	if n := strings.Count(log, "status=403"); n < 1 || n >= 100 {
		t.Errorf("%d log lines for 200 refusals", n)
	}
	if len(log) > 50_000 || strings.Contains(log, "\u202e") {
		t.Errorf("the delivery's name is in the log as it came:\n%.1000s", log)
	}
}

// dial opens a connection and writes to it.
func dial(t *testing.T, server *running, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(server.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

const slowHead = "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

func TestASlowBodyIsGivenUp(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.body = 300 * time.Millisecond })
	c := dial(t, server, slowHead+"Content-Length: 1000\r\n\r\n{")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 408 {
		t.Errorf("answer = %s, want 408", resp.Status)
	}
}

func TestABodyAnnouncedTooLongIsRefusedBeforeItComes(t *testing.T) {
	server := start(t, unasked(t), nil)
	c := dial(t, server, slowHead+"Content-Length: 100001\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("answer = %s, want 413", resp.Status)
	}
}

func TestASlowHeaderIsGivenUp(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.header = 300 * time.Millisecond })
	c := dial(t, server, slowHead)
	// Whether a word is said or not, the connection ends.
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the connection did not end: %v", err)
	}
}

func TestALongHeaderIsRefused(t *testing.T) {
	server := start(t, unasked(t), nil)
	r := delivery(server.url+"/github", "ping", "{}")
	r.Header.Set("X-Long", strings.Repeat("x", 40<<10))
	if status, _, _ := send(t, r); status != 431 {
		t.Errorf("answer = %d, want 431", status)
	}
}

func TestAPromisedBodyTakesNoMemoryBeforeItComes(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.memory = 100_000; l.body = 5 * time.Second })
	for range 20 {
		dial(t, server, slowHead+"Content-Length: 100000\r\n\r\n{")
	}
	if status, _, text := send(t, delivery(server.url+"/github", "push", strings.Repeat("x", 90_000))); status != 200 {
		t.Errorf("answer = %d %s, want 200", status, text)
	}
	server.stop()
}

func TestAllBodiesTogetherHaveALimit(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.memory = firstRead })
	status, head, text := send(t, delivery(server.url+"/github", "push", strings.Repeat("x", 90_000)))
	if status != 503 || head.Get("Retry-After") == "" {
		t.Errorf("answer = %d %s, want 503", status, text)
	}
	// What was taken is given back.
	if status, _, text := send(t, delivery(server.url+"/github", "push", strings.Repeat("x", firstRead+1))); status != 200 {
		t.Errorf("answer = %d %s, want 200", status, text)
	}
}

func TestTooManyConnectionsAtOnceAreTurnedAway(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.requests = 1 })
	held := dial(t, server, slowHead+"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	// The interim answer comes when the handler reads, so it has the slot.
	if line, err := bufio.NewReader(held).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("interim answer %q, %v", line, err)
	}
	status, _, text := send(t, delivery(server.url+"/github", "ping", "{}"))
	if status != 503 || text != "too many requests at a time\n" {
		t.Errorf("answer = %d %q, want 503", status, text)
	}
	held.Close()
}

package receiver

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

func TestTheAnswerDoesNotWaitForTheDeploy(t *testing.T) {
	release, ended := make(chan struct{}), make(chan error, 1)
	server := start(t, coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		<-release
		// Progress is taken after the answer went out, too.
		for range 100 {
			report(gitops.Progress{Phase: gitops.Running, Message: "pushing"})
		}
		ended <- ctx.Err()
		return gitops.Result{}, nil
	}), nil)
	if status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1"))); status != 202 {
		t.Fatalf("answer = %d %s", status, text)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the request's context ended with the delivery: %v", err)
	}
}

func TestOnlySomeRequestsAreFollowedToTheirEnd(t *testing.T) {
	left := make(chan struct{}, 2)
	server := start(t, coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		<-ctx.Done()
		left <- struct{}{}
		return gitops.Result{}, ctx.Err()
	}), func(l *limits) { l.followed = 1 })
	for range 2 {
		if status, _, text := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1"))); status != 202 {
			t.Fatalf("answer = %d %s", status, text)
		}
	}
	<-left
	if len(left) != 0 {
		t.Error("both were left alone, want one")
	}
}

func TestTheEndWaitsForAnswersUnderWay(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	server := start(t, coreFunc(func(ctx context.Context, _ gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		close(began)
		<-release
		report(gitops.Progress{Phase: gitops.Accepted})
		<-ctx.Done() // a deploy that takes long is left to the core
		return gitops.Result{}, ctx.Err()
	}), nil)
	answer := make(chan int, 1)
	go func() {
		status, _, _ := send(t, delivery(server.url+"/github", "issue_comment", comment("/deploy qa1")))
		answer <- status
	}()
	<-began
	server.stop()
	select {
	case err := <-server.done:
		t.Fatalf("run returned %v before the answer", err)
	case <-time.After(100 * time.Millisecond):
	}
	if c, err := net.DialTimeout("tcp", strings.TrimPrefix(server.url, "http://"), time.Second); err == nil {
		c.Close()
		t.Error("a new connection is taken during the drain")
	}
	close(release)
	if status := <-answer; status != 202 {
		t.Errorf("answer = %d, want 202", status)
	}
	if err := server.end(t); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestTheEndDoesNotWaitForEver(t *testing.T) {
	server := start(t, unasked(t), func(l *limits) { l.drain = 200 * time.Millisecond })
	c := dial(t, server, slowHead+"Content-Length: 1000\r\n\r\n{")
	// A second request on another connection proves that the first is there.
	if status, _, _ := send(t, delivery(server.url+"/github", "ping", "{}")); status != 200 {
		t.Fatalf("answer = %d", status)
	}
	if err := server.end(t); err != nil {
		t.Errorf("run: %v", err)
	}
	_, _ = io.Copy(io.Discard, c)
}

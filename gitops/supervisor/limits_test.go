package supervisor

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/internal/coreserver"
)

func TestCrashLoopBacksOff(t *testing.T) {
	for _, act := range []string{"crash", "panic", "exit at once"} {
		t.Run(act, func(t *testing.T) {
			opts := options(t, act)
			opts.timing.backoff, opts.timing.maxWait = 100*time.Millisecond, 400*time.Millisecond
			s := newSupervisor(t, opts)
			began := time.Now()
			stop := background(t, s)
			eventually(t, "four restarts", func() bool { return s.Status().Restarts >= 4 })
			// 100, 200, 400 and 400 ms, each less a quarter at most.
			if took := time.Since(began); took < 825*time.Millisecond {
				t.Errorf("four restarts took %v", took)
			}
			stop()
		})
	}
}

func TestPauseBeforeARestart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		healthy time.Duration
		want    []time.Duration // in milliseconds
	}{
		{"doubles up to the most while no life is long", time.Hour, []time.Duration{20, 40, 80, 80}},
		{"stays the same if each life was long", time.Nanosecond, []time.Duration{20, 20, 20, 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pauses := make(chan time.Duration, 100)
			opts := options(t, "exit at once")
			opts.timing.backoff, opts.timing.maxWait, opts.timing.healthy = 20*time.Millisecond, 80*time.Millisecond, tt.healthy
			opts.Log = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == "restart_in" {
						pauses <- a.Value.Duration()
					}
					return a
				},
			}))
			background(t, newSupervisor(t, opts))
			for i, want := range tt.want {
				want *= time.Millisecond
				// A quarter more or less, so that several do not keep step.
				if got := <-pauses; got < want*3/4 || got > want*5/4 {
					t.Errorf("pause %d is %v, want about %v", i, got, want)
				}
			}
		})
	}
}

func TestFrontendHasAsManyRequestsAsTheLimitAtATime(t *testing.T) {
	l := tcp(t)
	var began atomic.Int64
	release := make(chan struct{})
	opts := options(t, "serve")
	opts.Listeners = map[string]net.Listener{"http": l}
	opts.Core = coreFunc(func(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error) {
		report(gitops.Progress{Phase: gitops.Accepted})
		began.Add(1)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return gitops.Result{}, nil
	})
	s := newSupervisor(t, opts)
	background(t, s)
	eventually(t, "ready", isReady(s))

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	execute := func() int {
		resp, err := client.Get("http://" + l.Addr().String() + "/execute")
		if err != nil {
			t.Errorf("ask the front-end: %v", err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	var wg sync.WaitGroup
	for range coreserver.Limit {
		wg.Go(func() {
			if status := execute(); status != http.StatusOK {
				t.Errorf("a request within the limit got status %d", status)
			}
		})
	}
	eventually(t, "the core has its hands full", func() bool { return began.Load() == coreserver.Limit })
	for range 3 {
		if status := execute(); status != http.StatusServiceUnavailable {
			t.Errorf("a request beyond the limit got status %d", status)
		}
	}
	close(release)
	wg.Wait()
	if status := execute(); status != http.StatusOK {
		t.Errorf("a request when there is room again got status %d", status)
	}
	if n := began.Load(); n != coreserver.Limit+1 {
		t.Errorf("the core was asked %d times, want %d", n, coreserver.Limit+1)
	}
}

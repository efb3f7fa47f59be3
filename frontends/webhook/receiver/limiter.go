package receiver

import (
	"sync"
	"time"
)

// perSecond is how many log lines a second strangers can cause.
const perSecond = 5

// A limiter lets through perSecond events in each second.
type limiter struct {
	mu      sync.Mutex
	began   time.Time
	events  int
	skipped int
}

// allow tells whether the event may pass, and once in each second that has
// one, how many did not pass before.
func (l *limiter) allow(now time.Time) (ok bool, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.began) >= time.Second {
		skipped = l.skipped
		l.began, l.events, l.skipped = now, 0, 0
	}
	if l.events++; l.events > perSecond {
		l.skipped++
		return false, skipped
	}
	return true, skipped
}

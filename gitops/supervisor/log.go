package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// maxLine is the size in bytes to which a line of a front-end is cut.
	maxLine = 64 << 10
	// maxLines is how many lines a second are taken from a front-end. One
	// that writes more has to wait; nothing is lost.
	maxLines = 1000
)

// A lineLog turns what a front-end writes into log records: JSON of its
// slog handler into what it was, any other line into a record with the text.
type lineLog struct {
	log *slog.Logger

	mu     sync.Mutex
	buf    []byte
	second time.Time
	count  int
}

// Write takes a part of a line, or several. It never fails.
func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := b; len(rest) > 0; {
		line, after, full := bytes.Cut(rest, []byte("\n"))
		l.buf = append(l.buf, line[:min(len(line), maxLine-len(l.buf))]...)
		if full {
			l.emit(l.buf)
			l.buf = l.buf[:0]
		}
		rest = after
	}
	return len(b), nil
}

func (l *lineLog) emit(line []byte) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		l.second, l.count = now, 0
	}
	if l.count++; l.count > maxLines {
		time.Sleep(time.Until(l.second.Add(time.Second)))
	}
	level, msg, attrs, ok := parseRecord(line)
	if !ok {
		l.log.Warn("front-end wrote a line", "line", strings.ToValidUTF8(string(line), "\uFFFD"))
		return
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// parseRecord reads a record as slog.JSONHandler writes it.
func parseRecord(line []byte) (level slog.Level, msg string, attrs []slog.Attr, ok bool) {
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return 0, "", nil, false
	}
	text, _ := fields[slog.LevelKey].(string)
	msg, ok = fields[slog.MessageKey].(string)
	if !ok || level.UnmarshalText([]byte(text)) != nil {
		return 0, "", nil, false
	}
	// The time is ours to tell, and so is whose record it is.
	for _, key := range []string{slog.TimeKey, slog.LevelKey, slog.MessageKey, "frontend"} {
		delete(fields, key)
	}
	return level, msg, attrsOf(fields), true
}

func attrsOf(fields map[string]any) []slog.Attr {
	var attrs []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[key].(type) {
		case map[string]any:
			attrs = append(attrs, slog.GroupAttrs(key, attrsOf(v)...))
		case json.Number:
			attrs = append(attrs, number(key, v))
		default:
			attrs = append(attrs, slog.Any(key, v))
		}
	}
	return attrs
}

func number(key string, n json.Number) slog.Attr {
	if i, err := n.Int64(); err == nil {
		return slog.Int64(key, i)
	}
	if f, err := n.Float64(); err == nil {
		return slog.Float64(key, f)
	}
	return slog.String(key, n.String())
}

// pluginLog is the log of go-plugin itself. Its level is Off, because at any
// other go-plugin reads the front-end's lines as well, and panics at some of
// them; what go-plugin has to say comes through the sink all the same.
func pluginLog(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(sink{log})
	return l
}

type sink struct{ log *slog.Logger }

// Accept passes a record on. To go-plugin many a normal thing is worth an
// info or a warning; it is the supervisor that says what happened.
func (s sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case hclog.Trace:
		return
	case hclog.Error:
		to = slog.LevelWarn
	}
	s.log.Log(context.Background(), to, "plugin: "+msg, args...)
}

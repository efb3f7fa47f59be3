package session

import (
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// maxText is the size in bytes to which a message or a value is cut before it
// goes to the core's log. The core reads lines of 64 KiB.
const maxText = 8 << 10

// logHandler writes records as the core reads them.
func logHandler(w io.Writer, level slog.Level) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch v := a.Value.Any().(type) {
			case string:
				a.Value = slog.StringValue(cut(v, maxText))
			case error:
				a.Value = slog.StringValue(cut(v.Error(), maxText))
			}
			return a
		},
	})
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

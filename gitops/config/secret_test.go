package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops/config"
)

func TestSecretIsReadWithoutItsLastNewline(t *testing.T) {
	tests := []struct{ name, stored, want string }{
		{"as it is", "s3cret", "s3cret"},
		{"one newline goes", "s3cret\n", "s3cret"},
		{"only one", "s3cret\n\n", "s3cret\n"},
		{"one with a carriage return", "s3cret\r\n", "s3cret"},
		{"spaces stay", " s3cret ", " s3cret "},
		{"a key of several lines", "-----BEGIN\nx\n-----END\n", "-----BEGIN\nx\n-----END"},
		{"the longest", strings.Repeat("x", 64<<10) + "\n", strings.Repeat("x", 64<<10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.stored), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TIDEBOT_TEST_SECRET", tt.stored)
			for _, s := range []config.Secret{{Env: "TIDEBOT_TEST_SECRET"}, {File: path}} {
				if got, err := s.Read(); err != nil || got != tt.want {
					t.Errorf("%s: got %d bytes and %v, want %d bytes", s, len(got), err, len(tt.want))
				}
			}
		})
	}
}

func TestSecretThatCannotBeReadSaysWhereNotWhat(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("hunter2", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TIDEBOT_TEST_EMPTY", "")
	t.Setenv("TIDEBOT_TEST_LONG", strings.Repeat("hunter2", 10_000))
	tests := []struct {
		name   string
		secret config.Secret
		want   string
	}{
		{"a variable that is not set", config.Secret{Env: "TIDEBOT_TEST_UNSET"}, "read secret from environment variable TIDEBOT_TEST_UNSET: it is not set"},
		{"an empty variable", config.Secret{Env: "TIDEBOT_TEST_EMPTY"}, "read secret from environment variable TIDEBOT_TEST_EMPTY: it is empty"},
		{"a long variable", config.Secret{Env: "TIDEBOT_TEST_LONG"}, "read secret from environment variable TIDEBOT_TEST_LONG: longer than 65536 bytes"},
		{"no such file", config.Secret{File: filepath.Join(dir, "none")}, "read secret from file " + filepath.Join(dir, "none") + ": no such file or directory"},
		{"a directory", config.Secret{File: dir}, "read secret from file " + dir + ": read " + dir + ": is a directory"},
		{"an empty file", config.Secret{File: empty}, "read secret from file " + empty + ": it is empty"},
		{"a long file", config.Secret{File: long}, "read secret from file " + long + ": longer than 65536 bytes"},
		{"no place at all", config.Secret{}, "read secret from nowhere: no env or file was named"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.secret.Read()
			if err == nil || err.Error() != tt.want || got != "" {
				t.Errorf("got %q and %v, want error %q", got, err, tt.want)
			}
		})
	}
	if _, err := (config.Secret{File: filepath.Join(dir, "none")}).Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want it to wrap fs.ErrNotExist", err)
	}
}

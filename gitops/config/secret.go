package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret is how long a secret may be, in bytes; the largest keys are far
// shorter.
const maxSecret = 64 << 10

// A Secret says where a secret is read from: an environment variable or a
// file. The zero Secret is none.
type Secret struct {
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
}

// Read returns the secret without one newline at its end. It is an error if
// there is none, or it is longer than 64 KiB. Errors name the variable or the
// file, never what was in it.
func (s Secret) Read() (string, error) {
	value, err := s.read()
	if err != nil {
		return "", fmt.Errorf("read secret from %s: %w", s, err)
	}
	value = strings.TrimSuffix(value, "\n")
	value = strings.TrimSuffix(value, "\r")
	switch {
	case value == "":
		return "", fmt.Errorf("read secret from %s: it is empty", s)
	case len(value) > maxSecret:
		return "", fmt.Errorf("read secret from %s: longer than %d bytes", s, maxSecret)
	}
	return value, nil
}

func (s Secret) read() (string, error) {
	if s.Env != "" {
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", errors.New("it is not set")
		}
		return value, nil
	}
	if s.File == "" {
		return "", errors.New("no env or file was named")
	}
	f, err := os.Open(s.File)
	if err != nil {
		// The path is said already.
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	// Room for one newline, and one byte more that shows it is too long.
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+3))
	return string(data), err
}

// String names the variable or the file.
func (s Secret) String() string {
	switch {
	case s.Env != "":
		return "environment variable " + s.Env
	case s.File != "":
		return "file " + s.File
	}
	return "nowhere"
}

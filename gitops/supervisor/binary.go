package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// checkBinary returns the real path of a program that nobody else can
// replace, and whose content is the pinned one.
//
// The check and the start are two steps. Between them the file could be
// changed only by those who may write to it or its directory, which is what
// the check is about.
func checkBinary(path, sum string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("find program: %w", err)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err == nil {
		err = checkWritable(dir)
	}
	if err != nil {
		return "", fmt.Errorf("check the directory of program %s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open program: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil && info.Mode()&0o111 == 0 {
		err = errors.New("not executable")
	}
	if err == nil {
		err = checkWritable(info)
	}
	if err != nil {
		return "", fmt.Errorf("check program %s: %w", path, err)
	}
	if sum == "" {
		return path, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read program: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, sum) {
		return "", fmt.Errorf("check program %s: its SHA-256 is %s, not the configured one", path, got)
	}
	return path, nil
}

// checkWritable refuses what others than root and we can change.
func checkWritable(info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("writable by group or others (mode %v)", info.Mode())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("belongs to user %d, who can change it", st.Uid)
	}
	return nil
}
